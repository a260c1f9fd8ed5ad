"""What reaches an instance: events, results, timers, suspend and resume."""

from __future__ import annotations

from typing import Any

import pytest
from durakit.scheduler.refusal import Refusal
from durakit.wire.messages import orchestration_pb2 as pb

from ..rig import (
    BEGINNING,
    COMPLETED,
    PENDING,
    RUNNING,
    SECOND,
    SUSPENDED,
    Rig,
    Worker,
    complete,
    continue_as_new,
    facts,
    kinds,
    rebuilt,
    schedule,
    text,
    timer,
)


def begun(**fields: Any) -> tuple[Rig, Worker]:
    """Return a rig with a worker and an instance that was started."""
    rig = Rig()
    worker = rig.worker(**fields)
    rig.start()
    return rig, worker


def new_events(worker: Worker) -> list[pb.HistoryEvent]:
    """Return the new events of the turn on offer, without its beginning."""
    return list(worker.item().orchestratorRequest.newEvents[1:])


# --- events


def test_events_arrive_in_the_order_in_which_they_were_raised() -> None:
    rig, worker = begun()
    worker.do()
    rig.raise_event("a", "1")
    item = worker.item()
    for number in "234":
        rig.raise_event("a", number)

    worker.answer(item)

    assert [event.eventRaised.input.value for event in new_events(worker)] == ["2", "3", "4"]


def test_an_event_without_data_stays_without() -> None:
    rig, worker = begun()
    worker.do()

    rig.raise_event("a")

    assert not new_events(worker)[0].eventRaised.HasField("input")


def test_an_event_without_a_name_is_refused() -> None:
    rig, _ = begun()

    with pytest.raises(Refusal) as caught:
        rig.raise_event("")

    assert caught.value.status == "INVALID_ARGUMENT"
    assert caught.value.message == "The event name is empty. Pass the name the orchestration waits for."


def test_an_event_for_nobody_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        Rig().raise_event("e", instance_id="nobody")

    assert caught.value.status == "NOT_FOUND"
    assert caught.value.message == "There is no orchestration instance 'nobody' in this task hub."


def test_an_event_for_an_instance_that_has_ended_is_dropped() -> None:
    rig, worker = begun()
    worker.do(complete())

    rig.raise_event("late")

    assert rig.status() == COMPLETED
    assert rig.store.inbox() == {}


# --- results


def test_a_failure_counts_even_if_it_says_nothing() -> None:
    """Semantics 2.6 rule 1, trap 16."""
    rig, worker = begun()
    worker.do(schedule(1))
    task = worker.item()
    answer = pb.ActivityResponse(completionToken=task.completionToken, failureDetails=pb.TaskFailureDetails())

    rig.call("CompleteActivityTask", answer)

    assert kinds(new_events(worker)) == ["taskFailed"]


def test_failure_details_are_passed_on_whole() -> None:
    rig, worker = begun()
    worker.do(schedule(1))
    inner = pb.TaskFailureDetails(errorType="I", errorMessage="inner")
    details = pb.TaskFailureDetails(
        errorType="T", errorMessage="m", stackTrace=text("s"), innerFailure=inner, isNonRetriable=True
    )

    token = worker.item().completionToken
    rig.call("CompleteActivityTask", pb.ActivityResponse(completionToken=token, failureDetails=details))

    assert new_events(worker)[0].taskFailed.failureDetails == details


def test_an_absent_result_stays_absent() -> None:
    _, worker = begun()
    worker.do(schedule(1))

    worker.finish(worker.item())

    assert not new_events(worker)[0].taskCompleted.HasField("result")


def test_a_second_answer_in_the_same_group_is_accepted_and_changes_nothing() -> None:
    """Its sender waits for the same commit as the first."""
    rig, worker = begun()
    worker.do(schedule(1))
    task = worker.item()
    answer = pb.ActivityResponse(completionToken=task.completionToken, result=text("1"))
    twin = pb.ActivityResponse(completionToken=task.completionToken, result=text("2"))

    rig.request("CompleteActivityTask", answer)
    rig.request("CompleteActivityTask", twin)
    rig.commit()

    assert [event.taskCompleted.result.value for event in new_events(worker)] == ["1"]


