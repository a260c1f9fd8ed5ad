"""Events of a history as pages of them: which are asked for, which are wanted, what comes back."""

from __future__ import annotations

from dataclasses import dataclass

from durakit.wire.messages import orchestration_pb2 as pb


@dataclass(frozen=True)
class EventQuery:
    """Which events of a history, as a page. Numbers count from 1.

    Attributes:
        kinds: names as in `HistoryEvent.eventType`; empty: all.
        text: looked for, ignoring case, in names, payloads and errors.
        after: the page begins behind this number (before it, when `newest_first`).
    """

    kinds: frozenset[str] = frozenset()
    text: str | None = None
    after: int | None = None
    newest_first: bool = False
    limit: int = 200


@dataclass(frozen=True)
class NumberedEvent:
    """An event of a history, as it was on the wire."""

    number: int
    event: pb.HistoryEvent


@dataclass(frozen=True)
class EventPage:
    """Events in the order asked for; `next` goes into `EventQuery.after`, None at the end."""

    events: list[NumberedEvent]
    total: int
    next: int | None = None


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
