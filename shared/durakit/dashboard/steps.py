"""What an orchestration did, one step per call, timer, wait and child, read from its history. Pure.

Timeline, sequence, "why is it waiting" and the failure chain all start from a `Digest`. It is fed turn by
turn and never starts over, so the cost of a look at an instance follows what is new.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from durakit.wire.messages import orchestration_pb2 as pb

StepKind = Literal["activity", "timer", "event", "child", "entity", "lock", "sent"]
"""`event`: one that was raised for this instance; `sent`: one that it raised for another."""

StepStatus = Literal["open", "completed", "failed", "cancelled"]
"""`open`: scheduled and not finished. `cancelled`: nothing can come of it any more."""

BILLION = 1_000_000_000
PREVIEW_CHARACTERS = 200


@dataclass(frozen=True)
class Failure:
    """An exception as it was recorded; `cause` is what it was raised from."""

    error_type: str
    message: str
    stack_trace: str | None = None
    is_non_retriable: bool = False
    cause: Failure | None = None

    @property
    def first_line(self) -> str:
        """`ErrorType: first line of the message`."""
        line = self.message.partition("\n")[0]
        return f"{self.error_type}: {line}" if self.error_type else line


@dataclass
class Attempt:
    """One try of a call. Times are nanoseconds since 1970.

    Attributes:
        number: of the event that scheduled it, counted from 1 in the history.
        task_id: the id by which results name it.
        end_number: of the event that ended it.
        retry_timer: number of the event that created the timer after which the next try came, or will.
        retry_due_ns: when that timer is, or was, due.
    """

    number: int
    task_id: int
    scheduled_ns: int
    end_number: int | None = None
    ended_ns: int | None = None
    failure: Failure | None = None
    result: str | None = None
    retry_timer: int | None = None
    retry_due_ns: int | None = None

    @property
    def status(self) -> StepStatus:
        """Open, completed or failed."""
        if self.ended_ns is None:
            return "open"
        return "failed" if self.failure is not None else "completed"


@dataclass
class Step:
    """One call (with all its attempts), timer, event, child, entity call or lock.

    Attributes:
        number: of its first event, counted from 1 in the history; names the step in links.
        name: of activity, event, child orchestration or operation; a timer has none.
        turn: number of the turn, from 1, in which it was scheduled (or, for an event, came in).
        due_ns: when a timer is due.
        instance_id: of a child, an entity, or the instance an event was sent to.
        input: JSON text, whole.
        is_retry_timer: whether a timer is the pause between two attempts of a call, and so shown with it.
    """

    kind: StepKind
    number: int
    name: str
    turn: int
    attempts: list[Attempt]
    input: str | None = None
    version: str | None = None
    due_ns: int | None = None
    instance_id: str | None = None
    is_retry_timer: bool = False
    is_cancelled: bool = False

    @property
    def last(self) -> Attempt:
        """The latest attempt."""
        return self.attempts[-1]

    @property
    def started_ns(self) -> int:
        """When it was first scheduled."""
        return self.attempts[0].scheduled_ns

    @property
    def is_retrying(self) -> bool:
        """Whether the latest attempt failed and a timer for the next one runs."""
        return self.last.failure is not None and self.last.retry_due_ns is not None and not self.is_cancelled

    @property
    def status(self) -> StepStatus:
        """What became of it; a call between two attempts is open."""
        if self.is_retrying:
            return "open"
        status = self.last.status
        return "cancelled" if status == "open" and self.is_cancelled else status

    @property
    def ended_ns(self) -> int | None:
        """When it ended; None while it is open."""
        return self.last.ended_ns if self.status in ("completed", "failed") else None


@dataclass
class Turn:
    """One run of the orchestrator.

    Attributes:
        number: from 1.
        first: number of its first event (`orchestratorStarted`).
        last: number of its last event.
        at_ns: the orchestration's clock in it.
        new_events: how many events it was given.
    """

    number: int
    first: int
    last: int
    at_ns: int
    new_events: int = 0


@dataclass
class Suspension:
    """A time during which turns were withheld."""

    from_ns: int
    reason: str | None
    to_ns: int | None = None
    resumed_reason: str | None = None


@dataclass
class Digest:
    """A history in steps. Feed it events in order with `add`."""

    name: str = ""
    version: str | None = None
    input: str | None = None
    execution_id: str = ""
    parent_id: str | None = None
    parent_name: str | None = None
    scheduled_ns: int | None = None
    started_ns: int | None = None
    ended_ns: int | None = None
    end_status: int | None = None
    failure: Failure | None = None
    terminated_reason: str | None = None
    events: int = 0
    rewinds: int = 0
    steps: list[Step] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    suspensions: list[Suspension] = field(default_factory=list)
    pairs: dict[int, int] = field(default_factory=dict)
    """Number of the scheduling event -> number of the finishing one, and back."""

    def add(self, events: Iterable[pb.HistoryEvent]) -> None:
        """Take in the events of further turns."""
        raise NotImplementedError

    @property
    def open(self) -> list[Step]:
        """Steps that have not finished, in order of scheduling; retry timers are part of their calls."""
        return [step for step in self.steps if step.status == "open" and not step.is_retry_timer]


def digest(events: Iterable[pb.HistoryEvent]) -> Digest:
    """Return the digest of a whole history."""
    made = Digest()
    made.add(events)
    return made
