"""What a worker is given, and what its answer changes (semantics 2.6, 3.1, 3.8)."""

from __future__ import annotations

import pytest
from durakit.scheduler.refusal import Refusal
from durakit.wire.messages import orchestration_pb2 as pb

from ..rig import (
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    TERMINATED,
    Rig,
    answer_to,
    complete,
    facts,
    fail,
    kinds,
    rebuilt,
    schedule,
    text,
    timer,
)


def test_history_after_a_turn_is_its_events_its_confirmations_and_its_end() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(schedule(1), timer(2, rig.now + 1), schedule(7))

    history = rig.history()
    assert kinds(history) == [
        "orchestratorStarted",
        "executionStarted",
        "taskScheduled",
        "timerCreated",
        "taskScheduled",
        "orchestratorCompleted",
    ]
    assert [event.eventId for event in history] == [-1, -1, 1, 2, 7, -1]
    assert all(event.HasField("timestamp") for event in history)


def test_the_next_turn_is_given_exactly_the_committed_history() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(schedule(1))
    history = rig.history()

    worker.finish(worker.item(), "1")

    assert list(worker.item().orchestratorRequest.pastEvents) == history


def test_an_instance_runs_when_its_first_turn_is_committed() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    turn = worker.item()
    offered = rig.status()

    worker.answer(turn)

    assert (offered, rig.status()) == (PENDING, RUNNING)


def test_one_turn_at_a_time() -> None:
    rig = Rig()
    first, second = rig.worker(), rig.worker()
    rig.start()
    rig.raise_event("e")

    assert len(first.items()) + len(second.items()) == 1


def test_a_turn_without_actions_waits() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do()

    assert rig.status() == RUNNING
    assert worker.items() == []


@pytest.mark.parametrize(
    ("action", "status", "output"),
    [(complete('"x"'), COMPLETED, '"x"'), (complete(), COMPLETED, None), (fail(), FAILED, None)],
)
def test_a_completion_ends_the_instance_and_its_history(
    action: pb.OrchestratorAction, status: int, output: str | None
) -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(action)

    state = rig.state()
    assert state.orchestrationStatus == status
    assert (state.output.value if state.HasField("output") else None) == output
    assert kinds(rig.history())[-2:] == ["orchestratorCompleted", "executionCompleted"]
    assert state.HasField("completedTimestamp")


def test_a_failure_is_reported_whole() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    details = pb.TaskFailureDetails(
        errorType="T", errorMessage="m", innerFailure=pb.TaskFailureDetails(errorType="I")
    )
    done = pb.CompleteOrchestrationAction(orchestrationStatus=FAILED, failureDetails=details)

    worker.do(pb.OrchestratorAction(id=1, completeOrchestration=done))

    assert rig.state().failureDetails == details


def test_of_two_completions_the_last_counts() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(complete("1"), complete("2"))

    assert rig.state().output.value == "2"
    assert kinds(rig.history()).count("executionCompleted") == 1


def test_a_completion_with_a_status_that_is_no_end_fails_the_instance_and_says_so() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    done = pb.CompleteOrchestrationAction(orchestrationStatus=77)  # type: ignore[arg-type]

    worker.do(pb.OrchestratorAction(id=1, completeOrchestration=done))

    failure = rig.state().failureDetails
    assert failure.errorType == "InvalidCompletion"
    assert failure.errorMessage == (
        "The worker completed the orchestration with status 77; expected COMPLETED, FAILED, TERMINATED or "
        "CONTINUED_AS_NEW. Update the worker's SDK."
    )
    assert facts(rig) == rebuilt(rig)


def test_an_action_of_an_unknown_kind_is_passed_over() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(pb.OrchestratorAction(id=1), schedule(2))

    assert "taskScheduled" in kinds(rig.history())


def test_activities_of_a_completing_turn_are_recorded_and_not_run() -> None:
    """Semantics 3.2 rule 3."""
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(schedule(1), complete())

    assert "taskScheduled" in kinds(rig.history())
    assert worker.items() == []


def test_a_stale_token_changes_nothing() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    item = worker.do(schedule(1))
    before = facts(rig)

    with pytest.raises(Refusal) as caught:
        worker.answer(item, complete())

    assert caught.value.status == "NOT_FOUND"
    assert caught.value.message == (
        "This orchestrator delivery is no longer open: it was completed, given to another worker, or its "
        "instance was ended or replaced. Nothing was changed."
    )
    assert facts(rig) == before


def test_a_turn_whose_worker_left_is_given_to_another_at_once() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    first = worker.item()
    other = rig.worker("other")

    worker.leave()
    second = other.item()

    assert list(second.orchestratorRequest.newEvents) == list(first.orchestratorRequest.newEvents)
    with pytest.raises(Refusal, match="no longer open"):
        worker.answer(first, complete())


