"""People at the desk: one order for each way it can go, and one that is left for you."""

import argparse
import json
import sys
import time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

DAY = 86400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where client.py serves")
    desk = Visitor(parser.parse_args().url.rstrip("/"))
    try:
        small = desk.order("2 keyboards", 99.9)
        chairs = desk.answer_on_page(desk.order("40 chairs", 12400), "approve", "we grow")
        pens = desk.answer_by_program(desk.order("Golden pens", 2500), approved=False)
        printer = desk.let_time_pass(desk.order("A printer", 1800, remind=1, cancel=3))
        left = desk.leave_one("An espresso machine", 3990)
    except HTTPError as error:
        sys.exit(f"demo.py: the desk answered {error.code}: {error.read().decode()[:300]}")
    except URLError as error:
        sys.exit(f"demo.py: nothing to talk to at {desk.url}: {error.reason}")
    outcomes = ", ".join(
        f"{one['status']} by {one['decision']['by']}" for one in (small, chairs, pens, printer)
    )
    print(f"{outcomes}; one waits for you: {desk.url}/orders/{left['id']}")


class Visitor:
    """Does over HTTP what people do, and says so."""

    def __init__(self, url: str) -> None:
        self.url = url

    def order(self, what: str, cost: float, *, remind: float = DAY, cancel: float = 2 * DAY) -> Any:
        short = f", to be reminded of after {remind} s and cancelled after {cancel} s" if remind < DAY else ""
        print(f"Bob orders {what} for {cost:,.2f} EUR{short}")
        body = {"what": what, "cost": cost, "buyer": "Bob"}
        times = {"remind_after_seconds": remind, "cancel_after_seconds": cancel}
        return self.tell(self.call("/api/orders", {**body, **times}))

    def answer_on_page(self, order: Any, verdict: str, comment: str) -> Any:
        print(f"  Ann opens its page, writes {comment!r} and presses {verdict.capitalize()}")
        page = f"{self.url}/orders/{order['id']}"
        form = urlencode({"answer": verdict, "approver": "Ann", "comment": comment})
        with urlopen(page, timeout=30) as seen, urlopen(page, form.encode(), timeout=30):
            assert verdict.capitalize() in seen.read().decode()
        return self.tell(self.call(f"/api/orders/{order['id']}"))

    def answer_by_program(self, order: Any, *, approved: bool) -> Any:
        answer = {"approved": approved, "approver": "Carla"}
        print(f"  a program answers {json.dumps(answer)}")
        return self.tell(self.call(f"/api/orders/{order['id']}/approval", answer))

    def let_time_pass(self, order: Any) -> Any:
        reminded = False
        while not order["has_ended"]:
            time.sleep(0.2)
            order = self.call(f"/api/orders/{order['id']}")
            if order["waiting"] and order["waiting"]["reminders"] and not reminded:
                reminded = True
                print("  nobody answers: a reminder is sent", flush=True)
        return self.tell(order)

    def leave_one(self, what: str, cost: float) -> Any:
        """Leave an order that waits for a month, unless an earlier demo did."""
        for order in self.call("/api/orders"):
            if order["waiting"] and order["order"]["what"] == what:
                print(f"{what} has been ordered before")
                return self.tell(order)
        return self.order(what, cost, cancel=30 * DAY)

    def call(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(
            Request(self.url + path, data, {"Content-Type": "application/json"}), timeout=30
        ) as answer:
            return json.load(answer)

    def tell(self, order: Any) -> Any:
        """Print where the order stands."""
        reason = order["waiting"]["why"] if order["waiting"] else ""
        if decision := order["decision"]:
            reason = f"{decision['by']} ({decision['comment']})" if decision["comment"] else decision["by"]
        print(f"  {order['status']}: {reason}", flush=True)
        return order


if __name__ == "__main__":
    main()
