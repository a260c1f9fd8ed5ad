"""Deliveries over a connection whose calls end as the test says."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from types import SimpleNamespace
from typing import Any, cast

import grpc
import pytest
from durakit.errors import CredentialError
from durakit.runtime import delivery
from durakit.runtime.delivery import Delivery
from durakit.wire.messages import orchestration_pb2 as pb
from grpc import StatusCode

SOON_SECONDS = 20.0


class FakeCall:
    """A call under way; ends when the test, or the stub that made it, says so."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[FakeCall], None]] = []
        self._end: StatusCode | Exception | None = None
        self._is_done = False

    def end(self, end: StatusCode | Exception | None = None) -> None:
        self._end, self._is_done = end, True
        for callback in self._callbacks:
            callback(self)

    def add_done_callback(self, callback: Callable[[FakeCall], None]) -> None:
        if self._is_done:
            callback(self)
        else:
            self._callbacks.append(callback)

    def code(self) -> StatusCode:
        if isinstance(self._end, Exception):
            return StatusCode.CANCELLED
        return self._end or StatusCode.OK

    def exception(self) -> Exception:
        if isinstance(self._end, StatusCode):
            return failed_call(self._end)
        assert self._end is not None
        raise self._end


class FakeStub:
    """Ends calls as it was told, one after the other, then all with OK; `hold` leaves first attempts open.

    An exception in place of a status code is what making the call raises.
    """

    def __init__(self, *ends: StatusCode | Exception | None, hold: bool = False) -> None:
        self.ends = list(ends)
        self.calls: list[tuple[str, Any]] = []
        self.held: Queue[FakeCall] = Queue()
        self._hold = hold

    def __getattr__(self, method: str) -> Any:
        return FakeMethod(self, method)

    def next_end(self, method: str, message: Any) -> StatusCode | None:
        self.calls.append((method, message))
        end = self.ends.pop(0) if self.ends else None
        if isinstance(end, Exception):
            raise end
        return end

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]


class FakeMethod:
    def __init__(self, stub: FakeStub, name: str) -> None:
        self._stub = stub
        self._name = name

    def __call__(self, message: Any, timeout: float) -> None:
        end = self._stub.next_end(self._name, message)
        if end is not None:
            raise failed_call(end)

    def future(self, message: Any, timeout: float) -> FakeCall:
        call = FakeCall()
        end = self._stub.next_end(self._name, message)
        if self._stub._hold:
            self._stub.held.put(call)
        else:
            call.end(end)
        return call


def failed_call(code: StatusCode) -> Exception:
    nothing = grpc.aio.Metadata()
    error: Exception = grpc.aio.AioRpcError(code, nothing, nothing, details="too large")
    return error


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE_SECONDS", 0.0)


@contextmanager
def deliveries(stub: FakeStub) -> Iterator[Delivery]:
    """A delivery over this stub; at the end everything has been seen through."""
    connection = SimpleNamespace(stub=stub, address="http://localhost:8080")
    made = Delivery(cast("Any", connection), logger=logging.getLogger("test.delivery"))
    yield made
    assert made.join(time.monotonic() + SOON_SECONDS)
    made.close()


def complete_turn(stub: FakeStub, response: pb.OrchestratorResponse) -> bool:
    """Deliver a turn's response to the end; whether it was accepted."""
    told: list[bool] = []
    with deliveries(stub) as delivering:
        delivering.complete_turn(response, told.append)
    (accepted,) = told
    return accepted


def complete_activity(stub: FakeStub, response: pb.ActivityResponse) -> None:
    """Deliver an activity's response to the end."""
    with deliveries(stub) as delivering:
        delivering.complete_activity(REQUEST, response)


REQUEST = pb.ActivityRequest(name="pack", taskId=3, orchestrationInstance={"instanceId": "i1"})
RESULT = pb.ActivityResponse(instanceId="i1", taskId=3, completionToken="t")
TURN = pb.OrchestratorResponse(
    instanceId="i1", completionToken="t", actions=[pb.OrchestratorAction(id=7, scheduleTask={"name": "pack"})]
)


def test_a_turn_that_arrives_is_accepted() -> None:
    stub = FakeStub()

    assert complete_turn(stub, TURN) is True
    assert stub.calls == [("CompleteOrchestratorTask", TURN)]


@pytest.mark.parametrize(
    "code", [StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.UNKNOWN, StatusCode.INTERNAL]
)
def test_a_broken_call_is_repeated(code: StatusCode) -> None:
    stub = FakeStub(code, code)

    assert complete_turn(stub, TURN) is True
    assert stub.methods == ["CompleteOrchestratorTask"] * 3


def test_a_missing_access_token_is_waited_for() -> None:
    stub = FakeStub(CredentialError("no login"))

    assert complete_turn(stub, TURN) is True


def test_a_stale_response_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    stub = FakeStub(StatusCode.NOT_FOUND)

    with caplog.at_level(logging.INFO):
        assert complete_turn(stub, TURN) is False

    assert stub.methods == ["CompleteOrchestratorTask"]
    assert caplog.messages == [
        "CompleteOrchestratorTask of i1: the scheduler no longer waits for it; The scheduler at "
        "http://localhost:8080 refused CompleteOrchestratorTask: too large (NOT_FOUND). Check the "
        "instance id, "
        "and that TASKHUB names the task hub it lives in."
    ]


