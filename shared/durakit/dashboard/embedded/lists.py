"""Pages of a list, counts and the histogram, each within a time budget.

A page walks along an index in the list's order and stops when it is full. What no index leads to is looked
at row by row, newest first, in slices, until the budget is spent; the answer then says how far it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from durakit.dashboard import buckets as buckets_
from durakit.dashboard.backend import BackendError
from durakit.dashboard.embedded.conditions import Conditions, conditions_for, word_of
from durakit.dashboard.lists import Counts, Histogram, InstanceFilter, InstanceQuery, Searched
from durakit.scheduler.machine.instance import Status
from durakit.scheduler.store.store import Connection

BUDGET_SECONDS = 0.045
"""For a page; counts and the histogram, of which a page has both, get half of it each."""
COUNTED_AT_MOST = 10_000
_NO_WIDTH = 2**62
"""All instances fall into the same few buckets of this width."""
_FIRST_SLICE, _LARGEST_SLICE = 1_000, 8_000

Key = tuple[int, int]
"""Where an instance stands in the list: its time in that order, and its row number."""


def _rows(connection: Connection, statement: str, parameters: Sequence[Any]) -> list[Any]:
    rows: list[Any] = connection.execute(statement, parameters).fetchall()
    return rows


@dataclass(frozen=True)
class Found:
    """Row numbers of a page in the list's order, and whether the list goes on at either end."""

    keys: list[Key]
    has_after: bool
    has_before: bool
    searched: Searched | None = None


def cursor(key: Key) -> str:
    """Return a place in a list as text for an address."""
    return f"{key[0]:x}.{key[1]:x}" if key[0] >= 0 else f"-{-key[0]:x}.{key[1]:x}"


def read_cursor(text: str) -> Key:
    """Return the place of a cursor.

    Raises:
        BackendError: invalid.
    """
    try:
        at, row = text.split(".")
        return int(at, 16), int(row, 16)
    except ValueError:
        raise BackendError(
            "invalid", f"{text[:80]} is not a place in this list. Begin at the first page."
        ) from None


def find(
    connection: Connection,
    hub_row: int,
    query: InstanceQuery,
    only: Sequence[int] | None,
    among: Sequence[int] | None = None,
) -> Found:
    """Return a page.

    Args:
        only: row numbers to choose from, for conditions that the store does not know; None: all.
        among: row numbers of all that can match, from the search index; None: unknown.
    """
    conditions = conditions_for(hub_row, query.filter, among)
    place = query.after or query.before
    start = None if place is None else read_cursor(place)
    backwards = query.before is not None
    descending = query.sort.startswith("-") != backwards
    walk = _Walk(connection, conditions, query.sort.lstrip("-"), descending, query.size + 1)
    if only is not None:
        keys, searched = walk.among(only, start), None
    elif conditions.is_narrow or query.sort in ("-updated", "-completed"):
        keys, searched = walk.sorted(start), None
    else:
        keys, searched = walk.along_index(start)
    more = len(keys) > query.size
    keys = keys[: query.size]
    if backwards:
        return Found(keys[::-1], has_after=start is not None, has_before=more, searched=searched)
    return Found(keys, has_after=more, has_before=start is not None, searched=searched)


