"""Starting an instance for a client, replacing an earlier one, restarting (semantics.md 1.3, 1.8)."""

from __future__ import annotations

from durakit.scheduler.machine import creation, ending, events
from durakit.scheduler.machine.instance import Instance, Status
from durakit.scheduler.machine.machine import Machine
from durakit.scheduler.refusal import Refusal, invalid, not_now
from durakit.wire.messages import orchestration_pb2 as pb

_LIVE = frozenset({Status.PENDING, Status.RUNNING, Status.SUSPENDED})


def start(machine: Machine, request: pb.CreateInstanceRequest, now: int) -> Instance:
    """Create an instance as a client asked.

    Raises:
        Refusal: ALREADY_EXISTS, or INVALID_ARGUMENT naming what is wrong.
    """
    if not request.name:
        raise invalid("The orchestration name is empty. Pass the name the worker registered.")
    instance_id = request.instanceId or machine.new_id()
    machine.limits.check_instance_id(instance_id)
    machine.limits.check_payload("orchestration input", request.input.value)

    existing = machine.find(instance_id)
    if existing is not None:
        policy = (
            request.orchestrationIdReusePolicy if request.HasField("orchestrationIdReusePolicy") else None
        )
        _make_room(machine, existing, policy, now)

    started = pb.ExecutionStartedEvent(
        name=request.name,
        version=request.version if request.HasField("version") else None,
        input=request.input if request.HasField("input") else None,
        parentTraceContext=request.parentTraceContext if request.HasField("parentTraceContext") else None,
        tags=request.tags,
    )
    if request.HasField("scheduledStartTimestamp"):
        started.scheduledStartTimestamp.CopyFrom(request.scheduledStartTimestamp)
    return creation.create(machine, instance_id, started, now, execution_id=request.executionId.value)


def _make_room(
    machine: Machine, existing: Instance, policy: pb.OrchestrationIdReusePolicy | None, now: int
) -> None:
    replaceable = {int(status) for status in policy.replaceableStatus} if policy is not None else set()
    if replaceable & _LIVE and Status.TERMINATED not in replaceable:
        raise invalid(
            "The id reuse policy allows replacing running instances but leaves out TERMINATED. A running "
            "instance is terminated before it is replaced, so add TERMINATED to the policy."
        )
    if existing.status not in replaceable:
        raise Refusal(
            "ALREADY_EXISTS",
            f"Orchestration instance '{existing.id}' already exists with status {existing.status.name}. "
            f"Choose another instance id, purge it, or pass an id reuse policy that includes this status.",
        )
    if not existing.is_terminal:
        ending.terminate(machine, existing, None, recurse=True, now=now)
    machine.remove(existing)


def restart(machine: Machine, request: pb.RestartInstanceRequest, now: int) -> Instance:
    """Start an ended instance again with the same name, input, version and tags.

    Raises:
        Refusal: NOT_FOUND, or FAILED_PRECONDITION when it has not ended.
    """
    old = machine.get(request.instanceId)
    if not old.is_terminal:
        raise not_now(
            f"Orchestration instance '{old.id}' is {old.status.name}, not in a terminal state. Terminate it "
            f"first, then restart."
        )
    started = pb.ExecutionStartedEvent(
        name=old.name, version=events.text(old.version), input=events.text(old.input), tags=old.tags
    )
    if request.restartWithNewInstanceId:
        return creation.create(machine, machine.new_id(), started, now)
    machine.remove(old)
    return creation.create(machine, old.id, started, now)
