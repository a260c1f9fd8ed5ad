"""The shop on a task hub inside this process: no scheduler, no worker process, no waiting."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from durakit.client import OrchestrationStatus
from durakit.task import ActivityContext
from durakit.testing import InProcessTaskHub, every_crash

from orders import Item, Order, OrdersError, parse_orders
from shop import Refused, Shop
from workflow import (
    ACTIVITIES,
    Batch,
    BatchResult,
    Chance,
    Job,
    Outcome,
    Progress,
    fulfil_order,
    fulfil_orders,
)

GOOD = Order("1", "Ada", "ada@example.org", "DE", "card-big", [Item("MUG-1", 2)])
ORCHESTRATORS: list[Callable[..., Any]] = [fulfil_orders, fulfil_order]
NO_CHANCE = Chance()
STEPS = ["inventory", "payment", "shipping", "notification"]
BAD = {
    "inventory": replace(GOOD, items=[Item("MUG-1", 1), Item("DESK-1", 5)]),
    "payment": replace(GOOD, card="card-ada", items=[Item("LAMP-1", 13)]),
    "shipping": replace(GOOD, country="AQ"),
    "notification": replace(GOOD, email=""),
}
REASONS = {
    "inventory": "5 × Standing desk wanted, 4 left",
    "payment": "518.70 is over what card-ada may spend, 500.00",
    "shipping": "the carrier does not serve AQ",
    "notification": "no e-mail address; the parcel is on its way all the same",
}


class Orders:
    """Runs batches; `stand_ins` take the places of activities of their names."""

    def __init__(self, folder: Path, sessions: int = 100, **stand_ins: Callable[..., Any]) -> None:
        self._folder = folder
        self.hub = InProcessTaskHub(orchestrators=ORCHESTRATORS, activities=ACTIVITIES, sessions=sessions)
        for name, stand_in in stand_ins.items():
            self.hub.replace_activity(name, stand_in)

    def fulfil(self, *orders: Order, chance: Chance = NO_CHANCE) -> BatchResult:
        """Run a batch, by default the sample's, and return its result."""
        batch = Batch(str(self._folder), list(orders) or None, chance)
        state = self.hub.run(fulfil_orders, input=batch)
        state.raise_if_failed()
        result = state.get_output(BatchResult)
        assert result is not None
        return result

    def books(self, query: str) -> list[tuple[Any, ...]]:
        return books_in(self._folder, query)