def test_a_second_answer_after_the_commit_is_refused() -> None:
    _, worker = begun()
    worker.do(schedule(1))
    task = worker.item()
    worker.finish(task, "1")

    with pytest.raises(Refusal) as caught:
        worker.finish(task, "2")

    assert caught.value.status == "NOT_FOUND"
    assert caught.value.message == (
        "This activity delivery is no longer open: it was completed, given to another worker, or its "
        "instance was ended or replaced. Nothing was changed."
    )


def test_a_result_for_an_instance_that_has_ended_is_accepted_and_dropped() -> None:
    """Semantics 2.5 rule 5."""
    rig, worker = begun()
    worker.do(schedule(1))
    task = worker.item()
    rig.terminate()

    worker.finish(task, "1")

    assert "taskCompleted" not in kinds(rig.history())


def test_the_late_result_of_a_first_attempt_does_not_answer_the_second() -> None:
    """Semantics 3.3 rule 2: the Python SDK schedules a retry under the id of the first attempt."""
    rig, worker = begun()
    worker.do(schedule(1))
    first = worker.item()
    rig.raise_event("give up waiting")
    worker.do(schedule(1))
    second = worker.item()

    worker.finish(first, '"first"')
    nothing = worker.items()
    worker.finish(second, '"second"')

    assert nothing == []
    assert [event.taskCompleted.result.value for event in new_events(worker)] == ['"second"']


def test_an_activity_whose_worker_left_is_given_to_another_after_the_grace() -> None:
    rig, worker = begun()
    worker.do(schedule(1))
    first = worker.item()
    worker.leave()
    other = rig.worker("other")

    rig.advance(4.9)
    within = other.items()
    rig.advance(0.1)
    second = other.item()

    assert within == []
    assert second.activityRequest == first.activityRequest
    assert second.completionToken != first.completionToken
    with pytest.raises(Refusal, match="no longer open"):
        worker.finish(first, "late")


def test_a_result_that_comes_within_the_grace_counts() -> None:
    rig, worker = begun()
    worker.do(schedule(1))
    task = worker.item()
    worker.leave()

    worker.finish(task, '"in time"')
    rig.advance(10)

    assert kinds(rig.worker().item().orchestratorRequest.newEvents) == [
        "orchestratorStarted",
        "taskCompleted",
    ]


def test_an_abandoned_activity_is_offered_again_after_a_moment() -> None:
    rig, worker = begun()
    worker.do(schedule(1))
    first = worker.item()

    rig.call(
        "AbandonTaskActivityWorkItem", pb.AbandonActivityTaskRequest(completionToken=first.completionToken)
    )
    at_once = worker.items()
    rig.advance(0.2)

    assert at_once == []
    assert worker.item().activityRequest == first.activityRequest


# --- timers


def test_a_timer_fires_once_at_its_time_and_never_early() -> None:
    rig, worker = begun()
    due = BEGINNING + SECOND
    worker.do(timer(1, due))

    rig.now = due - 1
    rig.advance(0)
    early = worker.items()
    rig.now = due
    rig.advance(0)
    (event,) = new_events(worker)
    rig.advance(60)

    assert early == []
    assert (event.timerFired.timerId, event.timerFired.fireAt.seconds * SECOND) == (1, due)
    assert worker.items() == []


def test_a_timer_in_the_past_fires_in_the_next_turn() -> None:
    rig, worker = begun()

    worker.do(timer(1, BEGINNING - SECOND))
    rig.advance(0)

    assert kinds(new_events(worker)) == ["timerFired"]


def test_timers_due_at_the_same_moment_all_fire_in_order_of_creation() -> None:
    """Trap 23."""
    rig, worker = begun()
    worker.do(timer(3, BEGINNING + SECOND), timer(1, BEGINNING + SECOND))

    rig.advance(1)

    assert [event.timerFired.timerId for event in new_events(worker)] == [3, 1]


