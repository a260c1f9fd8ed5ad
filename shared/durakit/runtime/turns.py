"""One turn of an orchestrator: request in, response out. No transport; a queue of messages or a link may
use it too.

`run` is the whole turn for a caller that accepts every response at once. A caller for whom delivery can
fail calls `execute`, delivers, and then says by `accepted` or `dropped` whether the session may live on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.wrappers_pb2 import Int32Value

from durakit.replay import Execution, VersionMismatchReject
from durakit.replay.clock import timestamp_of_ns
from durakit.replay.failures import failure_details
from durakit.runtime.sessions import Session, SessionCache
from durakit.wire import hints
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.registry import Registry
    from durakit.replay import ExecutionOptions

#: Fetches the history of a request that came without it because it is too long for one message.
HistoryReader = Callable[[pb.OrchestratorRequest], Iterable[pb.HistoryEvent]]

#: A response above this many bytes is sent in parts: gRPC's usual limit is 4 MiB (semantics 2.6 rule 3).
MAX_RESPONSE_BYTES = 3_900_000

#: A turn that took less is run ahead of being asked for, between two messages of a link.
QUICK_TURN_SECONDS = 0.005

#: Actions that leave a confirmation event in the history.
_CONFIRMED = frozenset(
    {"scheduleTask", "createTimer", "createSubOrchestration", "sendEvent", "sendEntityMessage"}
)
COMMITTED_EVENTS = "durakit.committedEvents"


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """A response, and the session that may be kept once it was accepted."""

    response: pb.OrchestratorResponse
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class AheadTurn:
    """A turn that nobody asked for yet, and what must be true for it to count."""

    response: pb.OrchestratorResponse
    session: str
    execution_id: str
    committed_events: int
    started_ns: int


class TurnRunner:
    """Runs turns. Turns of different instances may run at once; those of one instance must not."""

    def __init__(
        self,
        registry: Registry,
        options: ExecutionOptions,
        *,
        sessions: SessionCache | None = None,
        read_history: HistoryReader | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self._registry = registry
        self._options = options
        self._sessions = sessions if sessions is not None else SessionCache(0)
        self._read_history = read_history
        self._logger = logger or logging.getLogger(__name__)

    def run(self, request: pb.OrchestratorRequest, completion_token: str = "") -> pb.OrchestratorResponse:
        """The response to a request. Raises `VersionMismatchReject` when this worker must not run it."""
        outcome = self.execute(request, completion_token)
        self.accepted(outcome)
        return outcome.response

    def execute(self, request: pb.OrchestratorRequest, completion_token: str = "") -> TurnOutcome:
        """Like `run`, but the session is neither kept nor closed yet."""
        instance_id = request.instanceId
        session = self._sessions.take(instance_id)
        past: Iterable[pb.HistoryEvent] = request.pastEvents
        committed = len(request.pastEvents)
        if _comes_without_history(request):
            if session is None or not _agrees(session, request):
                if session is not None:
                    session.execution.close()
                return TurnOutcome(
                    pb.OrchestratorResponse(
                        instanceId=instance_id, completionToken=completion_token, requiresHistory=True
                    )
                )
            execution, committed, past = session.execution, session.committed_events, ()
        else:
            if session is not None:
                session.execution.close()
            execution = Execution(instance_id, self._registry, self._options)
            if request.requiresHistoryStreaming:
                past = list(self._stream(request))
                committed = len(past)
        return self._advance(execution, request, past, committed, completion_token, completion_token)

    def is_behind(self, request: pb.OrchestratorRequest) -> bool:
        """Whether the request asks for a turn that this worker has sent already, ahead of being asked."""
        if not _comes_without_history(request):
            return False
        session = self._sessions.peek(request.instanceId)
        committed = request.properties.get(COMMITTED_EVENTS)
        return (
            session is not None
            and committed is not None
            and request.executionId.value == session.execution_id
            and committed.number_value < session.committed_events
        )

    def go_ahead(self, results: Sequence[pb.ActivityResponse]) -> AheadTurn | None:
        """The turn that follows from results of one instance's activities, if its session is here.

        None when there is no session, or its last turn was so slow that the next one had better be asked
        for. The session is kept: whether the turn counted will be told by the next item, or by a refusal.
        """
        instance_id = results[0].instanceId
        session = self._sessions.take(instance_id)
        if session is None:
            return None
        if not session.is_quick:
            self._sessions.keep(instance_id, session)
            return None
        started_ns = max(time.time_ns(), session.execution.now_ns)
        request = pb.OrchestratorRequest(
            instanceId=instance_id, newEvents=[_started(started_ns), *map(_completed, results)]
        )
        outcome = self._advance(session.execution, request, (), session.committed_events, "", session.token)
        if outcome.response.ByteSize() > MAX_RESPONSE_BYTES:
            self.dropped(outcome)
            return None
        self.accepted(outcome)
        return AheadTurn(
            outcome.response, session.token, session.execution_id, session.committed_events, started_ns
        )

    def accepted(self, outcome: TurnOutcome) -> None:
        """The scheduler has committed the response: keep the session if there is one."""
        if outcome.session is not None:
            self._sessions.keep(outcome.response.instanceId, outcome.session)

    def dropped(self, outcome: TurnOutcome) -> None:
        """The response was refused or may not have arrived: the session is worth nothing."""
        if outcome.session is not None:
            self._sessions.discard(outcome.session)

    def _stream(self, request: pb.OrchestratorRequest) -> Iterable[pb.HistoryEvent]:
        if self._read_history is None:
            raise RuntimeError(
                f"The history of {request.instanceId!r} has to be streamed, but no reader was given."
            )
        return self._read_history(request)

    def _advance(
        self,
        execution: Execution,
        request: pb.OrchestratorRequest,
        past: Iterable[pb.HistoryEvent],
        committed: int,
        completion_token: str,
        session_token: str,
    ) -> TurnOutcome:
        response = pb.OrchestratorResponse(instanceId=request.instanceId, completionToken=completion_token)
        keep = False
        began = time.perf_counter()
        try:
            if committed and past:
                execution.replay(past)
            turn = execution.advance(request.newEvents)
            response.actions.extend(turn.actions)
            if turn.custom_status is not None:
                response.customStatus.value = turn.custom_status
            if not execution.is_finished:
                _give_hints(execution, response)
            keep = self._sessions.size > 0 and not execution.is_finished and not _rewinds(response)
        except VersionMismatchReject:
            raise
        except Exception as error:
            self._logger.exception(
                "Turn of %s failed outside of user code; the orchestration is marked failed",
                request.instanceId,
                extra={"instance_id": request.instanceId},
            )
            response.actions.append(_failed(error))
        finally:
            if not keep:
                execution.close()
        if not keep:
            return TurnOutcome(response)
        if (execution_id := execution.execution_id) is None:
            execution.close()
            return TurnOutcome(response)
        is_quick = time.perf_counter() - began < QUICK_TURN_SECONDS
        events = committed + _events_of_turn(request, response)
        return TurnOutcome(response, Session(execution, execution_id, events, is_quick, session_token))


def split_response(
    response: pb.OrchestratorResponse, max_bytes: int = MAX_RESPONSE_BYTES
) -> Iterator[pb.OrchestratorResponse]:
    """The response in parts of at most `max_bytes` each, as far as single actions allow; mostly it is one
    part.
    """
    if response.ByteSize() <= max_bytes:
        yield response
        return
    parts: list[list[pb.OrchestratorAction]] = [[]]
    room = max_bytes
    for action in response.actions:
        size = action.ByteSize()
        if size > room and parts[-1]:
            parts.append([])
            room = max_bytes
        parts[-1].append(action)
        room -= size
    for index, actions in enumerate(parts):
        part = pb.OrchestratorResponse(
            instanceId=response.instanceId,
            completionToken=response.completionToken,
            actions=actions,
            isPartial=index < len(parts) - 1,
            chunkIndex=Int32Value(value=index),
            # Only the first part consumes the turn's events.
            numEventsProcessed=Int32Value(value=0) if index else None,
        )
        if response.HasField("customStatus"):
            part.customStatus.CopyFrom(response.customStatus)
        yield part


def _comes_without_history(request: pb.OrchestratorRequest) -> bool:
    """Whether the scheduler counts on a session here (semantics 2.7 rules 2 and 3)."""
    if not request.properties or request.pastEvents:
        return False
    include = request.properties.get("IncludeState") or request.properties.get("IncludePastEvents")
    if include is None or include.bool_value or include.WhichOneof("kind") != "bool_value":
        return False
    return not any(event.HasField("executionStarted") for event in request.newEvents)


def _agrees(session: Session, request: pb.OrchestratorRequest) -> bool:
    committed = request.properties.get(COMMITTED_EVENTS)
    return (
        committed is not None
        and committed.number_value == session.committed_events
        and request.executionId.value == session.execution_id
    )


def _give_hints(execution: Execution, response: pb.OrchestratorResponse) -> None:
    """Say what the orchestrator waits for, for people to read; only a link carries it."""
    events, timers = execution.inbox.awaited(), execution.awaited_timers()
    if events or timers:
        hints.give(response, events, timers, execution.retrying)


def _events_of_turn(request: pb.OrchestratorRequest, response: pb.OrchestratorResponse) -> int:
    """How many events the turn leaves in the history: new ones, one confirmation per action, and its own
    orchestratorCompleted (semantics 3.1).
    """
    confirmed = sum(action.WhichOneof("orchestratorActionType") in _CONFIRMED for action in response.actions)
    return len(request.newEvents) + confirmed + 1


def _started(at_ns: int) -> pb.HistoryEvent:
    return pb.HistoryEvent(
        eventId=-1, timestamp=timestamp_of_ns(at_ns), orchestratorStarted=pb.OrchestratorStartedEvent()
    )


def _completed(result: pb.ActivityResponse) -> pb.HistoryEvent:
    return pb.HistoryEvent(
        eventId=-1,
        taskCompleted=pb.TaskCompletedEvent(
            taskScheduledId=result.taskId, result=result.result if result.HasField("result") else None
        ),
    )


def _rewinds(response: pb.OrchestratorResponse) -> bool:
    return any(action.HasField("rewindOrchestration") for action in response.actions)


def _failed(error: Exception) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(
        id=-1,
        completeOrchestration=pb.CompleteOrchestrationAction(
            orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED, failureDetails=failure_details(error)
        ),
    )
