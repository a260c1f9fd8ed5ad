"""A history as JSON text and back, losing nothing.

The text is one object: a small envelope (format, instance, status) and `events`, each in protobuf's own JSON
form, one a line, so that two exports can be compared line by line. What that form cannot carry (an event of a
kind this version does not know, a number that is not finite) stands there as `{"protobuf": <base64>}`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from durakit.history.events import HistoryEvent, from_message, message_of
from durakit.wire.messages import orchestration_pb2 as pb

FORMAT = "durakit-history"
FORMAT_VERSION = 1
_STATUS_PREFIX = "ORCHESTRATION_STATUS_"


@dataclass(frozen=True)
class HistoryExport:
    """A history that was exported, and whose it is."""

    instance_id: str
    name: str
    status: str
    """Such as RUNNING or COMPLETED, when it was exported."""
    messages: list[pb.HistoryEvent]
    """The events as the protocol has them, oldest first."""

    @property
    def events(self) -> list[HistoryEvent]:
        """The events as values. Raises ValueError when one is of a kind that this version does not know."""
        return [from_message(message) for message in self.messages]


def history_as_json(
    events: Iterable[HistoryEvent | pb.HistoryEvent],
    *,
    instance_id: str | None = None,
    name: str | None = None,
    status: str | None = None,
) -> str:
    """Return the history as JSON text, ending in a newline.

    `events` come from `get_orchestration_history`, or are the protocol's messages. What is not given is taken
    from them. Pass the `status` of the state where you have it: a suspension, for one, may not be in the
    history yet.
    Raises ValueError for events that were made by hand.
    """
    messages = [event if isinstance(event, pb.HistoryEvent) else message_of(event) for event in events]
    started = next((m.executionStarted for m in messages if m.HasField("executionStarted")), None)
    if started is not None:
        instance_id = instance_id or started.orchestrationInstance.instanceId
        name = name or started.name
    envelope = {
        "format": FORMAT,
        "formatVersion": FORMAT_VERSION,
        "instanceId": instance_id or "",
        "name": name or "",
        "status": status or _status_of(messages),
    }
    head = json.dumps(envelope, ensure_ascii=False, indent=2).removesuffix("\n}")
    lines = ",\n    ".join(json.dumps(_as_data(message), ensure_ascii=False) for message in messages)
    body = f"[\n    {lines}\n  ]" if lines else "[]"
    return f'{head},\n  "events": {body}\n}}\n'


def history_from_json(text: str | bytes) -> HistoryExport:
    """Return what `history_as_json` wrote. Raises ValueError, with what is wrong, for any other text."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ValueError(f"This is not an exported history: it is not JSON ({error}).") from None
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise ValueError(
            f'This is not an exported history: expected a JSON object with "format": "{FORMAT}", as '
            "history_as_json, the dashboard and `durakit instances history -o json` write it."
        )
    if data.get("formatVersion") != FORMAT_VERSION:
        raise ValueError(
            f"The history was exported in format {data.get('formatVersion')}; this version of durakit reads "
            f"format {FORMAT_VERSION}. Upgrade durakit."
        )
    events = data.get("events")
    if not isinstance(events, list):
        raise ValueError('The exported history has no list of "events".')
    return HistoryExport(
        instance_id=str(data.get("instanceId", "")),
        name=str(data.get("name", "")),
        status=str(data.get("status", "")),
        messages=[_from_data(number, event) for number, event in enumerate(events)],
    )


def _as_data(message: pb.HistoryEvent) -> dict[str, Any]:
    if message.WhichOneof("eventType") is not None:
        try:
            return json_format.MessageToDict(message)
        except json_format.SerializeToJsonError:
            pass
    return {"protobuf": base64.b64encode(message.SerializeToString()).decode()}


def _from_data(number: int, data: Any) -> pb.HistoryEvent:
    try:
        if isinstance(data, Mapping) and "protobuf" in data:
            return pb.HistoryEvent.FromString(base64.b64decode(data["protobuf"], validate=True))
        return json_format.ParseDict(data, pb.HistoryEvent())
    except (json_format.ParseError, DecodeError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"Event {number} of the exported history cannot be read: {error}") from None


def _status_of(messages: list[pb.HistoryEvent]) -> str:
    """What the events say about the status; the last word counts."""
    status = "RUNNING" if messages else "PENDING"
    for message in messages:
        kind = message.WhichOneof("eventType")
        if kind == "executionCompleted":
            number = message.executionCompleted.orchestrationStatus
            status = pb.OrchestrationStatus.Name(number).removeprefix(_STATUS_PREFIX)
        elif kind == "executionSuspended":
            status = "SUSPENDED"
        elif kind in ("executionResumed", "executionRewound", "executionStarted"):
            status = "RUNNING"
    return status
