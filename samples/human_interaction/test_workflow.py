"""Purchase orders on a task hub inside this process; a day passes at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from email import message_from_string
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from durakit.client import OrchestrationState
from durakit.testing import InProcessTaskHub

import client
from office import Letter, put_into_outbox
from workflow import (
    ACTIVITIES,
    Approval,
    Decision,
    PurchaseOrder,
    Rules,
    Waiting,
    order_problem,
    purchase_order_workflow,
    read_approval,
)

HOUR = timedelta(hours=1)
NEXT_DAY = datetime(2026, 1, 2, tzinfo=timezone.utc)
YES = {"approved": True, "approver": "Ann", "comment": "fine"}


class Office:
    """A hub that knows purchase orders, and what they leave behind."""

    def __init__(self, hub: InProcessTaskHub, output: Path) -> None:
        self.hub = hub
        self.output = output

    def place(self, cost: str, **changes: Any) -> str:
        order = PurchaseOrder("40 chairs", Decimal(cost), "Bob", str(self.output))
        self.hub.client.schedule_new_orchestration(
            purchase_order_workflow, input=replace(order, **changes), instance_id="po-1"
        )
        self.hub.run_until_idle()
        return "po-1"

    def answer(self, order_id: str, data: Any) -> None:
        self.hub.client.raise_orchestration_event(order_id, "approval", data=data)
        self.hub.run_until_idle()

    def state(self, order_id: str) -> OrchestrationState:
        state = self.hub.client.get_orchestration_state(order_id)
        assert state is not None
        return state

    def waiting(self, order_id: str) -> Waiting | None:
        return self.state(order_id).get_custom_status(Waiting)

    def decision(self, order_id: str) -> Decision:
        decision = self.state(order_id).get_output(Decision)
        assert decision is not None
        return decision

    @property
    def letters(self) -> list[str]:
        """Subjects of the letters in the outbox, in the order in which they were due."""
        paths = sorted((self.output / "outbox").glob("*.eml"))
        return [str(message_from_string(path.read_text(), policy=default)["Subject"]) for path in paths]

    @property
    def book(self) -> list[tuple[str, ...]]:
        """What was ordered."""
        if not (self.output / "orders.db").exists():
            return []
        with closing(sqlite3.connect(self.output / "orders.db")) as book:
            return book.execute("SELECT id, what, cost, buyer, approver FROM orders").fetchall()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with InProcessTaskHub(orchestrators=[purchase_order_workflow], activities=ACTIVITIES) as hub:
        yield Office(hub, tmp_path)


def test_below_the_limit_nobody_is_asked(office: Office) -> None:
    order_id = office.place("999.99")

    decision = office.decision(order_id)
    assert (decision.outcome, decision.by) == ("approved", "the rules")
    assert office.letters == ["Your order of 40 chairs was approved"]
    assert office.book == [("po-1", "40 chairs", "999.99", "Bob", "the rules")]


def test_from_the_limit_on_it_waits_and_says_why(office: Office) -> None:
    order_id = office.place("1000")

    assert office.waiting(order_id) == Waiting(
        why="40 chairs for 1,000.00 EUR is not below the limit of 1,000.00 EUR",
        until=NEXT_DAY,
        answer_with='event approval: {"approved": true, "approver": "your name"}',
    )
    assert office.letters == ["Please approve 40 chairs for 1,000.00 EUR"]
    assert office.book == []


def test_an_approved_order_is_placed_with_its_approver(office: Office) -> None:
    order_id = office.place("1000")
    office.answer(order_id, YES)

    decision = office.decision(order_id)
    assert (decision.outcome, decision.by, decision.comment) == ("approved", "Ann", "fine")
    assert office.book == [("po-1", "40 chairs", "1000", "Bob", "Ann")]
    assert office.letters[-1] == "Your order of 40 chairs was approved"
    assert office.waiting(order_id) is None


def test_a_rejected_order_is_not_placed(office: Office) -> None:
    order_id = office.place("1000")
    office.answer(order_id, {"approved": False, "approver": "Ann", "comment": "we have chairs"})

    assert office.decision(order_id).outcome == "rejected"
    assert office.book == []
    assert office.letters[-1] == "Your order of 40 chairs was rejected"


def test_after_a_while_a_reminder_is_sent_once(office: Office) -> None:
    order_id = office.place("1000")
    office.hub.advance(7.99 * HOUR)
    before = list(office.letters)
    office.hub.advance(10 * HOUR)

    assert len(before) == 1
    assert office.letters[1:] == ["Reminder: Please approve 40 chairs for 1,000.00 EUR"]
    waiting = office.waiting(order_id)
    assert waiting is not None
    assert waiting.reminders == 1


def test_an_answer_after_the_reminder_still_counts(office: Office) -> None:
    order_id = office.place("1000")
    office.hub.advance(23 * HOUR)
    office.answer(order_id, YES)

    assert office.decision(order_id).outcome == "approved"


def test_without_an_answer_it_is_cancelled_at_the_deadline(office: Office) -> None:
    order_id = office.place("1000")
    office.hub.advance(24 * HOUR)

    decision = office.decision(order_id)
    assert (decision.outcome, decision.by) == ("cancelled", "the deadline")
    assert decision.decided_at == NEXT_DAY
    assert office.book == []
    assert office.letters[-1] == "Your order of 40 chairs was cancelled"


def test_an_answer_after_the_deadline_changes_nothing(office: Office) -> None:
    order_id = office.place("1000")
    office.hub.advance(24 * HOUR)
    office.answer(order_id, YES)

    assert office.decision(order_id).outcome == "cancelled"
    assert office.book == []


def test_no_timer_outlives_the_answer(office: Office) -> None:
    order_id = office.place("1000")
    office.answer(order_id, YES)
    ended_at = office.state(order_id).last_updated_at
    office.hub.advance(48 * HOUR)

    assert office.state(order_id).last_updated_at == ended_at
    assert not any(subject.startswith("Reminder") for subject in office.letters)


def test_a_reminder_that_is_due_after_the_deadline_is_never_sent(office: Office) -> None:
    order_id = office.place("1000", rules=Rules(remind_after_seconds=10, cancel_after_seconds=10))
    office.hub.advance(HOUR)

    assert office.decision(order_id).outcome == "cancelled"
    assert not any(subject.startswith("Reminder") for subject in office.letters)


def test_of_two_answers_the_first_counts(office: Office) -> None:
    order_id = office.place("1000")
    office.hub.client.raise_orchestration_event(order_id, "approval", data=YES)
    office.hub.client.raise_orchestration_event(
        order_id, "approval", data={"approved": False, "approver": "Eve"}
    )
    office.hub.run_until_idle()

    assert (office.decision(order_id).outcome, office.decision(order_id).by) == ("approved", "Ann")


def test_an_answer_that_cannot_be_read_is_noted_and_the_order_goes_on_waiting(office: Office) -> None:
    order_id = office.place("1000")
    office.answer(order_id, "yes")

    waiting = office.waiting(order_id)
    assert waiting is not None
    assert waiting.note == "an answer must be an object with approved and approver; this was 'yes'"
    office.answer(order_id, YES)
    assert office.decision(order_id).outcome == "approved"


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (YES, Approval(True, "Ann", "fine")),
        ({"approved": False, "approver": " Ann "}, Approval(False, "Ann", "")),
        (None, "an answer must be an object with approved and approver; this was 'None'"),
        ({"approver": "Ann"}, "approved must be true or false; this was 'None'"),
        ({"approved": "no", "approver": "Ann"}, "approved must be true or false; this was 'no'"),
        ({"approved": True}, "approver must say who answers"),
        ({"approved": True, "approver": " "}, "approver must say who answers"),
    ],
)
def test_what_counts_as_an_answer(data: Any, read: Approval | str) -> None:
    assert read_approval(data) == read


def test_a_book_that_is_away_for_a_moment_does_not_lose_the_order(office: Office) -> None:
    office.hub.faults.fail("place_order", call=[1, 2], error=sqlite3.OperationalError("database is locked"))
    order_id = office.place("5")
    office.hub.advance(HOUR)

    assert office.decision(order_id).outcome == "approved"
    assert len(office.book) == 1


def test_a_worker_that_dies_after_placing_an_order_places_it_once(office: Office) -> None:
    office.hub.faults.crash_worker(after="place_order")
    order_id = office.place("5")
    office.hub.advance(HOUR)

    assert office.decision(order_id).outcome == "approved"
    assert len(office.hub.calls_of("place_order")) == 2
    assert len(office.book) == 1


def test_an_outbox_that_stays_away_fails_the_order_with_the_reason(office: Office, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    order_id = office.place("1000", output=str(tmp_path / "file"))
    office.hub.advance(HOUR)

    failure = office.state(order_id).failure_details
    assert failure is not None
    assert "file" in failure.message


@pytest.mark.parametrize("cost", ["0", "-1", "NaN", "Infinity", "0.001", "10000000.01"])
def test_an_amount_that_is_none_is_refused(office: Office, cost: str) -> None:
    order_id = office.place(cost)

    failure = office.state(order_id).failure_details
    assert failure is not None
    assert failure.message == (
        "The cost must be an amount from 0.01 to 10,000,000.00, such as 1250 or 99.95."
    )


def test_an_order_of_nothing_or_for_nobody_is_refused() -> None:
    order = PurchaseOrder("chairs", Decimal(1), "Bob", "output")

    assert order_problem(order) is None
    assert order_problem(replace(order, what=" ")) == "Say what to buy, in at most 200 characters."
    assert order_problem(replace(order, buyer="x" * 101)) == "Say who buys it, in at most 100 characters."


def test_a_step_done_twice_leaves_one_letter(tmp_path: Path) -> None:
    letter = Letter(str(tmp_path), "po/1", "1-request", "Bob B.", "two\nlines: yes", "text")

    paths = {put_into_outbox(letter), put_into_outbox(letter)}

    assert paths == {str(tmp_path / "outbox" / "po_1-1-request.eml")}
    mail = message_from_string(Path(paths.pop()).read_text(), policy=default)
    assert (mail["Subject"], mail["To"]) == ("two lines: yes", "bob.b@example.com")


def test_times_and_amounts_of_the_command_line() -> None:
    assert [client.seconds(text) for text in ("30s", "15m", "8h", "2d")] == [30, 900, 28800, 172800]
    assert client.amount("99.95") == Decimal("99.95")