class _Walk:
    """One search for a page in one direction."""

    def __init__(
        self, connection: Connection, conditions: Conditions, order: str, descending: bool, wanted: int
    ) -> None:
        self._connection = connection
        self._conditions = conditions
        self._order = order
        self._way = "DESC" if descending else "ASC"
        self._beyond = "<" if descending else ">"
        self._wanted = wanted

    def _key(self) -> str:
        if self._order == "completed":
            return "i.completed_ns"
        if self._order == "updated":
            # A turn moves an instance on without rewriting its row.
            return (
                "max(i.updated_ns, coalesce((SELECT h.at_ns FROM history h WHERE h.row = i.row "
                "ORDER BY h.turn DESC LIMIT 1), 0))"
            )
        return "i.created_ns"

    def along_index(self, start: Key | None) -> tuple[list[Key], Searched | None]:
        """Walk along the index in slices until the page is full, the list ends or time is up."""
        keys: list[Key] = []
        deadline, size, examined = monotonic() + BUDGET_SECONDS, _FIRST_SLICE, 0
        place = start
        while True:
            last = self.end_of_slice(place, size)
            keys += self._slice(place, last)
            examined += size
            if last is None or len(keys) >= self._wanted:
                return keys, None
            place = last
            if monotonic() > deadline:
                return keys, Searched(examined, self._total(), place[0], cursor(place))
            size = min(size * 4, _LARGEST_SLICE)

    def end_of_slice(self, start: Key | None, size: int) -> Key | None:
        """Return the key so many index entries on; None when the index ends before."""
        conditions = self._conditions
        bound, parameters = self._from(start, "i.created_ns, i.row")
        found: list[Key] = _rows(
            self._connection,
            f"SELECT i.created_ns, i.row FROM instance i INDEXED BY {conditions.index} "
            f"WHERE {' AND '.join(part for part, _ in conditions.along)}{bound} "
            f"ORDER BY i.created_ns {self._way}, i.row {self._way} LIMIT 1 OFFSET ?",
            [*(value for _, value in conditions.along), *parameters, size - 1],
        )
        return found[0] if found else None

    def _slice(self, start: Key | None, last: Key | None) -> list[Key]:
        conditions = self._conditions
        bound, parameters = self._between(start, last)
        return _rows(
            self._connection,
            f"SELECT i.created_ns, i.row FROM {conditions.source} WHERE {conditions.sql}{bound} "
            f"ORDER BY i.created_ns {self._way}, i.row {self._way} LIMIT ?",
            [*conditions.parameters, *parameters, self._wanted],
        )

    def count_slice(self, start: Key | None, last: Key | None, width: int) -> list[tuple[int, int, int]]:
        """Return bucket, status and count of what matches in a slice."""
        conditions = self._conditions
        bound, parameters = self._between(start, last)
        return _rows(
            self._connection,
            f"SELECT i.created_ns / ? AS at, i.status, count(*) FROM {conditions.source} "
            f"WHERE {conditions.sql}{bound} GROUP BY at, i.status",
            [width, *conditions.parameters, *parameters],
        )

    def _total(self) -> int:
        hub = self._conditions.parameters[:1]
        ((total,),) = _rows(self._connection, "SELECT count(*) FROM instance WHERE hub = ?", hub)
        return int(total)

    def _from(self, start: Key | None, columns: str) -> tuple[str, tuple[int, ...]]:
        return ("", ()) if start is None else (f" AND ({columns}) {self._beyond} (?, ?)", start)

    def _between(self, start: Key | None, last: Key | None) -> tuple[str, tuple[int, ...]]:
        bound, parameters = self._from(start, "i.created_ns, i.row")
        if last is None:
            return bound, parameters
        until = f" AND (i.created_ns, i.row) {'>=' if self._way == 'DESC' else '<='} (?, ?)"
        return bound + until, (*parameters, *last)

    def sorted(self, start: Key | None) -> list[Key]:
        """Sort what a narrow index leads to, or follow the index of completions."""
        conditions, key = self._conditions, self._key()
        source, extra = conditions.source, ""
        if self._order == "completed":
            extra = " AND i.completed_ns IS NOT NULL"
            if not conditions.is_narrow:
                source = "instance i INDEXED BY instance_completed"
        elif self._order == "updated" and not conditions.is_narrow:
            return self._recently_updated(start)
        return self._select(source, conditions.sql + extra, key, start)

    def _recently_updated(self, start: Key | None) -> list[Key]:
        """Merge what still runs, by its last turn, with what has ended, by its end."""
        conditions = self._conditions
        running = self._select(
            "instance i INDEXED BY instance_live",
            f"{conditions.sql} AND i.completed_ns IS NULL",
            self._key(),
            start,
        )
        ended = self._select(
            "instance i INDEXED BY instance_completed",
            f"{conditions.sql} AND i.completed_ns IS NOT NULL",
            "i.completed_ns",
            start,
        )
        return sorted([*running, *ended], reverse=self._way == "DESC")[: self._wanted]

    def _select(self, source: str, where: str, key: str, start: Key | None) -> list[Key]:
        bound, parameters = self._from(start, f"{key}, i.row")
        return _rows(
            self._connection,
            f"SELECT {key} AS at, i.row FROM {source} WHERE {where}{bound} "
            f"ORDER BY at {self._way}, i.row {self._way} LIMIT ?",
            [*self._conditions.parameters, *parameters, self._wanted],
        )

    def among(self, only: Sequence[int], start: Key | None) -> list[Key]:
        """Choose from rows that are known to fit what the store does not know."""
        conditions, found = self._conditions, list[Key]()
        for at in range(0, len(only), 500):
            chunk = only[at : at + 500]
            found += self._connection.execute(
                f"SELECT {self._key()}, i.row FROM instance i WHERE {conditions.sql} "
                f"AND i.row IN ({','.join('?' * len(chunk))})",
                [*conditions.parameters, *chunk],
            ).fetchall()
        descending = self._way == "DESC"
        if start is not None:
            found = [key for key in found if (key < start if descending else key > start)]
        return sorted(found, reverse=descending)[: self._wanted]


# --- counts


def counts(
    connection: Connection, hub_row: int, wanted: InstanceFilter, among: Sequence[int] | None = None
) -> Counts:
    """Return how many instances match, per status; `roots` and the statuses themselves are not applied."""
    asked = replace(wanted, statuses=frozenset(), roots=False)
    if replace(asked, created_from_ns=None, created_to_ns=None).is_empty:
        return Counts(_by_index(connection, hub_row, asked))
    conditions = conditions_for(hub_row, asked, among)
    if conditions.is_narrow or not conditions.needs_scan:
        found = connection.execute(
            f"SELECT status, count(*) FROM (SELECT i.status FROM {conditions.source} "
            f"WHERE {conditions.sql} LIMIT ?) GROUP BY status",
            [*conditions.parameters, COUNTED_AT_MOST + 1],
        ).fetchall()
        made = _by_word(found)
        return Counts(made, is_exact=sum(made.values()) <= COUNTED_AT_MOST)
    return _by_scan(connection, conditions)