def books_in(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What the shop of the only batch in the folder has on record."""
    (path,) = folder.glob("shop-*.db")
    books = sqlite3.connect(path)
    try:
        return books.execute(query).fetchall()
    finally:
        books.close()


@pytest.fixture(autouse=True)
def _fear_no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shop, "synchronous", "off")


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Orders]:
    orders = Orders(tmp_path)
    yield orders
    orders.hub.close()


def test_an_order_goes_from_the_shelf_to_the_customer(orders: Orders) -> None:
    result = orders.fulfil(GOOD)

    assert result == BatchResult(completed=[Outcome("1", Decimal("17.00"), "DE-1")], failed=[])
    assert orders.books("select sku, quantity from reservations") == [("MUG-1", 2)]
    assert orders.books("select card, amount from charges") == [("card-big", "17.00")]
    assert orders.books("select address from mails") == [("ada@example.org",)]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_fails_the_order_with_its_reason(orders: Orders, step: str) -> None:
    (outcome,) = orders.fulfil(BAD[step]).failed

    assert (outcome.failed_step, outcome.reason) == (step, REASONS[step])


@pytest.mark.parametrize("step", ["inventory", "payment", "shipping"])
def test_an_order_that_is_not_shipped_costs_neither_stock_nor_money(orders: Orders, step: str) -> None:
    orders.fulfil(BAD[step])

    assert orders.books("select * from reservations") == []
    assert orders.books("select * from charges") == []


def test_an_order_that_is_shipped_is_paid_for_although_nobody_was_told(orders: Orders) -> None:
    (outcome,) = orders.fulfil(BAD["notification"]).failed

    assert outcome.tracking == "DE-1"
    assert orders.books("select count(*) from charges") == [(1,)]


def test_the_batch_tells_what_completed_and_what_failed_and_why(orders: Orders) -> None:
    result = orders.fulfil()

    assert [outcome.order for outcome in result.completed] == ["1001", "1007", "1008"]
    assert [(outcome.order, outcome.failed_step) for outcome in result.failed] == [
        ("1002", "inventory"),
        ("1003", "payment"),
        ("1004", "shipping"),
        ("1005", "notification"),
        ("1006", "inventory"),
    ]


def test_the_custom_status_counts(orders: Orders) -> None:
    orders.fulfil()

    (parent,) = [
        state for state in orders.hub.client.get_all_orchestration_states() if not state.parent_instance_id
    ]
    state = orders.hub.client.get_orchestration_state(parent.instance_id)
    assert state is not None
    assert state.get_custom_status(Progress) == Progress(orders=8, completed=3, failed=5)


@pytest.mark.parametrize("step", STEPS)
def test_every_step_can_fail_by_chance(orders: Orders, step: str) -> None:
    seed = next(
        seed
        for seed in range(1000)
        if [name for name in STEPS if Chance(0.3, seed).strikes(GOOD, name)][:1] == [step]
    )

    (outcome,) = orders.fulfil(GOOD, chance=Chance(0.3, seed)).failed

    assert (outcome.failed_step, outcome.reason) == (step, f"bad luck (chance 0.3, seed {seed})")


def test_the_same_seed_brings_the_same_luck(tmp_path: Path) -> None:
    first, second, other = [
        Orders(tmp_path / str(run)).fulfil(chance=Chance(0.3, seed)) for run, seed in enumerate([1, 1, 2])
    ]

    assert first == second
    assert first != other


def test_chance_is_none_or_all_at_its_ends() -> None:
    many = [(replace(GOOD, id=str(number)), step) for number in range(50) for step in STEPS]

    assert not any(Chance(0.0, 7).strikes(order, step) for order, step in many)
    assert all(Chance(1.0, 7).strikes(order, step) for order, step in many)


def test_books_that_are_locked_for_a_moment_fail_nobody(tmp_path: Path) -> None:
    attempts: list[str] = []

    def charge(_: ActivityContext, charge: Any) -> None:
        attempts.append("payment")
        if len(attempts) < 3:
            raise sqlite3.OperationalError("database is locked")

    result = Orders(tmp_path, fulfil_charge_card=charge).fulfil(GOOD)

    assert (len(attempts), len(result.completed)) == (3, 1)


def test_a_step_that_was_done_and_then_failed_is_undone_too(tmp_path: Path) -> None:
    def ship(_: ActivityContext, job: Job) -> None:
        Shop(job.shop).ship(job.order)
        raise OSError("the carrier's answer was lost")

    orders = Orders(tmp_path, fulfil_ship=ship)

    (outcome,) = orders.fulfil(GOOD).failed

    assert (outcome.failed_step, outcome.reason) == ("shipping", "the carrier's answer was lost")
    for table in ("reservations", "charges", "parcels"):
        assert orders.books(f"select * from {table}") == []


def test_a_child_that_breaks_is_a_failed_order_and_the_others_go_on(tmp_path: Path) -> None:
    def cancel(_: ActivityContext, job: Job) -> None:
        raise OSError("No space left on device")

    result = Orders(tmp_path, fulfil_cancel=cancel).fulfil(replace(GOOD, id="2", country="AQ"), GOOD)

    assert [outcome.order for outcome in result.completed] == ["1"]
    (broken,) = result.failed
    assert (broken.order, broken.failed_step) == ("2", "order")
    assert broken.reason is not None
    assert "No space left on device" in broken.reason


def test_orders_that_cannot_be_read_fail_the_batch_with_the_reason(tmp_path: Path) -> None:
    def get_orders(_: ActivityContext, batch: Batch) -> None:
        raise OrdersError("there are two orders 1001")

    orders = Orders(tmp_path, fulfil_get_orders=get_orders)
    state = orders.hub.run(fulfil_orders, input=Batch(str(tmp_path)))

    assert state.runtime_status is OrchestrationStatus.FAILED
    assert state.failure_details is not None
    assert state.failure_details.message == "there are two orders 1001"


@pytest.mark.parametrize(
    "order", [GOOD, BAD["payment"], BAD["shipping"]], ids=["good", "payment", "shipping"]
)
def test_wherever_a_worker_crashes_the_books_balance(tmp_path: Path, order: Order) -> None:
    for crash in every_crash(orchestrators=ORCHESTRATORS, activities=ACTIVITIES):
        folder = tmp_path / f"{crash.number}-{crash.moment}"
        with crash as hub:
            hub.run(fulfil_orders, input=Batch(str(folder), [order])).raise_if_failed()
            expected = [("1",)] if order is GOOD else []
            for table in ("reservations", "charges", "parcels", "mails"):
                assert books_in(folder, f"select order_id from {table}") == expected


def test_the_shop_does_once_what_it_is_told_twice(tmp_path: Path) -> None:
    shop = Shop.open_new(tmp_path / "shop-1.db")
    all_desks = replace(GOOD, items=[Item("DESK-1", 4)])
    for _ in range(2):
        assert shop.reserve(all_desks) == Decimal("1796.00")
        shop.charge(all_desks, Decimal("1796.00"))
        assert shop.ship(all_desks) == "DE-1"
        shop.notify(all_desks, "DE-1")

    books = sqlite3.connect(tmp_path / "shop-1.db")
    counts = [
        books.execute(f"select count(*) from {table}").fetchone()[0]
        for table in ("reservations", "charges", "parcels", "mails")
    ]
    books.close()
    assert counts == [1, 1, 1, 1]


def test_the_last_piece_is_sold_once(tmp_path: Path) -> None:
    shop = Shop.open_new(tmp_path / "shop-1.db")
    shop.reserve(replace(GOOD, items=[Item("DESK-1", 3), Item("DESK-1", 1)]))

    with pytest.raises(Refused, match="1 × Standing desk wanted, 0 left"):
        shop.reserve(replace(GOOD, id="2", items=[Item("DESK-1", 1)]))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": "a/b"}, "order 1: id is not 1 to 40 letters, digits and hyphens"),
        ({"email": None}, "order 1: email is not a text"),
        ({"items": []}, "order 1: items is not a list with at least one item"),
        ({"items": [{"sku": "A", "quantity": 0}]}, "order 1, items: quantity is not a whole number from 1"),
        ({"items": [{"sku": "A", "quantity": True}]}, "order 1, items: quantity is not a whole number"),
        ({"items": [{"sku": 1, "quantity": 1}]}, "order 1, items: sku is not a text"),
        ({"items": [{"sku": "A"}]}, "order 1, items: expected an object with quantity, sku"),
        ({"more": 1}, "order 1: expected an object with card, country, customer, email, id, items"),
    ],
)
def test_what_is_not_an_order_is_named(change: dict[str, Any], problem: str) -> None:
    good = {
        "id": "1", "customer": "Ada", "email": "", "country": "DE", "card": "c",
        "items": [{"sku": "A", "quantity": 1}],
    }  # fmt: skip
    assert parse_orders([good])
    with pytest.raises(OrdersError) as raised:
        parse_orders([{**good, **change}])
    assert str(raised.value).startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "expected a list of orders"),
        ("[]", "expected a list of orders"),
        ("[1]", "order 1: expected an object with"),
        (json.dumps([{}] * 1001), "1001 orders; a batch has at most 1000"),
    ],
)
def test_what_is_not_a_list_of_orders_is_refused(text: str, problem: str) -> None:
    with pytest.raises(OrdersError, match=problem):
        parse_orders(json.loads(text))


def test_two_orders_of_one_id_are_refused() -> None:
    sample = json.loads(Path(__file__).with_name("data").joinpath("orders.json").read_text("utf-8"))

    with pytest.raises(OrdersError, match="there are two orders 1001"):
        parse_orders([*sample, sample[0]])


def test_the_log_says_everything_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sub_orchestrations"):
        Orders(tmp_path, sessions=0).fulfil(GOOD, replace(GOOD, id="2"))  # every turn is a replay

    assert caplog.messages == ["order 1: DE-1", "order 2: DE-2"]
