"""How executions end: completed, failed, terminated, continued as new; and how instances are purged.

Semantics.md 3.8, 3.9, 3.12 and 1.6.
"""

from __future__ import annotations

from google.protobuf.wrappers_pb2 import StringValue

from durakit.scheduler.machine import creation, events, status_record
from durakit.scheduler.machine.instance import Instance, Status
from durakit.scheduler.machine.machine import Machine
from durakit.scheduler.refusal import Refusal, not_now
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

_SURVIVES_CONTINUE_AS_NEW = frozenset({"eventRaised", "executionSuspended", "executionResumed"})


def finish(
    machine: Machine,
    instance: Instance,
    status: Status,
    output: str | None,
    failure: pb.TaskFailureDetails | None,
    now: int,
) -> None:
    """Make the instance terminal and tell its parent. History must be complete already."""
    instance.status = status
    instance.output = output
    instance.failure = failure.SerializeToString() if failure is not None else None
    instance.updated_ns = instance.completed_ns = now
    instance.turn = None
    for arrival in instance.inbox:
        machine.journal.take_arrival(arrival)
    instance.inbox.clear()
    instance.tasks.clear()
    instance.timers.clear()
    instance.children.clear()
    machine.journal.change(instance)
    machine.journal.settled.append(instance)
    # An execution that ends before its first turn was answered has not told the record yet that it has none.
    status_record.set_custom_status(machine.journal, instance, instance.custom_status, now)
    tell_parent(machine, instance, failure, now)


def tell_parent(
    machine: Machine, instance: Instance, failure: pb.TaskFailureDetails | None, now: int
) -> None:
    """Deliver the end of a child to the execution that waits for it, if it still does."""
    link = instance.parent
    if link is None:
        return
    parent = machine.resident.get(link.instance_id)
    if parent is None or parent.is_terminal or parent.execution_id != link.execution_id:
        return
    if parent.children.get(link.task_id) != instance.id:
        return
    del parent.children[link.task_id]
    if instance.status is Status.COMPLETED:
        kind = "subOrchestrationInstanceCompleted"
        event = events.child_completed(now, link.task_id, instance.output)
    else:
        kind = "subOrchestrationInstanceFailed"
        event = events.child_failed(now, link.task_id, failure or _terminated_details(instance))
    machine.deliver(parent, kind, event)


def _terminated_details(instance: Instance) -> pb.TaskFailureDetails:
    return pb.TaskFailureDetails(
        errorType="OrchestrationTerminated",
        errorMessage=f"Sub-orchestration '{instance.id}' was terminated.",
        isNonRetriable=True,
    )


def terminate(
    machine: Machine, instance: Instance, output: StringValue | None, *, recurse: bool, now: int
) -> None:
    """End an instance from outside, without asking a worker (semantics.md 3.12 rule 1).

    What waited in the inbox is recorded in history before the end. A turn that a worker holds becomes
    stale. With `recurse` the same happens to every descendant that still runs.
    """
    if instance.is_terminal:
        return
    # A worker that runs turns ahead dates them by its own clock.
    now = max(now, instance.clock_ns)
    new_events = [events.orchestrator_started(now)]
    new_events += [arrival.event for arrival in instance.inbox if arrival.event]
    new_events.append(events.execution_terminated(now, output, recurse))
    new_events.append(events.orchestrator_completed(now))
    new_events.append(events.execution_completed(now, Status.TERMINATED, output and output.value, None))
    machine.journal.append_history(instance, now, len(new_events), framing.past(new_events))
    children = machine.open_children(instance) if recurse else []
    finish(machine, instance, Status.TERMINATED, output.value if output is not None else None, None, now)
    for child in children:
        terminate(machine, child, output, recurse=True, now=now)


def continue_as_new(
    machine: Machine,
    instance: Instance,
    action: pb.CompleteOrchestrationAction,
    trace_parent: pb.TraceContext | None,
    now: int,
) -> None:
    """Begin a new execution with fresh history (semantics.md 3.9).

    Order of its first events: executionStarted, carried events, events that arrived during the turn.
    Completions addressed to the old execution are dropped.
    """
    waiting = instance.inbox
    for arrival in waiting:
        machine.journal.take_arrival(arrival)
    instance.inbox = []
    instance.tasks.clear()
    instance.timers.clear()
    instance.children.clear()
    machine.journal.drop_history(instance)
    instance.execution_id = machine.new_id()
    instance.input = action.result.value if action.HasField("result") else None
    if action.HasField("newVersion"):
        instance.version = action.newVersion.value
    instance.custom_status = None
    # Else the span of the first execution would go on for ever (trap 13).
    instance.trace = b""
    instance.updated_ns = now
    machine.journal.change(instance)
    machine.journal.replace_input(instance)
    started = pb.ExecutionStartedEvent(
        name=instance.name,
        version=events.text(instance.version),
        input=action.result if action.HasField("result") else None,
        parentTraceContext=trace_parent,
        tags=instance.tags,
    )
    creation.begin_execution(machine, instance, started, now)
    for carried in action.carryoverEvents:
        if carried.HasField("eventRaised"):
            carried.eventId = -1
            machine.deliver(instance, "eventRaised", carried.SerializeToString())
    for arrival in waiting:
        if arrival.kind in _SURVIVES_CONTINUE_AS_NEW:
            machine.deliver(instance, arrival.kind, arrival.event)


def purge(machine: Machine, instance: Instance, *, recursive: bool) -> int:
    """Delete an ended instance and, if asked, its descendants that have ended.

    Returns:
        How many instances were deleted.
    """
    if not instance.is_terminal:
        return 0
    children = machine.children_of(instance) if recursive else []
    machine.remove(instance)
    return 1 + sum(purge(machine, child, recursive=True) for child in children)


def purge_one(machine: Machine, instance_id: str, *, recursive: bool) -> int:
    """Delete the instance of that id; 0 when there is none.

    Raises:
        Refusal: FAILED_PRECONDITION when it has not ended.
    """
    instance = machine.find(instance_id)
    if instance is None:
        return 0
    if not instance.is_terminal:
        raise not_now(
            f"Orchestration instance '{instance_id}' is {instance.status.name}; only instances that have "
            f"ended can be purged. Terminate it first."
        )
    return purge(machine, instance, recursive=recursive)


def skip_graceful(
    machine: Machine, instance_ids: list[str], reason: StringValue | None, now: int
) -> list[str]:
    """Terminate each instance at once; return the ids for which that was not possible."""
    refused = []
    for instance_id in instance_ids:
        try:
            instance = machine.get(instance_id)
        except Refusal:
            refused.append(instance_id)
            continue
        if instance.is_terminal:
            refused.append(instance_id)
        else:
            terminate(machine, instance, reason, recurse=False, now=now)
    return refused
