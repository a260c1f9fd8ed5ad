"""Why an instance is where it is: each row of the design's table, with and without what only some tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from durakit.dashboard.facts import (
    ChildFact,
    Facts,
    Hints,
    Offering,
    QueueFacts,
    Suspended,
    TaskState,
    TurnState,
)
from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.phrases import plain
from durakit.dashboard.reasons import Reason, explain
from durakit.dashboard.steps import digest
from durakit.wire.messages import orchestration_pb2 as pb

from .histories import SECOND, START_NS, Script

NOW = START_NS + 207 * SECOND  # 13:50:36
WORKER = Offering("build-7:4121", {"purchase_order": frozenset({"1.3.2"})}, {"charge_card": frozenset()})


def reason(script: Script | None = None, facts: Facts | None = None, now_ns: int = NOW, **row: Any) -> Reason:
    """Return why an instance with this history is where it is."""
    values: dict[str, Any] = {"id": "po-1042", "name": "purchase_order", "status": "running"}
    values |= {"created_ns": START_NS, "updated_ns": START_NS, **row}
    told = None if script is None else digest(script.events)
    return explain(InstanceRow(**values), told, facts or Facts(), now_ns)


def texts(found: Reason) -> tuple[str, str, str]:
    """Return sentence, short form and second line."""
    return plain(found.sentence), plain(found.short), plain(found.detail)


def waiting_script() -> Script:
    """It asked for an approval at 13:47:12 and set a timer of 15 minutes."""
    script = Script()
    call = script.call("request_approval")
    script.end_turn().at(3).turn().completed(call)
    script.timer(3 + 890)
    return script.end_turn()


def tasks(**states: TaskState) -> Mapping[int, TaskState]:
    return {int(number[1:]): state for number, state in states.items()}


# --- it has ended, or rests (rows 1 to 5)


def test_a_failure_names_the_error_and_the_activity() -> None:
    script = Script()
    call = script.call("charge_card")
    script.end_turn().at(60).turn().failed(call, "billing.CardDeclined", "insufficient funds")
    script.ended(pb.ORCHESTRATION_STATUS_FAILED, "durakit.task.TaskFailedError", "Activity task #1 failed")
    script.end_turn()

    found = reason(
        script, status="failed", completed_ns=START_NS + 60 * SECOND, error="TaskFailedError: task #1 failed"
    )

    assert texts(found) == (
        "Failed: CardDeclined: insufficient funds",
        "CardDeclined: insufficient funds",
        "in activity charge_card, at 13:48:09.",
    )
    assert found.acts == (("rewind", ""), ("restart", ""))
    assert not found.attention


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ('"wrong file"', "Terminated 2 min 27 s ago: wrong file"),
        (None, "Terminated 2 min 27 s ago; no reason was given."),
    ],
)
def test_a_termination_tells_when_and_why(output: str | None, sentence: str) -> None:
    found = reason(status="terminated", completed_ns=START_NS + 60 * SECOND, output=output)

    assert plain(found.sentence) == sentence


def test_a_completion_tells_how_long_it_took_and_what_came_of_it() -> None:
    found = reason(status="completed", completed_ns=START_NS + 482 * SECOND, output='"approved by dana"')

    assert texts(found) == ("Completed in 8 min 2 s.", "approved by dana", "approved by dana")


def test_a_suspension_tells_the_operators_reason_and_what_is_kept() -> None:
    facts = Facts(QueueFacts(kept=2), suspended=Suspended(NOW - 360 * SECOND, "stock-take until 15:00"))

    found = reason(Script().end_turn(), facts, status="suspended")

    assert texts(found) == (
        "Suspended 6 min ago: stock-take until 15:00",
        "Suspended 6 min ago: stock-take until 15:00",
        "2 events are kept until it resumes.",
    )
    assert found.waiting is None


def test_a_start_in_the_future_is_told_with_the_time_left() -> None:
    found = reason(status="pending", scheduled_ns=NOW + 4 * 3600 * SECOND)

    assert texts(found)[:2] == ("Starts at 17:50:36, in 4 h.", "Starts at 17:50:36")


# --- workers (rows 6 to 11)


@pytest.mark.parametrize(("waited", "attention"), [(9, False), (40, True)])
def test_no_worker_at_all_needs_somebody_after_ten_seconds(waited: int, attention: bool) -> None:
    facts = Facts(QueueFacts(turn=TurnState("unserved", NOW - waited * SECOND)))

    found = reason(None, facts, status="pending")

    assert plain(found.sentence) == "No worker is connected."
    assert (found.waiting, found.attention) == ("worker", attention)


def test_an_orchestration_that_nobody_offers_is_told_with_the_versions_there_are() -> None:
    facts = Facts(QueueFacts((WORKER,), TurnState("unserved", NOW - 40 * SECOND)))

    found = reason(None, facts, status="pending", version="1.4.0")

    assert texts(found) == (
        "No connected worker offers orchestration purchase_order (version 1.4.0).",
        "No connected worker offers orchestration purchase_order (version 1.4.0)",
        "Waits for 40 s. Connected: build-7:4121 offers 1 orchestration, among them purchase_order 1.3.2.",
    )


def test_an_activity_that_nobody_offers_leads_over_all_that_goes_on() -> None:
    script = Script()
    script.call("print_label")
    script.timer(900)
    script.end_turn()
    lost = TaskState("print_label", "unserved", NOW - 540 * SECOND)
    facts = Facts(QueueFacts((WORKER,), None, tasks(t1=lost)))

    found = reason(script, facts)

    assert texts(found) == (
        "No connected worker offers activity print_label.",
        "No connected worker offers activity print_label",
        "Waits for 9 min. Connected: build-7:4121 offers 1 activity.",
    )
    assert found.attention
    assert found.on == ("print_label",)


def test_a_turn_that_is_never_answered_names_its_last_worker() -> None:
    facts = Facts(QueueFacts((WORKER,), TurnState("running", NOW, "build-7:4121", 5)))

    found = reason(Script().end_turn(), facts)

    assert texts(found)[0] == "Its turn was delivered 5 times and never answered."
    assert texts(found)[2] == "Last to build-7:4121."
    assert found.attention


@pytest.mark.parametrize(("ran", "attention"), [(30, False), (90, True)])
def test_an_orchestrator_that_runs_long_needs_somebody_after_a_minute(ran: int, attention: bool) -> None:
    facts = Facts(QueueFacts((WORKER,), TurnState("running", NOW - ran * SECOND, "build-7:4121")))

    found = reason(Script().end_turn(), facts)

    assert plain(found.short).startswith("build-7:4121 runs its orchestrator since 13:")
    assert found.attention == attention


def test_a_turn_that_waits_for_a_slot_says_how_many_are_ahead() -> None:
    facts = Facts(QueueFacts((WORKER,), TurnState("queued", NOW, ahead=12)))

    assert plain(reason(Script().end_turn(), facts).sentence) == (
        "Ready; waits for a free worker slot, 12 are ahead."
    )


# --- what is open (rows 12 to 14)


@pytest.mark.parametrize(
    ("hints", "which", "attention"),
    [(None, "Retry 1 of ", False), (Hints(attempts={1: 2}), "Retry 1 of 1 of ", True)],
)
def test_a_retry_tells_when_and_after_what(hints: Hints | None, which: str, attention: bool) -> None:
    script = Script()
    call = script.call("charge_card")
    script.end_turn().at(200).turn().failed(call, "builtins.ConnectionError", "refused\nby the bank")
    script.timer(210)
    script.end_turn()

    found = reason(script, Facts(hints=hints))

    assert texts(found) == (
        f"{which}charge_card in 3 s, after ConnectionError.",
        f"{which}charge_card at 13:50:39, after ConnectionError",
        "ConnectionError: refused",
    )
    assert found.attention == attention


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (None, "Activity ship was scheduled 3 min 27 s ago and has not finished."),
        (TaskState("ship", "queued"), "Activity ship is queued for 3 min 27 s."),
        (
            TaskState("ship", "running", NOW - 4 * SECOND, "build-7:4121"),
            "Running activity ship for 4.00 s on build-7:4121.",
        ),
    ],
    ids=["remote", "queued", "running"],
)
def test_one_open_activity_is_told_as_far_as_it_is_known(state: TaskState | None, sentence: str) -> None:
    script = Script()
    script.call("ship")
    script.end_turn()
    facts = Facts() if state is None else Facts(QueueFacts((WORKER,), None, tasks(t1=state)))

    assert plain(reason(script, facts).sentence) == sentence


def test_many_activities_are_counted() -> None:
    script = Script()
    calls = [script.call("hash_file", str(number)) for number in range(50)]
    script.end_turn().at(10).turn()
    for call in calls[:40]:
        script.completed(call)
    script.end_turn()
    states = {call: TaskState("hash_file", "queued" if call > 43 else "running") for call in calls[40:]}

    found = reason(script, Facts(QueueFacts((WORKER,), None, states)))

    assert texts(found) == (
        "10 of 50 hash_file are left. 3 run now, 7 are queued.",
        "hash_file: 40 of 50 done, 3 run",
        "The oldest, hash_file, for 3 min 27 s.",
    )


# --- what history alone does not tell (rows 15, 16, 19 to 22)


def test_an_event_with_a_timer_is_told_with_both_and_can_be_raised() -> None:
    found = reason(waiting_script(), Facts(hints=Hints(("approval",), frozenset({2}))))

    assert texts(found) == (
        "Waiting for event approval until 14:02:02, in 11 min 26 s.",
        "Waiting for event approval until 14:02:02",
        "Since 13:47:12, after activity request_approval completed.",
    )
    assert (found.waiting, found.on, found.acts) == ("event", ("approval",), (("raise", "approval"),))
    assert found.also == ()


def test_several_events_are_joined_by_or() -> None:
    found = reason(waiting_script(), Facts(hints=Hints(("approval", "cancel"))))

    assert plain(found.sentence) == "Waiting for event approval or cancel."


def test_a_timer_alone_is_told_weaker_when_the_worker_says_nothing() -> None:
    silent = reason(waiting_script(), Facts(raised_before=("approval",)))
    told = reason(waiting_script(), Facts(hints=Hints((), frozenset({2}))))

    assert texts(silent) == (
        "A timer is due at 14:02:02. It may also wait for an event; its worker does not tell.",
        "A timer is due at 14:02:02",
        "Raised in earlier runs: approval.",
    )
    assert plain(told.sentence) == "Waiting for a timer, due 14:02:02, in 11 min 26 s."


def test_a_timer_that_was_given_up_is_not_waited_for() -> None:
    found = reason(waiting_script(), Facts(hints=Hints(("pickup",), frozenset())))

    assert plain(found.sentence) == "Waiting for event pickup."
    assert found.also == ()


@pytest.mark.parametrize(("hours", "attention"), [(1, False), (25, True)])
def test_nothing_open_is_an_event_of_unknown_name(hours: int, attention: bool) -> None:
    found = reason(Script().end_turn(), Facts(), now_ns=START_NS + hours * 3600 * SECOND)

    assert plain(found.sentence) == "Waiting for an event; its worker does not tell which."
    assert found.attention == attention


def test_a_wait_for_nothing_needs_somebody() -> None:
    found = reason(Script().end_turn(), Facts(hints=Hints(is_waiting=False)))

    assert texts(found)[0] == "Waits for nothing that can arrive."
    assert found.attention


# --- children, entities (rows 17, 18)


def test_children_are_counted_and_the_stuck_and_the_failed_named() -> None:
    script = Script()
    first, _ = script.child("charge_order", "batch:1"), script.child("ship_order", "batch:2")
    script.end_turn().at(5).turn().child_failed(first).end_turn()
    children = (
        ChildFact("batch:1", "charge_order", "failed", "CardDeclined: no"),
        ChildFact(
            "batch:2",
            "ship_order",
            "running",
            attention="no connected worker offers activity print_label",
        ),
    )

    found = reason(script, Facts(children=children))

    assert texts(found) == (
        "Waiting for 1 of 2 children. One of them cannot go on: no connected worker offers activity "
        "print_label.",
        "1 of 2 children failed, waiting for 1",
        "charge_order batch:1 failed: CardDeclined: no.",
    )
    assert found.attention
    assert found.acts == (("open", "batch:2"),)


def test_locks_and_entity_calls_name_the_entity() -> None:
    locking, calling = Script(), Script()
    lock = locking._add(1).entityLockRequested
    lock.criticalSectionId, lock.position = "c", 0
    lock.lockSet.append("@account@42")
    call = calling._add(1).entityOperationCalled
    call.requestId, call.operation = "r", "withdraw"
    call.targetInstanceId.value = "@account@42"

    assert plain(reason(locking).sentence) == "Waiting for the lock on @account@42."
    assert plain(reason(calling).sentence) == "Waiting for @account@42.withdraw."


def test_several_reasons_stand_in_order_the_first_three_of_them() -> None:
    script = Script()
    script.call("ship")
    script.child("bill", "bill-1")
    script.timer(900)
    script.end_turn()

    found = reason(script)

    assert found.waiting == "activity"
    assert [plain(also) for also in found.also] == [
        "Waiting for child bill bill-1",
        "A timer is due at 14:02:09",
    ]
