"""Histories: digests that grow turn by turn, and pages of events read turn by turn.

Opening an instance costs what is new in its history since somebody looked last. A page of events reads only
the turns that hold it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from durakit.dashboard.events import EventPage, EventQuery, NumberedEvent, contains, is_wanted
from durakit.dashboard.steps import Digest
from durakit.scheduler.store.store import Connection
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

KEPT_STEPS = 300_000
"""Digests are forgotten, least recently used first, when together they have more steps."""
SHORT_HISTORY = 1_000
"""Events; a list does not read longer histories for the first time."""
_SEARCHED_TURNS = 200

_COUNTS = "SELECT turn, events FROM history WHERE row = ? ORDER BY turn"
_TURNS = "SELECT turn, blob FROM history WHERE row = ? AND turn >= ? ORDER BY turn"
_SOME_TURNS = "SELECT turn, blob FROM history WHERE row = ? AND turn BETWEEN ? AND ? ORDER BY turn"
_FIRST_TURN = "SELECT turn FROM history WHERE row = ? ORDER BY turn LIMIT 1"


@dataclass
class _Known:
    """A digest and how far it goes; `first` differs after a rewind or continue-as-new."""

    first: int | None = None
    following: int = 0
    digest: Digest = field(default_factory=Digest)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Digests:
    """Digests of histories on disk, shared by all reader threads."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, connection: Connection, row: int) -> Digest:
        """Return the digest of an instance's history, brought up to date."""
        with self._lock:
            known = self._known.get(row)
            if known is None:
                known = self._known[row] = _Known()
            self._known.move_to_end(row)
        with known.lock:
            self._update(connection, row, known)
        self._forget_old()
        return known.digest

    def read_if_short(self, connection: Connection, row: int) -> Digest | None:
        """Return the digest, or None when that would take reading a long history first."""
        with self._lock:
            known = self._known.get(row)
        if known is None and length(connection, row) > SHORT_HISTORY:
            return None
        return self.read(connection, row)

    def _update(self, connection: Connection, row: int, known: _Known) -> None:
        first = connection.execute(_FIRST_TURN, (row,)).fetchone()
        if first is None or first[0] != known.first:
            known.digest, known.following = Digest(), 0
            known.first = None if first is None else first[0]
        for turn, blob in connection.execute(_TURNS, (row, known.following)).fetchall():
            known.digest.add(framing.events_of(blob))
            known.following = turn + 1

    def _forget_old(self) -> None:
        with self._lock:
            total = sum(len(known.digest.steps) for known in self._known.values())
            while total > KEPT_STEPS and len(self._known) > 1:
                _, gone = self._known.popitem(last=False)
                total -= len(gone.digest.steps)

    def forget(self, row: int) -> None:
        """The instance is gone."""
        with self._lock:
            self._known.pop(row, None)


def length(connection: Connection, row: int) -> int:
    """Return how many events an instance's history has."""
    count: int = connection.execute(
        "SELECT coalesce(sum(events), 0) FROM history WHERE row = ?", (row,)
    ).fetchone()[0]
    return count


def whole_history(connection: Connection, row: int) -> list[pb.HistoryEvent]:
    """Return all events of an instance, oldest first."""
    blobs = [blob for _, blob in connection.execute(_TURNS, (row, 0)).fetchall()]
    return framing.events_of(b"".join(blobs))


def page_of_events(connection: Connection, row: int, query: EventQuery) -> EventPage:
    """Return a page of events; only the turns that hold it are read."""
    counts: list[tuple[int, int]] = connection.execute(_COUNTS, (row,)).fetchall()
    starts, total = [], 0
    for _, events in counts:
        starts.append(total + 1)
        total += events
    found: list[NumberedEvent] = []
    at = _first_place(starts, query, total)
    step = -1 if query.newest_first else 1
    while 0 <= at < len(counts) and len(found) <= query.limit:
        last = min(max(at + step * (_SEARCHED_TURNS - 1), 0), len(counts) - 1)
        low, high = min(at, last), max(at, last)
        numbered = _numbered(connection, row, counts[low][0], counts[high][0], starts[low], query.text)
        if query.newest_first:
            numbered.reverse()
        found += [event for event in numbered if is_wanted(event, query)]
        at = last + step
    is_more = len(found) > query.limit
    found = found[: query.limit]
    return EventPage(found, total, found[-1].number if is_more and found else None)


def _first_place(starts: list[int], query: EventQuery, total: int) -> int:
    """Return the place of the turn where the page begins."""
    if query.newest_first:
        wanted = total if query.after is None else query.after - 1
    else:
        wanted = (query.after or 0) + 1
    return max((at for at, start in enumerate(starts) if start <= wanted), default=len(starts))


def _numbered(
    connection: Connection, row: int, low: int, high: int, number: int, text: str | None
) -> list[NumberedEvent]:
    """Return the events of some turns; none when the text stands in none of them."""
    blobs: list[Any] = connection.execute(_SOME_TURNS, (row, low, high)).fetchall()
    joined = b"".join(blob for _, blob in blobs)
    if text and not contains(joined, text):
        return []
    events = framing.events_of(joined)
    return [NumberedEvent(number + at, event) for at, event in enumerate(events)]