def test_what_cannot_be_delivered_is_abandoned() -> None:
    stub = FakeStub(*[StatusCode.UNAVAILABLE] * 10)

    complete_activity(stub, RESULT)

    assert stub.methods == ["CompleteActivityTask"] * 10 + ["AbandonTaskActivityWorkItem"]
    assert stub.calls[-1][1] == pb.AbandonActivityTaskRequest(completionToken="t")


def test_a_result_that_is_too_large_for_the_scheduler_fails_the_activity_instead_of_looping() -> None:
    stub = FakeStub(StatusCode.INVALID_ARGUMENT)

    complete_activity(stub, RESULT)

    details = stub.calls[1][1].failureDetails
    assert stub.methods == ["CompleteActivityTask"] * 2
    assert details.errorMessage == "The scheduler refused the result of activity 'pack': too large"
    assert details.isNonRetriable
    assert stub.calls[1][1].completionToken == "t"


def test_a_turn_that_is_too_large_for_the_scheduler_fails_the_orchestration() -> None:
    stub = FakeStub(StatusCode.INVALID_ARGUMENT)

    accepted = complete_turn(stub, TURN)

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

    complete_activity(busy, RESULT)
    complete_activity(strict, large)

    assert [call for _, call in busy.calls] == [RESULT, RESULT]
    assert strict.calls[1][1].HasField("failureDetails")


def test_parts_of_a_turn_after_a_failed_one_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durakit.runtime.turns.split_response.__defaults__", (20,))
    actions = [pb.OrchestratorAction(id=number, scheduleTask={"name": "pack"}) for number in (1, 2, 3)]
    turn = pb.OrchestratorResponse(instanceId="i1", completionToken="t", actions=actions)
    stub = FakeStub(None, StatusCode.NOT_FOUND)

    assert complete_turn(stub, turn) is False
    assert len(stub.calls) == 2


def test_after_the_channel_is_closed_nothing_raises() -> None:
    stub = FakeStub(ValueError("Cannot invoke RPC on closed channel!"))

    with deliveries(stub) as delivering:
        delivering.abandon_turn("t", "i1")

    assert stub.methods == ["AbandonTaskOrchestratorWorkItem"]


def test_calls_that_the_end_of_the_channel_cancels_are_not_repeated() -> None:
    stub = FakeStub(hold=True)
    told: list[bool] = []

    with deliveries(stub) as delivering:
        delivering.complete_turn(TURN, told.append)
        stub._hold = False
        stub.held.get_nowait().end(grpc.FutureCancelledError())

    assert told == [False]
    assert stub.methods == ["CompleteOrchestratorTask", "AbandonTaskOrchestratorWorkItem"]


def test_an_unforeseen_error_is_treated_like_a_broken_call() -> None:
    stub = FakeStub(KeyError("an interceptor of the user's"))

    assert complete_turn(stub, TURN) is True
    assert stub.methods == ["CompleteOrchestratorTask"] * 2


def test_nobody_waits_for_an_answer_and_what_becomes_of_a_turn_is_told_when_it_comes() -> None:
    stub = FakeStub(hold=True)
    told: list[bool] = []

    with deliveries(stub) as delivering:
        delivering.complete_turn(TURN, told.append)
        delivering.complete_activity(REQUEST, RESULT)
        turn, activity = stub.held.get_nowait(), stub.held.get_nowait()
        assert told == []
        activity.end()
        turn.end()
        assert told == [True]


def test_a_first_attempt_that_fails_is_repeated_on_another_thread() -> None:
    """The thread it fails on is gRPC's own: it must not be held up."""
    stub = FakeStub(hold=True)
    threads: list[int] = []

    with deliveries(stub) as delivering:
        delivering.complete_turn(TURN, lambda accepted: threads.append(threading.get_ident()))
        stub.held.get_nowait().end(StatusCode.UNAVAILABLE)

    assert stub.methods == ["CompleteOrchestratorTask"] * 2
    assert threads != [threading.get_ident()]


def test_joining_waits_for_calls_under_way_until_the_deadline() -> None:
    stub = FakeStub(hold=True)

    with deliveries(stub) as delivering:
        delivering.complete_activity(REQUEST, RESULT)
        assert delivering.join(time.monotonic()) is False
        stub.held.get_nowait().end()
        assert delivering.join(time.monotonic()) is True


def test_joining_waits_for_repetitions_too() -> None:
    stub = FakeStub(StatusCode.UNAVAILABLE)
    told: list[bool] = []

    with deliveries(stub) as delivering:
        delivering.complete_turn(TURN, told.append)
        assert delivering.join(time.monotonic() + SOON_SECONDS) is True
        assert told == [True]


def test_calls_beyond_the_limit_begin_one_by_one_as_others_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_UNATTENDED_CALLS", 2)
    stub = FakeStub(hold=True)

    with deliveries(stub) as delivering:
        for _ in range(6):
            delivering.complete_activity(REQUEST, RESULT)
        under_way = [stub.held.get_nowait(), stub.held.get_nowait()]
        for _ in range(4):
            assert stub.held.empty()
            under_way.pop(0).end()
            under_way.append(stub.held.get(timeout=SOON_SECONDS))
        for call in under_way:
            call.end()

        assert delivering.join(time.monotonic() + SOON_SECONDS) is True
    assert stub.methods == ["CompleteActivityTask"] * 6


def test_what_waits_begins_also_when_a_call_before_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MAX_UNATTENDED_CALLS", 1)
    stub = FakeStub(CredentialError("no token"), StatusCode.UNAVAILABLE)

    with deliveries(stub) as delivering:
        for _ in range(3):
            delivering.complete_activity(REQUEST, RESULT)

        assert delivering.join(time.monotonic() + SOON_SECONDS) is True
