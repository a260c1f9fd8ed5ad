"""What orchestrators do to others: children, events, terminations; and what they may not."""

from __future__ import annotations

from typing import Any

from durakit.scheduler.limits import NO_LIMITS, Limits
from durakit.wire.messages import orchestration_pb2 as pb

from ..rig import (
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    TERMINATED,
    Rig,
    Worker,
    child,
    complete,
    facts,
    fail,
    kinds,
    rebuilt,
    schedule,
    send,
    terminate_other,
    text,
)


def parent_of(child_id: str = "kid", **fields: Any) -> tuple[Rig, Worker]:
    """Return a rig whose instance `a` has started a child."""
    rig = Rig()
    worker = rig.worker()
    rig.start(tags={"team": "blue", "kind": "parent"}, version=text("7"))
    worker.do(child(1, child_id, **fields))
    return rig, worker


def answers(worker: Worker) -> list[pb.HistoryEvent]:
    """Return the new events of the turn on offer, without its beginning."""
    return list(worker.item().orchestratorRequest.newEvents[1:])


def test_a_child_starts_with_its_input_and_knows_its_parent() -> None:
    rig, worker = parent_of(input=text("1"), version=text("2"), tags={"kind": "child"})

    started = worker.item().orchestratorRequest.newEvents[1].executionStarted

    assert (started.name, started.input.value, started.version.value) == ("child", "1", "2")
    assert dict(started.tags) == {"team": "blue", "kind": "child"}
    parent = started.parentInstance
    assert (parent.taskScheduledId, parent.name.value, parent.version.value) == (1, "flow", "7")
    assert parent.orchestrationInstance.instanceId == "a"
    assert rig.state("kid").parentInstanceId.value == "a"


def test_a_child_without_id_is_given_one_and_history_says_which() -> None:
    rig, worker = parent_of("")

    created = rig.history()[2].subOrchestrationInstanceCreated

    assert created.instanceId == worker.item().orchestratorRequest.instanceId
    assert created.instanceId.startswith("id-")


def test_the_result_of_a_child_reaches_its_parent() -> None:
    _, worker = parent_of()

    worker.do(complete('"r"'))

    (event,) = answers(worker)
    assert event.subOrchestrationInstanceCompleted.taskScheduledId == 1
    assert event.subOrchestrationInstanceCompleted.result.value == '"r"'


def test_the_failure_of_a_child_reaches_its_parent_whole() -> None:
    _, worker = parent_of()

    worker.do(fail("broken"))

    (event,) = answers(worker)
    details = event.subOrchestrationInstanceFailed.failureDetails
    assert (details.errorType, details.errorMessage) == ("builtins.ValueError", "broken")


def test_a_terminated_child_fails_for_its_parent() -> None:
    """Semantics 3.8 rule 4."""
    rig, worker = parent_of()
    worker.item()

    rig.terminate("kid")

    (event,) = answers(worker)
    details = event.subOrchestrationInstanceFailed.failureDetails
    assert details.errorMessage == "Sub-orchestration 'kid' was terminated."


def test_the_child_of_a_parent_that_has_ended_ends_alone() -> None:
    rig, worker = parent_of()
    kid = worker.item()
    rig.terminate("a")

    worker.answer(kid, complete())

    assert rig.status("kid") == COMPLETED
    assert worker.items() == []


def test_a_child_of_an_earlier_execution_does_not_answer_the_new_one() -> None:
    rig, worker = parent_of()
    kid = worker.item()
    rig.terminate("a")
    rig.call("RestartInstance", pb.RestartInstanceRequest(instanceId="a"))
    worker.do(child(1, "other"))
    worker.item()

    worker.answer(kid, complete())

    assert worker.items() == []


def test_a_child_that_has_ended_is_replaced_by_one_of_the_same_id() -> None:
    """Semantics 3.7 rule 3: a retry of the Python SDK."""
    rig, worker = parent_of()
    worker.do(fail())
    worker.do(child(1, "kid", input=text("2")))

    second = worker.item()
    worker.answer(second, complete('"again"'))

    assert second.orchestratorRequest.newEvents[1].executionStarted.input.value == "2"
    assert [e.subOrchestrationInstanceCompleted.result.value for e in answers(worker)] == ['"again"']
    assert facts(rig) == rebuilt(rig)


def test_a_child_whose_id_is_in_use_fails_with_a_sentence() -> None:
    """Semantics 3.7 rule 3 and 8.8."""
    rig = Rig()
    worker = rig.worker()
    rig.start("kid")
    worker.do()
    rig.start("a")

    worker.do(child(1, "kid"))

    (event,) = answers(worker)
    details = event.subOrchestrationInstanceFailed.failureDetails
    assert details.errorType == "OrchestrationAlreadyExists"
    assert details.errorMessage == (
        "An orchestration instance 'kid' already exists and is RUNNING. Choose another instance_id for the "
        "sub-orchestration."
    )
    assert details.isNonRetriable
    assert rig.status("kid") == RUNNING


