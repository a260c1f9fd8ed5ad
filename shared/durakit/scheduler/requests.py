"""The front desk: one short method per unary RPC, all alike, without a network.

Each hands the request to hub or query and returns the response, which the caller may send only when the
commit group is on disk. The gRPC service and the in-process test hub answer through the same methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message

from durakit.scheduler import queries
from durakit.scheduler.engine import Engine
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.refusal import not_found
from durakit.scheduler.states import response_for
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

HISTORY_CHUNK_BYTES = 256 * 1024

Request = Callable[[Any, TaskHub], Message]

_COMPLETED = pb.CompleteTaskResponse()


class Requests:
    """Answers by method name; each may raise `Refusal`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.by_method: dict[str, Request] = {
            "StartInstance": self._start,
            "GetInstance": self.get,
            "RaiseEvent": self._raise,
            "TerminateInstance": self._terminate,
            "SuspendInstance": self._suspend,
            "ResumeInstance": self._resume,
            "RestartInstance": self._restart,
            "RewindInstance": self._rewind,
            "QueryInstances": self._query,
            "ListInstanceIds": self._list_ids,
            "PurgeInstances": self._purge,
            "CompleteActivityTask": self._complete_task,
            "CompleteOrchestratorTask": self._complete_turn,
            "AbandonTaskActivityWorkItem": self._abandon_task,
            "AbandonTaskOrchestratorWorkItem": self._abandon_turn,
            "SkipGracefulOrchestrationTerminations": self._skip_graceful,
            # Hubs are made on first use, so there is nothing to do; tools that ask for it may go on.
            "CreateTaskHub": lambda request, hub: pb.CreateTaskHubResponse(),
        }

    # --- clients

    def _start(self, request: pb.CreateInstanceRequest, hub: TaskHub) -> Message:
        return pb.CreateInstanceResponse(instanceId=hub.start(request, self._engine.now()).id)

    def get(self, request: pb.GetInstanceRequest, hub: TaskHub) -> Message:
        return response_for(hub.machine.find(request.instanceId), payloads=request.getInputsAndOutputs)

    def _raise(self, request: pb.RaiseEventRequest, hub: TaskHub) -> Message:
        hub.raise_event(request, self._engine.now())
        return pb.RaiseEventResponse()

    def _terminate(self, request: pb.TerminateRequest, hub: TaskHub) -> Message:
        hub.terminate(request, self._engine.now())
        return pb.TerminateResponse()

    def _suspend(self, request: pb.SuspendRequest, hub: TaskHub) -> Message:
        hub.suspend(request, self._engine.now())
        return pb.SuspendResponse()

    def _resume(self, request: pb.ResumeRequest, hub: TaskHub) -> Message:
        hub.resume(request, self._engine.now())
        return pb.ResumeResponse()

    def _restart(self, request: pb.RestartInstanceRequest, hub: TaskHub) -> Message:
        return pb.RestartInstanceResponse(instanceId=hub.restart(request, self._engine.now()).id)

    def _rewind(self, request: pb.RewindInstanceRequest, hub: TaskHub) -> Message:
        hub.rewind(request, self._engine.now())
        return pb.RewindInstanceResponse()

    def _query(self, request: pb.QueryInstancesRequest, hub: TaskHub) -> Message:
        return queries.query(self._engine, hub, request)

    def _list_ids(self, request: pb.ListInstanceIdsRequest, hub: TaskHub) -> Message:
        return queries.list_ids(self._engine, hub, request)

    def _purge(self, request: pb.PurgeInstancesRequest, hub: TaskHub) -> Message:
        return queries.purge(self._engine, hub, request)

    def _skip_graceful(
        self, request: pb.SkipGracefulOrchestrationTerminationsRequest, hub: TaskHub
    ) -> Message:
        refused = hub.skip_graceful(request, self._engine.now())
        return pb.SkipGracefulOrchestrationTerminationsResponse(unterminatedInstanceIds=refused)

    def history_chunks(
        self, request: pb.StreamInstanceHistoryRequest, hub: TaskHub
    ) -> Iterator[pb.HistoryChunk]:
        """Answer StreamInstanceHistory: the committed events, in order (semantics.md 1.10).

        Raises:
            Refusal: NOT_FOUND, also when the execution asked for is no longer the current one.
        """
        instance = hub.machine.get(request.instanceId)
        wanted = request.executionId.value
        if wanted and wanted != instance.execution_id:
            raise not_found(
                f"Orchestration instance '{instance.id}' no longer has execution '{wanted}'; it continued as "
                f"new or was restarted. Leave the execution id out to read the current one."
            )
        chunk: list[pb.HistoryEvent] = []
        size = 0
        for blob in list(hub.machine.history(instance)):
            for event in framing.events_of(blob):
                length = event.ByteSize()
                if chunk and size + length > HISTORY_CHUNK_BYTES:
                    yield pb.HistoryChunk(events=chunk)
                    chunk, size = [], 0
                chunk.append(event)
                size += length
        if chunk:
            yield pb.HistoryChunk(events=chunk)

    # --- workers

    def _complete_turn(self, request: pb.OrchestratorResponse, hub: TaskHub) -> Message:
        hub.complete_turn(request, self._engine.now())
        return _COMPLETED

    def _complete_task(self, request: pb.ActivityResponse, hub: TaskHub) -> Message:
        hub.complete_task(request, self._engine.now())
        return _COMPLETED

    def _abandon_turn(self, request: pb.AbandonOrchestrationTaskRequest, hub: TaskHub) -> Message:
        hub.abandon_turn(request.completionToken, self._engine.now())
        return pb.AbandonOrchestrationTaskResponse()

    def _abandon_task(self, request: pb.AbandonActivityTaskRequest, hub: TaskHub) -> Message:
        hub.abandon_task(request.completionToken, self._engine.now())
        return pb.AbandonActivityTaskResponse()
