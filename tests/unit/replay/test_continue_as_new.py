from __future__ import annotations

from typing import Any

from durakit import task

from .histories import (
    CONTINUED_AS_NEW,
    FAILED,
    TERMINATED,
    Run,
    completion,
    event_raised,
    kinds,
    suspended,
    task_completed,
    terminated,
)


def eternal(ctx: task.OrchestrationContext, n: int) -> Any:
    yield ctx.call_activity("work")
    ctx.continue_as_new(n + 1)


def saving(ctx: task.OrchestrationContext, n: int) -> Any:
    yield ctx.wait_for_external_event("go")
    ctx.continue_as_new(n, save_events=True)


def carried(turn: Any) -> list[tuple[str, str]]:
    events = completion(turn).carryoverEvents
    return [(e.eventRaised.name, e.eventRaised.input.value) for e in events]


def test_the_new_input_is_the_result_of_the_completion() -> None:
    run = Run(eternal, "1")
    run.start()

    end = completion(run.turn(task_completed(1)))

    assert (end.orchestrationStatus, end.result.value) == (CONTINUED_AS_NEW, "2")
    assert not end.HasField("newVersion")
    assert len(end.carryoverEvents) == 0
    assert run.live.is_finished


def test_a_new_input_of_none_is_absent_and_a_new_version_is_set() -> None:
    async def restart(ctx: task.OrchestrationContext) -> None:
        ctx.continue_as_new(None, new_version="2.0")

    end = completion(Run(restart).start())

    assert not end.HasField("result")
    assert end.newVersion.value == "2.0"


def test_what_the_function_returns_afterwards_does_not_matter() -> None:
    async def restart(ctx: task.OrchestrationContext) -> str:
        ctx.continue_as_new(1)
        ctx.continue_as_new(2)
        return "ignored"

    assert completion(Run(restart).start()).result.value == "2"


def test_it_takes_effect_when_the_orchestrator_next_waits() -> None:
    async def restart(ctx: task.OrchestrationContext) -> None:
        ctx.continue_as_new(1)
        await ctx.call_activity("work")
        raise AssertionError("must not run")

    turn = Run(restart).start()

    assert kinds(turn) == ["scheduleTask#1", "completeOrchestration#2"]
    assert completion(turn).orchestrationStatus == CONTINUED_AS_NEW


def test_an_exception_afterwards_is_a_failure() -> None:
    async def restart(ctx: task.OrchestrationContext) -> None:
        ctx.continue_as_new(1)
        raise ValueError("boom")

    assert completion(Run(restart).start()).orchestrationStatus == FAILED


def test_actions_of_the_same_turn_are_sent() -> None:
    """Trap 7."""

    async def restart(ctx: task.OrchestrationContext) -> None:
        ctx.send_event("other", "bye")
        ctx.continue_as_new(1)

    assert kinds(Run(restart).start()) == ["sendEvent#1", "completeOrchestration#2"]


def test_saved_events_keep_order_and_spelling_and_consumed_ones_are_gone() -> None:
    """Traps 8 and 10."""
    run = Run(saving, "1")
    run.start(event_raised("Carry", '"first"'), event_raised("other"))

    turn = run.turn(event_raised("carry", '"second"'), event_raised("go", "1"), event_raised("Go", '"third"'))

    assert carried(turn) == [("Carry", '"first"'), ("other", ""), ("carry", '"second"'), ("Go", '"third"')]
    assert not completion(turn).carryoverEvents[1].eventRaised.HasField("input")
    assert {e.eventId for e in completion(turn).carryoverEvents} == {-1}


def test_without_save_events_nothing_is_carried_over() -> None:
    run = Run(eternal, "1")
    run.start(event_raised("lost"))

    assert carried(run.turn(task_completed(1))) == []


def test_events_behind_a_suspension_in_the_last_turn_are_carried_over() -> None:
    run = Run(saving, "1")
    run.start()

    turn = run.turn(event_raised("go"), suspended(), event_raised("late", "1"))

    assert carried(turn) == [("late", "1")]


def test_termination_in_the_same_turn_wins() -> None:
    """Trap 11."""
    run = Run(eternal, "1")
    run.start()

    end = completion(run.turn(task_completed(1), terminated('"stop"')))

    assert (end.orchestrationStatus, end.result.value) == (TERMINATED, '"stop"')


def test_an_input_that_cannot_be_serialised_raises_at_the_call() -> None:
    async def restart(ctx: task.OrchestrationContext) -> None:
        ctx.continue_as_new({"x": object()})

    end = completion(Run(restart).start())

    assert end.orchestrationStatus == FAILED
    assert "$.x" in end.failureDetails.errorMessage


def test_a_status_set_before_is_that_of_the_turn() -> None:
    """Trap 12: the next execution begins without one."""

    async def restart(ctx: task.OrchestrationContext) -> None:
        ctx.set_custom_status("again")
        ctx.continue_as_new(1)

    assert Run(restart).start().custom_status == '"again"'
