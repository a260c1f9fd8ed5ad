"""Rewind: a failed instance goes on from its last good point (semantics.md 3.13).

The scheduler rewrites the history itself, so any SDK's workers can go on with it; they cannot tell the
difference from a history that never held the failure.

What is taken out are the failures that ended the execution: those after which the orchestrator decided
nothing more. Failures it handled (it retried, or went another way) stay, because its later decisions
build on them. If it handled every failure and ended as failed nevertheless, its decisions since the last
failure are taken back together with that failure.
"""

from __future__ import annotations

from durakit.scheduler.machine import actions, ending, events, recovery
from durakit.scheduler.machine.instance import KICK, Instance, Parent, Status
from durakit.scheduler.machine.machine import Machine
from durakit.scheduler.refusal import not_now
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

_DECISIONS = {
    "taskScheduled",
    "timerCreated",
    "subOrchestrationInstanceCreated",
    "eventSent",
}
_ANSWERS = {
    "taskCompleted": "taskScheduledId",
    "taskFailed": "taskScheduledId",
    "timerFired": "timerId",
    "subOrchestrationInstanceCompleted": "taskScheduledId",
    "subOrchestrationInstanceFailed": "taskScheduledId",
}
_FAILURES = {"taskFailed", "subOrchestrationInstanceFailed"}


def rewind(machine: Machine, instance: Instance, now: int) -> None:
    """Run a failed instance again from where its failures arrived.

    Raises:
        Refusal: FAILED_PRECONDITION when the instance has not failed.
    """
    if instance.status is not Status.FAILED:
        raise not_now(
            f"Orchestration instance '{instance.id}' is {instance.status.name}, not in a failed state; only "
            f"failed instances can be rewound."
        )
    history = framing.events_of(b"".join(machine.history(instance)))
    kept = without_failures(history)
    instance.execution_id = machine.new_id()
    _readdress(kept, instance)
    _reopen(machine, instance, kept, now)
    for task_id, child_id in list(instance.children.items()):
        _bring_back(machine, instance, task_id, child_id, kept, now)


def without_failures(history: list[pb.HistoryEvent]) -> list[pb.HistoryEvent]:
    """Return the history as it would be had the failures that ended it not arrived."""
    kinds = [event.WhichOneof("eventType") or "" for event in history]
    last_decision = max((at for at, kind in enumerate(kinds) if kind in _DECISIONS), default=-1)
    removed = {at for at, kind in enumerate(kinds) if kind == "executionCompleted"}
    failures = [at for at, kind in enumerate(kinds) if kind in _FAILURES]
    fatal = [at for at in failures if at > last_decision]
    if not fatal and failures:
        fatal = failures[-1:]
        removed |= _decided_since(history, kinds, failures[-1])
    for at in fatal:
        removed.add(at)
        if kinds[at] == "taskFailed":
            # A child's creation stays: the child itself is rewound.
            removed |= _latest_scheduling(history, kinds, at)
    return [event for at, event in enumerate(history) if at not in removed]


def _latest_scheduling(history: list[pb.HistoryEvent], kinds: list[str], failed_at: int) -> set[int]:
    task_id = history[failed_at].taskFailed.taskScheduledId
    earlier = [
        at for at in range(failed_at) if kinds[at] == "taskScheduled" and history[at].eventId == task_id
    ]
    return set(earlier[-1:])


def _decided_since(history: list[pb.HistoryEvent], kinds: list[str], failed_at: int) -> set[int]:
    """Decisions after `failed_at`, and the answers to them."""
    decisions = {at for at in range(failed_at, len(history)) if kinds[at] in _DECISIONS}
    undone = {history[at].eventId for at in decisions}
    answers = {
        at
        for at in range(failed_at + 1, len(history))
        if kinds[at] in _ANSWERS and getattr(getattr(history[at], kinds[at]), _ANSWERS[kinds[at]]) in undone
    }
    return decisions | answers


def _readdress(history: list[pb.HistoryEvent], instance: Instance) -> None:
    for event in history:
        if event.HasField("executionStarted"):
            started = event.executionStarted
            started.orchestrationInstance.executionId.value = instance.execution_id
            if instance.parent is not None:
                parent = started.parentInstance.orchestrationInstance
                parent.executionId.value = instance.parent.execution_id


def _reopen(machine: Machine, instance: Instance, history: list[pb.HistoryEvent], now: int) -> None:
    journal = machine.journal
    blob = framing.past(event.SerializeToString() for event in history)
    journal.drop_history(instance)
    journal.append_history(instance, now, len(history), blob)
    instance.status = Status.RUNNING
    instance.output = instance.failure = instance.completed_ns = None
    instance.updated_ns = now
    instance.queued = False
    instance.session = None
    machine.resident[instance.id] = instance
    journal.change(instance)
    journal.settled.append(instance)
    recovery.reopen_work(instance, history)
    journal.activities.extend(instance.tasks.values())
    journal.timers.extend(instance.timers.values())
    machine.deliver(instance, KICK, b"")


def _bring_back(
    machine: Machine,
    instance: Instance,
    task_id: int,
    child_id: str,
    history: list[pb.HistoryEvent],
    now: int,
) -> None:
    """Make a child that the parent waits for end once more, and tell this execution of the parent."""
    child = machine.find(child_id)
    parent = Parent(instance.id, instance.execution_id, task_id, instance.name, instance.version)
    if child is not None and child.parent is not None and child.parent.instance_id == instance.id:
        child.parent = parent
        if child.status is Status.FAILED:
            rewind(machine, child, now)
            return
        if not child.is_terminal:
            machine.journal.change(child)
            return
        if child.status is Status.COMPLETED:
            ending.tell_parent(machine, child, None, now)
            return
    created = next(
        event.subOrchestrationInstanceCreated
        for event in reversed(history)
        if event.HasField("subOrchestrationInstanceCreated") and event.eventId == task_id
    )
    refusal = actions.start_child(machine, instance, task_id, child_id, created, now)
    if refusal is not None:
        del instance.children[task_id]
        failed = events.child_failed(now, task_id, refusal)
        machine.deliver(instance, "subOrchestrationInstanceFailed", failed)
