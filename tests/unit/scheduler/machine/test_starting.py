"""Starting, replacing and restarting for a client (semantics 1.3 and 1.8)."""

from __future__ import annotations

from typing import Any

import pytest
from durakit.scheduler.refusal import Refusal
from durakit.wire.messages import orchestration_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from ..rig import (
    BEGINNING,
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    SECOND,
    TERMINATED,
    Rig,
    complete,
    kinds,
    stamp,
    text,
)


def policy(*statuses: int) -> pb.OrchestrationIdReusePolicy:
    return pb.OrchestrationIdReusePolicy(replaceableStatus=statuses)  # type: ignore[arg-type]


def refusal_of(rig: Rig, **fields: Any) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        rig.start(**fields)
    return caught.value.status, caught.value.message


def test_the_first_turn_begins_with_its_start_and_carries_all_that_was_given() -> None:
    rig = Rig()
    worker = rig.worker()

    rig.start(input=text('"x"'), version=text("1"), tags={"team": "blue"}, executionId=text("exec"))

    request = worker.item().orchestratorRequest
    assert (request.instanceId, request.executionId.value) == ("a", "exec")
    assert kinds(request.newEvents) == ["orchestratorStarted", "executionStarted"]
    started = request.newEvents[1].executionStarted
    assert (started.name, started.input.value, started.version.value) == ("flow", '"x"', "1")
    assert dict(started.tags) == {"team": "blue"}
    assert started.orchestrationInstance.instanceId == "a"
    assert started.orchestrationInstance.executionId.value == "exec"


def test_absent_input_and_version_stay_absent() -> None:
    rig = Rig()
    worker = rig.worker()

    rig.start()

    started = worker.item().orchestratorRequest.newEvents[1].executionStarted
    assert not started.HasField("input")
    assert not started.HasField("version")
    assert not rig.state().HasField("input")


def test_an_empty_version_is_not_an_absent_one() -> None:
    rig = Rig()

    rig.start(version=text(""))

    assert rig.state().HasField("version")


def test_an_id_is_made_when_none_is_given() -> None:
    rig = Rig()

    assert rig.start("").startswith("id-")


def test_a_nameless_orchestration_is_refused() -> None:
    assert refusal_of(Rig(), name="") == (
        "INVALID_ARGUMENT",
        "The orchestration name is empty. Pass the name the worker registered.",
    )


def test_a_taken_id_is_refused_with_its_status_and_what_to_do() -> None:
    rig = Rig()
    rig.start()

    assert refusal_of(rig) == (
        "ALREADY_EXISTS",
        "Orchestration instance 'a' already exists with status PENDING. Choose another instance id, purge "
        "it, or pass an id reuse policy that includes this status.",
    )


def test_a_policy_that_does_not_name_the_status_refuses() -> None:
    rig = Rig()
    rig.start()
    rig.terminate()

    assert refusal_of(rig, orchestrationIdReusePolicy=policy(COMPLETED, FAILED))[0] == "ALREADY_EXISTS"
    assert refusal_of(rig, orchestrationIdReusePolicy=policy())[0] == "ALREADY_EXISTS"


def test_a_policy_that_names_the_status_replaces_and_forgets_the_old_one() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start(input=text("1"))
    worker.do(complete())

    rig.start(input=text("2"), orchestrationIdReusePolicy=policy(COMPLETED))

    assert rig.status() == PENDING
    assert rig.history() == []
    assert worker.item().orchestratorRequest.newEvents[1].executionStarted.input.value == "2"


def test_a_running_instance_is_replaced_only_if_it_may_be_terminated() -> None:
    rig = Rig()
    rig.start()

    assert refusal_of(rig, orchestrationIdReusePolicy=policy(PENDING, RUNNING)) == (
        "INVALID_ARGUMENT",
        "The id reuse policy allows replacing running instances but leaves out TERMINATED. A running "
        "instance is terminated before it is replaced, so add TERMINATED to the policy.",
    )


def test_answers_for_a_replaced_instance_are_stale() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    old = worker.item()

    rig.start(orchestrationIdReusePolicy=policy(PENDING, TERMINATED))

    with pytest.raises(Refusal, match="no longer open"):
        worker.answer(old, complete())
    assert rig.status() == PENDING


def test_a_status_the_protocol_does_not_know_replaces_nothing() -> None:
    rig = Rig()
    rig.start()

    assert refusal_of(rig, orchestrationIdReusePolicy=policy(77))[0] == "ALREADY_EXISTS"


def test_a_start_in_the_future_waits_for_its_time_and_keeps_events_meanwhile() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start(scheduledStartTimestamp=stamp(BEGINNING + 10 * SECOND))
    rig.raise_event("early")

    rig.advance(9.9)
    too_early = worker.items()
    rig.advance(0.1)

    item = worker.item()
    assert too_early == []
    assert kinds(item.orchestratorRequest.newEvents) == [
        "orchestratorStarted",
        "executionStarted",
        "eventRaised",
    ]
    assert item.orchestratorRequest.newEvents[0].timestamp == stamp(BEGINNING + 10 * SECOND)


def test_a_start_in_the_future_is_withheld_after_a_crash_too() -> None:
    rig = Rig()
    rig.start(scheduledStartTimestamp=stamp(BEGINNING + 10 * SECOND))

    rig.crash()
    worker = rig.worker()
    too_early = worker.items()
    rig.advance(10)

    assert too_early == []
    assert len(worker.items()) == 1


def test_a_start_beyond_what_the_file_can_hold_waits_as_long_as_it_can() -> None:
    rig = Rig()

    rig.start(scheduledStartTimestamp=Timestamp(seconds=253_402_300_799))  # the end of the year 9999

    assert rig.status() == PENDING
    assert rig.worker().items() == []


def test_a_restart_copies_what_was_started_and_has_no_parent() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start(input=text("1"), version=text("2"), tags={"a": "b"})
    worker.do(complete())

    rig.call("RestartInstance", pb.RestartInstanceRequest(instanceId="a"))

    started = worker.item().orchestratorRequest.newEvents[1].executionStarted
    assert (started.name, started.input.value, started.version.value) == ("flow", "1", "2")
    assert dict(started.tags) == {"a": "b"}
    assert not started.HasField("parentInstance")


def test_a_restart_under_a_new_id_leaves_the_old_instance_alone() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(complete("1"))

    request = pb.RestartInstanceRequest(instanceId="a", restartWithNewInstanceId=True)
    restarted = rig.call("RestartInstance", request).instanceId

    assert restarted.startswith("id-")
    assert (rig.status("a"), rig.status(restarted)) == (COMPLETED, PENDING)


def test_what_runs_cannot_be_restarted() -> None:
    rig = Rig()
    rig.start()

    with pytest.raises(Refusal) as caught:
        rig.call("RestartInstance", pb.RestartInstanceRequest(instanceId="a"))

    assert caught.value.status == "FAILED_PRECONDITION"
    assert caught.value.message == (
        "Orchestration instance 'a' is PENDING, not in a terminal state. Terminate it first, then restart."
    )
