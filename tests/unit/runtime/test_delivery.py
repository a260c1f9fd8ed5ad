"""Deliveries over a connection whose calls end as the test says."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest
from durakit.errors import CredentialError
from durakit.runtime import delivery
from durakit.runtime.delivery import Delivery
from durakit.wire.messages import orchestration_pb2 as pb
from grpc import StatusCode


class FakeStub:
    def __init__(self, *ends: StatusCode | Exception | None) -> None:
        self.ends = list(ends)
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, method: str) -> Any:
        def call(message: Any, timeout: float) -> None:
            self.calls.append((method, message))
            end = self.ends.pop(0) if self.ends else None
            if isinstance(end, StatusCode):
                raise grpc.aio.AioRpcError(end, grpc.aio.Metadata(), grpc.aio.Metadata(), details="too large")
            if end is not None:
                raise end

        return call

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE_SECONDS", 0.0)


def deliveries(stub: FakeStub) -> Delivery:
    connection = SimpleNamespace(stub=stub, address="http://localhost:8080")
    return Delivery(cast("Any", connection), logger=logging.getLogger("test.delivery"))


REQUEST = pb.ActivityRequest(name="pack", taskId=3, orchestrationInstance={"instanceId": "i1"})
RESULT = pb.ActivityResponse(instanceId="i1", taskId=3, completionToken="t")
TURN = pb.OrchestratorResponse(
    instanceId="i1", completionToken="t", actions=[pb.OrchestratorAction(id=7, scheduleTask={"name": "pack"})]
)


def test_a_turn_that_arrives_is_accepted() -> None:
    stub = FakeStub()

    assert deliveries(stub).complete_turn(TURN) is True
    assert stub.calls == [("CompleteOrchestratorTask", TURN)]


@pytest.mark.parametrize(
    "code", [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.UNKNOWN, StatusCode.INTERNAL]
)
def test_a_broken_call_is_repeated(code: StatusCode) -> None:
    stub = FakeStub(code, code)

    assert deliveries(stub).complete_turn(TURN) is True
    assert stub.methods == ["CompleteOrchestratorTask"] * 3


def test_a_missing_access_token_is_waited_for() -> None:
    stub = FakeStub(CredentialError("no login"))

    assert deliveries(stub).complete_turn(TURN) is True


def test_a_stale_response_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    stub = FakeStub(StatusCode.NOT_FOUND)

    with caplog.at_level(logging.INFO):
        assert deliveries(stub).complete_turn(TURN) is False

    assert stub.methods == ["CompleteOrchestratorTask"]
    assert caplog.messages == [
        "CompleteOrchestratorTask of i1: the scheduler no longer waits for it; The scheduler at "
        "http://localhost:8080 refused CompleteOrchestratorTask: too large (NOT_FOUND). Check the "
        "instance id, "
        "and that TASKHUB names the task hub it lives in."
    ]


def test_what_cannot_be_delivered_is_abandoned() -> None:
    stub = FakeStub(*[StatusCode.UNAVAILABLE] * 10)

    deliveries(stub).complete_activity(REQUEST, RESULT)

    assert stub.methods == ["CompleteActivityTask"] * 10 + ["AbandonTaskActivityWorkItem"]
    assert stub.calls[-1][1] == pb.AbandonActivityTaskRequest(completionToken="t")


def test_a_result_that_is_too_large_for_the_scheduler_fails_the_activity_instead_of_looping() -> None:
    stub = FakeStub(StatusCode.INVALID_ARGUMENT)

    deliveries(stub).complete_activity(REQUEST, RESULT)

    details = stub.calls[1][1].failureDetails
    assert stub.methods == ["CompleteActivityTask"] * 2
    assert details.errorMessage == "The scheduler refused the result of activity 'pack': too large"
    assert details.isNonRetriable
    assert stub.calls[1][1].completionToken == "t"


def test_a_turn_that_is_too_large_for_the_scheduler_fails_the_orchestration() -> None:
    stub = FakeStub(StatusCode.INVALID_ARGUMENT)

    accepted = deliveries(stub).complete_turn(TURN)

    action = stub.calls[1][1].actions[0]
    assert accepted is False, "the execution in memory does not know of its end"
    assert action.id == 8
    assert action.completeOrchestration.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
    assert (
        action.completeOrchestration.failureDetails.errorMessage
        == "The scheduler refused the turn: too large"
    )


def test_a_busy_scheduler_is_asked_again_and_a_message_too_large_is_not() -> None:
    large = pb.ActivityResponse(instanceId="i1", result={"value": "x" * delivery.SMALL_MESSAGE_BYTES})
    busy, strict = FakeStub(StatusCode.RESOURCE_EXHAUSTED), FakeStub(StatusCode.RESOURCE_EXHAUSTED)

    deliveries(busy).complete_activity(REQUEST, RESULT)
    deliveries(strict).complete_activity(REQUEST, large)

    assert [call for _, call in busy.calls] == [RESULT, RESULT]
    assert strict.calls[1][1].HasField("failureDetails")


def test_parts_of_a_turn_after_a_failed_one_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durakit.runtime.turns.split_response.__defaults__", (20,))
    actions = [pb.OrchestratorAction(id=number, scheduleTask={"name": "pack"}) for number in (1, 2, 3)]
    turn = pb.OrchestratorResponse(instanceId="i1", completionToken="t", actions=actions)
    stub = FakeStub(None, StatusCode.NOT_FOUND)

    assert deliveries(stub).complete_turn(turn) is False
    assert len(stub.calls) == 2


def test_after_the_channel_is_closed_nothing_raises() -> None:
    stub = FakeStub(ValueError("Cannot invoke RPC on closed channel!"))

    deliveries(stub).abandon_turn("t", "i1")

    assert stub.methods == ["AbandonTaskOrchestratorWorkItem"]
