"""What each kind of action does: its confirmation in history and its effect (semantics.md 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from durakit.scheduler.limits import Limits
from durakit.scheduler.machine import arrivals, creation, ending, events
from durakit.scheduler.machine.instance import Instance, OpenTask, OpenTimer, Parent, Status
from durakit.scheduler.machine.machine import Machine
from durakit.scheduler.refusal import Refusal
from durakit.wire.messages import orchestration_pb2 as pb


def apply(
    machine: Machine,
    instance: Instance,
    actions: Iterable[pb.OrchestratorAction],
    now: int,
    *,
    is_last: bool,
) -> list[bytes]:
    """Carry out the actions of a turn; return their confirmation events, in order.

    Args:
        is_last: the turn also ends the execution. Then activities and timers are recorded but not run,
            since nobody is left to receive their results; children, events and terminations do happen.
    """
    confirmations: list[bytes] = []
    for action in actions:
        handler = _HANDLERS.get(action.WhichOneof("orchestratorActionType") or "")
        if handler is not None:
            confirmation = handler(machine, instance, action, now, is_last)
            if confirmation is not None:
                confirmations.append(confirmation)
    return confirmations


def objection(
    machine: Machine, instance: Instance, new_events: int, response: pb.OrchestratorResponse
) -> pb.TaskFailureDetails | None:
    """Return why the answer cannot be carried out, or None. The instance then fails with it."""
    too_long = machine.limits.excess_of_history(instance.events + new_events + len(response.actions))
    if too_long is not None:
        return _refused("HistoryTooLong", too_long)
    if any(action.HasField("sendEntityMessage") for action in response.actions):
        return _refused("EntitiesNotSupported", "This scheduler does not serve entities yet.")
    for action in response.actions:
        if action.HasField("completeOrchestration"):
            status = int(action.completeOrchestration.orchestrationStatus)
            if status not in _ENDS:
                return _refused(
                    "InvalidCompletion",
                    f"The worker completed the orchestration with status {status}; expected COMPLETED, "
                    f"FAILED, TERMINATED or CONTINUED_AS_NEW. Update the worker's SDK.",
                )
    excess = _excess(machine.limits, response)
    return _refused("PayloadTooLarge", excess) if excess is not None else None


_ENDS = frozenset({Status.COMPLETED, Status.FAILED, Status.TERMINATED, Status.CONTINUED_AS_NEW})


def _excess(limits: Limits, response: pb.OrchestratorResponse) -> str | None:
    """Return a sentence when a payload of the answer is over the limit."""
    if limits.payload_bytes is None or response.ByteSize() <= limits.payload_bytes:
        return None
    if (found := limits.excess("custom status", response.customStatus.value)) is not None:
        return found
    for action in response.actions:
        kind = action.WhichOneof("orchestratorActionType")
        if kind not in _PAYLOADS:
            continue
        label, field = _PAYLOADS[kind]
        inner = getattr(action, kind)
        if kind == "completeOrchestration" and inner.orchestrationStatus == Status.CONTINUED_AS_NEW:
            label = "orchestration input"
        if (found := limits.excess(label.format(inner), getattr(inner, field).value)) is not None:
            return found
    return None


_PAYLOADS = {
    "scheduleTask": ("input of activity '{0.name}'", "input"),
    "createSubOrchestration": ("input of sub-orchestration '{0.name}'", "input"),
    "sendEvent": ("payload of event '{0.name}'", "data"),
    "terminateOrchestration": ("reason for terminating '{0.instanceId}'", "reason"),
    "completeOrchestration": ("orchestration output", "result"),
}


def _schedule_task(
    machine: Machine, instance: Instance, action: pb.OrchestratorAction, now: int, is_last: bool
) -> bytes:
    scheduled = action.scheduleTask
    if not is_last:
        task = open_task(instance, action.id, scheduled)
        instance.tasks[action.id] = task
        machine.journal.activities.append(task)
    return events.task_scheduled(now, action.id, scheduled)


def open_task(
    instance: Instance, task_id: int, scheduled: pb.ScheduleTaskAction | pb.TaskScheduledEvent
) -> OpenTask:
    """Return the open task for an action, or for the event that confirmed it."""
    request = pb.ActivityRequest(
        name=scheduled.name,
        orchestrationInstance=pb.OrchestrationInstance(
            instanceId=instance.id, executionId=events.text(instance.execution_id)
        ),
        taskId=task_id,
    )
    if scheduled.HasField("version"):
        request.version.CopyFrom(scheduled.version)
    if scheduled.HasField("input"):
        request.input.CopyFrom(scheduled.input)
    if scheduled.HasField("parentTraceContext"):
        request.parentTraceContext.CopyFrom(scheduled.parentTraceContext)
    if scheduled.tags:
        request.tags.update(scheduled.tags)
    return OpenTask(instance, task_id, scheduled.name, scheduled.version.value, request.SerializeToString())


def _create_timer(
    machine: Machine, instance: Instance, action: pb.OrchestratorAction, now: int, is_last: bool
) -> bytes:
    if not is_last:
        timer = OpenTimer(instance, action.id, events.nanoseconds(action.createTimer.fireAt))
        instance.timers[action.id] = timer
        machine.journal.timers.append(timer)
    return events.timer_created(now, action.id, action.createTimer)


def _create_child(
    machine: Machine, instance: Instance, action: pb.OrchestratorAction, now: int, is_last: bool
) -> bytes:
    wanted = action.createSubOrchestration
    child_id = wanted.instanceId or machine.new_id()
    instance.children[action.id] = child_id
    refusal = start_child(machine, instance, action.id, child_id, wanted, now)
    if refusal is not None:
        instance.children.pop(action.id, None)
        if not is_last:
            failed = events.child_failed(now, action.id, refusal)
            machine.deliver(instance, "subOrchestrationInstanceFailed", failed)
    return events.child_created(now, action.id, child_id, wanted)


def start_child(
    machine: Machine,
    instance: Instance,
    task_id: int,
    child_id: str,
    wanted: pb.CreateSubOrchestrationAction | pb.SubOrchestrationInstanceCreatedEvent,
    now: int,
) -> pb.TaskFailureDetails | None:
    """Start a child; return why not, if it cannot be. An ended namesake is replaced (3.7 rule 3)."""
    try:
        machine.limits.check_instance_id(child_id)
    except Refusal as refusal:
        return _refused("InvalidInstanceId", refusal.message)
    existing = machine.find(child_id)
    if existing is not None:
        if not existing.is_terminal:
            return _refused(
                "OrchestrationAlreadyExists",
                f"An orchestration instance '{child_id}' already exists and is {existing.status.name}. "
                f"Choose another instance_id for the sub-orchestration.",
            )
        machine.remove(existing)
    started = pb.ExecutionStartedEvent(
        name=wanted.name,
        version=wanted.version if wanted.HasField("version") else None,
        input=wanted.input if wanted.HasField("input") else None,
        parentTraceContext=wanted.parentTraceContext if wanted.HasField("parentTraceContext") else None,
        tags={**instance.tags, **wanted.tags},
    )
    parent = Parent(instance.id, instance.execution_id, task_id, instance.name, instance.version)
    creation.create(machine, child_id, started, now, parent=parent)
    return None


def _refused(error_type: str, message: str) -> pb.TaskFailureDetails:
    return pb.TaskFailureDetails(errorType=error_type, errorMessage=message, isNonRetriable=True)


def _send_event(
    machine: Machine, instance: Instance, action: pb.OrchestratorAction, now: int, is_last: bool
) -> bytes:
    sent = action.sendEvent
    target = machine.find(sent.instance.instanceId)
    if target is not None and sent.name:
        arrivals.raise_event(machine, target, sent.name, sent.data if sent.HasField("data") else None, now)
    return events.event_sent(now, action.id, sent)


def terminate_others(
    machine: Machine, instance: Instance, actions: Iterable[pb.OrchestratorAction], now: int
) -> None:
    """Carry out the terminations a turn asked for. Call when all else of the turn is in the journal: a
    recursive one may come back to the instance itself.
    """
    for action in actions:
        if action.HasField("terminateOrchestration"):
            wanted = action.terminateOrchestration
            target = machine.find(wanted.instanceId)
            if target is not None and target is not instance:
                reason = wanted.reason if wanted.HasField("reason") else None
                ending.terminate(machine, target, reason, recurse=wanted.recurse, now=now)


_Handler = Callable[[Machine, Instance, pb.OrchestratorAction, int, bool], "bytes | None"]

_HANDLERS: dict[str, _Handler] = {
    "scheduleTask": _schedule_task,
    "createTimer": _create_timer,
    "createSubOrchestration": _create_child,
    "sendEvent": _send_event,
}
