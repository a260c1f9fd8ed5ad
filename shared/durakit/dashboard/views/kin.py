"""Descendants of an instance, as many as one page shows with it, and their events in one order of time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from zlib import crc32

from durakit.dashboard.events import EventPage, NumberedEvent
from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.steps import Digest
from durakit.dashboard.words import SECOND

_LARGEST = 10**11
_TOLD_LATER = ("subOrchestrationInstanceCompleted", "subOrchestrationInstanceFailed")


@dataclass(frozen=True)
class Member:
    """An instance with its history in steps; `depth` is 0 for the one that the page is about."""

    row: InstanceRow
    digest: Digest
    depth: int = 0


@dataclass(frozen=True)
class Kin:
    """The instance and its descendants in order of the tree; `left_out`: children known but not shown."""

    members: Sequence[Member]
    left_out: int = 0

    @property
    def descendants(self) -> Sequence[Member]:
        """All but the instance itself."""
        return self.members[1:]


@dataclass(frozen=True)
class MergedPage:
    """Events of several instances; `next` is the cursor of the following page, None at the end."""

    events: Sequence[tuple[Member, NumberedEvent]]
    total: int
    next: str | None = None


def position(cursor: Mapping[str, int], instance_id: str) -> int | None:
    """Return behind which of its events an instance goes on; None: at its beginning."""
    return cursor.get(_key(instance_id))


def read_cursor(text: str | None) -> dict[str, int]:
    """Return a cursor from an address; what is none of ours is ignored."""
    cursor = {}
    for part in (text or "").split("."):
        key, _, number = part.partition("-")
        if number.isascii() and number.isdigit() and 0 < int(number[:12]) < _LARGEST:
            cursor[key] = int(number)
    return cursor


def merge(
    pages: Sequence[tuple[Member, EventPage]],
    cursor: Mapping[str, int],
    *,
    limit: int,
    newest_first: bool = False,
) -> MergedPage:
    """Return a page from pages of the same limit, one for each member.

    Each instance's events keep their own order, also where a clock was set back between them.
    """
    runs = [_timed(rank, member, page.events, newest_first) for rank, (member, page) in enumerate(pages)]
    merged = heapq.merge(*runs, key=lambda each: each[0])
    events = [(member, numbered) for _, member, numbered in islice(merged, limit)]
    is_more = any(page.next is not None for _, page in pages)
    is_more = is_more or sum(len(page.events) for _, page in pages) > limit
    total = sum(page.total for _, page in pages)
    if not is_more:
        return MergedPage(events, total)
    behind = {**cursor, **{_key(member.row.id): numbered.number for member, numbered in events}}
    return MergedPage(events, total, ".".join(f"{key}-{number}" for key, number in behind.items()))


def _timed(
    rank: int, member: Member, events: Sequence[NumberedEvent], newest_first: bool
) -> Iterator[tuple[tuple[int, int, int], Member, NumberedEvent]]:
    sign = -1 if newest_first else 1
    latest: tuple[int, int, int] | None = None
    for numbered in events:
        stamp = numbered.event.timestamp
        at_ns = stamp.seconds * SECOND + stamp.nanos
        # Of one moment: what a parent is told of a child comes behind the child's own end.
        told_later = numbered.event.WhichOneof("eventType") in _TOLD_LATER
        key = (sign * at_ns, sign * told_later, sign * rank)
        latest = key if latest is None else max(latest, key)
        yield latest, member, numbered


def _key(instance_id: str) -> str:
    # Short, because an address holds many of them; two ids out of 50 share a key once in millions of pages.
    return f"{crc32(instance_id.encode(errors='surrogatepass')):x}"
