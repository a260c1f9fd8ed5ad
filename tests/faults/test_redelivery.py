"""Work that a worker lost goes to another; answers that come too late change nothing (design, rule 4).

The worker's stream is the lease: turns are given to others when it ends, activities after a short grace
(semantics 2.4, 2.5). All over real sockets, against a scheduler process.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from durakit.wire.messages import orchestration_pb2 as pb

from tests.faults.checks import check_history
from tests.faults.sockets import (
    RunningScheduler,
    complete,
    done,
    refusal_of,
    schedule,
    stale,
    turn,
)

SHORT_GRACE_SECONDS = 0.3
LONG_GRACE_SECONDS = 60.0


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[RunningScheduler]:
    running = RunningScheduler(tmp_path, grace_seconds=SHORT_GRACE_SECONDS)
    yield running
    running.close()


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[RunningScheduler]:
    """A scheduler that waits for a lost worker's activities longer than any test runs."""
    running = RunningScheduler(tmp_path, grace_seconds=LONG_GRACE_SECONDS)
    yield running
    running.close()


def kinds(scheduler: RunningScheduler) -> Counter[str]:
    events = scheduler.history()
    check_history("one", events, has_ended=scheduler.state().HasField("completedTimestamp"))
    return Counter(event.WhichOneof("eventType") or "" for event in events)


def test_a_turn_lost_with_its_stream_goes_to_another_worker_at_once(patient: RunningScheduler) -> None:
    patient.start_instance()
    first = patient.connect_worker()
    lost = first.next_turn()

    first.drop()
    again = patient.connect_worker().next_turn()

    # The first event is the time of the turn.
    assert again.orchestratorRequest.newEvents[1:] == lost.orchestratorRequest.newEvents[1:]
    assert again.completionToken != lost.completionToken


def test_the_late_answer_to_a_turn_that_another_worker_has_is_refused(scheduler: RunningScheduler) -> None:
    scheduler.start_instance()
    first = scheduler.connect_worker()
    lost = first.next_turn()
    first.drop()
    again = scheduler.connect_worker().next_turn()

    refused = refusal_of(lambda: scheduler.call.CompleteOrchestratorTask(turn(lost, complete(0, "late"))))
    scheduler.call.CompleteOrchestratorTask(turn(again, complete(0, "right")))

    assert refused == stale("orchestrator")
    assert json.loads(scheduler.state().output.value) == "right"
    assert kinds(scheduler)["executionCompleted"] == 1


def test_an_activity_lost_with_its_stream_goes_to_another_worker_after_the_grace(
    scheduler: RunningScheduler,
) -> None:
    scheduler.start_instance()
    first = scheduler.connect_worker()
    scheduler.call.CompleteOrchestratorTask(turn(first.next_turn(), schedule(0)))
    lost = first.next_activity()

    first.drop()
    second = scheduler.connect_worker()
    again = second.next_activity()
    refused = refusal_of(lambda: scheduler.call.CompleteActivityTask(done(lost, "late")))
    scheduler.call.CompleteActivityTask(done(again, "right"))
    results = [
        json.loads(event.taskCompleted.result.value)
        for event in second.next_turn().orchestratorRequest.newEvents
        if event.HasField("taskCompleted")
    ]

    assert again.activityRequest == lost.activityRequest
    assert refused == stale("activity")
    assert results == ["right"]


def test_an_activity_may_be_answered_within_the_grace(patient: RunningScheduler) -> None:
    patient.start_instance()
    first = patient.connect_worker()
    patient.call.CompleteOrchestratorTask(turn(first.next_turn(), schedule(0)))
    held = first.next_activity()

    first.drop()
    second = patient.connect_worker()
    patient.call.CompleteActivityTask(done(held, "in time"))
    after = second.next_turn()
    patient.call.CompleteOrchestratorTask(turn(after, complete(1, "done")))

    assert kinds(patient)["taskCompleted"] == 1
    assert second.is_empty


def test_a_second_answer_to_an_activity_changes_nothing(patient: RunningScheduler) -> None:
    patient.start_instance()
    worker = patient.connect_worker()
    patient.call.CompleteOrchestratorTask(turn(worker.next_turn(), schedule(0)))
    item = worker.next_activity()

    patient.call.CompleteActivityTask(done(item, "first"))
    refused = refusal_of(lambda: patient.call.CompleteActivityTask(done(item, "second")))
    patient.call.CompleteOrchestratorTask(turn(worker.next_turn(), complete(1, "done")))

    assert refused == stale("activity")
    assert kinds(patient)["taskCompleted"] == 1
    assert [
        event.taskCompleted.result.value for event in patient.history() if event.HasField("taskCompleted")
    ] == ['"first"']


