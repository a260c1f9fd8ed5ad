"""Which events of a history a page shows."""

from __future__ import annotations

from durakit.dashboard.backend import EventQuery, NumberedEvent


def is_wanted(numbered: NumberedEvent, query: EventQuery) -> bool:
    """Return whether an event belongs on a page, limit aside."""
    if query.after is not None:
        beyond = numbered.number < query.after if query.newest_first else numbered.number > query.after
        if not beyond:
            return False
    if query.kinds and numbered.event.WhichOneof("eventType") not in query.kinds:
        return False
    return not query.text or contains(numbered.event.SerializeToString(), query.text)


def contains(wire: bytes, text: str) -> bool:
    """Return whether a text stands in events of the wire form, in whatever case."""
    # Text fields stand there as they are; only what is binary between them is lost.
    return text.casefold() in wire.decode(errors="ignore").casefold()
