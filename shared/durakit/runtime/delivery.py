"""Responses out: completion calls, repeated until they have arrived, or until it is plain that they never
will.

Nobody waits for an answer: a call is started, and the thread that started it goes on. What fails is taken
up by a thread that repeats it. A response that meets NOT_FOUND is stale: the scheduler has given the item
to somebody else, and nothing is lost by dropping it. One that cannot be delivered is abandoned, so that
the scheduler hands the item out again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

import grpc
from grpc import StatusCode

from durakit.errors import CredentialError
from durakit.replay.failures import framework_failure
from durakit.runtime import activities
from durakit.runtime.threads import WorkerThreads
from durakit.runtime.turns import split_response
from durakit.wire import hints
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.status import (
    CallCancelledError,
    SchedulerError,
    SchedulerInternalError,
    SchedulerUnavailableError,
    named_error,
)

if TYPE_CHECKING:
    from durakit.wire.connection import Connection

#: Deadline of one completion call.
CALL_TIMEOUT_SECONDS = 60.0
#: Attempts for one response, the first pause between two and the longest; pauses double.
ATTEMPTS = 10
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 15.0
#: Calls under way at once that nobody waits for; further ones wait until one of them ends, so that a
#: scheduler that hands out more than it can take back is not buried.
MAX_UNATTENDED_CALLS = 256
#: Threads that repeat failed calls.
DELIVERY_THREADS = 8

_REPEATABLE = frozenset(
    {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED, StatusCode.UNKNOWN, StatusCode.INTERNAL}
)
#: Below this size RESOURCE_EXHAUSTED cannot be about the message.
SMALL_MESSAGE_BYTES = 256 * 1024
#: Error type of an orchestration or activity whose response the scheduler would not take.
RESPONSE_REFUSED = "durakit.errors.LimitExceededError"


class Delivered(Enum):
    """What became of a response."""

    ACCEPTED = "the scheduler has taken it"
    STALE = "the scheduler no longer waits for it"
    REFUSED = "the scheduler will never take it"
    FAILED = "it could not be delivered"


_OUTCOMES = {
    StatusCode.NOT_FOUND: Delivered.STALE,
    StatusCode.INVALID_ARGUMENT: Delivered.REFUSED,
    StatusCode.OUT_OF_RANGE: Delivered.REFUSED,
    StatusCode.RESOURCE_EXHAUSTED: Delivered.REFUSED,
}


Settle = Callable[[Delivered, "SchedulerError | None"], None]


@dataclass(frozen=True, slots=True)
class _Sending:
    """One message on its way. `settle` is told how that ended: on a thread of gRPC if the first attempt was
    accepted, else on a delivery thread.
    """

    method: str
    message: Any
    instance_id: str
    settle: Settle
    attempts: int = ATTEMPTS


class Delivery:
    """Makes completion and abandon calls without holding up who asks for them. Safe to use from several
    threads.
    """

    def __init__(self, connection: Connection, *, logger: logging.Logger) -> None:
        self._connection = connection
        self._logger = logger
        self._reconnected = threading.Condition()
        self._all_ended = threading.Condition()
        # Messages whose end is not known; those of them that nobody waits for, those that wait themselves.
        self._under_way = 0
        self._unattended = 0
        self._waiting: deque[_Sending] = deque()
        self._threads: WorkerThreads[Callable[[], None]] = WorkerThreads(
            "durakit-delivery", DELIVERY_THREADS, lambda job: job(), logger=logger
        )
        # Starts those that had to wait; apart from the others, which may be pausing.
        self._starter: WorkerThreads[_Sending] = WorkerThreads(
            "durakit-delivery-start", 1, self._start, logger=logger
        )

    def reconnected(self) -> None:
        """The scheduler answers again: responses that pause between attempts need not wait longer."""
        with self._reconnected:
            self._reconnected.notify_all()

    def join(self, deadline: float) -> bool:
        """Wait until nothing is under way, at most until `time.monotonic()` is `deadline`; True if so."""
        left = max(0.0, deadline - time.monotonic())
        with self._all_ended:
            return self._all_ended.wait_for(lambda: self._under_way == 0, left)

    def close(self) -> None:
        """End the threads; what they have not begun is given up."""
        with self._all_ended:
            self._waiting.clear()
        self._starter.stop()
        self._threads.stop()

    def complete_turn(self, response: pb.OrchestratorResponse, done: Callable[[bool], None]) -> None:
        """Deliver a turn's response; `done` is told whether the scheduler has committed it.

        `done` must not block: mostly it is called on a thread of gRPC.
        """
        hints.drop(response)

        def settle(outcome: Delivered, error: SchedulerError | None) -> None:
            if outcome is Delivered.ACCEPTED:
                done(True)
                return
            if outcome is Delivered.REFUSED and error is not None:
                refused = _failed_turn(response, _refusal("turn", error))
                # If this is committed, it is not what the execution in memory thinks.
                outcome, _ = self._insist("CompleteOrchestratorTask", refused, response.instanceId)
            if outcome in (Delivered.REFUSED, Delivered.FAILED):
                self.abandon_turn(response.completionToken, response.instanceId)
            done(False)

        parts = list(split_response(response))
        if len(parts) == 1:
            self._send(_Sending("CompleteOrchestratorTask", response, response.instanceId, settle))
        else:
            self._begin()
            self._threads.submit(lambda: self._send_parts(parts, settle))

    def complete_activity(self, request: pb.ActivityRequest, response: pb.ActivityResponse) -> None:
        """Deliver an activity's response."""

        def settle(outcome: Delivered, error: SchedulerError | None) -> None:
            if outcome is Delivered.REFUSED and error is not None:
                refused = activities.failure_response(
                    request, response.completionToken, _refusal(f"result of activity {request.name!r}", error)
                )
                outcome, _ = self._insist("CompleteActivityTask", refused, response.instanceId)
            if outcome in (Delivered.REFUSED, Delivered.FAILED):
                self.abandon_activity(response.completionToken, response.instanceId)

        self._send(_Sending("CompleteActivityTask", response, response.instanceId, settle))

    def complete_entity(self, instance_id: str, result: pb.EntityBatchResult) -> None:
        """Deliver an entity batch's result."""

        def settle(outcome: Delivered, error: SchedulerError | None) -> None:
            if outcome in (Delivered.REFUSED, Delivered.FAILED):
                self.abandon_entity(result.completionToken, instance_id)

        self._send(_Sending("CompleteEntityTask", result, instance_id, settle))

    def abandon_turn(self, token: str, instance_id: str) -> None:
        """Give an orchestrator item back."""
        self._abandon(
            "AbandonTaskOrchestratorWorkItem",
            pb.AbandonOrchestrationTaskRequest(completionToken=token),
            instance_id,
        )

    def abandon_activity(self, token: str, instance_id: str) -> None:
        """Give an activity item back."""
        self._abandon(
            "AbandonTaskActivityWorkItem", pb.AbandonActivityTaskRequest(completionToken=token), instance_id
        )

    def abandon_entity(self, token: str, instance_id: str) -> None:
        """Give an entity item back."""
        self._abandon(
            "AbandonTaskEntityWorkItem", pb.AbandonEntityTaskRequest(completionToken=token), instance_id
        )

    def _abandon(self, method: str, message: Any, instance_id: str) -> None:
        # One attempt: the scheduler hands the item out again when the stream ends, at the latest.
        self._send(_Sending(method, message, instance_id, lambda outcome, error: None, attempts=1))

    # --- without waiting

    def _send(self, sending: _Sending) -> None:
        """Start the first attempt as soon as there is room; all that follows is seen to elsewhere."""
        with self._all_ended:
            self._under_way += 1
            if self._unattended >= MAX_UNATTENDED_CALLS:
                self._waiting.append(sending)
                return
            self._unattended += 1
        self._start(sending)

    def _start(self, sending: _Sending) -> None:
        method = sending.method
        try:
            call = getattr(self._connection.stub, method).future(
                sending.message, timeout=CALL_TIMEOUT_SECONDS
            )
        except Exception as problem:
            error = self._named(method, problem)
            self._make_room()
            self._threads.submit(lambda: self._see_through(sending, error))
        else:
            call.add_done_callback(lambda ended: self._answered(sending, ended))

    def _answered(self, sending: _Sending, call: Any) -> None:
        """The first attempt has ended; runs on a thread of gRPC."""
        self._make_room()
        if call.code() is StatusCode.OK:
            self._end(sending.settle, Delivered.ACCEPTED, None)
            return
        error = self._named(sending.method, _exception_of(call))
        self._threads.submit(lambda: self._see_through(sending, error))

    def _make_room(self) -> None:
        """An unattended call has ended; let one that waits have its place."""
        with self._all_ended:
            if not self._waiting:
                self._unattended -= 1
                return
            sending = self._waiting.popleft()
        # Not from here: making a call may mean fetching an access token first.
        self._starter.submit(sending)

    def _begin(self) -> None:
        with self._all_ended:
            self._under_way += 1

    def _end(self, settle: Settle, outcome: Delivered, error: SchedulerError | None) -> None:
        try:
            settle(outcome, error)
        finally:
            with self._all_ended:
                self._under_way -= 1
                if not self._under_way:
                    self._all_ended.notify_all()

    # --- on a delivery thread

    def _see_through(self, sending: _Sending, error: SchedulerError) -> None:
        """Go on after a first attempt that ended with `error`."""
        outcome, last_error = self._insist(
            sending.method, sending.message, sending.instance_id, error, attempts=sending.attempts
        )
        self._end(sending.settle, outcome, last_error)

    def _send_parts(self, parts: list[pb.OrchestratorResponse], settle: Settle) -> None:
        outcome, error = Delivered.ACCEPTED, None
        for part in parts:
            outcome, error = self._insist("CompleteOrchestratorTask", part, part.instanceId)
            if outcome is not Delivered.ACCEPTED:
                break
        self._end(settle, outcome, error)

    def _insist(
        self,
        method: str,
        message: Any,
        instance_id: str,
        error: SchedulerError | None = None,
        *,
        attempts: int = ATTEMPTS,
    ) -> tuple[Delivered, SchedulerError | None]:
        """Call until it is plain how it ends; `error` is what a first attempt ended with."""
        pause_seconds = FIRST_PAUSE_SECONDS
        if error is None:
            error = self._call(method, message)
        attempt = 1
        while error is not None and attempt < attempts and _is_worth_repeating(error, message):
            with self._reconnected:
                self._reconnected.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 2, MAX_PAUSE_SECONDS)
            error = self._call(method, message)
            attempt += 1
        if error is None:
            return Delivered.ACCEPTED, None
        outcome = _OUTCOMES.get(error.code(), Delivered.FAILED)
        is_harmless = outcome is Delivered.STALE or attempts == 1
        self._logger.log(
            logging.INFO if is_harmless else logging.WARNING,
            "%s of %s: %s; %s",
            method,
            instance_id,
            outcome.value,
            error,
            extra={"instance_id": instance_id},
        )
        return outcome, error

    def _call(self, method: str, message: Any) -> SchedulerError | None:
        """Make one call; the error it ended with, if any."""
        try:
            getattr(self._connection.stub, method)(message, timeout=CALL_TIMEOUT_SECONDS)
        except Exception as problem:
            return self._named(method, problem)
        return None

    def _named(self, method: str, problem: Exception) -> SchedulerError:
        address = str(self._connection.address)
        if isinstance(problem, grpc.RpcError):
            return named_error(problem, method=method, address=address)
        kind, code = SchedulerInternalError, StatusCode.INTERNAL
        if isinstance(problem, CredentialError):
            # Worth another attempt, like a scheduler that is away.
            kind, code = SchedulerUnavailableError, StatusCode.UNAVAILABLE
        elif isinstance(problem, (ValueError, grpc.FutureCancelledError)):
            # gRPC's ways of saying that the channel is closed: the worker has been stopped meanwhile.
            kind, code = CallCancelledError, StatusCode.CANCELLED
        return kind(code, str(problem), method=method, address=address)


def _exception_of(call: Any) -> Exception:
    """What a call that failed ended with; does not wait."""
    try:
        problem = call.exception()
    except grpc.FutureCancelledError as cancelled:
        problem = cancelled
    return cast("Exception", problem)


def _is_worth_repeating(error: SchedulerError, message: Any) -> bool:
    if error.code() is StatusCode.RESOURCE_EXHAUSTED:
        # Too large stays too large; a small message has met a busy scheduler.
        return bool(message.ByteSize() < SMALL_MESSAGE_BYTES)
    return error.code() in _REPEATABLE


def _refusal(what: str, error: SchedulerError) -> pb.TaskFailureDetails:
    return framework_failure(RESPONSE_REFUSED, f"The scheduler refused the {what}: {error.details()}")


def _failed_turn(
    response: pb.OrchestratorResponse, details: pb.TaskFailureDetails
) -> pb.OrchestratorResponse:
    completion = pb.CompleteOrchestrationAction(
        orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED, failureDetails=details
    )
    last_id = max((action.id for action in response.actions), default=0)
    return pb.OrchestratorResponse(
        instanceId=response.instanceId,
        completionToken=response.completionToken,
        actions=[pb.OrchestratorAction(id=last_id + 1, completeOrchestration=completion)],
    )
