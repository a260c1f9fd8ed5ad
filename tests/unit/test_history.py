"""Histories as programs read them: a dataclass for each of the protocol's events."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timezone
from typing import Any

import pytest
from durakit import history
from durakit.wire.messages import orchestration_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict

NOON = datetime(2026, 1, 2, 12, tzinfo=timezone.utc)
EVENT_FIELDS: dict[str, Any] = {
    field.name: field.message_type
    for field in pb.HistoryEvent.DESCRIPTOR.fields
    if field.containing_oneof is not None
}


def event(**kind: Any) -> pb.HistoryEvent:
    """A history event at noon, from the protocol's JSON form."""
    return ParseDict({"eventId": 3, "timestamp": "2026-01-02T12:00:00Z", **kind}, pb.HistoryEvent())


def test_an_event_carries_its_id_its_time_in_utc_and_its_fields() -> None:
    scheduled = history.from_message(
        event(taskScheduled={"name": "charge", "input": "5", "tags": {"a": "b"}})
    )

    assert scheduled == history.TaskScheduledEvent(3, NOON, name="charge", input="5", tags={"a": "b"})


def test_nested_messages_become_dataclasses() -> None:
    started = history.from_message(
        event(
            executionStarted={
                "name": "order",
                "orchestrationInstance": {"instanceId": "i", "executionId": "e"},
                "parentInstance": {"taskScheduledId": 2, "orchestrationInstance": {"instanceId": "p"}},
                "parentTraceContext": {"traceParent": "tp", "spanID": "s"},
                "orchestrationSpanID": "os",
                "scheduledStartTimestamp": "2026-01-02T12:00:00Z",
            }
        )
    )

    assert started == history.ExecutionStartedEvent(
        3,
        NOON,
        name="order",
        orchestration_instance=history.OrchestrationInstance("i", "e"),
        parent_instance=history.ParentInstanceInfo(
            2, orchestration_instance=history.OrchestrationInstance("p")
        ),
        parent_trace_context=history.TraceContext("tp", "s"),
        orchestration_span_id="os",
        scheduled_start_timestamp=NOON,
    )


def test_an_absent_payload_is_none_and_an_empty_one_is_empty() -> None:
    absent = history.from_message(event(taskCompleted={"taskScheduledId": 1}))
    empty = history.from_message(event(taskCompleted={"taskScheduledId": 1, "result": ""}))

    assert absent == history.TaskCompletedEvent(3, NOON, task_scheduled_id=1, result=None)
    assert empty == history.TaskCompletedEvent(3, NOON, task_scheduled_id=1, result="")


def test_a_failure_keeps_its_inner_failure_and_properties() -> None:
    failed = history.from_message(
        event(
            taskFailed={
                "taskScheduledId": 1,
                "failureDetails": {
                    "errorType": "builtins.ValueError",
                    "errorMessage": "no",
                    "innerFailure": {"errorMessage": "why"},
                    "properties": {"code": 7, "tags": ["a", None]},
                },
            }
        )
    )

    assert isinstance(failed, history.TaskFailedEvent)
    details = failed.failure_details
    assert details is not None
    assert (details.error_type, details.message, details.stack_trace) == ("builtins.ValueError", "no", None)
    assert details.inner_failure is not None
    assert details.inner_failure.message == "why"
    assert details.properties == {"code": 7.0, "tags": ["a", None]}


def test_the_state_is_the_protocols_own_json() -> None:
    state = history.from_message(
        event(historyState={"orchestrationState": {"instanceId": "i", "input": "1"}})
    )

    assert state == history.HistoryStateEvent(3, NOON, orchestration_state={"instanceId": "i", "input": "1"})


def test_a_lock_request_lists_its_entities() -> None:
    request = history.from_message(
        event(entityLockRequested={"criticalSectionId": "c", "lockSet": ["@a@1", "@b@2"]})
    )

    assert request == history.EntityLockRequestedEvent(3, NOON, "c", lock_set=["@a@1", "@b@2"], position=0)


def test_an_event_of_no_known_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="upgrade") as caught:
        history.from_message(pb.HistoryEvent(eventId=9))

    assert (
        str(caught.value)
        == "history event 9 is of no kind that this version of durakit knows; upgrade durakit"
    )


@pytest.mark.parametrize("name", EVENT_FIELDS)
def test_every_event_of_the_protocol_has_its_class_with_all_fields(name: str) -> None:
    message = pb.HistoryEvent(eventId=3)
    getattr(message, name).SetInParent()
    kind = getattr(history, EVENT_FIELDS[name].name)

    made = history.from_message(message)

    assert type(made) is kind
    assert len(dataclasses.fields(kind)) == len(EVENT_FIELDS[name].fields) + 2
    assert made.to_dict().keys() == {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("name", EVENT_FIELDS)
def test_every_event_with_all_fields_set_becomes_json_data(name: str) -> None:
    made = history.from_message(event(**{name: sample(EVENT_FIELDS[name])}))

    data = history.to_dict(made)

    assert json.loads(json.dumps(data)) == data
    assert data["timestamp"] == "2026-01-02T12:00:00+00:00"
    assert None not in [data[field.name] for field in dataclasses.fields(made)]


def sample(message: Any, depth: int = 0) -> dict[str, Any]:
    """The protocol's JSON form of a message with every field set."""
    return {field.name: sample_value(field, depth) for field in message.fields}


def sample_value(field: Any, depth: int) -> Any:
    if field.message_type is None:
        if field.name == "lockSet":
            return ["a"]
        numbers = (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_ENUM)
        return 1 if field.type in numbers else True if field.type == FieldDescriptor.TYPE_BOOL else "x"
    special: dict[str, Any] = {"StringValue": "x", "Timestamp": "2026-01-02T12:00:00Z", "Value": 1}
    if field.message_type.GetOptions().map_entry:
        return {"k": 1 if field.name == "properties" else "v"}
    if field.message_type.name in special:
        return special[field.message_type.name]
    return {} if depth > 2 else sample(field.message_type, depth + 1)
