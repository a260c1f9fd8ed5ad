"""Lists of instances: which are asked for, and what comes back: pages, counts, a histogram.

Times are nanoseconds since 1970 (UTC).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from durakit.dashboard.instances import InstanceRow

SEARCHED = ("id", "input", "output", "error")
"""What free text is looked for in."""

Sort = Literal["-started", "started", "-updated", "-completed"]
SORTS: tuple[Sort, ...] = ("-started", "started", "-updated", "-completed")
SIZES = (25, 50, 100, 200)


@dataclass(frozen=True)
class InstanceFilter:
    """Which instances; the default is all. Every condition must hold; of several statuses or names, one.

    Attributes:
        names, version: exact, or a prefix when they end in `*`.
        created_from_ns, created_to_ns: from inclusive, to exclusive.
        tags: (key, value) pairs; value None: the key is present.
        text: looked for, ignoring case, in what `text_in` names.
        waiting, on: kind of what it waits for, and its name.
        attention: only what cannot go on without a person.
        parent: only direct children of this instance.
        roots: leave out children whose parent exists ("folded"); ignored with `parent`.
    """

    statuses: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    version: str | None = None
    id_prefix: str | None = None
    created_from_ns: int | None = None
    created_to_ns: int | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    text: str | None = None
    text_in: frozenset[str] = frozenset(SEARCHED)
    waiting: str | None = None
    on: str | None = None
    attention: bool = False
    parent: str | None = None
    roots: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing but folding narrows the list."""
        return replace(self, roots=False) == InstanceFilter()


@dataclass(frozen=True)
class InstanceQuery:
    """A page of a list. `after` and `before` are cursors from an `InstancePage`; at most one is given."""

    filter: InstanceFilter = InstanceFilter()
    sort: Sort = "-started"
    after: str | None = None
    before: str | None = None
    size: int = 50


@dataclass(frozen=True)
class Searched:
    """How far a search came that has no index and stopped at its time budget.

    Attributes:
        examined: instances looked at.
        total: instances there are to look at, None when not known.
        back_to_ns: start of the last one looked at.
        further: cursor to go on from (as `after`).
    """

    examined: int
    total: int | None
    back_to_ns: int | None
    further: str | None


@dataclass(frozen=True)
class InstancePage:
    """A page of a list.

    Attributes:
        after: cursor of the next page in sort order, None at the end.
        before: cursor of the page before, None at the beginning.
        searched: set when the page may be incomplete because time ran out.
        notices: what else the reader must know, one sentence each.
    """

    rows: list[InstanceRow]
    after: str | None = None
    before: str | None = None
    searched: Searched | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counts:
    """Instances that match, by status, all other conditions applied.

    Attributes:
        by_status: without the filter's own statuses applied, so that each can be offered as a filter.
        attention: how many need a person; None when not known.
        is_exact: False: there are at least so many ("10,000+").
    """

    by_status: dict[str, int]
    attention: int | None = None
    is_exact: bool = True

    @property
    def total(self) -> int:
        """All statuses together."""
        return sum(self.by_status.values())


@dataclass(frozen=True)
class Bucket:
    """Instances that started from `at_ns` on, by present status."""

    at_ns: int
    by_status: dict[str, int]

    @property
    def total(self) -> int:
        """All statuses together."""
        return sum(self.by_status.values())


@dataclass(frozen=True)
class Histogram:
    """Instances by start; buckets without instances are present, with nothing in them."""

    width_ns: int
    buckets: list[Bucket]
    is_complete: bool = True

    @property
    def peak(self) -> int:
        """The largest bucket."""
        return max((bucket.total for bucket in self.buckets), default=0)
