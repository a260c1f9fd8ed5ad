"""Histories leave and come back as JSON text, with everything that was in them."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from durakit import history
from durakit.client import OrchestrationStatus
from durakit.task import OrchestrationContext
from durakit.testing import InProcessTaskHub
from durakit.wire.messages import orchestration_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict

KINDS = [field for field in pb.HistoryEvent.DESCRIPTOR.fields if field.containing_oneof is not None]


def fill(message: Any, depth: int = 0) -> None:
    """Give every field a value that is neither the default nor easy on JSON."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is None:
                getattr(message, field.name)["key 'é'"] = 'quote " and \u2028'
            else:
                getattr(message, field.name)["key"].string_value = "x"
        elif field.message_type is not None:
            if depth < 3:
                child = getattr(message, field.name)
                fill(child.add() if field.is_repeated else child, depth + 1)
        elif field.is_repeated:
            getattr(message, field.name).append(value_for(field))
        elif field.containing_oneof is None:
            setattr(message, field.name, value_for(field))


def value_for(field: FieldDescriptor) -> Any:
    if field.type in (FieldDescriptor.TYPE_STRING,):
        return 'text with "quotes", ünicode \u2028 and \x00'
    if field.type == FieldDescriptor.TYPE_BOOL:
        return True
    if field.type == FieldDescriptor.TYPE_ENUM:
        return 1
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return 0.1
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"\xff"
    return 123_456_789


@pytest.mark.parametrize("kind", KINDS, ids=lambda field: field.name)
def test_every_kind_of_event_comes_back_as_it_was(kind: FieldDescriptor) -> None:
    event = pb.HistoryEvent(eventId=-1)
    event.timestamp.seconds, event.timestamp.nanos = 1_767_225_600, 123_456_789
    getattr(event, kind.name).SetInParent()
    fill(getattr(event, kind.name))

    text = history.history_as_json([event])

    assert history.history_from_json(text).messages == [event]
    assert '"protobuf"' not in text


def test_an_empty_payload_does_not_become_an_absent_one() -> None:
    empty, absent = (ParseDict({"taskCompleted": made}, pb.HistoryEvent()) for made in ({"result": ""}, {}))

    assert history.history_from_json(history.history_as_json([empty, absent])).messages == [empty, absent]


def test_what_json_cannot_say_is_kept_as_protobuf() -> None:
    unknown = pb.HistoryEvent.FromString(b"\x08\x07\xfa\x3e\x03abc")
    infinite = ParseDict({"taskFailed": {"failureDetails": {"properties": {"a": 1}}}}, pb.HistoryEvent())
    infinite.taskFailed.failureDetails.properties["a"].number_value = math.inf

    text = history.history_as_json([unknown, infinite])

    assert [list(event) for event in json.loads(text)["events"]] == [["protobuf"], ["protobuf"]]
    assert history.history_from_json(text).messages == [unknown, infinite]


def test_a_clients_history_is_exported_with_its_instance_and_status() -> None:
    def greet(ctx: OrchestrationContext, name: str) -> Any:
        yield ctx.wait_for_external_event("go")
        return f"Hello {name}"

    with InProcessTaskHub() as hub:
        hub.add_orchestrator(greet)
        hub.client.schedule_new_orchestration(greet, input="Ada", instance_id="g1")
        hub.run_until_idle()
        running = history.history_as_json(hub.client.get_orchestration_history("g1"))
        hub.client.suspend_orchestration("g1")
        hub.run_until_idle()
        now = hub.client.get_orchestration_state("g1")
        assert now is not None
        suspended = history.history_as_json(
            hub.client.get_orchestration_history("g1"), status=now.runtime_status.name
        )
        hub.client.resume_orchestration("g1")
        hub.client.raise_orchestration_event("g1", "go")
        hub.client.wait_for_orchestration_completion("g1")
        events = hub.client.get_orchestration_history("g1")

    completed = history.history_from_json(history.history_as_json(events))

    assert [json.loads(text)["status"] for text in (running, suspended)] == ["RUNNING", "SUSPENDED"]
    assert (completed.instance_id, completed.name, completed.status) == ("g1", "greet", "COMPLETED")
    assert completed.status == OrchestrationStatus.COMPLETED.name
    assert completed.events == events


def test_the_text_has_an_envelope_and_one_event_a_line() -> None:
    event = ParseDict({"eventId": 3, "eventSent": {"name": "é"}}, pb.HistoryEvent())

    text = history.history_as_json([event], instance_id="i", name="order", status="FAILED")

    assert text == (
        '{\n  "format": "durakit-history",\n  "formatVersion": 1,\n  "instanceId": "i",\n  "name": "order",\n'
        '  "status": "FAILED",\n  "events": [\n'
        '    {"eventId": 3, "eventSent": {"name": "é"}}\n  ]\n}\n'
    )


def test_no_events_are_a_pending_instance() -> None:
    assert history.history_from_json(history.history_as_json([])) == history.HistoryExport(
        "", "", "PENDING", []
    )


def test_an_event_made_by_hand_cannot_be_exported() -> None:
    event = history.GenericEvent(
        4, history.from_message(ParseDict({"genericEvent": {}}, pb.HistoryEvent())).timestamp
    )

    with pytest.raises(ValueError, match="GenericEvent 4 was not read from a scheduler or a file"):
        history.history_as_json([event])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "This is not an exported history: it is not JSON (Expecting property name"),
        ("[]", 'expected a JSON object with "format": "durakit-history"'),
        (
            '{"format": "durakit-history", "formatVersion": 2}',
            "exported in format 2; this version of durakit",
        ),
        ('{"format": "durakit-history", "formatVersion": 1}', 'has no list of "events"'),
        (
            '{"format": "durakit-history", "formatVersion": 1, "events": [{"nonsense": {}}]}',
            "Event 0 of the exported history cannot be read",
        ),
        (
            '{"format": "durakit-history", "formatVersion": 1, "events": [{"protobuf": "?"}]}',
            "Event 0 of the exported history cannot be read",
        ),
        (
            '{"format": "durakit-history", "formatVersion": 1, "events": [3]}',
            "Event 0 of the exported history",
        ),
    ],
)
def test_any_other_text_is_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        history.history_from_json(text)
