"""Rebuilding an instance's open work from what is stored: its history and its inbox.

Nothing about open activities, timers and children is stored by itself. What is scheduled and not yet
answered, in history or inbox, is open; that is the whole truth, so a crash cannot lose or double it.
"""

from __future__ import annotations

from collections.abc import Iterable

from durakit.scheduler.machine import actions, events
from durakit.scheduler.machine.instance import KICK, Arrival, Instance, OpenTimer
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb


def rebuild(instance: Instance, history: list[bytes], inbox: Iterable[tuple[int, bytes]]) -> None:
    """Fill in everything of a resident instance that follows from its history and inbox.

    Args:
        instance: as read from its row; open work and inbox are empty.
        inbox: key and serialised event of each stored arrival, in order of keys.
    """
    instance.history = history
    events_so_far = framing.events_of(b"".join(history))
    instance.events = len(events_so_far)
    reopen_work(instance, events_so_far)
    for key, blob in inbox:
        if not blob:
            instance.inbox.append(Arrival(KICK, blob, key, 0))
            continue
        event = pb.HistoryEvent.FromString(blob)
        _answer(instance, event)
        if event.HasField("executionStarted") and not instance.events:
            _restore_clock(instance, event)
        instance.inbox.append(Arrival(event.WhichOneof("eventType") or "", blob, key, 0))


def reopen_work(instance: Instance, history: Iterable[pb.HistoryEvent]) -> None:
    """Fill in the open activities, timers and children, and the clock, that follow from a history."""
    for event in history:
        _replay(instance, event)


def _replay(instance: Instance, event: pb.HistoryEvent) -> None:
    kind = event.WhichOneof("eventType")
    if kind == "taskScheduled":
        instance.tasks[event.eventId] = actions.open_task(instance, event.eventId, event.taskScheduled)
    elif kind == "timerCreated":
        due_ns = events.nanoseconds(event.timerCreated.fireAt)
        instance.timers[event.eventId] = OpenTimer(instance, event.eventId, due_ns)
    elif kind == "subOrchestrationInstanceCreated":
        instance.children[event.eventId] = event.subOrchestrationInstanceCreated.instanceId
    elif kind == "orchestratorStarted":
        instance.clock_ns = events.nanoseconds(event.timestamp)
    else:
        _answer(instance, event)


def _restore_clock(instance: Instance, started: pb.HistoryEvent) -> None:
    """An execution that began after the instance did follows another; the clock goes on from there."""
    began_ns = events.nanoseconds(started.timestamp)
    if began_ns > instance.created_ns:
        instance.clock_ns = began_ns


def _answer(instance: Instance, event: pb.HistoryEvent) -> None:
    kind = event.WhichOneof("eventType")
    if kind in ("taskCompleted", "taskFailed"):
        instance.tasks.pop(getattr(event, kind).taskScheduledId, None)
    elif kind == "timerFired":
        instance.timers.pop(event.timerFired.timerId, None)
    elif kind in ("subOrchestrationInstanceCompleted", "subOrchestrationInstanceFailed"):
        instance.children.pop(getattr(event, kind).taskScheduledId, None)
