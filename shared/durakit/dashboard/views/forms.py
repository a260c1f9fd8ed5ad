"""Forms: start, the acts on one instance, and acts on many; each with the same from CLI, curl and Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from durakit.dashboard.backend import BulkAct, BulkProgress
from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.phrases import Phrase
from durakit.dashboard.views.frame import Frame
from durakit.dashboard.views.instance import Act, Head


@dataclass(frozen=True)
class Same:
    """The same act elsewhere: `cli`, `curl`, `python`, as text to copy."""

    cli: str
    curl: str
    python: str

    def as_json(self) -> dict[str, str]:
        """Return it for JSON."""
        return {"cli": self.cli, "curl": self.curl, "python": self.python}


@dataclass(frozen=True)
class EventChoice:
    """An event that can be raised; `note` says since when it is waited for, or where it was seen."""

    name: str
    note: Phrase
    is_awaited: bool = False


@dataclass(frozen=True)
class StartView:
    """Start an orchestration.

    Attributes:
        values: what stands in the fields: name, id, start_at, version, tags (`key=value` lines), input.
        errors: sentence by field; `""` for the form as a whole.
        offered: names that connected workers offer; `used`: that were used before.
        copied_from: id of the run whose input was taken.
        recent: ids of earlier runs of this name, to take the input from.
    """

    frame: Frame
    values: dict[str, str]
    same: Same
    errors: dict[str, str] = field(default_factory=dict)
    offered: Sequence[str] = ()
    used: Sequence[str] = ()
    offered_by: Sequence[str] = ()
    copied_from: str | None = None
    recent: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        return {
            "values": self.values,
            "errors": self.errors,
            "offered": list(self.offered),
            "same": self.same.as_json(),
        }


@dataclass(frozen=True)
class ActView:
    """One act on one instance.

    Attributes:
        act, label: what the button does; `object`: on what, for its text.
        consequences: what it does, a sentence each.
        values, errors: as in `StartView`; fields: reason, recursive, event, payload, new_id, input.
        refusal: why it cannot be done now.
        choices: events, for `raise`.
        again: what runs again, for `rewind`.
    """

    frame: Frame
    head: Head
    act: Act
    label: str
    object: str
    values: dict[str, str]
    same: Same
    consequences: Sequence[str] = ()
    errors: dict[str, str] = field(default_factory=dict)
    refusal: str | None = None
    choices: Sequence[EventChoice] = ()
    again: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        return {
            "act": self.act,
            "instance": self.head.row.id,
            "refusal": self.refusal,
            "errors": self.errors,
            "events": [choice.name for choice in self.choices],
            "same": self.same.as_json(),
        }


@dataclass(frozen=True)
class BulkView:
    """An act on a selection or a filter: to be confirmed, or under way.

    Attributes:
        filter_words: the filter in words; empty for a selection.
        fields: hidden fields that repeat the choice.
        first: the first five.
        left_alone: how many cannot be acted upon, of those counted.
        progress: once it was confirmed.
    """

    frame: Frame
    act: BulkAct
    label: str
    total: int
    is_exact: bool
    first: Sequence[InstanceRow]
    filter_words: str = ""
    fields: Sequence[tuple[str, str]] = ()
    left_alone: int = 0
    progress: BulkProgress | None = None
    job: str | None = None
    errors: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        answer: dict[str, Any] = {"act": self.act, "total": self.total, "isExact": self.is_exact}
        if self.progress is not None:
            answer |= {
                "job": self.job,
                "done": self.progress.done,
                "leftAlone": self.progress.left_alone,
                "refused": [{"id": found, "why": why} for found, why in self.progress.refused],
                "isFinished": self.progress.is_finished,
                "isCancelled": self.progress.is_cancelled,
            }
        return answer
