"""What an orchestration did, one step per call, timer, wait and child, read from its history. Pure.

Timeline, sequence, "why is it waiting" and the failure chain all start from a `Digest`. It is fed turn by
turn and never starts over, so the cost of a look at an instance follows what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from durakit.dashboard.failures import Failure, failure_of
from durakit.wire.messages import orchestration_pb2 as pb

StepKind = Literal["activity", "timer", "event", "child", "entity", "lock", "sent"]
"""`event`: one that was raised for this instance; `sent`: one that it raised for another."""

StepStatus = Literal["open", "completed", "failed", "cancelled"]
"""`open`: scheduled and not finished. `cancelled`: nothing can come of it any more."""

PREVIEW_CHARACTERS = 200
"""What is kept of a payload; whole ones are read from their events."""


@dataclass
class Attempt:
    """One try of a call. Times are nanoseconds since 1970.

    Attributes:
        number: of the event that scheduled it, counted from 1 in the history.
        task_id: the id by which results name it.
        end_number: of the event that ended it.
        result: the beginning of its JSON text.
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
    result_bytes: int | None = None
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
        input: the beginning of its JSON text.
        is_retry_timer: whether a timer is the pause between two attempts of a call, and so shown with it.
    """

    kind: StepKind
    number: int
    name: str
    turn: int
    attempts: list[Attempt]
    input: str | None = None
    input_bytes: int | None = None
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
        # Asked for every step of a drawing, several times: hence no calls.
        last = self.attempts[-1]
        if last.ended_ns is None:
            return "cancelled" if self.is_cancelled else "open"
        if last.failure is None:
            return "completed"
        return "open" if last.retry_due_ns is not None and not self.is_cancelled else "failed"

    @property
    def ended_ns(self) -> int | None:
        """When it ended; None while it is open."""
        last = self.attempts[-1]
        is_retrying = last.failure is not None and last.retry_due_ns is not None and not self.is_cancelled
        return None if is_retrying else last.ended_ns


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
    """A history in steps.

    Attributes:
        pairs: number of the scheduling event -> number of the one that answers it, and back.
        raised: how often an event of each name came in.
    """

    name: str = ""
    version: str | None = None
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
    raised: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reader = _Reader(self)

    def add(self, events: Iterable[pb.HistoryEvent]) -> None:
        """Take in the events of further turns."""
        self._reader.read(events)

    @property
    def open(self) -> list[Step]:
        """Steps that have not finished, in order of scheduling; retry timers are part of their calls."""
        return [step for step in self.steps if step.status == "open" and not step.is_retry_timer]

    @property
    def finished(self) -> int:
        """How many steps have ended."""
        return sum(step.status in ("completed", "failed") for step in self.steps)


def digest(events: Iterable[pb.HistoryEvent]) -> Digest:
    """Return the digest of a whole history."""
    made = Digest()
    made.add(events)
    return made


_Key = tuple[StepKind, str, str, int]
"""What tells the tries of one call from other calls: kind, name, version, hash of the input."""


class _Reader:
    """Turns events into steps; knows which answers are still to come."""

    def __init__(self, told: Digest) -> None:
        self._told = told
        # By task or timer id, by request id, by critical section.
        self._open: dict[int | str, tuple[Step, Attempt]] = {}
        self._keys: dict[int, _Key] = {}
        self._failed_now: list[tuple[Step, Attempt]] = []
        self._retries_due: list[tuple[Step, Attempt, Step]] = []
        self._retry_of: dict[int | str, tuple[Step, Attempt]] = {}
        self._turn = Turn(0, 0, 0, 0)

    def read(self, events: Iterable[pb.HistoryEvent]) -> None:
        told = self._told
        for event in events:
            told.events += 1
            kind = event.WhichOneof("eventType")
            handler = _HANDLERS.get(kind or "")
            if kind in _ARRIVALS:
                self._turn.new_events += 1
            if handler is not None:
                at = event.timestamp
                handler(self, event, at.seconds * 1_000_000_000 + at.nanos, told.events)
            self._turn.last = told.events

    # --- turns and executions

    def turn_began(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        self.turn_ended(event, at_ns, number)
        self._turn = Turn(len(self._told.turns) + 1, number, number, at_ns)
        self._told.turns.append(self._turn)

    def turn_ended(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        self._failed_now.clear()
        # The timer fired and the call was not made again: it was no retry after all.
        for _, attempt, timer in self._retries_due:
            attempt.retry_timer = attempt.retry_due_ns = None
            timer.is_retry_timer = False
        self._retries_due.clear()

    def execution_began(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        told, started = self._told, event.executionStarted
        told.name, told.started_ns = started.name, at_ns
        told.version = started.version.value if started.HasField("version") else None
        told.execution_id = started.orchestrationInstance.executionId.value
        if started.HasField("parentInstance"):
            told.parent_id = started.parentInstance.orchestrationInstance.instanceId
            told.parent_name = started.parentInstance.name.value
        if started.HasField("scheduledStartTimestamp"):
            due = started.scheduledStartTimestamp
            told.scheduled_ns = due.seconds * 1_000_000_000 + due.nanos

    def execution_ended(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        told, completed = self._told, event.executionCompleted
        told.ended_ns, told.end_status = at_ns, completed.orchestrationStatus
        if completed.HasField("failureDetails"):
            told.failure = failure_of(completed.failureDetails)
        for step, _ in self._open.values():
            step.is_cancelled = True

    def terminated(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        ordered = event.executionTerminated
        self._told.terminated_reason = ordered.input.value if ordered.HasField("input") else None

    def suspended(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        ordered = event.executionSuspended
        reason = ordered.input.value if ordered.HasField("input") else None
        self._told.suspensions.append(Suspension(at_ns, reason))

    def resumed(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        if self._told.suspensions:
            last, ordered = self._told.suspensions[-1], event.executionResumed
            last.to_ns = at_ns
            last.resumed_reason = ordered.input.value if ordered.HasField("input") else None

    def rewound(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        self._told.rewinds += 1

    # --- calls

    def activity_called(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        called = event.taskScheduled
        self._call("activity", event.eventId, called, at_ns, number)

    def child_called(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        called = event.subOrchestrationInstanceCreated
        step = self._call("child", event.eventId, called, at_ns, number)
        step.instance_id = called.instanceId

    def _call(
        self,
        kind: StepKind,
        task_id: int,
        called: pb.TaskScheduledEvent | pb.SubOrchestrationInstanceCreatedEvent,
        at_ns: int,
        number: int,
    ) -> Step:
        attempt = Attempt(number, task_id, at_ns)
        text = called.input.value if called.HasField("input") else None
        version = called.version.value if called.HasField("version") else None
        key = (kind, called.name, version or "", hash(text))
        step = self._retried(task_id, key)
        if step is None:
            step = Step(kind, number, called.name, self._turn.number, [], version=version)
            if text is not None:
                step.input, step.input_bytes = text[:PREVIEW_CHARACTERS], len(text.encode())
            self._told.steps.append(step)
            self._keys[step.number] = key
        step.attempts.append(attempt)
        self._open[task_id] = step, attempt
        return step

    def _retried(self, task_id: int, key: _Key) -> Step | None:
        """Return the step of which this call is another try."""
        known = self._open.get(task_id)
        is_same = known is not None and known[1].failure is not None
        for entry in self._retries_due:
            if entry[0] is known[0] if known and is_same else self._keys.get(entry[0].number) == key:
                self._retries_due.remove(entry)
                return entry[0]
        return known[0] if known and is_same and self._keys.get(known[0].number) == key else None

    def answered(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        kind = event.WhichOneof("eventType") or ""
        answer = getattr(event, kind)
        self._end(getattr(answer, _ASKED_BY[kind]), answer, at_ns, number)

    def _end(self, asked_by: int | str, answer: Any, at_ns: int, number: int) -> None:
        found = self._open.get(asked_by)
        if found is None or found[1].ended_ns is not None:
            return
        step, attempt = found
        attempt.ended_ns, attempt.end_number = at_ns, number
        self._pair(attempt.number, number)
        fields = answer.DESCRIPTOR.fields_by_name
        if "failureDetails" in fields:
            attempt.failure = failure_of(answer.failureDetails)
            if step.kind in ("activity", "child"):
                self._failed_now.append(found)
                return
        elif "result" in fields or "output" in fields:
            name = "result" if "result" in fields else "output"
            if answer.HasField(name):
                text = getattr(answer, name).value
                attempt.result, attempt.result_bytes = text[:PREVIEW_CHARACTERS], len(text.encode())
        del self._open[asked_by]

    def _pair(self, first: int, second: int) -> None:
        self._told.pairs[first] = second
        self._told.pairs[second] = first

    # --- timers

    def timer_set(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        due = event.timerCreated.fireAt
        attempt = Attempt(number, event.eventId, at_ns)
        step = Step("timer", number, "", self._turn.number, [attempt])
        step.due_ns = due.seconds * 1_000_000_000 + due.nanos
        self._told.steps.append(step)
        self._open[event.eventId] = step, attempt
        if self._failed_now:
            # A retry policy answers a failure with a timer in the same turn.
            call, failed = self._failed_now.pop(0)
            failed.retry_timer, failed.retry_due_ns = number, step.due_ns
            step.is_retry_timer = True
            self._retry_of[event.eventId] = call, failed

    def timer_fired(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        timer_id = event.timerFired.timerId
        found = self._open.get(timer_id)
        self._end(timer_id, event.timerFired, at_ns, number)
        retry = self._retry_of.pop(timer_id, None)
        if found is not None and retry is not None:
            self._retries_due.append((*retry, found[0]))

    # --- events, entities, locks

    def event_came(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        raised = event.eventRaised
        self._told.raised[raised.name] = self._told.raised.get(raised.name, 0) + 1
        text = raised.input.value if raised.HasField("input") else None
        self._at_once("event", raised.name, text, at_ns, number)

    def event_sent(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        sent = event.eventSent
        text = sent.input.value if sent.HasField("input") else None
        self._at_once("sent", sent.name, text, at_ns, number).instance_id = sent.instanceId

    def entity_signaled(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        sent = event.entityOperationSignaled
        text = sent.input.value if sent.HasField("input") else None
        step = self._at_once("sent", sent.operation, text, at_ns, number)
        step.instance_id = sent.targetInstanceId.value

    def _at_once(self, kind: StepKind, name: str, text: str | None, at_ns: int, number: int) -> Step:
        attempt = Attempt(number, -1, at_ns, number, at_ns)
        step = Step(kind, number, name, self._turn.number, [attempt])
        if text is not None:
            step.input, step.input_bytes = text[:PREVIEW_CHARACTERS], len(text.encode())
        self._told.steps.append(step)
        return step

    def entity_called(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        called = event.entityOperationCalled
        step = self._wait("entity", called.operation, called.requestId, event.eventId, at_ns, number)
        step.instance_id = called.targetInstanceId.value
        if called.HasField("input"):
            text = called.input.value
            step.input, step.input_bytes = text[:PREVIEW_CHARACTERS], len(text.encode())

    def lock_asked(self, event: pb.HistoryEvent, at_ns: int, number: int) -> None:
        asked = event.entityLockRequested
        names = ", ".join(asked.lockSet)
        step = self._wait("lock", names, asked.criticalSectionId, event.eventId, at_ns, number)
        step.instance_id = asked.lockSet[asked.position] if asked.position < len(asked.lockSet) else None

    def _wait(self, kind: StepKind, name: str, key: str, task_id: int, at_ns: int, number: int) -> Step:
        attempt = Attempt(number, task_id, at_ns)
        step = Step(kind, number, name, self._turn.number, [attempt])
        self._told.steps.append(step)
        self._open[key] = step, attempt
        return step


_ASKED_BY = {
    "taskCompleted": "taskScheduledId",
    "taskFailed": "taskScheduledId",
    "subOrchestrationInstanceCompleted": "taskScheduledId",
    "subOrchestrationInstanceFailed": "taskScheduledId",
    "entityOperationCompleted": "requestId",
    "entityOperationFailed": "requestId",
    "entityLockGranted": "criticalSectionId",
}
_HANDLERS: dict[str, Callable[[_Reader, pb.HistoryEvent, int, int], None]] = {
    "orchestratorStarted": _Reader.turn_began,
    "orchestratorCompleted": _Reader.turn_ended,
    "executionStarted": _Reader.execution_began,
    "executionCompleted": _Reader.execution_ended,
    "executionTerminated": _Reader.terminated,
    "executionSuspended": _Reader.suspended,
    "executionResumed": _Reader.resumed,
    "executionRewound": _Reader.rewound,
    "taskScheduled": _Reader.activity_called,
    "subOrchestrationInstanceCreated": _Reader.child_called,
    "timerCreated": _Reader.timer_set,
    "timerFired": _Reader.timer_fired,
    "eventRaised": _Reader.event_came,
    "eventSent": _Reader.event_sent,
    "entityOperationSignaled": _Reader.entity_signaled,
    "entityOperationCalled": _Reader.entity_called,
    "entityLockRequested": _Reader.lock_asked,
    **dict.fromkeys(_ASKED_BY, _Reader.answered),
}
_ARRIVALS = frozenset(
    {
        *_ASKED_BY,
        "timerFired",
        "eventRaised",
        "executionStarted",
        "executionTerminated",
        "executionSuspended",
        "executionResumed",
        "executionRewound",
    }
)
"""What a turn is given, as opposed to what it decides."""
