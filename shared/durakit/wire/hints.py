"""Hints for people inside a turn's response: what the orchestrator waits for, which history does not tell.

They are a field that the standard message does not know, so it keeps its shape, and whoever does not look
for them carries them along. Our worker sends them on a link only: no other scheduler ever sees them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf import unknown_fields

from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

FIELD_NUMBER = 1001
_TAG = b"\xca\x3e"  # 1001 << 3 | length-delimited, as a varint
_MOST_BYTES = 4096


def give(
    response: pb.OrchestratorResponse,
    events: Iterable[str],
    timers: Iterable[int],
    attempts: Mapping[int, int],
) -> None:
    """Put hints into a response; ones of more than 4 KiB are left out."""
    content = link.TurnHints(events=events, timers=timers, attempts=attempts).SerializeToString()
    size = len(content)
    if size <= _MOST_BYTES:
        length = bytes((size,)) if size < 0x80 else bytes((size & 0x7F | 0x80, size >> 7))
        response.MergeFromString(_TAG + length + content)


def take(response: pb.OrchestratorResponse) -> link.TurnHints | None:
    """Return the hints of a response, if it has any."""
    fields = unknown_fields.UnknownFieldSet(response)
    for field in map(fields.__getitem__, range(len(fields))):
        if field.field_number == FIELD_NUMBER:
            return link.TurnHints.FromString(field.data)
    return None


def drop(response: pb.OrchestratorResponse) -> None:
    """Take hints out of a response that goes to a scheduler which may not know them."""
    response.DiscardUnknownFields()