def test_an_abandoned_turn_is_offered_again_after_a_moment() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    token = worker.item().completionToken

    request = pb.AbandonOrchestrationTaskRequest(completionToken=token)
    rig.call("AbandonTaskOrchestratorWorkItem", request)
    at_once = worker.items()
    rig.advance(0.2)

    assert at_once == []
    assert worker.item().completionToken != token


def test_an_answer_without_token_is_matched_by_instance() -> None:
    """Semantics 8.1, workers of other SDKs."""
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.item()

    rig.call("CompleteOrchestratorTask", pb.OrchestratorResponse(instanceId="a", actions=[complete()]))

    assert rig.status() == COMPLETED


def test_a_late_answer_without_token_is_dropped() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(schedule(1))
    before = facts(rig)

    rig.call("CompleteOrchestratorTask", pb.OrchestratorResponse(instanceId="a", actions=[complete()]))

    assert facts(rig) == before


def test_a_split_answer_counts_when_its_last_part_is_here() -> None:
    """Semantics 2.6 rule 3."""
    rig = Rig()
    worker = rig.worker()
    rig.start()
    item = worker.item()

    first = answer_to(item, schedule(1), status='"s"', isPartial=True)
    rig.call("CompleteOrchestratorTask", first)
    between = rig.history()
    rig.call("CompleteOrchestratorTask", answer_to(item, schedule(2), status='"s"', events=0))

    assert between == []
    assert kinds(rig.history()).count("taskScheduled") == 2
    assert rig.state().customStatus.value == '"s"'


def test_a_split_answer_is_forgotten_when_its_worker_leaves_in_the_middle() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    rig.call("CompleteOrchestratorTask", answer_to(worker.item(), schedule(1), isPartial=True))

    worker.leave()
    rig.worker("other").do(complete())

    assert "taskScheduled" not in kinds(rig.history())


def test_events_a_worker_did_not_process_come_again() -> None:
    """Semantics 2.6 rule 2."""
    rig = Rig()
    worker = rig.worker()
    rig.start()
    rig.raise_event("one")
    worker.do(events=2)

    assert kinds(rig.history()) == ["orchestratorStarted", "executionStarted", "orchestratorCompleted"]
    assert kinds(worker.item().orchestratorRequest.newEvents) == ["orchestratorStarted", "eventRaised"]


def test_after_a_rewind_too_exactly_the_unprocessed_events_come_again() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(fail())
    rig.request("RewindInstance", pb.RewindInstanceRequest(instanceId="a"))
    for name in ("one", "two"):
        rig.request("RaiseEvent", pb.RaiseEventRequest(instanceId="a", name=name))
    rig.commit()

    worker.do(events=2)

    events = worker.item().orchestratorRequest.newEvents
    assert [event.eventRaised.name for event in events if event.HasField("eventRaised")] == ["two"]


def test_a_worker_that_lost_its_copy_is_given_the_whole_history() -> None:
    """Semantics 2.6 rule 4."""
    rig = Rig()
    worker = rig.worker(sessions=1)
    rig.start()
    worker.do(schedule(1))
    worker.finish(worker.item(), "1")
    short = worker.item()

    worker.answer(short, requiresHistory=True)

    assert not short.orchestratorRequest.pastEvents
    assert list(worker.item().orchestratorRequest.pastEvents) == rig.history()


@pytest.mark.parametrize("absent", [None, ""])
def test_an_absent_custom_status_clears_it(absent: str | None) -> None:
    """Semantics 3.11."""
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(status='"busy"')
    shown = rig.state().customStatus.value
    rig.raise_event("e")

    worker.do(status=absent)

    assert shown == '"busy"'
    assert not rig.state().HasField("customStatus")


def test_an_empty_json_text_is_a_custom_status() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(status='""')

    assert rig.state().customStatus.value == '""'


def test_the_trace_context_of_a_turn_comes_back_with_the_next_even_after_a_crash() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(orchestrationTraceContext=pb.OrchestrationTraceContext(spanID=text("one")))
    rig.raise_event("e")
    second = worker.item()
    worker.answer(second, orchestrationTraceContext=pb.OrchestrationTraceContext(spanID=text("two")))
    rig.raise_event("e")

    rig.crash()
    third = rig.worker().item()

    assert second.orchestratorRequest.orchestrationTraceContext.spanID.value == "one"
    assert third.orchestratorRequest.orchestrationTraceContext.spanID.value == "two"


def test_a_terminating_worker_ends_its_instance() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    done = pb.CompleteOrchestrationAction(orchestrationStatus=TERMINATED, result=text('"bye"'))

    worker.do(pb.OrchestratorAction(id=1, completeOrchestration=done))

    assert (rig.status(), rig.state().output.value) == (TERMINATED, '"bye"')


def test_entities_fail_the_instance_with_a_sentence_until_they_are_served() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(pb.OrchestratorAction(id=1, sendEntityMessage=pb.SendEntityMessageAction()))

    assert rig.state().failureDetails.errorMessage == "This scheduler does not serve entities yet."
