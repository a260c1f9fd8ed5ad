"""The saga on a virtual clock, against a real bank in a file; crashed at every step."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from durakit.client import OrchestrationStatus
from durakit.task import ActivityContext
from durakit.testing import InProcessTaskHub, every_crash

import bank as bank_module
from bank import Bank, BankMissing, BookingRefused, NotEnoughMoney, Offer, SoldOut, money
from workflow import (
    ACTIVITIES,
    COMPENSATION,
    Order,
    Outcome,
    Trip,
    travel_book_flight,
    travel_book_hotel,
    travel_booking,
    travel_cancel_hotel,
)

OFFERS = {
    "FLIGHT": Offer("Airline", 100_00, 2),
    "HOTEL": Offer("Hotel", 200_00, 2),
    "CAR": Offer("Rental", 50_00, 2),
    "NO-CAR": Offer("Rental", 50_00, 0),
    "PALACE": Offer("Hotel", 10_000_00, 1),
}
OPENING = {"Ada": 1000_00, "Airline": 0, "Hotel": 0, "Rental": 0, "opening": -1000_00}
AFTER_TRIP = {"Ada": 650_00, "Airline": 100_00, "Hotel": 200_00, "Rental": 50_00, "opening": -1000_00}


def new_bank(folder: Path) -> Bank:
    return Bank.found(str(folder / "bank.db"), {"Ada": 1000_00}, OFFERS)


def trip(folder: Path, hotel: str = "HOTEL", car: str = "CAR") -> Trip:
    return Trip(str(folder / "bank.db"), "Ada", "FLIGHT", hotel, car)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bank wait neither for locks nor for the disk; a worker's crash is no power cut."""
    monkeypatch.setattr(bank_module, "LOCK_TIMEOUT_SECONDS", 0.0)
    monkeypatch.setattr(bank_module, "SYNCHRONOUS", "OFF")


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    return new_bank(tmp_path)


@pytest.fixture
def hub() -> Iterator[InProcessTaskHub]:
    with InProcessTaskHub(orchestrators=[travel_booking], activities=ACTIVITIES) as hub:
        yield hub


def book(hub: InProcessTaskHub, wanted: Trip) -> Outcome:
    outcome = hub.run(travel_booking, input=wanted).get_output(Outcome)
    assert outcome is not None
    return outcome


def calls(hub: InProcessTaskHub) -> list[str]:
    return [call.name.removeprefix("travel_") for call in hub.calls]


def test_a_trip_that_can_be_had_is_booked_and_paid(hub: InProcessTaskHub, bank: Bank, tmp_path: Path) -> None:
    outcome = book(hub, trip(tmp_path))

    assert outcome == Outcome(
        booked=True,
        paid=350_00,
        journal=[
            "booked FLIGHT for 100.00 EUR",
            "booked HOTEL for 200.00 EUR",
            "booked CAR for 50.00 EUR",
        ],
    )
    assert (bank.balances(), bank.audit()) == (AFTER_TRIP, [])


def test_a_refused_step_takes_back_the_others_last_one_first(
    hub: InProcessTaskHub, bank: Bank, tmp_path: Path
) -> None:
    outcome = book(hub, trip(tmp_path, car="NO-CAR"))

    assert outcome == Outcome(
        reason="NO-CAR is sold out",
        journal=[
            "booked FLIGHT for 100.00 EUR",
            "booked HOTEL for 200.00 EUR",
            "stopped: NO-CAR is sold out",
            "NO-CAR was not paid",
            "cancelled HOTEL, 200.00 EUR back",
            "cancelled FLIGHT, 100.00 EUR back",
        ],
    )
    assert (bank.balances(), bank.audit()) == (OPENING, [])


