"""External events: wait_for_external_event, send_event, and the events eventRaised, eventSent.

Names are compared without regard to case and kept as they were spelt. An event wakes the waiter that has
waited longest, or is buffered until somebody asks for it (semantics 3.14).
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from durakit.replay import determinism, timers
from durakit.replay.clock import ns_of_timestamp, timestamp_of_ns
from durakit.replay.steps import Payload, Step, payload, text_of
from durakit.task import CancellableTask
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.replay.execution import Execution
    from durakit.serialization import DataConverter


class ReceivedEvent(NamedTuple):
    """An event nobody has consumed. `order` is its place among all that were buffered."""

    order: int
    name: str
    text: str
    received_ns: int

    def to_wire(self) -> pb.HistoryEvent:
        """The event as it is carried over to the next execution, its name as it was spelt."""
        event = pb.HistoryEvent(eventId=-1, timestamp=timestamp_of_ns(self.received_ns))
        event.eventRaised.name = self.name
        if self.text:
            event.eventRaised.input.value = self.text
        return event


class Waiter:
    """Somebody who waits for an event, perhaps until a deadline."""

    __slots__ = ("alarm", "execution", "key", "name", "task", "timeout")

    def __init__(self, execution: Execution, name: str, task: CancellableTask[Any]) -> None:
        self.execution = execution
        self.name = name
        self.key = name.casefold()
        self.task = task
        self.alarm: timers.Alarm | None = None
        self.timeout: timedelta | datetime | None = None

    def give_up(self) -> None:
        """The user cancelled: from now on this one must not swallow an event."""
        self.execution.inbox.remove_waiter(self)
        if self.alarm is not None:
            self.alarm.cancel()

    def time_out(self) -> None:
        """The deadline came first."""
        self.execution.inbox.remove_waiter(self)
        self.task._settle(None, TimeoutError(f"No event '{self.name}' arrived within {self.timeout}."))
        self.execution.wake()

    def deliver(self, name: str, text: str) -> None:
        """The event came first."""
        if self.alarm is not None:
            self.alarm.cancel()
        _settle(self.execution, self.task, name, text)
        self.execution.wake()


class EventInbox:
    """Events without a waiter, and waiters without an event, by case-folded name."""

    __slots__ = ("_buffered", "_count", "_waiting")

    def __init__(self) -> None:
        self._buffered: dict[str, deque[ReceivedEvent]] = {}
        self._waiting: dict[str, deque[Waiter]] = {}
        self._count = 0

    def buffer(self, name: str, text: str, received_ns: int) -> None:
        """Keeps an event until `take_event` asks for it."""
        self._count += 1
        event = ReceivedEvent(self._count, name, text, received_ns)
        self._buffered.setdefault(name.casefold(), deque()).append(event)

    def take_event(self, key: str) -> ReceivedEvent | None:
        """The oldest buffered event of the name, no longer buffered then."""
        return _pop_oldest(self._buffered, key)

    def add_waiter(self, waiter: Waiter) -> None:
        """Queues somebody for the next event of the name."""
        self._waiting.setdefault(waiter.key, deque()).append(waiter)

    def take_waiter(self, key: str) -> Waiter | None:
        """The one who has waited longest for the name, no longer queued then."""
        return _pop_oldest(self._waiting, key)

    def remove_waiter(self, waiter: Waiter) -> None:
        """Takes somebody out of the queue."""
        queue = self._waiting[waiter.key]
        queue.remove(waiter)
        if not queue:
            del self._waiting[waiter.key]

    def awaited(self) -> list[str]:
        """Names that somebody waits for, as spelt by who has waited longest."""
        return [queue[0].name for queue in self._waiting.values()]

    def unconsumed(self) -> list[ReceivedEvent]:
        """All buffered events in order of arrival."""
        return sorted(event for queue in self._buffered.values() for event in queue)


class SendEventStep(Step):
    """One event on its way to another instance."""

    __slots__ = ("data", "event_name", "target")

    def __init__(self, step_id: int, target: str, event_name: str, data: Payload) -> None:
        self.id = step_id
        self.target = target
        self.event_name = event_name
        self.data = data

    def describe(self) -> str:
        return f"send_event('{self.target}', '{self.event_name}')"

    def build(self, converter: DataConverter) -> pb.OrchestratorAction:
        action = pb.OrchestratorAction(id=self.id)
        send = action.sendEvent
        send.instance.instanceId = self.target
        send.name = self.event_name
        text = text_of(self.data, converter)
        if text is not None:
            send.data.value = text
        return action


def wait_for(
    execution: Execution, name: str, data_type: Any, timeout: timedelta | datetime | None
) -> CancellableTask[Any]:
    """The task of the next event of that name."""
    if not isinstance(name, str):
        raise TypeError(f"The name of an event is {name!r} ({type(name).__name__}); expected text.")
    deadline_ns = None if timeout is None else timers.moment_ns(execution, timeout, "timeout")
    task: CancellableTask[Any] = CancellableTask(data_type)
    event = execution.inbox.take_event(name.casefold())
    if event is not None:
        _settle(execution, task, event.name, event.text)
        return task
    waiter = Waiter(execution, name, task)
    execution.inbox.add_waiter(waiter)
    task.set_cancel_handler(waiter.give_up)
    if deadline_ns is not None:
        waiter.timeout = timeout
        waiter.alarm = timers.set_alarm(execution, deadline_ns, waiter.time_out)
    return task


def _settle(execution: Execution, task: CancellableTask[Any], name: str, text: str) -> None:
    """Absent, empty and `null` text all mean None."""
    if not text:
        task._settle(None, None)
        return
    try:
        value = execution.options.converter.deserialize(text, task._expected_type)
    except Exception as error:  # a converter may raise anything; user code may catch it as a failed task
        task.fail(f"{execution.instance_id}: The data of event '{name}' cannot be read: {error}", error)
    else:
        task._settle(value, None)


def send(execution: Execution, target: str, event_name: str, data: Any) -> None:
    """Sends an event to another instance."""
    sent = payload(execution, data)
    execution.post(SendEventStep(execution.next_id(), target, event_name, sent))


def on_raised(execution: Execution, event: pb.HistoryEvent) -> None:
    raised = event.eventRaised
    name = raised.name
    waiter = execution.inbox.take_waiter(name.casefold())
    if waiter is None:
        keep(execution, event)
    else:
        waiter.deliver(name, raised.input.value)


def keep(execution: Execution, event: pb.HistoryEvent) -> None:
    """Buffers an event: nobody waits for it, or the orchestrator is done and it may be carried over."""
    raised = event.eventRaised
    execution.inbox.buffer(raised.name, raised.input.value, ns_of_timestamp(event.timestamp))


def on_sent(execution: Execution, event: pb.HistoryEvent) -> None:
    """The scheduler has sent the event: the code must have asked for the same one."""
    sent = event.eventSent
    step = execution.pending.pop(event.eventId, None)
    if (
        type(step) is not SendEventStep
        or step.target != sent.instanceId
        or step.event_name.casefold() != sent.name.casefold()
    ):
        determinism.disagree(
            execution, event.eventId, f"send_event('{sent.instanceId}', '{sent.name}')", step
        )


_Queued = TypeVar("_Queued")


def _pop_oldest(queues: dict[str, deque[_Queued]], key: str) -> _Queued | None:
    queue = queues.get(key)
    if queue is None:
        return None
    oldest = queue.popleft()
    if not queue:
        del queues[key]
    return oldest


CONFIRMATIONS = {"eventSent": on_sent}
ARRIVALS = {"eventRaised": on_raised}
