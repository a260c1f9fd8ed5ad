from __future__ import annotations

from typing import Any

import pytest
from durakit import task
from durakit.replay import Execution

from .histories import (
    FAILED,
    Run,
    child_completed,
    completion,
    event_raised,
    execution_started,
    failure,
    kinds,
    options,
    registry_of,
    task_completed,
    task_failed,
    timer_fired,
    turn_started,
)


def fan_out(ctx: task.OrchestrationContext, width: int) -> Any:
    return (yield task.when_all([ctx.call_activity("square", input=i) for i in range(width)]))


async def async_fan_out(ctx: task.OrchestrationContext, width: int) -> Any:
    return await task.when_all([ctx.call_activity("square", input=i) for i in range(width)])


@pytest.mark.parametrize("orchestrator", [fan_out, async_fan_out])
def test_results_of_when_all_keep_the_order_of_its_tasks(orchestrator: Any) -> None:
    run = Run(orchestrator, "3")
    assert kinds(run.start()) == ["scheduleTask#1", "scheduleTask#2", "scheduleTask#3"]

    assert kinds(run.turn(task_completed(3, "4"), task_completed(1, "0"))) == []
    assert completion(run.turn(task_completed(2, "1"))).result.value == "[0, 1, 4]"


def test_when_all_of_nothing_completes_at_once() -> None:
    """Trap 5."""
    assert completion(Run(fan_out, "0").start()).result.value == "[]"


def test_when_all_waits_for_all_and_then_raises_the_failure_that_came_first() -> None:
    """Trap 4."""
    run = Run(fan_out, "3")
    run.start()

    assert kinds(run.turn(task_failed(3, failure("first in time")))) == []
    assert kinds(run.turn(task_failed(1, failure("second in time")))) == []
    end = completion(run.turn(task_completed(2, "1")))

    assert end.orchestrationStatus == FAILED
    assert end.failureDetails.errorMessage == "i1: Activity task #3 failed: first in time"


def test_when_any_returns_the_task_that_won_and_the_others_go_on() -> None:
    def race(ctx: task.OrchestrationContext) -> Any:
        tasks = [ctx.call_activity("slow"), ctx.call_activity("fast")]
        winner = yield task.when_any(tasks)
        first = [tasks.index(winner), winner.get_result(), tasks[0].is_complete]
        return [*first, (yield tasks[0])]

    run = Run(race)
    run.start()

    assert kinds(run.turn(task_completed(2, '"fast"'))) == []
    assert completion(run.turn(task_completed(1, '"slow"'))).result.value == '[1, "fast", false, "slow"]'


def test_the_order_of_events_in_a_turn_decides_a_tie() -> None:
    def race(ctx: task.OrchestrationContext) -> Any:
        a, b = ctx.call_activity("a"), ctx.call_activity("b")
        winner = yield task.when_any([a, b])
        return winner is b

    run = Run(race)
    run.start()

    assert completion(run.turn(task_completed(2), task_completed(1))).result.value == "true"


def test_the_failure_of_a_winner_is_raised_only_when_it_is_read() -> None:
    def race(ctx: task.OrchestrationContext) -> Any:
        winner = yield task.when_any([ctx.call_activity("a"), ctx.call_activity("b")])
        assert winner.is_failed
        try:
            winner.get_result()
        except task.TaskFailedError as error:
            return str(error)

    run = Run(race)
    run.start()

    end = completion(run.turn(task_failed(1)))
    assert end.result.value == '"i1: Activity task #1 failed: boom"'


def test_when_any_of_nothing_is_refused() -> None:
    def never(ctx: task.OrchestrationContext) -> Any:
        yield task.when_any([])

    details = completion(Run(never).start()).failureDetails

    assert details.errorType == "builtins.ValueError"
    assert details.errorMessage == ("when_any got no tasks, so it could never complete; pass at least one.")


def test_an_approval_races_against_a_timer_and_the_loser_is_cancelled() -> None:
    def approval(ctx: task.OrchestrationContext) -> Any:
        event = ctx.wait_for_external_event("approved")
        timer = ctx.create_timer(ctx.current_utc_datetime.replace(year=2027))
        winner = yield task.when_any([event, timer])
        if winner == event:
            timer.cancel()
            return event.get_result()
        event.cancel()
        return "late"

    run = Run(approval)
    assert kinds(run.start()) == ["createTimer#1"]

    assert completion(run.turn(event_raised("approved", '"yes"'))).result.value == '"yes"'


def test_composites_nest() -> None:
    def nested(ctx: task.OrchestrationContext) -> Any:
        pair = task.when_all([ctx.call_activity("a"), ctx.call_sub_orchestrator("c", instance_id="c1")])
        timer = ctx.create_timer(ctx.current_utc_datetime.replace(year=2027))
        winner = yield task.when_any([pair, timer])
        return winner.get_result()

    run = Run(nested)
    run.start()
    run.turn(child_completed(2, "2"))

    assert completion(run.turn(task_completed(1, "1"), timer_fired(3))).result.value == "[1, 2]"


def test_a_loop_over_when_any_takes_results_as_they_come() -> None:
    def as_completed(ctx: task.OrchestrationContext) -> Any:
        waiting = [ctx.call_activity("a") for _ in range(3)]
        results = []
        while waiting:
            winner = yield task.when_any(waiting)
            waiting.remove(winner)
            results.append(winner.get_result())
        return results

    run = Run(as_completed)
    run.start()
    run.turn(task_completed(2, "2"))

    end = run.turn(task_completed(3, "3"), task_completed(1, "1"))
    assert completion(end).result.value == "[2, 3, 1]"


def test_tasks_complete_before_they_are_combined_are_counted() -> None:
    """Trap 6."""

    def late(ctx: task.OrchestrationContext) -> Any:
        first, second = ctx.call_activity("a"), ctx.call_activity("b")
        yield first
        everything = task.when_all([first, second, first])
        assert (everything.get_completed_tasks(), everything.pending_tasks) == (2, 1)
        return (yield everything)

    run = Run(late)
    run.start()
    run.turn(task_completed(1, "1"))

    assert completion(run.turn(task_completed(2, "2"))).result.value == "[1, 2, 1]"


def test_a_complete_task_can_be_awaited_again() -> None:
    async def again(ctx: task.OrchestrationContext) -> Any:
        work = ctx.call_activity("a")
        return [await work, await work]

    run = Run(again)
    run.start()

    assert completion(run.turn(task_completed(1, "1"))).result.value == "[1, 1]"


def test_a_wide_fan_out_completes() -> None:
    execution = Execution("i1", registry_of(fan_out), options())
    first = execution.advance([turn_started(), execution_started("fan_out", "5000")])
    assert len(first.actions) == 5000

    end = execution.advance([task_completed(i, "1") for i in range(5000, 0, -1)])

    assert completion(end).result.value == str([1] * 5000)
