from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from durakit import task

from .histories import (
    FAILED,
    Run,
    child_failed,
    completion,
    failure,
    kinds,
    task_completed,
    task_failed,
    timer_fired,
    timestamp,
)


def policy(**changes: Any) -> task.RetryPolicy:
    settings: dict[str, Any] = {"first_retry_interval": timedelta(seconds=1), "max_number_of_attempts": 3}
    return task.RetryPolicy(**{**settings, **changes})


def calling(retry_policy: task.RetryPolicy, **call: Any) -> Callable[..., Any]:
    def flaky(ctx: task.OrchestrationContext) -> Any:
        return (yield ctx.call_activity("work", retry_policy=retry_policy, **call))

    return flaky


def test_each_attempt_and_each_delay_has_an_id_of_its_own() -> None:
    run = Run(calling(policy(backoff_coefficient=2.0), input=0, tags={"a": "b"}))

    turns = [
        run.start(),
        run.turn(task_failed(1)),
        run.turn(timer_fired(2), at=1),
        run.turn(task_failed(3), at=1),
        run.turn(timer_fired(4), at=3),
        run.turn(task_completed(5, '"ok"'), at=3),
    ]

    assert [kinds(turn)[0] for turn in turns] == [
        "scheduleTask#1",
        "createTimer#2",
        "scheduleTask#3",
        "createTimer#4",
        "scheduleTask#5",
        "completeOrchestration#6",
    ]
    assert turns[1].actions[0].createTimer.fireAt == timestamp(1)
    assert turns[3].actions[0].createTimer.fireAt == timestamp(3)
    assert turns[0].actions[0].scheduleTask == turns[4].actions[0].scheduleTask
    assert completion(turns[5]).result.value == '"ok"'


def test_an_absent_input_stays_absent_on_retry() -> None:
    """Trap 51."""
    run = Run(calling(policy()))
    run.start()
    run.turn(task_failed(1))

    assert not run.turn(timer_fired(2), at=1).actions[0].scheduleTask.HasField("input")


def test_when_attempts_are_used_up_the_last_failure_is_raised() -> None:
    run = Run(calling(policy(max_number_of_attempts=2)))
    run.start()
    run.turn(task_failed(1, failure("first")))
    run.turn(timer_fired(2), at=1)

    end = completion(run.turn(task_failed(3, failure("second")), at=1))

    assert end.orchestrationStatus == FAILED
    assert end.failureDetails.errorMessage == "i1: Activity task #3 failed: second"


def test_delays_grow_up_to_the_maximum_interval() -> None:
    growing = policy(backoff_coefficient=10.0, max_retry_interval=timedelta(seconds=30))

    delays = [growing.delay_after(n).total_seconds() for n in (1, 2, 3, 500)]

    assert delays == [1, 10, 30, 30]


def test_delays_without_a_maximum_do_not_overflow() -> None:
    assert policy(backoff_coefficient=10.0).delay_after(500) == timedelta(days=36500)


def test_the_timeout_counts_orchestration_time() -> None:
    run = Run(calling(policy(retry_timeout=timedelta(seconds=60), max_number_of_attempts=99)))
    run.start()
    assert kinds(run.turn(task_failed(1), at=59)) == ["createTimer#2"]
    run.turn(timer_fired(2), at=60)

    assert completion(run.turn(task_failed(3), at=60)).orchestrationStatus == FAILED


def test_a_failure_marked_non_retriable_is_final() -> None:
    run = Run(calling(policy()))
    run.start()

    end = completion(run.turn(task_failed(1, failure(non_retriable=True))))

    assert end.orchestrationStatus == FAILED


@pytest.mark.parametrize("listed", [ValueError, Exception, "ValueError", "builtins.ValueError"])
def test_a_listed_error_type_is_final(listed: Any) -> None:
    run = Run(calling(policy(non_retryable_error_types=[KeyError, listed])))
    run.start()

    assert completion(run.turn(task_failed(1))).orchestrationStatus == FAILED


