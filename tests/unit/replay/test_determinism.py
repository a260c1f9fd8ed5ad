from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.wire.messages import orchestration_pb2 as pb

from .histories import (
    FAILED,
    child_created,
    completion,
    event_sent,
    execution_started,
    kinds,
    registry_of,
    replay,
    task_completed,
    task_scheduled,
    timer_created,
    turn_completed,
    turn_started,
)

ADVICE = (
    "An orchestrator must make the same calls in the same order each time it is replayed: leave random "
    "values, clocks, environment and I/O to activities and the context. If the code was changed while "
    "instances were running, give the new code a version or a name of its own."
)


def activity(ctx: task.OrchestrationContext) -> Any:
    yield ctx.call_activity("charge")


def timer(ctx: task.OrchestrationContext) -> Any:
    yield ctx.create_timer(timedelta(seconds=1))


def child(ctx: task.OrchestrationContext) -> Any:
    yield ctx.call_sub_orchestrator("ship")


def message(ctx: task.OrchestrationContext) -> Any:
    ctx.send_event("target", "Go")
    yield ctx.wait_for_external_event("never")


def nothing(ctx: task.OrchestrationContext) -> Any:
    yield ctx.wait_for_external_event("never")


def done(ctx: task.OrchestrationContext) -> str:
    return "done"


def turn_after(
    orchestrator: Callable[..., Any], *committed: pb.HistoryEvent, new: Sequence[pb.HistoryEvent] = ()
) -> Any:
    past = [turn_started(), execution_started(orchestrator.__name__), *committed, turn_completed()]
    return replay(registry_of(orchestrator), past, [turn_started(), *new])


@pytest.mark.parametrize(
    ("code", "event", "history", "now"),
    [
        (activity, task_scheduled(1, "refund"), "call_activity('refund')", "call_activity('charge')"),
        (activity, task_scheduled(1, "Charge"), "call_activity('Charge')", "call_activity('charge')"),
        (activity, timer_created(1, 1), "create_timer()", "call_activity('charge')"),
        (activity, child_created(1, "ship"), "call_sub_orchestrator('ship')", "call_activity('charge')"),
        (activity, event_sent(1, "t", "go"), "send_event('t', 'go')", "call_activity('charge')"),
        (timer, task_scheduled(1, "charge"), "call_activity('charge')", "create_timer()"),
        (child, child_created(1, "pack"), "call_sub_orchestrator('pack')", "call_sub_orchestrator('ship')"),
        (message, event_sent(1, "other", "go"), "send_event('other', 'go')", "send_event('target', 'Go')"),
        (message, event_sent(1, "target", "no"), "send_event('target', 'no')", "send_event('target', 'Go')"),
    ],
)
def test_a_different_call_with_the_same_id_fails_and_names_both(
    code: Callable[..., Any], event: pb.HistoryEvent, history: str, now: str
) -> None:
    turn = turn_after(code, event)

    details = completion(turn).failureDetails
    assert details.errorType == "durakit.task.NonDeterminismError"
    assert details.errorMessage == (
        f"Orchestrator '{code.__name__}' of instance 'i1' is not deterministic: its history has {history} "
        f"with id 1, but the code now makes {now} with that id. {ADVICE}"
    )
    assert len(turn.actions) == 1


@pytest.mark.parametrize(
    ("code", "event"),
    [
        (activity, task_scheduled(1, "charge")),
        (timer, timer_created(1, 99)),
        (child, child_created(1, "ship", "whatever id")),
        (message, event_sent(1, "target", "gO")),
    ],
)
def test_the_same_call_is_confirmed(code: Callable[..., Any], event: pb.HistoryEvent) -> None:
    assert kinds(turn_after(code, event)) == []


def test_a_call_the_code_does_not_make_fails() -> None:
    details = completion(turn_after(nothing, task_scheduled(4, "charge"))).failureDetails

    assert details.errorMessage == (
        "Orchestrator 'nothing' of instance 'i1' is not deterministic: its history has "
        f"call_activity('charge') with id 4, but the code makes no call of that id at this point. {ADVICE}"
    )


def test_a_function_that_now_returns_too_early_fails() -> None:
    end = completion(turn_after(done, task_scheduled(1, "charge")))

    assert end.orchestrationStatus == FAILED
    assert "but the code returned without any call of that id." in end.failureDetails.errorMessage


def test_a_function_that_now_returns_earlier_without_contradiction_completes() -> None:
    end = completion(turn_after(done, new=[task_completed(1)]))

    assert end.result.value == '"done"'


def test_after_a_disagreement_nothing_of_the_turn_runs_or_is_sent() -> None:
    ran = []

    def changed(ctx: task.OrchestrationContext) -> Any:
        ctx.call_activity("also new")
        ran.append((yield ctx.call_activity("new")))

    turn = turn_after(changed, task_scheduled(2, "old"), new=[task_completed(2)])

    assert kinds(turn) == ["completeOrchestration#3"]
    assert ran == []


def test_a_disagreement_is_found_in_new_events_too() -> None:
    turn = turn_after(activity, new=[task_scheduled(1, "refund")])

    assert completion(turn).failureDetails.errorType == "durakit.task.NonDeterminismError"


def test_a_live_execution_takes_late_confirmations_of_what_it_sent() -> None:
    """Schedulers that send only what is new leave them out; one that does not is no contradiction."""
    from durakit.replay import Execution

    from .histories import options

    execution = Execution("i1", registry_of(activity), options())
    execution.advance([turn_started(), execution_started("activity")])

    turn = execution.advance([task_scheduled(1, "charge"), turn_started(), task_completed(1)])

    assert kinds(turn) == ["completeOrchestration#2"]
