"""The history of an orchestration as a program reads it: one dataclass for each kind of event.

Names and fields follow the protocol's messages, so one rule converts them all (`from_message`).
Payloads stay the JSON texts that were recorded.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

if TYPE_CHECKING:
    from durakit import task
    from durakit.wire.messages import orchestration_pb2 as pb


@dataclass(frozen=True)
class OrchestrationInstance:
    """One execution of one instance; continue-as-new and restarts give a new execution id."""

    instance_id: str
    execution_id: str | None = None


@dataclass(frozen=True)
class ParentInstanceInfo:
    """The orchestration that called this one, and the event id of that call."""

    task_scheduled_id: int
    name: str | None = None
    version: str | None = None
    orchestration_instance: OrchestrationInstance | None = None


@dataclass(frozen=True)
class TraceContext:
    """A W3C trace context."""

    trace_parent: str
    span_id: str
    trace_state: str | None = None


@dataclass(frozen=True)
class HistoryEvent:
    """What all events have: the id of the action that it confirms, or -1, and the time in UTC."""

    event_id: int
    timestamp: datetime

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON data, times in ISO 8601."""
        return {field.name: _data(getattr(self, field.name)) for field in dataclasses.fields(self)}


@dataclass(frozen=True)
class ExecutionStartedEvent(HistoryEvent):
    """The first event of every execution."""

    name: str
    version: str | None = None
    input: str | None = None
    orchestration_instance: OrchestrationInstance | None = None
    parent_instance: ParentInstanceInfo | None = None
    scheduled_start_timestamp: datetime | None = None
    parent_trace_context: TraceContext | None = None
    orchestration_span_id: str | None = None
    tags: dict[str, str] | None = None


@dataclass(frozen=True)
class ExecutionCompletedEvent(HistoryEvent):
    """The end, whatever it was; `orchestration_status` is the protocol's number."""

    orchestration_status: int
    result: str | None = None
    failure_details: task.FailureDetails | None = None


@dataclass(frozen=True)
class ExecutionTerminatedEvent(HistoryEvent):
    """A client ended the instance; `recurse` takes its sub-orchestrations along."""

    input: str | None = None
    recurse: bool = False


@dataclass(frozen=True)
class TaskScheduledEvent(HistoryEvent):
    """An activity was called."""

    name: str
    version: str | None = None
    input: str | None = None
    parent_trace_context: TraceContext | None = None
    tags: dict[str, str] | None = None


@dataclass(frozen=True)
class TaskCompletedEvent(HistoryEvent):
    """An activity returned."""

    task_scheduled_id: int
    result: str | None = None


@dataclass(frozen=True)
class TaskFailedEvent(HistoryEvent):
    """An activity raised."""

    task_scheduled_id: int
    failure_details: task.FailureDetails | None = None


@dataclass(frozen=True)
class SubOrchestrationInstanceCreatedEvent(HistoryEvent):
    """A sub-orchestration was called."""

    instance_id: str
    name: str
    version: str | None = None
    input: str | None = None
    parent_trace_context: TraceContext | None = None
    tags: dict[str, str] | None = None


@dataclass(frozen=True)
class SubOrchestrationInstanceCompletedEvent(HistoryEvent):
    """A sub-orchestration returned."""

    task_scheduled_id: int
    result: str | None = None


@dataclass(frozen=True)
class SubOrchestrationInstanceFailedEvent(HistoryEvent):
    """A sub-orchestration failed."""

    task_scheduled_id: int
    failure_details: task.FailureDetails | None = None


@dataclass(frozen=True)
class TimerCreatedEvent(HistoryEvent):
    """A timer was set."""

    fire_at: datetime


@dataclass(frozen=True)
class TimerFiredEvent(HistoryEvent):
    """A timer went off; `timer_id` is the event id of its creation."""

    fire_at: datetime
    timer_id: int


@dataclass(frozen=True)
class OrchestratorStartedEvent(HistoryEvent):
    """A turn began; its time is the orchestrator's current time."""


@dataclass(frozen=True)
class OrchestratorCompletedEvent(HistoryEvent):
    """A turn ended."""


@dataclass(frozen=True)
class EventSentEvent(HistoryEvent):
    """The orchestration raised an event for another instance."""

    instance_id: str
    name: str
    input: str | None = None


@dataclass(frozen=True)
class EventRaisedEvent(HistoryEvent):
    """An external event arrived."""

    name: str
    input: str | None = None


@dataclass(frozen=True)
class GenericEvent(HistoryEvent):
    """An event of which only its text is known."""

    data: str | None = None


@dataclass(frozen=True)
class HistoryStateEvent(HistoryEvent):
    """The state of the instance at that time, in the protocol's own JSON form."""

    orchestration_state: dict[str, Any]


@dataclass(frozen=True)
class ContinueAsNewEvent(HistoryEvent):
    """The orchestration started over with this input."""

    input: str | None = None


@dataclass(frozen=True)
class ExecutionSuspendedEvent(HistoryEvent):
    """A client suspended the instance; `input` is the reason."""

    input: str | None = None


@dataclass(frozen=True)
class ExecutionResumedEvent(HistoryEvent):
    """A client resumed the instance; `input` is the reason."""

    input: str | None = None


@dataclass(frozen=True)
class EntityOperationSignaledEvent(HistoryEvent):
    """An entity was sent an operation without waiting for it."""

    request_id: str
    operation: str
    scheduled_time: datetime | None = None
    input: str | None = None
    target_instance_id: str | None = None


