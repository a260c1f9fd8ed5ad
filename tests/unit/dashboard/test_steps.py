"""Histories as steps: calls with their attempts, timers, events, children."""

from __future__ import annotations

import pytest
from durakit.dashboard.steps import Digest, digest
from durakit.wire.messages import orchestration_pb2 as pb

from .histories import SECOND, START_NS, Script


def test_a_call_and_its_result_are_one_step_and_point_at_each_other() -> None:
    script = Script()
    call = script.call("validate", '{"a": 1}')
    script.end_turn().at(2).turn().completed(call, "true").end_turn()

    told = digest(script.events)

    (step,) = told.steps
    assert (step.kind, step.name, step.status, step.input) == (
        "activity",
        "validate",
        "completed",
        '{"a": 1}',
    )
    assert (step.number, step.last.end_number, step.last.result) == (3, 6, "true")
    assert told.pairs == {3: 6, 6: 3}
    assert step.ended_ns == START_NS + 2 * SECOND


@pytest.mark.parametrize("same_task_id", [False, True], ids=["new task id", "same task id"])
def test_attempts_of_one_call_are_one_step(same_task_id: bool) -> None:
    script = Script()
    call = script.call("charge", "1")
    script.end_turn().at(1).turn().failed(call)
    timer = script.timer(3)
    script.end_turn().at(3).turn().fired(timer)
    again = script.call("charge", "1", task_id=call if same_task_id else None)
    script.end_turn().at(4).turn().completed(again).end_turn()

    told = digest(script.events)

    charge, timer_step = told.steps
    assert [attempt.status for attempt in charge.attempts] == ["failed", "completed"]
    assert charge.status == "completed"
    assert timer_step.is_retry_timer


def test_a_call_whose_retry_timer_runs_is_open() -> None:
    script = Script()
    call = script.call("charge", "1")
    script.end_turn().at(1).turn().failed(call)
    script.timer(3)
    script.end_turn()

    told = digest(script.events)

    assert [step.name for step in told.open] == ["charge"]
    assert told.open[0].is_retrying
    assert told.open[0].last.retry_due_ns == START_NS + 3 * SECOND


def test_a_timer_after_a_failure_that_leads_to_another_call_was_no_retry() -> None:
    script = Script()
    call = script.call("charge", "1")
    script.end_turn().at(1).turn().failed(call)
    timer = script.timer(3)
    script.end_turn().at(3).turn().fired(timer)
    script.call("refund", "1")
    script.end_turn()

    charge, timer_step, refund = digest(script.events).steps

    assert charge.status == "failed"
    assert not timer_step.is_retry_timer
    assert refund.status == "open"


def test_calls_of_one_name_with_different_inputs_are_retried_apart() -> None:
    script = Script()
    first, second = script.call("hash", '"a"'), script.call("hash", '"b"')
    script.end_turn().at(1).turn().failed(first).failed(second)
    timers = [script.timer(2), script.timer(2)]
    script.end_turn().at(2).turn().fired(timers[0]).fired(timers[1])
    script.call("hash", '"b"')
    script.call("hash", '"a"')
    script.end_turn()

    told = digest(script.events)

    assert [len(step.attempts) for step in told.steps if step.kind == "activity"] == [2, 2]


def test_what_was_open_at_the_end_is_cancelled() -> None:
    script = Script()
    script.timer(900)
    script.end_turn().at(5).turn().raised("approval").ended(pb.ORCHESTRATION_STATUS_COMPLETED).end_turn()

    timer, event = digest(script.events).steps

    assert timer.status == "cancelled"
    assert (event.kind, event.name, event.status) == ("event", "approval", "completed")


def test_turns_count_what_they_were_given_and_reach_to_their_last_event() -> None:
    script = Script()
    script.timer(900)
    script.end_turn().at(5).turn().raised("approval").raised("approval").end_turn()

    told = digest(script.events)

    assert [(turn.number, turn.first, turn.last, turn.new_events) for turn in told.turns] == [
        (1, 1, 4, 1),
        (2, 5, 8, 2),
    ]
    assert told.raised == {"approval": 2}


def test_reading_turn_by_turn_gives_the_same_as_reading_at_once() -> None:
    script = Script()
    call = script.call("charge", "1")
    script.end_turn().at(1).turn().failed(call)
    timer = script.timer(3)
    script.end_turn().at(3).turn().fired(timer)
    script.call("charge", "1")
    script.end_turn()

    bit_by_bit = Digest()
    for event in script.events:
        bit_by_bit.add([event])

    assert bit_by_bit == digest(script.events)


def test_a_large_input_is_kept_as_a_preview_with_its_size() -> None:
    script = Script()
    script.call("hash", '"' + "é" * 1000 + '"')

    (step,) = digest(script.events).steps

    assert step.input is not None
    assert len(step.input) == 200
    assert step.input_bytes == 2002
