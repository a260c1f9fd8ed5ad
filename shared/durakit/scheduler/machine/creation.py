"""Creating instances and beginning executions."""

from __future__ import annotations

from durakit.scheduler.machine import events
from durakit.scheduler.machine.instance import Instance, Parent, Status
from durakit.scheduler.machine.machine import Machine
from durakit.wire.messages import orchestration_pb2 as pb


def create(
    machine: Machine,
    instance_id: str,
    started: pb.ExecutionStartedEvent,
    now: int,
    *,
    execution_id: str = "",
    parent: Parent | None = None,
) -> Instance:
    """Create an instance whose id is free. `started` is completed with ids and the parent."""
    instance = Instance(
        row=machine.next_row(),
        hub_row=machine.hub_row,
        id=instance_id,
        execution_id=execution_id or machine.new_id(),
        name=started.name,
        version=started.version.value if started.HasField("version") else None,
        status=Status.PENDING,
        created_ns=now,
        updated_ns=now,
        parent=parent,
        tags=dict(started.tags),
        input=started.input.value if started.HasField("input") else None,
    )
    if started.HasField("scheduledStartTimestamp"):
        instance.scheduled_ns = events.storable(events.nanoseconds(started.scheduledStartTimestamp))
    machine.resident[instance_id] = instance
    machine.journal.create(instance)
    begin_execution(machine, instance, started, now)
    return instance


def begin_execution(
    machine: Machine, instance: Instance, started: pb.ExecutionStartedEvent, now: int
) -> None:
    """Put `executionStarted` of a new execution into the inbox."""
    started.orchestrationInstance.instanceId = instance.id
    started.orchestrationInstance.executionId.value = instance.execution_id
    parent = instance.parent
    if parent is not None:
        info = started.parentInstance
        info.taskScheduledId = parent.task_id
        info.name.value = parent.name
        if parent.version is not None:
            info.version.value = parent.version
        info.orchestrationInstance.instanceId = parent.instance_id
        info.orchestrationInstance.executionId.value = parent.execution_id
    machine.deliver(instance, "executionStarted", events.execution_started(now, started))
