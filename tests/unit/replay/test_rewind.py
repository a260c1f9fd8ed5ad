from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.replay import Execution
from durakit.wire.messages import orchestration_pb2 as pb

from .histories import (
    FAILED,
    Run,
    child_created,
    child_failed,
    completion,
    execution_completed,
    execution_started,
    kinds,
    options,
    registry_of,
    replay,
    rewound,
    task_completed,
    task_failed,
    task_scheduled,
    timer_fired,
    turn_completed,
    turn_started,
)


def must_not_run(ctx: task.OrchestrationContext) -> Any:
    raise AssertionError("user code ran during a rewind")


def failed_history(*, parent: str | None = None) -> list[pb.HistoryEvent]:
    return [
        turn_started(),
        execution_started("must_not_run", parent=parent),
        task_scheduled(1, "good"),
        task_scheduled(2, "bad"),
        child_created(3, "child"),
        turn_completed(),
        turn_started(),
        task_completed(1),
        task_failed(2),
        child_failed(3),
        turn_completed(),
        execution_completed(FAILED),
    ]


def rewind(past: list[pb.HistoryEvent], request: pb.HistoryEvent) -> list[pb.HistoryEvent]:
    turn = replay(registry_of(must_not_run), past, [turn_started(9), request])
    assert [action.id for action in turn.actions] == [-1]
    return list(turn.actions[0].rewindOrchestration.newHistory)


def test_a_rewind_returns_the_history_without_failures_and_runs_no_user_code() -> None:
    history = rewind(failed_history(), rewound())

    assert [event.WhichOneof("eventType") for event in history] == [
        "orchestratorStarted",
        "executionStarted",
        "taskScheduled",
        "subOrchestrationInstanceCreated",
        "orchestratorCompleted",
        "orchestratorStarted",
        "taskCompleted",
        "orchestratorCompleted",
        "orchestratorStarted",
        "executionRewound",
    ]
    assert history[2].eventId == 1


def test_a_rewound_execution_has_a_new_id_each_time() -> None:
    ids = {
        rewind(failed_history(), rewound(at))[1].executionStarted.orchestrationInstance.executionId.value
        for at in (0, 1)
    }

    assert len(ids | {"e1"}) == 3


def test_a_rewound_child_is_told_the_new_execution_of_its_parent() -> None:
    started = rewind(failed_history(parent="p"), rewound(parent_execution_id="p2"))[1].executionStarted

    assert started.parentInstance.orchestrationInstance.executionId.value == "p2"


def test_a_top_level_instance_gets_no_parent_by_a_rewind() -> None:
    started = rewind(failed_history(), rewound(parent_execution_id="p2"))[1].executionStarted

    assert not started.HasField("parentInstance")


def test_a_rewind_with_other_events_is_refused() -> None:
    execution = Execution("i1", registry_of(must_not_run), options())
    execution.replay(failed_history())

    with pytest.raises(
        task.OrchestrationStateError,
        match="A rewind came with the new events executionRewound, taskCompleted; expected exactly",
    ):
        execution.advance([rewound(), task_completed(1)])


def run_on(orchestrator: Any, run: Run) -> tuple[list[pb.HistoryEvent], Any]:
    """The history of a failed run after a rewind, and the turn it goes on with."""
    past = [*run.history, execution_completed(FAILED)]
    turn = replay(run.registry, past, [turn_started(9), rewound()])
    history = list(turn.actions[0].rewindOrchestration.newHistory)
    return history, replay(run.registry, history, [turn_started(10)])


def test_failed_activities_run_again_after_a_rewind() -> None:
    def two(ctx: task.OrchestrationContext) -> Any:
        return [(yield ctx.call_activity("a")), (yield ctx.call_activity("b"))]

    run = Run(two)
    run.start()
    run.turn(task_completed(1, "1"))
    run.turn(task_failed(2))

    history, again = run_on(two, run)

    assert kinds(again) == ["scheduleTask#2"]
    history += [turn_started(10), task_scheduled(2, "b"), turn_completed()]
    end = replay(run.registry, history, [turn_started(), task_completed(2, "2")])
    assert completion(end).result.value == "[1, 2]"


def test_a_call_with_retries_starts_over_after_a_rewind() -> None:
    """The timers between its attempts stay in history; they must not be taken for non-determinism."""
    policy = task.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=2)

    def flaky(ctx: task.OrchestrationContext) -> Any:
        return (yield ctx.call_activity("a", retry_policy=policy))

    run = Run(flaky)
    run.start()
    run.turn(task_failed(1))
    run.turn(timer_fired(2), at=1)
    run.turn(task_failed(3), at=2)

    history, again = run_on(flaky, run)

    assert kinds(again) == ["scheduleTask#1"]
    history += [turn_started(10), task_scheduled(1, "a"), turn_completed()]
    end = replay(run.registry, history, [turn_started(11), task_completed(1, "1")])
    assert completion(end).result.value == "1"


def test_what_followed_a_caught_failure_is_forgotten_after_a_rewind() -> None:
    def compensating(ctx: task.OrchestrationContext) -> Any:
        try:
            return (yield ctx.call_activity("charge"))
        except task.TaskFailedError:
            yield ctx.call_activity("refund")
            raise

    run = Run(compensating)
    run.start()
    run.turn(task_failed(1))
    run.turn(task_completed(2))

    history, again = run_on(compensating, run)

    assert kinds(again) == ["scheduleTask#1"]
    history += [turn_started(10), task_scheduled(1, "charge"), turn_completed()]
    end = replay(run.registry, history, [turn_started(11), task_completed(1, '"ok"')])
    assert completion(end).result.value == '"ok"'
