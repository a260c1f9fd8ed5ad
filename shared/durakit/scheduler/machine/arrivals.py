"""What reaches an instance from outside: events, results of activities, timers, suspend and resume."""

from __future__ import annotations

from google.protobuf.wrappers_pb2 import StringValue

from durakit.scheduler.machine import events
from durakit.scheduler.machine.instance import RESULT, Instance, OpenTask, OpenTimer, Status
from durakit.scheduler.machine.machine import Machine
from durakit.scheduler.refusal import invalid
from durakit.wire.messages import orchestration_pb2 as pb


def raise_event(machine: Machine, instance: Instance, name: str, data: StringValue | None, now: int) -> None:
    """Deliver an external event; an instance that has ended drops it (semantics.md 1.7).

    Raises:
        Refusal: INVALID_ARGUMENT for an empty name or a payload over the limit.
    """
    if not name:
        raise invalid("The event name is empty. Pass the name the orchestration waits for.")
    machine.limits.check_payload(f"payload of event '{name}'", data.value if data is not None else None)
    if not instance.is_terminal:
        machine.deliver(instance, "eventRaised", events.event_raised(now, name, data))


def suspend(machine: Machine, instance: Instance, reason: str | None, now: int) -> None:
    """Withhold turns from now on. Suspending twice changes nothing (semantics.md 3.10 rule 2).

    The event itself waits in the inbox with all that arrives meanwhile, in order, until the resume.
    """
    if instance.is_terminal or instance.is_suspended:
        return
    instance.status = Status.SUSPENDED
    instance.updated_ns = max(now, instance.updated_ns)
    machine.journal.change(instance)
    machine.journal.settled.append(instance)
    machine.deliver(instance, "executionSuspended", events.execution_suspended(now, reason))


def resume(machine: Machine, instance: Instance, reason: str | None, now: int) -> None:
    """Let a suspended instance go on; it gets all that arrived meanwhile."""
    if not instance.is_suspended:
        return
    # An execution that continued as new has a clock, although no history yet.
    instance.status = Status.RUNNING if instance.has_started or instance.clock_ns else Status.PENDING
    instance.updated_ns = max(now, instance.updated_ns)
    machine.journal.change(instance)
    machine.journal.settled.append(instance)
    machine.deliver(instance, "executionResumed", events.execution_resumed(now, reason))


def is_open(task: OpenTask) -> bool:
    """Whether a result of this very scheduling is still awaited (semantics.md 3.3 rule 2)."""
    return task.instance.tasks.get(task.task_id) is task


def complete_task(machine: Machine, task: OpenTask, response: pb.ActivityResponse, now: int) -> None:
    """Record the result of an activity. `failureDetails` means failure, even when empty (2.6 rule 1).

    A result over the payload limit is recorded as a failure that names the limit.
    """
    if not is_open(task):
        return
    instance = task.instance
    del instance.tasks[task.task_id]
    result = response.result if response.HasField("result") else None
    excess = machine.limits.excess(f"result of activity '{task.name}'", result and result.value)
    if response.HasField("failureDetails"):
        event = events.task_failed(now, task.task_id, machine.limits.fitting(response.failureDetails))
        kind = "taskFailed"
    elif excess is not None:
        details = pb.TaskFailureDetails(errorType="PayloadTooLarge", errorMessage=excess, isNonRetriable=True)
        event = events.task_failed(now, task.task_id, details)
        kind = "taskFailed"
    else:
        event = events.task_completed(now, task.task_id, result)
        kind = RESULT
    machine.deliver(instance, kind, event)


def is_pending(timer: OpenTimer) -> bool:
    """Whether its execution still waits for this timer."""
    return timer.instance.timers.get(timer.timer_id) is timer


def fire_timer(machine: Machine, timer: OpenTimer, now: int) -> None:
    """A timer is due. Nothing is written: history says when it is due, so it can fire again."""
    if not is_pending(timer):
        return
    instance = timer.instance
    del instance.timers[timer.timer_id]
    event = events.timer_fired(now, timer.timer_id, timer.due_ns)
    machine.deliver(instance, "timerFired", event, stored=False)
