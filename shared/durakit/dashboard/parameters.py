"""What a list's address asks for: read with notices instead of errors, and written back into links."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from durakit.dashboard import words
from durakit.dashboard.instances import STATUSES
from durakit.dashboard.lists import SEARCHED, SIZES, SORTS, InstanceFilter, InstanceQuery, Sort
from durakit.dashboard.reasons import WAITING

_KNOWN = frozenset(
    {"status", "name", "version", "id", "from", "to", "tag", "q", "in", "waiting", "on", "attention"}
    | {"children", "parent", "sort", "after", "before", "size", "cols", "open"}
)
_UNITS = {"s": words.SECOND, "m": words.MINUTE, "h": words.HOUR, "d": words.DAY, "w": 7 * words.DAY}
_RELATIVE = re.compile(r"-(\d{1,6})([smhdw])")
_CHILDREN = ("folded", "flat")
_UNIT_WORDS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}


@dataclass(frozen=True)
class Parameters:
    """The list's address, checked.

    Attributes:
        values: (name, value) pairs as they were given, without what was ignored.
        query: what they ask the backend for.
        notices: what was ignored, and why.
        columns: optional columns to show.
        unfolded: ids of parents whose children are shown.
    """

    values: tuple[tuple[str, str], ...]
    query: InstanceQuery
    notices: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    unfolded: tuple[str, ...] = ()

    def get(self, name: str, default: str = "") -> str:
        """Return the (last) value of a parameter as it was given."""
        return next((value for key, value in reversed(self.values) if key == name), default)

    def all(self, name: str) -> list[str]:
        """Return all values of a parameter."""
        return [value for key, value in self.values if key == name]

    def link(self, **changes: str | Iterable[str] | None) -> str:
        """Return a query string, with `?`, where some parameters differ; None removes one.

        Cursors are dropped unless they are given: another filter has other pages. `from_`, `in_` stand for
        `from` and `in`.
        """
        renamed = {name.rstrip("_"): value for name, value in changes.items()}
        kept = [
            (name, value)
            for name, value in self.values
            if name not in renamed and name not in ("after", "before")
        ]
        for name, value in renamed.items():
            if isinstance(value, str):
                kept.append((name, value))
            elif value is not None:
                kept.extend((name, each) for each in value)
        return f"?{urlencode(kept)}" if kept else ""

    @property
    def conditions(self) -> list[tuple[str, str]]:
        """What narrows the list: each condition in words, and the query string without it."""
        found = []
        for name, value in self.values:
            said = _condition(name, value)
            if said:
                rest = tuple(pair for pair in self.values if pair != (name, value))
                found.append((said, Parameters(rest, self.query).link()))
        return found

    @property
    def in_words(self) -> str:
        """The filter as a few words: `started in the last 6 hours, region=eu`."""
        return ", ".join(said for said, _ in self.conditions)


def _condition(name: str, value: str) -> str:
    relative = _RELATIVE.fullmatch(value)
    if name == "from" and relative:
        count = int(relative[1])
        return f"started in the last {words.counted(count, _UNIT_WORDS[relative[2]])}"
    plain = {
        "status": f"status {value}",
        "name": f"name {value}",
        "version": f"version {value}",
        "id": f"id begins with {value}",
        "from": f"started from {value}",
        "to": f"started before {value}",
        "tag": value,
        "q": f"text {value}",
        "waiting": f"waiting for {value}",
        "on": f"on {value}",
        "attention": "needs attention",
        "parent": f"children of {value}",
    }
    return plain.get(name, "")


@dataclass
class _Reading:
    """Collects what can be used."""

    now_ns: int
    values: list[tuple[str, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def one(self, name: str) -> str | None:
        return next((value for key, value in reversed(self.values) if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.values if key == name]

    def take(self, name: str, value: str) -> None:
        problem = self._problem(name, value)
        if problem is not None:
            self.notices.append(f"Ignored: {problem}")
        elif value:
            self.values.append((name, value.lower() if name in ("status", "waiting") else value))

    def _problem(self, name: str, value: str) -> str | None:
        if name not in _KNOWN:
            return f"{name} is nothing this page can be asked for."
        if not value:
            return None
        if name in ("from", "to"):
            if moment(value, self.now_ns) is None:
                return f"{value} is not a time. Write 2026-11-21T13:00:00Z, or -6h for six hours ago."
            return None
        choices: tuple[str, ...] | None = {
            "status": STATUSES,
            "waiting": WAITING,
            "sort": SORTS,
            "children": _CHILDREN,
            "size": tuple(map(str, SIZES)),
            "attention": ("1",),
        }.get(name)
        if choices is not None and value.lower() not in choices:
            return f"{value} is not a {name}. Known are {', '.join(choices)}."
        if name == "in" and not set(value.split(",")) <= set(SEARCHED):
            return f"{value} is not where text can be looked for. Known are {', '.join(SEARCHED)}."
        return None


def moment(text: str, now_ns: int) -> int | None:
    """Return a time of the address as nanoseconds since 1970; None when it is not one.

    RFC 3339 (without an offset: UTC), or relative to now: `-6h`, with s, m, h, d or w.
    """
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return now_ns - int(relative[1]) * _UNITS[relative[2]]
    try:
        # Python 3.10 knows neither the Z nor fractions of any length.
        found = re.fullmatch(r"(.*?)(\.\d+)?(Z|[+-]\d\d:?\d\d)?", text.strip(), re.IGNORECASE)
        whole, fraction, zone = found.groups() if found else (text, None, None)
        offset = "" if not zone else "+00:00" if zone in "Zz" else zone
        at_ns = words.nanoseconds(datetime.fromisoformat(whole.replace(" ", "T") + offset))
    except (ValueError, OverflowError):
        return None
    return at_ns + (int(fraction[1:10].ljust(9, "0")) if fraction else 0)


def read(items: Iterable[tuple[str, str]], now_ns: int) -> Parameters:
    """Return what can be used of an address; the rest becomes notices."""
    reading = _Reading(now_ns)
    for name, value in items:
        reading.take(name, value)
    one, every = reading.one, reading.all
    parent = one("parent")
    narrowed = InstanceFilter(
        statuses=frozenset(every("status")),
        names=tuple(every("name")),
        version=one("version"),
        id_prefix=one("id"),
        created_from_ns=_moment(one("from"), now_ns),
        created_to_ns=_moment(one("to"), now_ns),
        tags=tuple(_tag(text) for text in every("tag")),
        text=one("q"),
        text_in=frozenset((one("in") or ",".join(SEARCHED)).split(",")),
        waiting=one("waiting"),
        on=one("on"),
        attention=one("attention") is not None,
        parent=parent,
        roots=one("children") != "flat" and parent is None,
    )
    sort: Sort = next((known for known in SORTS if known == one("sort")), "-started")
    after, before = one("after"), one("before")
    query = InstanceQuery(narrowed, sort, after, None if after else before, int(one("size") or 50))
    columns = tuple(name for name in (one("cols") or "").split(",") if name)
    return Parameters(tuple(reading.values), query, tuple(reading.notices), columns, tuple(every("open")))


def _moment(text: str | None, now_ns: int) -> int | None:
    return None if text is None else moment(text, now_ns)


def _tag(text: str) -> tuple[str, str | None]:
    key, sign, value = text.partition("=")
    return key, value if sign else None
