"""Filters, sorting and pages over rows that were fetched, for endpoints that cannot do it themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from durakit.dashboard.backend import BackendError
from durakit.dashboard.instances import ChildCounts, InstanceRow
from durakit.dashboard.lists import InstanceFilter, InstancePage, InstanceQuery, Searched

KNOWN_TO_PROTOCOL = frozenset({"status", "from", "to", "id"})
"""Parameters of the list that a query of the protocol takes."""


def is_for_protocol(wanted: InstanceFilter) -> bool:
    """Return whether the protocol's own query answers a filter."""
    known = replace(wanted, statuses=frozenset(), id_prefix=None, created_from_ns=None, created_to_ns=None)
    return known.is_empty


def fits(row: InstanceRow, wanted: InstanceFilter, texts: dict[str, str] | None = None) -> bool:
    """Return whether a row fits a filter, as far as a row tells.

    Args:
        texts: what free text is looked for in; by default what the row shows.
    """
    if wanted.statuses and row.status not in wanted.statuses:
        return False
    if wanted.names and not any(_like(row.name, name) for name in wanted.names):
        return False
    if wanted.version is not None and not _like(row.version or "", wanted.version):
        return False
    if wanted.id_prefix and not row.id.startswith(wanted.id_prefix):
        return False
    if wanted.created_from_ns is not None and row.created_ns < wanted.created_from_ns:
        return False
    if wanted.created_to_ns is not None and row.created_ns >= wanted.created_to_ns:
        return False
    if any(row.tags.get(key) is None or value not in (None, row.tags[key]) for key, value in wanted.tags):
        return False
    if wanted.parent is not None and row.parent_id != wanted.parent:
        return False
    return not wanted.text or _has_text(row, wanted, texts or {})


def fits_reason(row: InstanceRow, wanted: InstanceFilter) -> bool:
    """Return whether the reason of a row fits a filter."""
    reason = row.reason
    if wanted.attention and not (reason is not None and reason.attention):
        return False
    if wanted.waiting is not None and (reason is None or reason.waiting != wanted.waiting):
        return False
    return wanted.on is None or (reason is not None and wanted.on in reason.on)


def asks_for_reasons(wanted: InstanceFilter) -> bool:
    """Return whether a filter needs to know why instances are where they are."""
    return wanted.attention or wanted.waiting is not None or wanted.on is not None


def _like(text: str, wanted: str) -> bool:
    return text.startswith(wanted[:-1]) if wanted.endswith("*") else text == wanted


def _has_text(row: InstanceRow, wanted: InstanceFilter, texts: dict[str, str]) -> bool:
    told = {"id": row.id, "output": row.output or "", "error": row.error or "", **texts}
    sought = (wanted.text or "").casefold()
    return any(sought in told.get(place, "").casefold() for place in wanted.text_in)


def without_children(rows: Iterable[InstanceRow], known: Sequence[InstanceRow]) -> list[InstanceRow]:
    """Return the rows whose parent is not among the known ones."""
    ids = {row.id for row in known}
    return [row for row in rows if row.parent_id is None or row.parent_id not in ids]


def page(
    rows: Sequence[InstanceRow], query: InstanceQuery, searched: Searched | None, notices: tuple[str, ...]
) -> InstancePage:
    """Return the page of sorted rows that a query asks for.

    Raises:
        BackendError: invalid, for a cursor that is not one.
    """
    if query.sort == "-completed":
        rows = [row for row in rows if row.completed_ns is not None]
    ordered = sorted(rows, key=lambda row: _key(row, query), reverse=query.sort.startswith("-"))
    keys = [_key(row, query) for row in ordered]
    descending = query.sort.startswith("-")

    def is_beyond(key: tuple[int, str], place: tuple[int, str]) -> bool:
        return key < place if descending else key > place

    first, last = 0, len(ordered)
    if query.after is not None:
        place = _read(query.after)
        first = next((at for at, key in enumerate(keys) if is_beyond(key, place)), len(keys))
        last = min(first + query.size, len(ordered))
    elif query.before is not None:
        place = _read(query.before)
        last = next((at for at, key in enumerate(keys) if not is_beyond(place, key)), len(keys))
        first = max(0, last - query.size)
    last = min(last, first + query.size)
    return InstancePage(
        list(ordered[first:last]),
        after=_cursor(keys[last - 1]) if 0 < last < len(keys) else None,
        before=_cursor(keys[first]) if 0 < first < len(keys) else None,
        searched=searched,
        notices=notices,
    )


def with_children(rows: Sequence[InstanceRow], known: Sequence[InstanceRow]) -> list[InstanceRow]:
    """Return rows with the counts of their children among `known`."""
    by_parent: dict[str, list[InstanceRow]] = {}
    for row in known:
        if row.parent_id is not None:
            by_parent.setdefault(row.parent_id, []).append(row)
    made = []
    for row in rows:
        children = by_parent.get(row.id)
        if children:
            is_open = sum(child.is_open for child in children)
            failed = sum(child.status == "failed" for child in children)
            row = replace(row, children=ChildCounts(len(children), is_open, failed))
        made.append(row)
    return made


def _key(row: InstanceRow, query: InstanceQuery) -> tuple[int, str]:
    if query.sort == "-updated":
        return row.updated_ns, row.id
    return (row.completed_ns or 0 if query.sort == "-completed" else row.created_ns), row.id


def _cursor(key: tuple[int, str]) -> str:
    return f"{key[0]:x}.{key[1].encode().hex()}"


def _read(text: str) -> tuple[int, str]:
    try:
        at, instance_id = text.split(".")
        return int(at, 16), bytes.fromhex(instance_id).decode()
    except ValueError:
        raise BackendError(
            "invalid", f"{text[:80]} is not a place in this list. Begin at the first page."
        ) from None
