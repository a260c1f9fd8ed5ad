"""A filter of instances as SQL, and which index leads to its rows.

Status words that the store knows by number, payloads searched without regard to (ASCII) case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from durakit.dashboard.lists import InstanceFilter
from durakit.scheduler.machine.instance import Status

_ROOT = (
    "(i.parent_id IS NULL OR NOT EXISTS "
    "(SELECT 1 FROM instance p WHERE p.hub = i.hub AND p.id = i.parent_id))"
)
_BY_ID = "sqlite_autoindex_instance_1"
"""Of the constraint that ids are unique in a hub."""
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.:/-]+")
_FEW = frozenset({Status.FAILED, Status.PENDING, Status.RUNNING, Status.SUSPENDED, Status.TERMINATED})
_TEXT_IN = {
    "id": "i.id LIKE ? ESCAPE '\\'",
    "input": "EXISTS (SELECT 1 FROM input n WHERE n.row = i.row AND n.payload LIKE ? ESCAPE '\\')",
    "output": "i.output LIKE ? ESCAPE '\\'",
    "error": "CAST(i.failure AS TEXT) LIKE ? ESCAPE '\\'",
}


@dataclass
class Conditions:
    """Conditions joined by AND over `instance i`, with their parameters.

    Attributes:
        index: what to walk along in order of creation.
        along: the conditions that this index decides by itself.
        is_narrow: an index leads to few rows, which are then sorted, instead of walking in order.
        needs_scan: rows have to be looked at one by one; how many cannot be foreseen.
        is_chosen: row numbers are given, which no index need lead to.
    """

    parts: list[str] = field(default_factory=list)
    parameters: list[Any] = field(default_factory=list)
    index: str = "instance_created"
    along: list[tuple[str, Any]] = field(default_factory=list)
    is_narrow: bool = False
    needs_scan: bool = False
    is_chosen: bool = False

    def add(self, part: str, *parameters: Any) -> None:
        self.parts.append(part)
        self.parameters.extend(parameters)

    @property
    def sql(self) -> str:
        """The conditions, without WHERE."""
        return " AND ".join(self.parts)

    @property
    def source(self) -> str:
        """What stands after FROM."""
        return "instance i NOT INDEXED" if self.is_chosen else f"instance i INDEXED BY {self.index}"


def statuses_of(words: frozenset[str]) -> list[Status]:
    """Return the statuses of the list's words; `terminated` covers cancelled ones too."""
    found = [status for status in Status if status.word in words]
    return [*found, Status.CANCELED] if Status.TERMINATED in found else found


def word_of(status: int) -> str:
    """Return the list's word for a stored status."""
    return "terminated" if status == Status.CANCELED else Status(status).word


def conditions_for(hub_row: int, wanted: InstanceFilter, among: Sequence[int] | None = None) -> Conditions:
    """Return a filter as conditions. `waiting`, `on` and `attention` are not in the store.

    Args:
        among: the row numbers of all that can match, when something else has found them; None: unknown.
    """
    made = Conditions()
    if among is not None:
        # Numbers of our own, written out: there may be more than a statement can have parameters.
        made.add(f"i.row IN ({','.join(map(str, among))})")
        made.is_narrow = made.is_chosen = True
    made.add("i.hub = ?", hub_row)
    made.along.append(("i.hub = ?", hub_row))
    _order_of_life(made, wanted)
    statuses = statuses_of(wanted.statuses)
    if wanted.statuses:
        made.add(f"i.status IN ({','.join('?' * len(statuses))})", *map(int, statuses))
        if len(statuses) == 1 and statuses[0] in _FEW:
            made.index = "instance_status"
            made.along.append(("i.status = ?", int(statuses[0])))
    exact = [name for name in wanted.names if not name.endswith("*")]
    if wanted.names:
        named = [_name_like("i.name", name) for name in wanted.names]
        made.add(f"({' OR '.join(part for part, _ in named)})", *(name for _, name in named))
        if len(exact) == len(wanted.names) == 1 and made.index == "instance_created":
            made.index = "instance_name"
            made.along.append(("i.name = ?", exact[0]))
        made.needs_scan |= made.index == "instance_created"
    if wanted.version is not None:
        made.add(*_name_like("i.version", wanted.version))
        made.needs_scan = True
    for key, value in wanted.tags:
        _tag(made, key, value)
    if wanted.text:
        _text(made, wanted.text, wanted.text_in)
    if wanted.id_prefix:
        made.add("i.id >= ? AND i.id < ?", wanted.id_prefix, _after(wanted.id_prefix))
        made.is_narrow, made.index = True, _BY_ID
    if wanted.parent is not None:
        made.add("i.parent_id = ?", wanted.parent)
        made.is_narrow, made.index = True, "instance_parent"
    elif wanted.roots:
        made.add(_ROOT)
    return made


def _order_of_life(made: Conditions, wanted: InstanceFilter) -> None:
    for sign, at_ns in ((">=", wanted.created_from_ns), ("<", wanted.created_to_ns)):
        if at_ns is not None:
            made.add(f"i.created_ns {sign} ?", _storable(at_ns))
            made.along.append((f"i.created_ns {sign} ?", _storable(at_ns)))


def _tag(made: Conditions, key: str, value: str | None) -> None:
    if not _PLAIN_KEY.fullmatch(key):
        # Such keys may be written with escapes, which only this reads.
        found = "EXISTS (SELECT 1 FROM json_each(i.tags) t WHERE t.key = ?"
        if value is None:
            made.add(f"{found})", key)
        else:
            made.add(f"{found} AND t.value = ?)", key, value)
    elif value is None:
        made.add("json_type(i.tags, ?) IS NOT NULL", f'$."{key}"')
    else:
        made.add("json_extract(i.tags, ?) = ?", f'$."{key}"', value)
    made.needs_scan = True


def _storable(at_ns: int) -> int:
    return max(-(2**63), min(at_ns, 2**63 - 1))


def _name_like(column: str, text: str) -> tuple[str, str]:
    if text.endswith("*"):
        return f"{column} GLOB ?", _glob(text[:-1])
    return f"{column} = ?", text


def _glob(prefix: str) -> str:
    return "".join(f"[{each}]" if each in "*?[" else each for each in prefix) + "*"


def _after(prefix: str) -> str:
    """Return the least text above all that begin with `prefix`, in order of code points."""
    for at in range(len(prefix) - 1, -1, -1):
        if ord(prefix[at]) < 0x10FFFF:
            following = ord(prefix[at]) + 1
            # Surrogates are no characters.
            return prefix[:at] + chr(0xE000 if 0xD800 <= following < 0xE000 else following)
    return prefix + "\U0010ffff"


def spellings(text: str) -> list[str]:
    """Return how a text may stand in a payload: as it is, and as JSON in ASCII (é is \\u00e9)."""
    return list(dict.fromkeys([text, json.dumps(text)[1:-1]]))


def _text(made: Conditions, text: str, places: frozenset[str]) -> None:
    patterns = [f"%{_like(spelling)}%" for spelling in spellings(text)]
    parts, parameters = [], []
    for place in sorted(places):
        for pattern in patterns:
            parts.append(_TEXT_IN[place])
            parameters.append(pattern)
    made.add(f"({' OR '.join(parts)})", *parameters)
    made.needs_scan = True


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