def test_a_timer_that_fired_fires_again_if_its_turn_was_lost_in_a_crash() -> None:
    rig, worker = begun()
    worker.do(timer(1, BEGINNING + SECOND))
    rig.advance(1)
    first = worker.item()

    rig.crash()
    again = rig.worker()
    rig.advance(0)

    assert first.orchestratorRequest.newEvents[1].timerFired.timerId == 1
    assert [event.timerFired.timerId for event in new_events(again)] == [1]


def test_a_timer_whose_turn_is_on_disk_does_not_fire_again_after_a_crash() -> None:
    rig, worker = begun()
    worker.do(timer(1, BEGINNING + SECOND))
    rig.advance(1)
    worker.do()

    rig.crash()
    rig.advance(60)

    assert rig.worker().items() == []


def test_the_clock_of_an_orchestration_never_runs_backwards() -> None:
    rig, worker = begun()
    rig.now = BEGINNING + 10 * SECOND
    worker.do()
    rig.raise_event("e")
    worker.do()
    rig.now = BEGINNING

    rig.raise_event("e")

    first, second = [event for event in rig.history() if event.HasField("orchestratorStarted")]
    third = worker.item().orchestratorRequest.newEvents[0]
    assert first.timestamp.seconds <= second.timestamp.seconds <= third.timestamp.seconds


# --- suspend and resume


def test_a_suspended_instance_gets_no_turns() -> None:
    rig, worker = begun()
    worker.do()

    rig.suspend()
    rig.raise_event("held")

    assert rig.status() == SUSPENDED
    assert worker.items() == []


def test_a_resumed_instance_gets_all_that_came_meanwhile_in_order() -> None:
    rig, worker = begun()
    worker.do()
    rig.suspend()
    rig.raise_event("held")

    rig.resume()

    assert kinds(new_events(worker)) == ["executionSuspended", "eventRaised", "executionResumed"]
    assert rig.status() == RUNNING


def test_suspending_twice_and_resuming_twice_puts_one_event_of_each_into_history() -> None:
    """Semantics 3.10 rule 2: a second suspend makes the Python SDK spin for ever."""
    rig, worker = begun()
    worker.do()

    rig.suspend()
    rig.suspend()
    rig.resume()
    rig.resume()

    assert kinds(new_events(worker)) == ["executionSuspended", "executionResumed"]


def test_a_turn_under_way_may_end_while_its_instance_is_suspended() -> None:
    rig, worker = begun()
    turn = worker.item()

    rig.suspend()
    worker.answer(turn, schedule(1))

    assert rig.status() == SUSPENDED
    assert worker.item().HasField("activityRequest")


def test_a_turn_that_completes_a_suspended_instance_completes_it() -> None:
    rig, worker = begun()
    turn = worker.item()

    rig.suspend()
    worker.answer(turn, complete())

    assert rig.status() == COMPLETED


def test_an_instance_suspended_before_its_first_turn_is_pending_again_when_resumed() -> None:
    rig = Rig()
    rig.start()

    rig.suspend()
    suspended = rig.status()
    rig.resume()

    assert (suspended, rig.status()) == (SUSPENDED, PENDING)


def test_suspending_what_has_ended_changes_nothing() -> None:
    rig, worker = begun()
    worker.do(complete())

    rig.suspend()
    rig.resume()

    assert rig.status() == COMPLETED


def test_suspension_survives_a_crash_with_all_that_waits() -> None:
    rig, worker = begun()
    worker.do()
    rig.suspend()
    rig.raise_event("held")

    rig.crash()
    worker = rig.worker()
    suspended = worker.items()
    rig.resume()

    assert suspended == []
    assert kinds(new_events(worker)) == ["executionSuspended", "eventRaised", "executionResumed"]


def test_suspension_survives_continuing_as_new() -> None:
    rig, worker = begun()
    turn = worker.item()
    rig.suspend()

    worker.answer(turn, continue_as_new())

    assert rig.status() == SUSPENDED
    assert worker.items() == []
    assert facts(rig) == rebuilt(rig)
