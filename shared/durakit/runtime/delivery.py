"""Responses out: completion calls, repeated until they have arrived, or until it is plain that they never
will.

A response that meets NOT_FOUND is stale: the scheduler has given the item to somebody else, and nothing is
lost by dropping it. One that cannot be delivered is abandoned, so that the scheduler hands the item out
again.
"""

from __future__ import annotations

import logging
import threading
from enum import Enum
from typing import TYPE_CHECKING, Any

import grpc
from grpc import StatusCode

from durakit.errors import CredentialError
from durakit.replay.failures import framework_failure
from durakit.runtime import activities
from durakit.runtime.turns import split_response
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.status import CallCancelledError, SchedulerError, SchedulerUnavailableError, named_error

if TYPE_CHECKING:
    from durakit.wire.connection import Connection

#: Deadline of one completion call.
CALL_TIMEOUT_SECONDS = 60.0
#: Attempts for one response, the first pause between two and the longest; pauses double.
ATTEMPTS = 10
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 15.0

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


class Delivery:
    """Makes completion and abandon calls; blocks the calling thread. Safe to use from several threads."""

    def __init__(self, connection: Connection, *, logger: logging.Logger) -> None:
        self._connection = connection
        self._logger = logger
        self._reconnected = threading.Condition()

    def reconnected(self) -> None:
        """The scheduler answers again: responses that pause between attempts need not wait longer."""
        with self._reconnected:
            self._reconnected.notify_all()

    def complete_turn(self, response: pb.OrchestratorResponse) -> bool:
        """Deliver a turn's response; True when the scheduler has committed it."""
        outcome, error = Delivered.ACCEPTED, None
        for part in split_response(response):
            outcome, error = self._deliver("CompleteOrchestratorTask", part, part.instanceId)
            if outcome is not Delivered.ACCEPTED:
                break
        if outcome is Delivered.REFUSED and error is not None:
            refused = _failed_turn(response, _refusal("turn", error))
            outcome, error = self._deliver("CompleteOrchestratorTask", refused, response.instanceId)
            # Committed, but not what the execution in memory thinks.
            if outcome is Delivered.ACCEPTED:
                return False
        if outcome in (Delivered.REFUSED, Delivered.FAILED):
            self.abandon_turn(response.completionToken, response.instanceId)
        return outcome is Delivered.ACCEPTED

    def complete_activity(self, request: pb.ActivityRequest, response: pb.ActivityResponse) -> None:
        """Deliver an activity's response."""
        outcome, error = self._deliver("CompleteActivityTask", response, response.instanceId)
        if outcome is Delivered.REFUSED and error is not None:
            refused = activities.failure_response(
                request, response.completionToken, _refusal(f"result of activity {request.name!r}", error)
            )
            outcome, _ = self._deliver("CompleteActivityTask", refused, response.instanceId)
        if outcome in (Delivered.REFUSED, Delivered.FAILED):
            self.abandon_activity(response.completionToken, response.instanceId)

    def complete_entity(self, instance_id: str, result: pb.EntityBatchResult) -> None:
        """Deliver an entity batch's result."""
        outcome, _ = self._deliver("CompleteEntityTask", result, instance_id)
        if outcome in (Delivered.REFUSED, Delivered.FAILED):
            self.abandon_entity(result.completionToken, instance_id)

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

    def _deliver(
        self, method: str, message: Any, instance_id: str
    ) -> tuple[Delivered, SchedulerError | None]:
        pause_seconds = FIRST_PAUSE_SECONDS
        error = self._call(method, message)
        attempt = 1
        while error is not None and attempt < ATTEMPTS and _is_worth_repeating(error, message):
            with self._reconnected:
                self._reconnected.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 2, MAX_PAUSE_SECONDS)
            error = self._call(method, message)
            attempt += 1
        if error is None:
            return Delivered.ACCEPTED, None
        outcome = _OUTCOMES.get(error.code(), Delivered.FAILED)
        level = logging.INFO if outcome is Delivered.STALE else logging.WARNING
        self._logger.log(
            level,
            "%s of %s: %s; %s",
            method,
            instance_id,
            outcome.value,
            error,
            extra={"instance_id": instance_id},
        )
        return outcome, error

    def _abandon(self, method: str, message: Any, instance_id: str) -> None:
        error = self._call(method, message)
        if error is not None:
            # The scheduler hands the item out again when the stream ends, at the latest.
            self._logger.info("%s of %s was not possible: %s", method, instance_id, error)

    def _call(self, method: str, message: Any) -> SchedulerError | None:
        """Make one call; the error it ended with, if any."""
        address = str(self._connection.address)
        try:
            getattr(self._connection.stub, method)(message, timeout=CALL_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return named_error(error, method=method, address=address)
        except CredentialError as error:
            # Worth another attempt, like a scheduler that is away.
            return SchedulerUnavailableError(
                StatusCode.UNAVAILABLE, str(error), method=method, address=address
            )
        except ValueError as error:
            # gRPC's way of saying that the channel is closed: the worker has been stopped meanwhile.
            return CallCancelledError(StatusCode.CANCELLED, str(error), method=method, address=address)
        return None


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