def test_a_second_answer_to_a_turn_changes_nothing(patient: RunningScheduler) -> None:
    patient.start_instance()
    worker = patient.connect_worker()
    answer = turn(worker.next_turn(), schedule(0))

    patient.call.CompleteOrchestratorTask(answer)
    refused = refusal_of(lambda: patient.call.CompleteOrchestratorTask(answer))
    patient.call.CompleteActivityTask(done(worker.next_activity(), 1))
    patient.call.CompleteOrchestratorTask(turn(worker.next_turn(), complete(1, "done")))

    assert refused == stale("orchestrator")
    assert kinds(patient)["taskScheduled"] == 1
    assert worker.is_empty


def test_twins_of_one_answer_are_applied_once(patient: RunningScheduler) -> None:
    """Whether a twin meets the open commit (OK) or comes after it (NOT_FOUND) is a matter of luck."""
    patient.start_instance()
    worker = patient.connect_worker()
    answer = turn(worker.next_turn(), *[schedule(number) for number in range(5)])
    accepted = 0

    with ThreadPoolExecutor(8) as pool:
        for sent in [pool.submit(patient.call.CompleteOrchestratorTask, answer) for _ in range(8)]:
            error = sent.exception()
            accepted += error is None
            assert error is None or (error.code(), error.details()) == stale("orchestrator")  # type: ignore[attr-defined]

    assert accepted >= 1
    assert kinds(patient)["taskScheduled"] == 5
    items = [worker.next_activity() for _ in range(5)]
    assert sorted(item.activityRequest.taskId for item in items) == [0, 1, 2, 3, 4]
    assert worker.is_empty


def test_after_a_restart_old_answers_are_refused_and_the_work_is_handed_out_again(
    patient: RunningScheduler,
) -> None:
    patient.start_instance()
    patient.start_instance(instance_id="two")
    worker = patient.connect_worker()
    items = {item.orchestratorRequest.instanceId: item for item in (worker.next_turn(), worker.next_turn())}
    patient.call.CompleteOrchestratorTask(turn(items["one"], schedule(0)))
    activity = worker.next_activity()

    patient.restart()
    refused_turn = refusal_of(
        lambda: patient.call.CompleteOrchestratorTask(turn(items["two"], complete(0, "late")))
    )
    refused_activity = refusal_of(lambda: patient.call.CompleteActivityTask(done(activity, "late")))
    again = patient.connect_worker()
    turn_again, activity_again = again.next_turn(), again.next_activity()

    assert refused_turn == stale("orchestrator")
    assert refused_activity == stale("activity")
    assert turn_again.orchestratorRequest.instanceId == "two"
    assert activity_again.activityRequest == activity.activityRequest
    assert len({turn_again.completionToken, items["two"].completionToken}) == 2
    assert len({activity_again.completionToken, activity.completionToken}) == 2


def test_tokens_of_an_earlier_life_never_fit_new_deliveries(patient: RunningScheduler) -> None:
    """The first token of a new life is asked for under the very circumstances of the first one."""
    seen: set[str] = set()
    for life in range(4):
        patient.start_instance(instance_id=f"life-{life}")
        worker = patient.connect_worker()
        items = [worker.next_turn() for _ in range(life + 1)]
        tokens = {item.completionToken for item in items}
        assert not tokens & seen
        seen |= tokens
        worker.drop()
        patient.restart()


def test_an_abandoned_turn_is_handed_out_again(patient: RunningScheduler) -> None:
    patient.start_instance()
    worker = patient.connect_worker()
    item = worker.next_turn()

    patient.call.AbandonTaskOrchestratorWorkItem(
        abandon := pb.AbandonOrchestrationTaskRequest(completionToken=item.completionToken), timeout=5
    )
    again = worker.next_turn()

    assert again.completionToken != item.completionToken
    assert refusal_of(lambda: patient.call.AbandonTaskOrchestratorWorkItem(abandon)) == stale("orchestrator")


def test_an_abandoned_activity_is_handed_out_again(patient: RunningScheduler) -> None:
    patient.start_instance()
    worker = patient.connect_worker()
    patient.call.CompleteOrchestratorTask(turn(worker.next_turn(), schedule(0)))
    item = worker.next_activity()

    patient.call.AbandonTaskActivityWorkItem(
        abandon := pb.AbandonActivityTaskRequest(completionToken=item.completionToken), timeout=5
    )
    again = worker.next_activity()

    assert again.activityRequest == item.activityRequest
    assert again.completionToken != item.completionToken
    assert refusal_of(lambda: patient.call.AbandonTaskActivityWorkItem(abandon)) == stale("activity")
    assert refusal_of(lambda: patient.call.CompleteActivityTask(done(item, "late"))) == stale("activity")
