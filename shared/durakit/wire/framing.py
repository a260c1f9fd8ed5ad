"""Work items and histories as bytes, put together without rebuilding messages.

The scheduler keeps events the way `OrchestratorRequest.pastEvents` carries them: field tag, length,
serialised `HistoryEvent`. Sending a history again is then a join of bytes, some eighty times cheaper
than building message objects. Everything here is plain protobuf encoding; what it makes is parsed by
the generated classes of any SDK.
"""

from __future__ import annotations

from collections.abc import Iterable

from durakit.wire.messages import orchestration_pb2 as pb

# Tags are (field number << 3 | wire type 2); all of them fit one byte.
_INSTANCE_ID = b"\x0a"  # OrchestratorRequest.instanceId = 1
_EXECUTION_ID = b"\x12"  # OrchestratorRequest.executionId = 2
_PAST_EVENT = b"\x1a"  # OrchestratorRequest.pastEvents = 3
_NEW_EVENT = b"\x22"  # OrchestratorRequest.newEvents = 4
_WRAPPED_TEXT = b"\x0a"  # StringValue.value = 1
_ORCHESTRATOR_REQUEST = b"\x0a"  # WorkItem.orchestratorRequest = 1
_ACTIVITY_REQUEST = b"\x12"  # WorkItem.activityRequest = 2
_COMPLETION_TOKEN = b"\x52"  # WorkItem.completionToken = 10

HEALTH_PING: bytes = pb.WorkItem(healthPing=pb.HealthPing()).SerializeToString()


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    parts = bytearray()
    while size >= 0x80:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    parts.append(size)
    return bytes(parts)


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _length(len(content)) + content


def past(events: Iterable[bytes]) -> bytes:
    """Join serialised events into one blob of `pastEvents`."""
    return b"".join([_field(_PAST_EVENT, event) for event in events])


def events_of(blob: bytes) -> list[pb.HistoryEvent]:
    """Parse a blob, or several joined ones, back into events."""
    return list(pb.OrchestratorRequest.FromString(blob).pastEvents)


def orchestrator_item(
    instance_id: str,
    execution_id: str,
    history: Iterable[bytes],
    new_events: Iterable[bytes],
    extra: bytes,
    token: str,
) -> bytes:
    """Return a serialised `WorkItem` for one turn.

    Args:
        history: blobs of `past`, oldest first; empty for an item without history.
        new_events: serialised events of this turn, in order.
        extra: serialised further fields of `OrchestratorRequest` (properties, trace context).
        token: the completion token.
    """
    request = b"".join(
        [
            _field(_INSTANCE_ID, instance_id.encode()),
            _field(_EXECUTION_ID, _field(_WRAPPED_TEXT, execution_id.encode())),
            *history,
            *[_field(_NEW_EVENT, event) for event in new_events],
            extra,
        ]
    )
    return _field(_ORCHESTRATOR_REQUEST, request) + _field(_COMPLETION_TOKEN, token.encode())


def activity_item(request: bytes, token: str) -> bytes:
    """Return a serialised `WorkItem` for a serialised `ActivityRequest`."""
    return _field(_ACTIVITY_REQUEST, request) + _field(_COMPLETION_TOKEN, token.encode())
