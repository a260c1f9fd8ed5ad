"""Instances as pages and commands know them: a row of a list, all facts of one, its family.

Times are nanoseconds since 1970 (UTC), payloads the JSON texts that were recorded, statuses the protocol's
words in lower case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from durakit.dashboard.failures import Failure
from durakit.dashboard.reasons import Reason

STATUSES = ("pending", "running", "suspended", "completed", "failed", "terminated")
"""In the order of a life."""
OPEN_STATUSES = frozenset({"pending", "running", "suspended"})


@dataclass(frozen=True)
class ChildCounts:
    """The children of one instance, direct ones only."""

    total: int
    open: int = 0
    failed: int = 0
    attention: int = 0


@dataclass(frozen=True)
class InstanceRow:
    """One instance in a list.

    Attributes:
        custom_status, output: previews, cut at 200 characters.
        error: `ErrorType: first line` of its failure.
        events: length of its history, None when not known.
        reason: why it is where it is; None when the backend did not look.
    """

    id: str
    name: str
    status: str
    created_ns: int
    updated_ns: int
    version: str | None = None
    completed_ns: int | None = None
    scheduled_ns: int | None = None
    parent_id: str | None = None
    parent_name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    custom_status: str | None = None
    output: str | None = None
    error: str | None = None
    events: int | None = None
    children: ChildCounts | None = None
    reason: Reason | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN_STATUSES


@dataclass(frozen=True)
class Instance:
    """All facts of one instance.

    Attributes:
        row: what the list shows, with reason and child counts.
        input, output, custom_status: JSON text, whole; None when absent.
        failure: with its causes.
        turns: how many its history has; None when not known.
        last_turn_ns: the orchestration's clock in the last turn.
        last_worker: who ran the last turn, when that is known.
        generation: number of this execution among those of continue-as-new, from 1; None when not known.
    """

    row: InstanceRow
    execution_id: str | None = None
    input: str | None = None
    output: str | None = None
    custom_status: str | None = None
    failure: Failure | None = None
    turns: int | None = None
    last_turn_ns: int | None = None
    last_worker: str | None = None
    generation: int | None = None


@dataclass(frozen=True)
class StatusChange:
    """A custom status that an instance took on.

    Attributes:
        text: JSON text; None: it has had none since.
        bytes: size of the whole in UTF-8, when `text` is only its beginning.
    """

    at_ns: int
    text: str | None
    bytes: int | None = None


@dataclass(frozen=True)
class StatusRecord:
    """Custom statuses over time, newest first; `dropped`: how many older ones are not kept."""

    changes: Sequence[StatusChange]
    dropped: int = 0


@dataclass(frozen=True)
class Generation:
    """One execution of an instance that continues as new; `is_kept`: its history can be read."""

    number: int | None
    execution_id: str | None
    started_ns: int | None
    ended_ns: int | None
    is_current: bool
    is_kept: bool


@dataclass(frozen=True)
class Relative:
    """An instance in a family tree.

    Attributes:
        depth: 0 for the instance asked about, negative for ancestors.
        hidden: how many of its children were left out of the tree.
    """

    row: InstanceRow
    depth: int
    hidden: int = 0


@dataclass(frozen=True)
class Family:
    """Ancestors from the root down, the instance itself, its descendants in order of the tree."""

    members: list[Relative]
    generations: list[Generation]
