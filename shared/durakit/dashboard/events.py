"""Which events of a history a page shows."""

from __future__ import annotations

from durakit.dashboard.backend import EventQuery, NumberedEvent
from durakit.wire.messages import orchestration_pb2 as pb


def is_wanted(numbered: NumberedEvent, query: EventQuery) -> bool:
    """Return whether an event belongs on a page, limit aside."""
    if query.after is not None:
        beyond = numbered.number < query.after if query.newest_first else numbered.number > query.after
        if not beyond:
            return False
    if query.kinds and numbered.event.WhichOneof("eventType") not in query.kinds:
        return False
    return not query.text or query.text.casefold() in _searched(numbered.event)


def _searched(event: pb.HistoryEvent) -> str:
    # Text fields stand in the wire form as they are; only what is binary between them is lost.
    return event.SerializeToString().decode(errors="ignore").casefold()
