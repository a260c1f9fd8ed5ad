"""Instances as clients see them: `OrchestrationState` and the responses around it (semantics.md 1.4)."""

from __future__ import annotations

from google.protobuf.wrappers_pb2 import StringValue

from durakit.scheduler.machine.events import text, timestamp
from durakit.scheduler.machine.instance import Instance
from durakit.wire.messages import orchestration_pb2 as pb


def state_of(instance: Instance, *, payloads: bool) -> pb.OrchestrationState:
    """Return the public state of an instance.

    Args:
        payloads: with input, output, custom status and failure; without, all four are left out.
    """
    state = pb.OrchestrationState(
        instanceId=instance.id,
        name=instance.name,
        version=text(instance.version),
        orchestrationStatus=int(instance.status),  # type: ignore[arg-type]  # stubs want the enum; ours has its numbers
        createdTimestamp=timestamp(instance.created_ns),
        lastUpdatedTimestamp=timestamp(instance.updated_ns),
        executionId=StringValue(value=instance.execution_id),
        tags=instance.tags,
    )
    if instance.scheduled_ns is not None:
        state.scheduledStartTimestamp.CopyFrom(timestamp(instance.scheduled_ns))
    if instance.completed_ns is not None:
        state.completedTimestamp.CopyFrom(timestamp(instance.completed_ns))
    if instance.parent is not None:
        state.parentInstanceId.value = instance.parent.instance_id
    if payloads:
        if instance.input is not None:
            state.input.value = instance.input
        if instance.output is not None:
            state.output.value = instance.output
        if instance.custom_status is not None:
            state.customStatus.value = instance.custom_status
        if instance.failure is not None:
            state.failureDetails.MergeFromString(instance.failure)
    return state


def response_for(instance: Instance | None, *, payloads: bool) -> pb.GetInstanceResponse:
    """Return the answer to GetInstance and its waiting kin; a missing instance is not an error."""
    if instance is None:
        return pb.GetInstanceResponse(exists=False)
    return pb.GetInstanceResponse(exists=True, orchestrationState=state_of(instance, payloads=payloads))
