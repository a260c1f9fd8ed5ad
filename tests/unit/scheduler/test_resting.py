"""When a worker that reads the whole history for each turn is given the next one, amid a large fan-out.

Its turn took a second; it takes two activities at a time, and more of them stand in line.
"""

from __future__ import annotations

import pytest
from durakit.scheduler.dispatch import LONGEST_REST_NS, REST_FACTOR
from durakit.wire.messages import orchestration_pb2 as pb

from .rig import SECOND, Rig, Worker, kinds, result_of, schedule

TURN_SECONDS = 1.0


def fan_out(
    rig: Rig, activities: int, *, sessions: int = 0, turn_seconds: float = TURN_SECONDS
) -> tuple[Worker, list[pb.WorkItem]]:
    """Have a worker schedule so many activities, and take a second turn with the result of the first one."""
    worker = rig.worker(tasks=2, sessions=sessions)
    rig.start()
    worker.do(*(schedule(number) for number in range(activities)))
    first, second = worker.items()
    worker.finish(first)
    turn, third = worker.items()
    rig.advance(turn_seconds)
    worker.answer(turn)
    return worker, [second, third]


def given(worker: Worker) -> list[str]:
    """What the worker was sent: turns by the kinds of their new events, activities by their numbers."""
    return [
        str(item.activityRequest.taskId)
        if item.HasField("activityRequest")
        else " ".join(kinds(item.orchestratorRequest.newEvents)[1:])
        for item in worker.items()
    ]


def test_results_are_collected_for_some_times_what_the_last_turn_took() -> None:
    rig = Rig()
    worker, (second, third) = fan_out(rig, 10)

    worker.finish(second)
    worker.finish(third)
    assert given(worker) == ["3", "4"]
    rig.advance(REST_FACTOR * TURN_SECONDS - 0.001)
    assert given(worker) == []
    rig.advance(0.001)

    assert given(worker) == ["taskCompleted taskCompleted"]


def test_a_turn_that_took_an_hour_holds_up_the_next_one_for_seconds() -> None:
    rig = Rig()
    worker, (second, _) = fan_out(rig, 10, turn_seconds=3600)

    worker.finish(second)
    assert given(worker) == ["3"]
    rig.advance(LONGEST_REST_NS / SECOND)

    assert given(worker) == ["taskCompleted"]


def test_a_turn_with_the_last_results_is_given_at_once() -> None:
    rig = Rig()
    worker, (second, third) = fan_out(rig, 4)

    worker.finish(second)
    assert given(worker) == ["3"], "the last one was still in line when the result came"
    worker.finish(third)

    assert given(worker) == ["taskCompleted taskCompleted"]


def test_a_worker_that_keeps_sessions_is_given_each_turn_at_once() -> None:
    rig = Rig()
    worker, (second, _) = fan_out(rig, 10, sessions=10)

    worker.finish(second)

    assert given(worker) == ["taskCompleted", "3"]


@pytest.mark.parametrize("error", ["failed", None])
def test_what_is_no_result_does_not_wait(error: str | None) -> None:
    rig = Rig()
    worker, (second, third) = fan_out(rig, 10)
    worker.finish(second)
    assert given(worker) == ["3"]

    if error:
        worker.finish(third, error=error)
    else:
        rig.raise_event("news")

    assert given(worker)[0] == f"taskCompleted {'taskFailed' if error else 'eventRaised'}"


def test_what_is_no_result_does_not_wait_for_the_sake_of_a_result_after_it() -> None:
    rig = Rig()
    worker, (second, _) = fan_out(rig, 10)
    rig.request("RaiseEvent", pb.RaiseEventRequest(instanceId="a", name="news"))
    group = rig.cut()
    rig.request("CompleteActivityTask", result_of(second))

    rig.write(group)
    rig.engine.release(group)

    assert "eventRaised" in given(worker)


def test_what_came_during_a_turn_and_is_no_result_does_not_wait_either() -> None:
    rig = Rig()
    worker, (second, third) = fan_out(rig, 10)
    worker.finish(second)
    rig.raise_event("one")
    _, turn = worker.items()
    rig.raise_event("two")
    worker.finish(third)
    rig.advance(TURN_SECONDS)
    assert given(worker) == ["4"]

    worker.answer(turn)

    assert given(worker) == ["eventRaised taskCompleted"]


def test_a_rest_that_another_turn_has_cut_short_ends_once() -> None:
    rig = Rig()
    worker, (second, third) = fan_out(rig, 10)
    worker.finish(second)
    rig.raise_event("news")
    _, turn = worker.items()
    rig.advance(TURN_SECONDS)
    worker.answer(turn)

    worker.finish(third)
    assert given(worker) == ["4"]
    # When the first rest would have been over, and when the second one is.
    rig.advance((REST_FACTOR - 1) * TURN_SECONDS)
    assert given(worker) == []
    rig.advance(TURN_SECONDS)

    assert given(worker) == ["taskCompleted"]


def test_an_instance_that_ends_while_it_rests_is_left_alone() -> None:
    rig = Rig()
    worker, (second, _) = fan_out(rig, 10)
    worker.finish(second)
    rig.terminate()
    worker.items()
    rig.advance(REST_FACTOR * TURN_SECONDS)

    assert given(worker) == []


def test_when_the_scheduler_was_restarted_nothing_rests() -> None:
    rig = Rig()
    worker, (second, _) = fan_out(rig, 10)
    worker.finish(second)

    rig.crash()

    assert given(rig.worker(tasks=2))[0] == "taskCompleted"
