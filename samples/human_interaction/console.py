"""The desk on the terminal: choose an order that waits, answer it, or place a new one."""

from __future__ import annotations

from desk import Desk, Filed, NotWaiting, OrderRefused
from workflow import Approval, money

HELP = "[number] answer an order   [n] new order   [enter] look again   [q] quit"


def talk(desk: Desk) -> None:
    """Ask until the person has had enough, or the terminal is closed."""
    try:
        while True:
            waiting = [order for order in desk.orders() if order.waiting]
            list_waiting(waiting)
            choice = input(f"{HELP}\n> ").strip().lower()
            if choice == "q":
                return
            try:
                if choice == "n":
                    place(desk)
                elif choice.isdecimal() and 0 < int(choice) <= len(waiting):
                    answer(desk, waiting[int(choice) - 1])
                elif choice:
                    print(f"{choice} is none of these.")
            except (OrderRefused, NotWaiting) as refused:
                print(refused)
    except EOFError:
        print()


def list_waiting(waiting: list[Filed]) -> None:
    print(f"\n{len(waiting) or 'No'} order{'' if len(waiting) == 1 else 's'} waiting for an answer")
    for number, filed in enumerate(waiting, 1):
        print(
            f"  {number}  {filed.order.what} for {money(filed.order.cost)}, {filed.order.buyer} ({filed.id})"
        )


def place(desk: Desk) -> None:
    order = desk.place(input("What to buy: "), input("Cost in EUR: "), input("Who buys it: "))
    print(f"Started order {order.id}; worker.py does the work", flush=True)


def answer(desk: Desk, order: Filed) -> None:
    assert order.waiting is not None, "only orders that wait are listed"
    print(f"{order.waiting.why}; it is cancelled at {order.waiting.until:%Y-%m-%d %H:%M:%S} UTC.")
    verdict = input("Approve it? [y/n, anything else: not now] ").strip().lower()
    if verdict not in ("y", "n"):
        return
    decided = desk.decide(order.id, Approval(verdict == "y", input("Your name: "), input("Comment: ")))
    by = f" by {decided.decision.by}" if decided.decision else ""
    print(f"Order {decided.id} is {decided.status}{by}.")