def test_an_orchestrator_cannot_be_its_own_child() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(child(1, "a"))

    assert kinds(answers(worker)) == ["subOrchestrationInstanceFailed"]


def test_a_child_with_an_impossible_id_fails_with_the_limit() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(child(1, "x" * 101))

    details = answers(worker)[0].subOrchestrationInstanceFailed.failureDetails
    assert details.errorType == "InvalidInstanceId"
    assert details.errorMessage.startswith("The instance id is 101 characters long; at most 100 are allowed.")


def test_a_completing_orchestrator_may_leave_a_child_behind() -> None:
    """Semantics 3.2 rule 3."""
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(child(1, "kid"), complete())
    worker.do(complete())

    assert (rig.status("a"), rig.status("kid")) == (COMPLETED, COMPLETED)


def test_an_event_sent_to_another_arrives_there() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start("b")
    worker.do()
    rig.start("a")

    worker.do(send(1, "b", "Hello", '"x"'))

    item = worker.item()
    assert item.orchestratorRequest.instanceId == "b"
    raised = item.orchestratorRequest.newEvents[1].eventRaised
    assert (raised.name, raised.input.value) == ("Hello", '"x"')
    assert rig.history("a")[2].eventSent.instanceId == "b"


def test_an_event_sent_to_nobody_is_recorded_and_lost() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    worker.do(send(1, "nobody", "e"))

    assert "eventSent" in kinds(rig.history())
    assert worker.items() == []


def test_one_orchestrator_terminates_another() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start("b")
    worker.item()
    rig.start("a")

    worker.do(terminate_other(1, "b"))

    assert (rig.status("b"), rig.state("b").output.value) == (TERMINATED, '"stop"')


def test_a_child_that_terminates_its_parent_and_all_below_ends_its_turn_first() -> None:
    rig, worker = parent_of()

    worker.do(schedule(1), terminate_other(2, "a", recurse=True), complete('"late"'))

    assert (rig.status("a"), rig.status("kid")) == (TERMINATED, COMPLETED)
    assert kinds(rig.history("kid")).count("executionCompleted") == 1
    assert kinds(rig.history("kid"))[-1] == "executionCompleted"


def test_a_child_that_terminates_its_parent_and_goes_on_is_terminated_too() -> None:
    rig, worker = parent_of()

    worker.do(terminate_other(2, "a", recurse=True))

    assert rig.status("kid") == TERMINATED
    assert kinds(rig.history("kid"))[-1] == "executionCompleted"
    assert facts(rig) == rebuilt(rig)


def test_an_answer_over_the_payload_limit_fails_the_instance_and_says_which() -> None:
    rig = Rig(limits=Limits(payload_bytes=10, instance_id_characters=100))
    worker = rig.worker()
    rig.start()

    worker.do(schedule(1, input=text("x" * 11)))

    details = rig.state().failureDetails
    assert (rig.status(), details.errorType) == (FAILED, "PayloadTooLarge")
    assert details.errorMessage == (
        "The input of activity 'work' is 11 bytes; at most 10 are allowed. Store large data elsewhere and "
        "pass a reference, or start the scheduler with --limits off (Azure's limit stays)."
    )
    assert worker.items() == []


def test_a_history_over_its_limit_fails_the_instance_and_says_what_to_do() -> None:
    rig = Rig(limits=Limits(payload_bytes=None, instance_id_characters=None, history_events=3))
    worker = rig.worker()
    rig.start()

    worker.do(schedule(1), schedule(2))

    details = rig.state().failureDetails
    assert details.errorType == "HistoryTooLong"
    assert details.errorMessage == (
        "The history would grow to 4 events; at most 3 are allowed. Use continue_as_new or "
        "sub-orchestrations to keep histories short."
    )


def test_without_limits_anything_passes() -> None:
    rig = Rig(limits=NO_LIMITS)
    worker = rig.worker()
    rig.start("x" * 500, input=text("x" * 3_000_000))

    worker.do(complete("y" * 3_000_000))

    assert rig.status("x" * 500) == COMPLETED


def test_a_parent_waits_while_its_child_is_pending() -> None:
    rig, worker = parent_of()

    assert (rig.status("a"), rig.status("kid")) == (RUNNING, PENDING)
    assert worker.item().orchestratorRequest.instanceId == "kid"