@dataclass(frozen=True)
class EntityOperationCalledEvent(HistoryEvent):
    """An entity was sent an operation whose result is awaited."""

    request_id: str
    operation: str
    scheduled_time: datetime | None = None
    input: str | None = None
    parent_instance_id: str | None = None
    parent_execution_id: str | None = None
    target_instance_id: str | None = None


@dataclass(frozen=True)
class EntityOperationCompletedEvent(HistoryEvent):
    """An entity answered."""

    request_id: str
    output: str | None = None


@dataclass(frozen=True)
class EntityOperationFailedEvent(HistoryEvent):
    """An operation of an entity raised."""

    request_id: str
    failure_details: task.FailureDetails | None = None


@dataclass(frozen=True)
class EntityLockRequestedEvent(HistoryEvent):
    """Locks were asked for; `position` is the next entity of `lock_set` to be locked."""

    critical_section_id: str
    lock_set: list[str]
    position: int
    parent_instance_id: str | None = None


@dataclass(frozen=True)
class EntityLockGrantedEvent(HistoryEvent):
    """All locks of the critical section are held."""

    critical_section_id: str


@dataclass(frozen=True)
class EntityUnlockSentEvent(HistoryEvent):
    """A lock was given back."""

    critical_section_id: str
    parent_instance_id: str | None = None
    target_instance_id: str | None = None


@dataclass(frozen=True)
class ExecutionRewoundEvent(HistoryEvent):
    """A failed instance was set back to the point before its failures."""

    reason: str | None = None
    parent_execution_id: str | None = None
    instance_id: str | None = None
    parent_trace_context: TraceContext | None = None
    name: str | None = None
    version: str | None = None
    input: str | None = None
    parent_instance: ParentInstanceInfo | None = None
    tags: dict[str, str] | None = None


def to_dict(event: HistoryEvent) -> dict[str, Any]:
    """The event as JSON data, times in ISO 8601."""
    return event.to_dict()


def from_message(event: pb.HistoryEvent) -> HistoryEvent:
    """The event that the protocol delivered. Raises ValueError for a kind that this version does not know."""
    kind = event.WhichOneof("eventType")
    if kind is None:
        raise ValueError(
            f"history event {event.eventId} is of no kind that this version of durakit knows; upgrade durakit"
        )
    message = getattr(event, kind)
    made: HistoryEvent = _CLASSES[message.DESCRIPTOR.name](
        event_id=event.eventId, timestamp=_time(event.timestamp), **_members(message)
    )
    # No field: it takes no part in comparisons, and events made by hand have none.
    object.__setattr__(made, "_message", event)
    return made


def message_of(event: HistoryEvent) -> pb.HistoryEvent:
    """The protocol's message that the event was read from. Raises ValueError for one made by hand."""
    message: pb.HistoryEvent | None = getattr(event, "_message", None)
    if message is None:
        raise ValueError(
            f"{type(event).__name__} {event.event_id} was not read from a scheduler or a file; "
            "expected events as get_orchestration_history returns them"
        )
    return message


# ---- conversion: a field's type in the protocol says what becomes of it

_CLASSES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (OrchestrationInstance, ParentInstanceInfo, TraceContext, *HistoryEvent.__subclasses__())
}
"""By the name of the message, which is the class's own."""


def _members(message: Any) -> dict[str, Any]:
    return {
        name: convert(message) for name, convert in _converters(message.DESCRIPTOR.name, message.DESCRIPTOR)
    }


@functools.lru_cache(maxsize=64)
def _converters(name: str, descriptor: Any) -> list[tuple[str, Callable[[Any], Any]]]:
    """Each field's Python name, and how it is read from its message."""
    fields = dataclasses.fields(_CLASSES[name])
    required = {field.name for field in fields if field.default is dataclasses.MISSING}
    names = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field.name).lower() for field in descriptor.fields]
    return [
        (name, _converter(field, name in required))
        for name, field in zip(names, descriptor.fields, strict=True)
    ]


def _converter(field: Any, required: bool) -> Callable[[Any], Any]:
    name: str = field.name
    of_message = field.message_type
    if of_message is None:
        return lambda message: _scalar(getattr(message, name))
    if of_message.GetOptions().map_entry:
        return lambda message: dict(getattr(message, name)) or None
    convert = _MESSAGES.get(of_message.name, _nested)
    return lambda message: convert(getattr(message, name)) if required or message.HasField(name) else None


def _scalar(value: Any) -> Any:
    return value if isinstance(value, (str, int)) else list(value)


def _nested(message: Any) -> Any:
    return _CLASSES[message.DESCRIPTOR.name](**_members(message))


def _time(timestamp: Any) -> datetime:
    made: datetime = timestamp.ToDatetime(tzinfo=timezone.utc)
    return made


def _failure(details: pb.TaskFailureDetails) -> task.FailureDetails:
    from durakit.task.failures import failure_from_wire  # late: it imports much of the SDK

    return failure_from_wire(details)


_MESSAGES: dict[str, Callable[[Any], Any]] = {
    "StringValue": lambda wrapper: wrapper.value,
    "Timestamp": _time,
    "TaskFailureDetails": _failure,
    "OrchestrationState": json_format.MessageToDict,
}


def _data(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _data(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