def test_an_error_type_that_is_not_listed_is_tried_again() -> None:
    run = Run(calling(policy(non_retryable_error_types=[KeyError, "app.ValueError"])))
    run.start()

    assert kinds(run.turn(task_failed(1))) == ["createTimer#2"]


def test_a_handler_decides_from_the_failure() -> None:
    run = Run(calling(policy(handler=lambda failure: failure.message == "busy")))
    run.start()
    assert kinds(run.turn(task_failed(1, failure("busy")))) == ["createTimer#2"]
    run.turn(timer_fired(2), at=1)

    assert completion(run.turn(task_failed(3, failure("broken")), at=1)).orchestrationStatus == FAILED


@pytest.mark.parametrize("answer", [None, 1, float("nan"), "yes"])
def test_a_handler_that_answers_anything_but_a_bool_fails_the_call(answer: Any) -> None:
    """Trap 50."""
    run = Run(calling(policy(handler=lambda failure: answer)))
    run.start()

    details = completion(run.turn(task_failed(1))).failureDetails

    assert details.errorMessage == (
        "i1: Activity task #1 failed: deciding on a retry failed: "
        f"The retry handler returned {answer!r}; expected True or False."
    )


def test_a_handler_that_raises_fails_the_call() -> None:
    """Trap 50."""

    def broken(failure: task.FailureDetails) -> bool:
        raise KeyError("oops")

    run = Run(calling(policy(handler=broken)))
    run.start()

    details = completion(run.turn(task_failed(1))).failureDetails

    assert details.errorMessage == "i1: Activity task #1 failed: deciding on a retry failed: 'oops'"
    assert details.innerFailure.errorType == "builtins.KeyError"


def test_a_long_delay_is_split_like_a_timer() -> None:
    run = Run(calling(policy(first_retry_interval=timedelta(days=4))))
    run.start()
    day = 86_400.0
    assert run.turn(task_failed(1)).actions[0].createTimer.fireAt == timestamp(3 * day)
    assert kinds(run.turn(timer_fired(2), at=3 * day)) == ["createTimer#3"]

    assert kinds(run.turn(timer_fired(3), at=4 * day)) == ["scheduleTask#4"]


def test_a_child_is_tried_again_with_its_version_and_an_id_of_its_own() -> None:
    """Traps 38 and 51."""

    def flaky(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_sub_orchestrator("child", version="2", tags={"a": "b"}, retry_policy=policy())

    run = Run(flaky)
    first = run.start().actions[0].createSubOrchestration
    run.turn(child_failed(1, failure()))
    second = run.turn(timer_fired(2), at=1).actions[0].createSubOrchestration

    assert second.instanceId != first.instanceId
    assert (second.name, second.version, second.tags) == (first.name, first.version, first.tags)
    assert not second.HasField("input")


def test_a_child_with_a_chosen_id_keeps_it_on_retry() -> None:
    def flaky(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_sub_orchestrator("child", instance_id="c1", retry_policy=policy())

    run = Run(flaky)
    run.start()
    run.turn(child_failed(1, failure()))

    assert run.turn(timer_fired(2), at=1).actions[0].createSubOrchestration.instanceId == "c1"


def test_retries_run_side_by_side() -> None:
    def wide(ctx: task.OrchestrationContext) -> Any:
        calls = [ctx.call_activity("work", input=i, retry_policy=policy()) for i in range(2)]
        return (yield task.when_all(calls))

    run = Run(wide)
    run.start()
    assert kinds(run.turn(task_failed(2), task_failed(1))) == ["createTimer#3", "createTimer#4"]
    again = run.turn(timer_fired(3), timer_fired(4), at=1)

    assert [action.scheduleTask.input.value for action in again.actions] == ["1", "0"]
    end = run.turn(task_completed(5, '"b"'), task_completed(6, '"a"'), at=1)
    assert completion(end).result.value == '["a", "b"]'


def test_a_late_completion_of_a_failed_attempt_is_ignored() -> None:
    run = Run(calling(policy()))
    run.start()
    run.turn(task_failed(1))
    run.turn(timer_fired(2), at=1)

    assert kinds(run.turn(task_completed(1, '"late"'), at=1)) == []
