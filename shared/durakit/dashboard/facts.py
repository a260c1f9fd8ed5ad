"""What is known of an instance besides its history: queue state, the worker's hints, its children.

Each fact has a source, and is absent without it, so that nothing is said that nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Offering:
    """A connected worker and what it offers; None: everything."""

    worker: str
    orchestrations: Mapping[str, frozenset[str]] | None
    activities: Mapping[str, frozenset[str]] | None


@dataclass(frozen=True)
class TurnState:
    """An instance's next turn.

    Attributes:
        state: `queued` for a worker, in the hands of one (`running`), or `unserved`: nobody accepts it.
        since_ns: since when.
        deliveries: how often it was given to a worker without an answer.
        ahead: how many wait before it.
    """

    state: Literal["queued", "running", "unserved"]
    since_ns: int | None = None
    worker: str | None = None
    deliveries: int = 0
    ahead: int = 0


@dataclass(frozen=True)
class TaskState:
    """An open activity: queued, in the hands of a worker, or wanted from nobody who is connected."""

    name: str
    state: Literal["queued", "running", "unserved"]
    since_ns: int | None = None
    worker: str | None = None
    version: str = ""


@dataclass(frozen=True)
class QueueFacts:
    """What queues and streams tell (embedded scheduler only).

    Attributes:
        offerings: the connected workers.
        tasks: open activities by task id; `task_counts` by (name, state) when there are too many.
        kept: events that wait in the inbox while it is suspended.
    """

    offerings: tuple[Offering, ...] = ()
    turn: TurnState | None = None
    tasks: Mapping[int, TaskState] = field(default_factory=dict)
    task_counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    kept: int = 0


@dataclass(frozen=True)
class Suspended:
    """Since when and why turns are withheld."""

    since_ns: int | None
    reason: str | None


@dataclass(frozen=True)
class Hints:
    """What the worker said about its last turn.

    Attributes:
        events: names of external events that the orchestrator waits for, in order.
        timers: ids of timers that end a wait for them.
        is_waiting: False: nothing that can arrive is awaited.
        attempts: how many there are at most, of calls that wait for another one, by the id of the one that
            failed.
    """

    events: tuple[str, ...] = ()
    timers: frozenset[int] = frozenset()
    is_waiting: bool = True
    attempts: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ChildFact:
    """A child that its parent waits for, as far as it matters to the parent."""

    id: str
    name: str
    status: str
    error: str | None = None
    attention: str | None = None
    """Why it cannot go on without a person."""


@dataclass(frozen=True)
class Facts:
    """Everything there is; None where the backend cannot tell."""

    queue: QueueFacts | None = None
    hints: Hints | None = None
    suspended: Suspended | None = None
    children: tuple[ChildFact, ...] | None = None
    raised_before: tuple[str, ...] = ()
