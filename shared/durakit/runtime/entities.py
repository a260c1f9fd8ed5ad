"""The answer to entity work items that reach a worker without entities: every operation fails, saying so.

Abandoning them instead would bring them back at once, for ever. A worker with work item filters never gets
them.
"""

from __future__ import annotations

from google.protobuf.wrappers_pb2 import StringValue

from durakit.replay.failures import framework_failure
from durakit.wire.messages import orchestration_pb2 as pb

#: The error type under which every Durable Task SDK knows an unknown entity (semantics 3.15 rule 3).
NOT_REGISTERED = "EntityTaskNotFound"


def refuse(request: pb.EntityRequest, completion_token: str, worker: str) -> pb.EntityBatchResult:
    """The result of a batch none of whose operations was run; the entity's state stays as it is."""
    details = framework_failure(
        NOT_REGISTERED,
        f"No entity is registered with {worker}, so {request.instanceId} cannot be served there.",
    )
    result = pb.EntityBatchResult(completionToken=completion_token)
    if request.HasField("entityState"):
        result.entityState.CopyFrom(request.entityState)
    for event in request.operationRequests:
        result.results.append(pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=details)))
        result.operationInfos.append(_info(event))
    return result


def _info(event: pb.HistoryEvent) -> pb.OperationInfo:
    if event.HasField("entityOperationSignaled"):
        return pb.OperationInfo(requestId=event.entityOperationSignaled.requestId)
    called = event.entityOperationCalled
    return pb.OperationInfo(
        requestId=called.requestId,
        responseDestination=pb.OrchestrationInstance(
            instanceId=called.parentInstanceId.value,
            executionId=StringValue(value=called.parentExecutionId.value),
        ),
    )
