"""The list of a hub's instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from durakit.dashboard import words
from durakit.dashboard.instances import STATUSES, InstanceRow
from durakit.dashboard.lists import Counts, Histogram, InstancePage
from durakit.dashboard.parameters import Parameters
from durakit.dashboard.reasons import Reason
from durakit.dashboard.views.frame import Frame, hub_path, instance_path, phrase_json

COLUMNS = ("updated", "completed", "parent", "tags", "custom_status", "events")
"""Columns that can be shown besides the usual ones, as `cols=` names them."""


@dataclass(frozen=True)
class Family:
    """A parent's unfolded children, and how many more there are."""

    rows: Sequence[InstanceRow]
    more: int = 0


@dataclass(frozen=True)
class Nothing:
    """Why the list is empty.

    Attributes:
        is_unused: the hub has never had an instance; else the filter finds none.
        offered: orchestrations that connected workers offer.
        without: condition in words, the query string without it, and how many that would find.
    """

    is_unused: bool
    offered: tuple[str, ...] = ()
    without: tuple[tuple[str, str, int | None], ...] = ()


@dataclass(frozen=True)
class InstancesView:
    """A page of one hub's instances.

    Attributes:
        path: of the list; append `parameters.link(...)` for another filter.
        counts, histogram: None when the backend cannot tell.
        families: children of unfolded parents, by the parent's id.
        names: orchestrations to choose from.
        newer, older, further: query strings of other pages; None at the ends. `further`: search on.
    """

    frame: Frame
    path: str
    parameters: Parameters
    page: InstancePage
    counts: Counts | None = None
    histogram: Histogram | None = None
    families: Mapping[str, Family] = field(default_factory=dict)
    names: Sequence[str] = ()
    nothing: Nothing | None = None

    @property
    def rows(self) -> Sequence[InstanceRow]:
        """The instances of this page."""
        return self.page.rows

    @property
    def notices(self) -> tuple[str, ...]:
        """What of the address was ignored, and what else the reader must know."""
        return (*self.parameters.notices, *self.page.notices)

    @property
    def older(self) -> str | None:
        """Query string of the next page."""
        return None if self.page.after is None else self.parameters.link(after=self.page.after)

    @property
    def newer(self) -> str | None:
        """Query string of the page before."""
        return None if self.page.before is None else self.parameters.link(before=self.page.before)

    @property
    def further(self) -> str | None:
        """Query string to search on where time ran out."""
        searched = self.page.searched
        if searched is None or searched.further is None:
            return None
        return self.parameters.link(after=searched.further)

    @property
    def is_first(self) -> bool:
        """Whether this is the first page."""
        return self.page.before is None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        hub = self.frame.hub or ""
        twin = hub_path(hub, "instances.json")
        answer: dict[str, Any] = {
            "hub": hub,
            "filter": [list(pair) for pair in self.parameters.values],
            "instances": [row_json(row) for row in self.rows],
            "next": None if self.older is None else twin + self.older,
            "previous": None if self.newer is None else twin + self.newer,
            "notices": list(self.notices),
        }
        if self.counts is not None:
            answer["counts"] = {
                "byStatus": {word: self.counts.by_status.get(word, 0) for word in STATUSES},
                "total": self.counts.total,
                "attention": self.counts.attention,
                "isExact": self.counts.is_exact,
            }
        if self.histogram is not None:
            answer["histogram"] = histogram_json(self.histogram)
        if self.page.searched is not None:
            searched = self.page.searched
            answer["searched"] = {
                "examined": searched.examined,
                "total": searched.total,
                "backTo": _time(searched.back_to_ns),
                "further": None if self.further is None else twin + self.further,
            }
        return answer


def row_json(row: InstanceRow) -> dict[str, Any]:
    """Return an instance of a list for JSON."""
    return {
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "version": row.version,
        "createdAt": words.rfc3339(row.created_ns),
        "updatedAt": words.rfc3339(row.updated_ns),
        "completedAt": _time(row.completed_ns),
        "scheduledAt": _time(row.scheduled_ns),
        "durationMs": _duration_ms(row),
        "parentId": row.parent_id,
        "tags": row.tags,
        "customStatus": row.custom_status,
        "error": row.error,
        "events": row.events,
        "children": None
        if row.children is None
        else {"total": row.children.total, "open": row.children.open, "failed": row.children.failed},
        "waiting": reason_json(row.reason),
    }


def reason_json(reason: Reason | None) -> dict[str, Any] | None:
    """Return why an instance is where it is, for JSON."""
    if reason is None:
        return None
    return {
        "kind": reason.kind,
        "waitingFor": reason.waiting,
        "on": list(reason.on),
        "since": _time(reason.since_ns),
        "due": _time(reason.due_ns),
        "attention": reason.attention,
        "text": phrase_json(reason.sentence),
        "short": phrase_json(reason.short),
        "detail": phrase_json(reason.detail),
        "also": [phrase_json(also) for also in reason.also],
    }


def histogram_json(histogram: Histogram) -> dict[str, Any]:
    """Return a histogram for JSON."""
    return {
        "bucketMs": histogram.width_ns // 1_000_000,
        "isComplete": histogram.is_complete,
        "buckets": [
            {"at": words.rfc3339(bucket.at_ns), "byStatus": bucket.by_status} for bucket in histogram.buckets
        ],
    }


def path_of(hub: str, row: InstanceRow) -> str:
    """Return where an instance of the list leads."""
    return instance_path(hub, row.id)


def _time(at_ns: int | None) -> str | None:
    return None if at_ns is None else words.rfc3339(at_ns)


def _duration_ms(row: InstanceRow) -> int | None:
    return None if row.completed_ns is None else (row.completed_ns - row.created_ns) // 1_000_000
