"""The tab History, and one event of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from durakit.dashboard import words
from durakit.dashboard.events import EventPage, NumberedEvent
from durakit.dashboard.failures import Failure, failure_of
from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.phrases import Phrase, code, phrase
from durakit.dashboard.steps import Digest, Turn
from durakit.dashboard.text import segment
from durakit.dashboard.views.frame import Frame, phrase_json
from durakit.dashboard.views.instance import Head
from durakit.dashboard.views.kin import Kin, MergedPage
from durakit.dashboard.views.payloads import Payload, payload

LABELS = {
    "executionStarted": "Orchestration started",
    "executionCompleted": "Orchestration ended",
    "executionTerminated": "Orchestration terminated",
    "executionSuspended": "Suspended",
    "executionResumed": "Resumed",
    "executionRewound": "Rewound",
    "continueAsNew": "Continued as new",
    "taskScheduled": "Activity scheduled",
    "taskCompleted": "Activity completed",
    "taskFailed": "Activity failed",
    "subOrchestrationInstanceCreated": "Child started",
    "subOrchestrationInstanceCompleted": "Child completed",
    "subOrchestrationInstanceFailed": "Child failed",
    "timerCreated": "Timer created",
    "timerFired": "Timer fired",
    "eventRaised": "Event raised",
    "eventSent": "Event sent",
    "orchestratorStarted": "Turn began",
    "orchestratorCompleted": "Turn ended",
    "entityOperationCalled": "Entity called",
    "entityOperationSignaled": "Entity signaled",
    "entityOperationCompleted": "Entity answered",
    "entityOperationFailed": "Entity failed",
    "entityLockRequested": "Lock requested",
    "entityLockGranted": "Lock granted",
    "entityUnlockSent": "Lock released",
    "genericEvent": "Note",
    "historyState": "State",
}
"""Events in the user's words, by their name in the protocol."""

BOOKKEEPING = frozenset({"orchestratorStarted", "orchestratorCompleted"})
_PAYLOADS = ("input", "result", "output", "data")
_OPENING = frozenset(
    {"taskScheduled", "subOrchestrationInstanceCreated", "timerCreated", "entityOperationCalled"}
)


@dataclass(frozen=True)
class EventRow:
    """One event.

    Attributes:
        kind: its name in the protocol.
        offset_ns: time since the start.
        preview: beginning of its payload.
        bytes: size of its payload; None when it has none.
        pair: number of the event that answers it, or that it answers.
        is_open: it asks for something that has not come.
        payloads: whole, when the row is opened.
        of: the instance whose event it is, where events of several stand together.
    """

    number: int
    kind: str
    label: str
    at_ns: int
    offset_ns: int
    detail: Phrase
    preview: str | None = None
    bytes: int | None = None
    error: str | None = None
    pair: int | None = None
    is_open: bool = False
    is_opened: bool = False
    payloads: tuple[Payload, ...] = ()
    failure: Failure | None = None
    of: InstanceRow | None = None


@dataclass(frozen=True)
class TurnRow:
    """A line between events: a turn begins. `ran_ns` and `worker` only when they are known."""

    turn: Turn
    ran_ns: int | None = None
    worker: str | None = None


@dataclass(frozen=True)
class HistoryView:
    """A page of the history.

    Attributes:
        options: parameters of the address.
        kinds: (protocol name, label) to choose from.
        next: query string of the following page; None at the end.
        end: query string of the newest page.
        kin: the instances whose events are shown, when they are not only this one's.
    """

    frame: Frame
    head: Head
    rows: Sequence[EventRow | TurnRow]
    total: int
    options: Mapping[str, str] = field(default_factory=dict)
    next: str | None = None
    kin: Kin | None = None

    def place(self, row: EventRow, number: int | None = None) -> str:
        """Return the anchor of an event, or of another one of the same instance."""
        shown = row.number if number is None else number
        return f"e{shown}" if self._is_own(row) else f"e{shown}-{segment(row.of.id if row.of else '')}"

    def id_of(self, row: EventRow) -> str:
        """Return the instance whose event it is."""
        return self.head.row.id if row.of is None else row.of.id

    def open_link(self, row: EventRow) -> str:
        """Return the query string that opens an event, or closes it."""
        if row.is_opened:
            return self.link(e=None, of=None)
        return self.link(e=str(row.number), of=None if self._is_own(row) else self.id_of(row))

    def pair_link(self, row: EventRow) -> str | None:
        """Return the query string that opens an event's other end; None when another page has it."""
        if self.kin is None:
            return self.link(e=str(row.pair), after=None)
        if (self.id_of(row), row.pair) not in self._shown:
            return None
        return self.link(e=str(row.pair), of=None if self._is_own(row) else self.id_of(row))

    @cached_property
    def _shown(self) -> frozenset[tuple[str, int]]:
        return frozenset((self.id_of(row), row.number) for row in self.rows if isinstance(row, EventRow))

    def _is_own(self, row: EventRow) -> bool:
        return row.of is None or row.of.id == self.head.row.id

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """What can be chosen."""
        return [(kind, label) for kind, label in LABELS.items() if kind not in BOOKKEEPING]

    def link(self, **changes: str | None) -> str:
        """Return a query string where some options differ; None removes one."""
        merged = {**self.options, **changes}
        kept = {name: value for name, value in merged.items() if value is not None}
        return f"?{urlencode(kept)}" if kept else "?"

    def as_json(self) -> dict[str, Any]:
        """Return this page; the whole history, for replay, is the twin's own route."""
        told = {
            "instance": self.head.as_json(),
            "total": self.total,
            "events": [event_json(row) for row in self.rows if isinstance(row, EventRow)],
        }
        return told if self.kin is None else {**told, "leftOut": self.kin.left_out, "next": self.next}


