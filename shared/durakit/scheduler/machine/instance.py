"""What the scheduler knows of one orchestration instance.

An instance that may still run is resident: it is kept in memory with its inbox and open work. An
instance that has ended is read from the store when somebody asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Status(IntEnum):
    """Runtime status, numbered as on the wire."""

    RUNNING = 0
    COMPLETED = 1
    CONTINUED_AS_NEW = 2
    FAILED = 3
    CANCELED = 4
    TERMINATED = 5
    PENDING = 6
    SUSPENDED = 7

    @property
    def word(self) -> str:
        """The status as the dashboard and the command line write it."""
        return self.name.lower()


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.TERMINATED})


@dataclass(frozen=True, slots=True)
class Parent:
    """The orchestration that created this one, and the action by which it did."""

    instance_id: str
    execution_id: str
    task_id: int
    name: str
    version: str | None


@dataclass(slots=True, eq=False)
class Arrival:
    """One event that waits for the instance's next turn.

    Attributes:
        kind: name of the event in `HistoryEvent.eventType`, or `KICK`.
        event: the serialised event; empty for a kick.
        key: its place in the stored inbox, None when it can be made again (a timer that fired).
        group: number of the journal that makes it durable; 0 when nothing needs to.
    """

    kind: str
    event: bytes
    key: int | None
    group: int


RESULT = "taskCompleted"
"""An arrival that may wait for others of its kind; anything else is worth a turn at once."""
KICK = "kick"
"""An arrival without event: it makes a turn happen (after a rewind) and leaves no trace in history."""


@dataclass(slots=True, eq=False)
class OpenTask:
    """An activity that was scheduled and has not finished. Its identity fences late results."""

    instance: Instance
    task_id: int
    name: str
    version: str
    request: bytes


@dataclass(slots=True, eq=False)
class OpenTimer:
    """A timer that was created and has not fired. Its identity fences executions."""

    instance: Instance
    timer_id: int
    due_ns: int


@dataclass(slots=True, eq=False)
class Turn:
    """One turn on offer or in the hands of a worker.

    Attributes:
        new_events: what the worker runs, serialised, `orchestratorStarted` first.
        arrivals: the part of the inbox they came from.
        started_ns: the orchestration's clock in this turn.
    """

    instance: Instance
    new_events: list[bytes]
    arrivals: list[Arrival]
    started_ns: int


@dataclass(slots=True, eq=False)
class Instance:
    """One instance. Times are nanoseconds since 1970; payloads are JSON text, None when absent.

    Attributes:
        row: its number in the store, never used twice.
        statuses: how many custom statuses were recorded so far, dropped ones counted.
        recorded_status: the last of them.
        trace: serialised `OrchestrationTraceContext` of the last turn, opaque.
        turns: how many turns are in history; the next one gets this number.
        events: how many events are in history.
        clock_ns: time of the last turn; it never runs backwards.
        group: number of the last journal that changed the instance itself, arrivals not counted.
        history: blobs of the turns, or None when they are only in the store.
        queued: whether it stands in line for a worker.
        tasks_in_line: how many activities that it scheduled do.
        rests_until_ns: until when results alone are no reason for a turn; 0: they are.
        rest_ends: whether somebody will look when that is over.
        offers: how often its turn was given to a worker since the last answer.
        session: the stream whose worker keeps this execution in memory, if any.
        session_token: completion token of the last turn that it was asked for, which names that copy.
        hints: what its worker said of the present wait (`TurnHints`), for people; lost with a restart.
    """

    row: int
    hub_row: int
    id: str
    execution_id: str
    name: str
    version: str | None
    status: Status
    created_ns: int
    updated_ns: int
    completed_ns: int | None = None
    scheduled_ns: int | None = None
    parent: Parent | None = None
    tags: dict[str, str] = field(default_factory=dict)
    input: str | None = None
    output: str | None = None
    failure: bytes | None = None
    custom_status: str | None = None
    statuses: int = 0
    recorded_status: str | None = None
    trace: bytes = b""
    turns: int = 0
    events: int = 0
    clock_ns: int = 0
    group: int = 0
    history: list[bytes] | None = field(default_factory=list)
    inbox: list[Arrival] = field(default_factory=list)
    tasks: dict[int, OpenTask] = field(default_factory=dict)
    timers: dict[int, OpenTimer] = field(default_factory=dict)
    children: dict[int, str] = field(default_factory=dict)
    turn: Turn | None = None
    queued: bool = False
    tasks_in_line: int = 0
    rests_until_ns: int = 0
    rest_ends: bool = False
    offers: int = 0
    session: object | None = None
    session_token: str = ""
    hints: object | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the instance has ended."""
        return self.status in TERMINAL

    @property
    def is_suspended(self) -> bool:
        """Whether turns are withheld until somebody resumes it."""
        return self.status is Status.SUSPENDED

    @property
    def has_started(self) -> bool:
        """Whether a turn of this execution is in history."""
        return self.events > 0

    def wants_turn(self, committed_group: int, now_ns: int) -> bool:
        """Whether a worker could be given a turn now."""
        return (
            self.turn is None
            and self.status in (Status.RUNNING, Status.PENDING)
            and self.group <= committed_group
            and bool(self.inbox)
            and self.inbox[0].group <= committed_group
            and (self.scheduled_ns is None or self.scheduled_ns <= now_ns or self.has_started)
        )
