"""The methods of the service `TaskHubSidecarService`: path, request type, response type.

The table serves both sides: a client builds its callables from it, a server its handlers. It knows
protobuf only; grpc belongs to `channel` and to the scheduler's service.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from durakit.wire.messages import orchestration_pb2 as pb

SERVICE = "TaskHubSidecarService"


@dataclass(frozen=True)
class Method:
    """One RPC; `streams` says whether the server answers with a stream of `response`."""

    name: str
    request: type[Message]
    response: type[Message]
    streams: bool = False

    @property
    def path(self) -> str:
        """The full path on the wire. The protocol declares no package, hence no dot."""
        return f"/{SERVICE}/{self.name}"


METHODS: tuple[Method, ...] = (
    Method("Hello", Empty, Empty),
    Method("StartInstance", pb.CreateInstanceRequest, pb.CreateInstanceResponse),
    Method("GetInstance", pb.GetInstanceRequest, pb.GetInstanceResponse),
    Method("RewindInstance", pb.RewindInstanceRequest, pb.RewindInstanceResponse),
    Method("RestartInstance", pb.RestartInstanceRequest, pb.RestartInstanceResponse),
    Method("WaitForInstanceStart", pb.GetInstanceRequest, pb.GetInstanceResponse),
    Method("WaitForInstanceCompletion", pb.GetInstanceRequest, pb.GetInstanceResponse),
    Method("RaiseEvent", pb.RaiseEventRequest, pb.RaiseEventResponse),
    Method("TerminateInstance", pb.TerminateRequest, pb.TerminateResponse),
    Method("SuspendInstance", pb.SuspendRequest, pb.SuspendResponse),
    Method("ResumeInstance", pb.ResumeRequest, pb.ResumeResponse),
    Method("QueryInstances", pb.QueryInstancesRequest, pb.QueryInstancesResponse),
    Method("ListInstanceIds", pb.ListInstanceIdsRequest, pb.ListInstanceIdsResponse),
    Method("PurgeInstances", pb.PurgeInstancesRequest, pb.PurgeInstancesResponse),
    Method("GetWorkItems", pb.GetWorkItemsRequest, pb.WorkItem, streams=True),
    Method("CompleteActivityTask", pb.ActivityResponse, pb.CompleteTaskResponse),
    Method("CompleteOrchestratorTask", pb.OrchestratorResponse, pb.CompleteTaskResponse),
    Method("CompleteEntityTask", pb.EntityBatchResult, pb.CompleteTaskResponse),
    Method("StreamInstanceHistory", pb.StreamInstanceHistoryRequest, pb.HistoryChunk, streams=True),
    Method("CreateTaskHub", pb.CreateTaskHubRequest, pb.CreateTaskHubResponse),
    Method("DeleteTaskHub", pb.DeleteTaskHubRequest, pb.DeleteTaskHubResponse),
    Method("SignalEntity", pb.SignalEntityRequest, pb.SignalEntityResponse),
    Method("GetEntity", pb.GetEntityRequest, pb.GetEntityResponse),
    Method("QueryEntities", pb.QueryEntitiesRequest, pb.QueryEntitiesResponse),
    Method("CleanEntityStorage", pb.CleanEntityStorageRequest, pb.CleanEntityStorageResponse),
    Method(
        "AbandonTaskActivityWorkItem",
        pb.AbandonActivityTaskRequest,
        pb.AbandonActivityTaskResponse,
    ),
    Method(
        "AbandonTaskOrchestratorWorkItem",
        pb.AbandonOrchestrationTaskRequest,
        pb.AbandonOrchestrationTaskResponse,
    ),
    Method("AbandonTaskEntityWorkItem", pb.AbandonEntityTaskRequest, pb.AbandonEntityTaskResponse),
    Method(
        "SkipGracefulOrchestrationTerminations",
        pb.SkipGracefulOrchestrationTerminationsRequest,
        pb.SkipGracefulOrchestrationTerminationsResponse,
    ),
)

LINK_SERVICE = "durakit.link.v1.Link"
LINK_METHOD = "Open"
LINK_HEADER = "durakit-link"
"""Sent with the answer to Hello by a scheduler that offers links (docs/link.md)."""

BY_NAME: dict[str, Method] = {method.name: method for method in METHODS}