@dataclass(frozen=True)
class EventView:
    """One event, opened."""

    frame: Frame
    head: Head
    row: EventRow

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        return event_json(self.row)


def event_json(row: EventRow) -> dict[str, Any]:
    """Return an event of the page for JSON."""
    of = {} if row.of is None else {"instanceId": row.of.id, "name": row.of.name}
    return {
        **of,
        "number": row.number,
        "kind": row.kind,
        "at": words.rfc3339(row.at_ns),
        "detail": phrase_json(row.detail),
        "preview": row.preview,
        "bytes": row.bytes,
        "error": row.error,
        "pair": row.pair,
        "payloads": {each.name: each.text for each in row.payloads if each.kind != "absent"},
    }


def history_rows(
    page: EventPage, digest: Digest, *, opened: int | None = None, by_turn: bool = True
) -> list[EventRow | TurnRow]:
    """Return the lines of a page, with turns between them when `by_turn`."""
    turns = {turn.first: turn for turn in digest.turns}
    names = _names(digest)
    rows: list[EventRow | TurnRow] = []
    for numbered in page.events:
        kind = numbered.event.WhichOneof("eventType") or ""
        if by_turn and kind in BOOKKEEPING:
            if numbered.number in turns:
                rows.append(TurnRow(turns[numbered.number]))
            continue
        rows.append(event_row(numbered, digest, names, is_opened=numbered.number == opened))
    return rows


def merged_rows(page: MergedPage, kin: Kin, *, opened: tuple[str, int] | None = None) -> list[EventRow]:
    """Return events of several instances as lines; times count from the start of the one at the top."""
    started_ns = kin.members[0].digest.started_ns
    names = {member.row.id: _names(member.digest) for member in kin.members}
    rows = []
    for member, numbered in page.events:
        instance_id = member.row.id
        is_opened = (instance_id, numbered.number) == opened
        row = event_row(numbered, member.digest, names[instance_id], is_opened=is_opened)
        offset_ns = row.at_ns - (started_ns or row.at_ns)
        rows.append(replace(row, of=member.row, offset_ns=offset_ns))
    return rows


def event_row(
    numbered: NumberedEvent,
    digest: Digest,
    names: Mapping[int, str] | None = None,
    *,
    is_opened: bool = False,
) -> EventRow:
    """Return one event as a line."""
    event, number = numbered.event, numbered.number
    kind = event.WhichOneof("eventType") or "unknown"
    at_ns = event.timestamp.seconds * words.SECOND + event.timestamp.nanos
    message = getattr(event, kind) if kind != "unknown" else None
    found = list(_payloads(message))
    first = next((each for each in found if each.text is not None), None)
    failure = None
    if message is not None and "failureDetails" in message.DESCRIPTOR.fields_by_name:
        failure = failure_of(message.failureDetails) if message.HasField("failureDetails") else None
    pair = digest.pairs.get(number)
    return EventRow(
        number=number,
        kind=kind,
        label=LABELS.get(kind, kind),
        at_ns=at_ns,
        offset_ns=at_ns - (digest.started_ns or at_ns),
        detail=_detail(kind, message, number, digest, _names(digest) if names is None else names),
        preview=None if first is None or first.text is None else first.text[:200],
        bytes=None if first is None else first.size,
        error=None if failure is None else failure.first_line,
        pair=pair,
        is_open=kind in _OPENING and pair is None and digest.ended_ns is None,
        is_opened=is_opened,
        payloads=tuple(found) if is_opened else (),
        failure=failure if is_opened else None,
    )


def _payloads(message: Any) -> Iterable[Payload]:
    for name in _PAYLOADS:
        if message is not None and name in message.DESCRIPTOR.fields_by_name:
            yield payload(name, getattr(message, name).value if message.HasField(name) else None)


def _names(digest: Digest) -> dict[int, str]:
    """Return, for both ends of every call, its name and which attempt it was."""
    names: dict[int, str] = {}
    for step in digest.steps:
        for at, attempt in enumerate(step.attempts, start=1):
            said = step.name if len(step.attempts) == 1 else f"{step.name} attempt {at}"
            if step.kind == "timer" and step.is_retry_timer:
                said = "retry delay"
            names[attempt.number] = said
            if attempt.end_number is not None:
                names[attempt.end_number] = said
    return names


def _detail(kind: str, message: Any, number: int, digest: Digest, names: Mapping[int, str]) -> Phrase:
    name = names.get(number, "")
    if kind == "executionStarted":
        version = f" {message.version.value}" if message.HasField("version") else ""
        return phrase(code(message.name), version)
    if kind == "timerCreated":
        due_ns = message.fireAt.seconds * words.SECOND + message.fireAt.nanos
        return phrase(f"{name or 'timer'}, due {words.clock_ms(due_ns)}")
    if kind == "timerFired":
        return phrase(name or "timer")
    if kind in ("eventRaised", "eventSent"):
        target = f" to {message.instanceId}" if kind == "eventSent" else ""
        return phrase(code(message.name), target)
    if kind == "subOrchestrationInstanceCreated":
        return phrase(code(message.name), " ", code(message.instanceId))
    called, _, attempt = name.partition(" attempt ")
    return phrase(code(called), f" attempt {attempt}" if attempt else "")