@pytest.mark.parametrize(
    ("wanted", "reason", "expected"),
    [
        (
            Trip("", "Ada", "NOWHERE", "HOTEL", "CAR"),
            "NOWHERE is not on sale",
            ["book_flight", "cancel_flight"],
        ),
        (
            Trip("", "Ada", "FLIGHT", "PALACE", "CAR"),
            "PALACE costs 10,000.00 EUR, Ada has 900.00 EUR",
            ["book_flight", "book_hotel", "cancel_hotel", "cancel_flight"],
        ),
        (
            Trip("", "Bob", "FLIGHT", "HOTEL", "CAR"),
            "Bob has no account",
            ["book_flight", "cancel_flight"],
        ),
    ],
)
def test_a_refusal_is_not_asked_for_twice(
    hub: InProcessTaskHub, bank: Bank, tmp_path: Path, wanted: Trip, reason: str, expected: list[str]
) -> None:
    outcome = book(hub, Trip(str(tmp_path / "bank.db"), *list(vars(wanted).values())[1:]))

    assert (outcome.booked, outcome.paid, outcome.reason) == (False, 0, reason)
    assert calls(hub) == expected
    assert (bank.balances(), bank.audit()) == (OPENING, [])


def test_a_bank_that_is_busy_for_a_while_is_asked_again(
    hub: InProcessTaskHub, bank: Bank, tmp_path: Path
) -> None:
    began = hub.now
    locked = sqlite3.connect(tmp_path / "bank.db", isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")

    def unlocked_at_the_third_attempt(ctx: ActivityContext, order: Order) -> int:
        if len(hub.calls_of(travel_book_flight)) == 2:
            locked.execute("ROLLBACK")
        return travel_book_flight(ctx, order)

    hub.replace_activity(travel_book_flight, unlocked_at_the_third_attempt)
    outcome = book(hub, trip(tmp_path))
    locked.close()

    assert outcome.booked
    assert [str(call.error) for call in hub.calls_of(travel_book_flight)] == ["database is locked"] * 2 + [
        "None"
    ]
    assert hub.now - began == timedelta(seconds=1 + 2)
    assert (bank.balances(), bank.audit()) == (AFTER_TRIP, [])


def test_a_step_that_paid_and_whose_every_answer_was_lost_is_taken_back(
    hub: InProcessTaskHub, bank: Bank, tmp_path: Path
) -> None:
    def pays_and_fails(ctx: ActivityContext, order: Order) -> int:
        travel_book_hotel(ctx, order)
        raise ConnectionError("connection reset by peer")

    hub.replace_activity(travel_book_hotel, pays_and_fails)
    outcome = book(hub, trip(tmp_path))

    assert outcome.reason == "connection reset by peer"
    assert outcome.journal[-2:] == ["cancelled HOTEL, 200.00 EUR back", "cancelled FLIGHT, 100.00 EUR back"]
    assert len(hub.calls_of(travel_book_hotel)) == 5
    assert bank.transfers().count(f"{hub.calls[0].instance_id}:hotel") == 1
    assert (bank.balances(), bank.audit()) == (OPENING, [])


def test_a_compensation_is_tried_for_hours(hub: InProcessTaskHub, bank: Bank, tmp_path: Path) -> None:
    began = hub.now
    hub.faults.fail(travel_cancel_hotel, call=range(1, 21), error=ConnectionError("no route to host"))

    assert not book(hub, trip(tmp_path, car="NO-CAR")).booked

    assert hub.now - began > timedelta(hours=1)
    assert (bank.balances(), bank.audit()) == (OPENING, [])


def test_a_compensation_that_fails_for_good_leaves_the_others_done_and_can_be_rewound(
    hub: InProcessTaskHub, bank: Bank, tmp_path: Path
) -> None:
    attempts = COMPENSATION.max_number_of_attempts
    hub.faults.fail(
        travel_cancel_hotel, call=range(1, attempts + 1), error=ConnectionError("out of business")
    )
    instance_id = hub.client.schedule_new_orchestration(travel_booking, input=trip(tmp_path, car="NO-CAR"))

    stuck = hub.client.wait_for_orchestration_completion(instance_id)
    assert stuck is not None
    assert stuck.failure_details is not None
    assert stuck.failure_details.message == (
        f"not taken back: HOTEL under {instance_id}:hotel (out of business); "
        "mend the cause and rewind this orchestration"
    )
    assert bank.balances() == {**OPENING, "Ada": 800_00, "Hotel": 200_00}

    hub.client.rewind_orchestration(instance_id)
    ended = hub.client.wait_for_orchestration_completion(instance_id)

    assert ended is not None
    assert ended.runtime_status is OrchestrationStatus.COMPLETED
    assert (bank.balances(), bank.audit()) == (OPENING, [])


def test_without_a_bank_the_saga_says_where_it_looked(hub: InProcessTaskHub, tmp_path: Path) -> None:
    state = hub.run(travel_booking, input=trip(tmp_path))

    assert state.failure_details is not None
    assert f"there is no bank at {tmp_path / 'bank.db'} on this machine" in state.failure_details.message


@pytest.mark.parametrize(("car", "expected"), [("CAR", AFTER_TRIP), ("NO-CAR", OPENING)])
def test_the_books_balance_wherever_the_worker_crashes(
    tmp_path: Path, car: str, expected: dict[str, int]
) -> None:
    for crash in every_crash(orchestrators=[travel_booking], activities=ACTIVITIES):
        folder = tmp_path / f"{crash.number}-{crash.moment}"
        folder.mkdir()
        bank = new_bank(folder)
        with crash as hub:
            assert book(hub, trip(folder, car=car)).booked is (car == "CAR")

        assert (bank.balances(), bank.audit()) == (expected, [])


@pytest.mark.parametrize("activity", ACTIVITIES)
def test_every_step_may_be_delivered_twice(
    hub: InProcessTaskHub, bank: Bank, tmp_path: Path, activity: object
) -> None:
    assert callable(activity)
    hub.faults.deliver_twice(activity)

    taken_back = book(hub, trip(tmp_path, car="NO-CAR"))
    booked = book(hub, trip(tmp_path))

    assert (taken_back.booked, booked.booked) == (False, True)
    assert (bank.balances(), bank.audit()) == (AFTER_TRIP, [])


def test_an_attempt_that_arrives_after_its_cancellation_books_nothing(bank: Bank) -> None:
    assert bank.cancel("trip:flight", "FLIGHT", "Ada") == 0

    with pytest.raises(BookingRefused, match="FLIGHT was cancelled before it was booked"):
        bank.book("trip:flight", "FLIGHT", "Ada")

    assert (bank.balances(), bank.audit()) == (OPENING, [])


def test_the_last_one_can_be_had_by_one_only(bank: Bank) -> None:
    assert [bank.book(f"{number}", "CAR", "Ada") for number in (1, 2)] == [50_00, 50_00]

    with pytest.raises(SoldOut, match="CAR is sold out"):
        bank.book("3", "CAR", "Ada")
    bank.cancel("1", "CAR", "Ada")

    assert bank.book("4", "CAR", "Ada") == 50_00


def test_nobody_can_spend_what_they_have_not_got(bank: Bank) -> None:
    with pytest.raises(NotEnoughMoney, match=r"PALACE costs 10,000.00 EUR, Ada has 1,000.00 EUR"):
        bank.book("key", "PALACE", "Ada")


def test_an_operation_that_breaks_off_leaves_nothing_behind(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks_off(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bank_module, "_transfer", breaks_off)
    with pytest.raises(KeyboardInterrupt):
        bank.book("key", "CAR", "Ada")

    assert (bank.balances(), bank.transfers(), bank.audit()) == (OPENING, ["opening:Ada"], [])


@pytest.mark.parametrize(
    ("fraud", "problem"),
    [
        (
            "UPDATE account SET cents = cents + 1 WHERE name = 'Ada'",
            "Ada has 100001, not 100000",
        ),
        (
            "UPDATE account SET cents = cents + 1 WHERE name = 'Ada'",
            "the accounts together have 1 cents instead of 0",
        ),
        ("UPDATE offer SET sold = 1 WHERE code = 'CAR'", "CAR: 1 sold, 0 booked"),
    ],
)
def test_the_audit_finds_what_does_not_add_up(bank: Bank, tmp_path: Path, fraud: str, problem: str) -> None:
    with sqlite3.connect(tmp_path / "bank.db") as db:
        db.execute(fraud)
    db.close()

    assert problem in bank.audit()


def test_a_bank_is_not_made_by_asking_for_it(tmp_path: Path) -> None:
    with pytest.raises(BankMissing):
        Bank(str(tmp_path / "none.db")).balances()

    assert list(tmp_path.iterdir()) == []


def test_amounts_read_as_people_write_them() -> None:
    assert [money(cents) for cents in (5, 100, 1_234_567)] == ["0.05 EUR", "1.00 EUR", "12,345.67 EUR"]