def _by_index(connection: Connection, hub_row: int, asked: InstanceFilter) -> dict[str, int]:
    """Count in an index that has status and start; no row is read."""
    found = []
    for status in Status:
        conditions = conditions_for(hub_row, asked)
        conditions.add("i.status = ?", int(status))
        count = connection.execute(
            f"SELECT count(*) FROM instance i INDEXED BY instance_status WHERE {conditions.sql}",
            conditions.parameters,
        ).fetchone()[0]
        found.append((status, count))
    return _by_word(found)


def _by_scan(connection: Connection, conditions: Conditions) -> Counts:
    """Count row by row, newest first, as far as the time budget goes."""
    found, is_complete = _scan(connection, conditions, _NO_WIDTH)
    return Counts(_by_word((status, count) for _, status, count in found), is_exact=is_complete)


def _scan(
    connection: Connection, conditions: Conditions, width: int
) -> tuple[list[tuple[int, int, int]], bool]:
    """Return (bucket, status, count) of what matches, newest first, and whether all was looked at."""
    walk = _Walk(connection, conditions, "started", True, COUNTED_AT_MOST)
    found: list[tuple[int, int, int]] = []
    deadline, size, total = monotonic() + BUDGET_SECONDS / 2, _FIRST_SLICE, 0
    place: Key | None = None
    while True:
        last = walk.end_of_slice(place, size)
        counted = walk.count_slice(place, last, width)
        found += counted
        total += sum(count for _, _, count in counted)
        if last is None:
            return found, True
        place = last
        if monotonic() > deadline or total > COUNTED_AT_MOST:
            return found, False
        size = min(size * 4, _LARGEST_SLICE)


def _by_word(found: Iterable[tuple[int, int]]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for status, count in found:
        if count:
            word = word_of(status)
            counted[word] = counted.get(word, 0) + count
    return counted


# --- histogram


def histogram(
    connection: Connection,
    hub_row: int,
    wanted: InstanceFilter,
    buckets: int,
    now_ns: int,
    among: Sequence[int] | None = None,
) -> Histogram:
    """Return instances by start, in about so many buckets of a round width."""
    asked = replace(wanted, roots=False)
    conditions = conditions_for(hub_row, asked, among)
    # Two questions, because SQLite answers only one extreme at a time from the index.
    ends = "SELECT {}(created_ns) FROM instance INDEXED BY instance_created WHERE hub = ?"
    oldest, newest = (
        connection.execute(ends.format(end), (hub_row,)).fetchone()[0] for end in ("min", "max")
    )
    from_ns = max(asked.created_from_ns or oldest or now_ns, oldest or now_ns)
    to_ns = min(asked.created_to_ns or now_ns, max(now_ns, newest or now_ns))
    width = buckets_.width_for(from_ns, to_ns, buckets)
    by_bucket, is_complete = _bucketed(connection, conditions, asked, width)
    return buckets_.histogram(by_bucket, width, from_ns, to_ns, buckets, is_complete)


def _bucketed(
    connection: Connection, conditions: Conditions, asked: InstanceFilter, width: int
) -> tuple[dict[int, dict[str, int]], bool]:
    if conditions.needs_scan and not conditions.is_narrow:
        found, is_complete = _scan(connection, conditions, width)
    else:
        # An index that has status and start: no row is read, so that all can be counted.
        is_plain = replace(asked, created_from_ns=None, created_to_ns=None, statuses=frozenset()).is_empty
        source = "instance i INDEXED BY instance_status" if is_plain else conditions.source
        limit = -1 if is_plain else COUNTED_AT_MOST
        order = "" if is_plain or conditions.is_narrow else "ORDER BY i.created_ns DESC, i.row DESC "
        found = _rows(
            connection,
            f"SELECT at, status, count(*) FROM (SELECT i.created_ns / ? AS at, i.status FROM {source} "
            f"WHERE {conditions.sql} {order}LIMIT ?) GROUP BY at, status",
            [width, *conditions.parameters, limit],
        )
        is_complete = is_plain or sum(count for _, _, count in found) < COUNTED_AT_MOST
    made: dict[int, dict[str, int]] = {}
    for at, status, count in found:
        bucket, word = made.setdefault(at, {}), word_of(status)
        bucket[word] = bucket.get(word, 0) + count
    return made, is_complete


def names(connection: Connection, hub_row: int) -> list[str]:
    """Return the names of orchestrations that were used, 500 at most, by leaps along the index."""
    found = connection.execute(
        "WITH RECURSIVE used(name) AS (SELECT min(name) FROM instance INDEXED BY instance_name "
        "WHERE hub = ?1 UNION ALL SELECT (SELECT min(name) FROM instance INDEXED BY instance_name "
        "WHERE hub = ?1 AND name > used.name) FROM used WHERE used.name IS NOT NULL) "
        "SELECT name FROM used WHERE name IS NOT NULL LIMIT 500",
        (hub_row,),
    ).fetchall()
    return [name for (name,) in found]
