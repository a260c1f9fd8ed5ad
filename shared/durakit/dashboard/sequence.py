"""A history as a sequence diagram: who asked whom for what, in the order of the history, not to scale.

Columns are the world outside, the orchestration, activities by name, children and entities. The model here
has rows and columns; `sequence_svg` and `mermaid` make pictures of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from durakit.dashboard.scene import Scene
from durakit.dashboard.steps import Attempt, Step
from durakit.dashboard.words import SECOND, clock, duration, number, rfc3339

MOST_COLUMNS = 8
MOST_MESSAGES = 300
_FIRST_SHOWN = 50
_PREVIEW_CHARACTERS = 24
OUTSIDE, MORE = "outside", "more"

Style = Literal["call", "back", "failed", "loop", "wait", "gap"]


@dataclass(frozen=True)
class Column:
    """A life line; `kind` is `outside`, `orchestration`, `activity`, `child` or `entity`."""

    key: str
    name: str
    kind: str
    note: str = ""
    instance_id: str | None = None


# A tuple, because a long history makes tens of thousands of them.
class Message(NamedTuple):
    """An arrow from one column to another, a loop on one, or a gap.

    Attributes:
        style: `call` is solid, `back` dashed, `failed` dashed and red; `loop` a timer; `wait` what the
            instance waits for now; `gap` messages that were left out.
        at_ns: its time; None where there is none to show.
        event: number of its event in the history.
    """

    source: str
    target: str
    text: str
    style: Style
    at_ns: int | None
    event: int | None = None
    opens: str | None = None
    """Names the activation that begins here."""
    closes: str | None = None
    """Names the activation that ends here."""


@dataclass(frozen=True)
class Activation:
    """A column at work between two rows; `last` None: it still is."""

    column: str
    first: int
    last: int | None
    tone: str


@dataclass(frozen=True)
class SequenceDiagram:
    """The diagram; rows count from 0."""

    title: str
    start_ns: int
    columns: list[Column]
    messages: list[Message]
    activations: list[Activation]
    left_out: int = 0
    joined_columns: int = 0
    notes: list[str] = field(default_factory=list)

    def name_of(self, key: str) -> str:
        """Return the name of a column."""
        return next(column.name for column in self.columns if column.key == key)

    def as_json(self) -> dict[str, Any]:
        """Return columns and messages in stable names."""
        return {
            "start": rfc3339(self.start_ns),
            "columns": [
                {"key": c.key, "name": c.name, "kind": c.kind, "instanceId": c.instance_id}
                for c in self.columns
            ],
            "messages": [
                {
                    "from": m.source,
                    "to": m.target,
                    "text": m.text,
                    "style": m.style,
                    "at": None if m.at_ns is None else rfc3339(m.at_ns),
                    "event": m.event,
                }
                for m in self.messages
            ],
            "leftOut": self.left_out,
        }


def build(
    scene: Scene, now_ns: int, *, join: bool = True, most_columns: int = MOST_COLUMNS
) -> SequenceDiagram:
    """Return the diagram of an instance, and of its children's steps where the scene has them.

    Args:
        join: draw calls of one name that one turn made as one arrow.
        most_columns: of activities, children and entities; the least used join beyond.
    """
    teller = _Teller(scene, now_ns, join)
    messages = teller.tell()
    columns, renamed, joined = _joined_columns(teller.columns, messages, most_columns)
    if renamed:
        messages = [
            m._replace(source=renamed.get(m.source, m.source), target=renamed.get(m.target, m.target))
            for m in messages
        ]
    messages, left_out = _shortened(messages)
    return SequenceDiagram(
        title=f"{scene.row.name} {scene.row.id}",
        start_ns=scene.started_ns,
        columns=columns,
        messages=messages,
        activations=_activations(messages, scene),
        left_out=left_out,
        joined_columns=joined,
    )


def preview(text: str | None) -> str:
    """Return a payload in at most 24 characters, in one line."""
    line = " ".join((text or "").split())
    return line if len(line) <= _PREVIEW_CHARACTERS else line[: _PREVIEW_CHARACTERS - 1] + "…"


class _Try(NamedTuple):
    """One attempt of one call."""

    step: Step
    attempt: Attempt
    nth: int


class _Teller:
    """Turns steps into messages, and finds the columns on the way."""

    def __init__(self, scene: Scene, now_ns: int, join: bool) -> None:
        self._scene = scene
        self._now_ns = now_ns
        self._join = join
        self._messages: list[tuple[int, int, Message]] = []
        self.columns: dict[str, Column] = {OUTSIDE: Column(OUTSIDE, "Outside", "outside")}

    def tell(self) -> list[Message]:
        own = self._instance(self._scene, "self", OUTSIDE)
        if self._scene.children:
            self._messages.sort(key=lambda told: (told[0], told[1]))
        else:
            self._messages.sort(key=lambda told: told[1])
        told = [message for _, _, message in self._messages]
        return told + self._present_wait(own)

    def _say(self, at_ns: int, event: int, message: Message) -> None:
        self._messages.append((at_ns, event, message))

    def _instance(self, scene: Scene, key: str, caller: str) -> str:
        """Tell all of one instance; return its column."""
        row, told = scene.row, scene.digest
        self.columns.setdefault(key, Column(key, row.name, "orchestration", row.id, row.id))
        if caller == OUTSIDE:
            text = f"start by {row.parent_id}" if row.parent_id else "start"
            start = scene.started_ns
            self._say(start, 1, Message(OUTSIDE, key, text, "call", start, 1, opens=key))
            self._end(scene, key)
        calls: dict[tuple[str, int], list[_Try]] = defaultdict(list)
        turns = [turn.first for turn in told.turns]
        for step in told.steps:
            if step.kind in ("activity", "child", "entity"):
                column = self._column(scene, step, key)
                if step.number in scene.children:
                    self._instance(scene.children[step.number], column, key)
                for nth, attempt in enumerate(step.attempts, start=1):
                    turn = bisect_right(turns, attempt.number) if self._join else attempt.number
                    calls[column, turn].append(_Try(step, attempt, nth))
            else:
                self._other(scene, step, key)
        for (column, _), tries in calls.items():
            self._calls(key, column, tries)
        return key

    def _end(self, scene: Scene, key: str) -> None:
        if scene.row.is_open:
            return
        ended, status = scene.ended_ns or scene.started_ns, scene.row.status
        error = scene.digest.failure.first_line if scene.digest.failure else scene.row.error
        text = (error or status) if status == "failed" else status
        style: Style = "failed" if status == "failed" else "back"
        last = scene.digest.events + 1
        self._say(ended, last, Message(key, OUTSIDE, text, style, ended, scene.digest.events, closes=key))

    def _column(self, scene: Scene, step: Step, own: str) -> str:
        if step.kind == "entity":
            name = (step.instance_id or "entity").removeprefix("@")
        elif step.kind == "child" and step.number in scene.children:
            key = f"child:{step.instance_id}"
            self.columns.setdefault(
                key, Column(key, step.name, "child", step.instance_id or "", step.instance_id)
            )
            return key
        else:
            name = step.name
        key = f"{own}/{step.kind}:{name}"
        self.columns.setdefault(key, Column(key, name, step.kind, step.kind))
        return key

    def _other(self, scene: Scene, step: Step, key: str) -> None:
        at, event = step.started_ns, step.number
        if step.kind == "timer":
            text = f"timer {duration(scene.asked_ns(step))}"
            self._say(at, event, Message(key, key, text, "loop", at, event))
        elif step.kind == "event":
            self._say(at, event, Message(OUTSIDE, key, step.name, "call", at, event))
        elif step.kind == "sent":
            self._say(
                at, event, Message(key, OUTSIDE, f"{step.name} to {step.instance_id}", "call", at, event)
            )
        else:
            self._say(at, event, Message(key, key, f"lock {step.name}", "loop", at, event))

    def _calls(self, caller: str, column: str, tries: list[_Try]) -> None:
        """Tell calls that are drawn as one: one arrow there, one back; failures each by itself."""
        first = tries[0]
        key = f"{column}#{first.attempt.number}"
        if len(tries) > 1:
            text = f"{number(len(tries))} calls"
        elif len(first.step.attempts) > 1:
            text = f"attempt {first.nth}"
        else:
            text = preview(first.step.input)
        at, event = first.attempt.scheduled_ns, first.attempt.number
        self._say(at, event, Message(caller, column, text, "call", at, event, opens=key))
        ended = [(one, one.attempt.status) for one in tries]
        failed = [one for one, status in ended if status == "failed"]
        done = [one for one, status in ended if status == "completed"]
        is_over = len(failed) + len(done) == len(tries)
        last = max((one.attempt.end_number or 0 for one in failed + done), default=0)
        for one in failed:
            closes = key if is_over and one.attempt.end_number == last else None
            self._answer(column, caller, one.attempt, _error_type(one.attempt), "failed", closes)
        if done:
            latest = max(done, key=lambda one: one.attempt.end_number or 0)
            closes = key if is_over and latest.attempt.end_number == last else None
            self._answer(column, caller, latest.attempt, _results(done), "back", closes)

    def _answer(
        self, column: str, caller: str, attempt: Attempt, text: str, style: Style, closes: str | None
    ) -> None:
        at, event = attempt.ended_ns or attempt.scheduled_ns, attempt.end_number or attempt.number
        self._say(at, event, Message(column, caller, text, style, at, event, closes=closes))

    def _present_wait(self, own: str) -> list[Message]:
        if not self._scene.row.is_open:
            return []
        named = list(self._scene.awaited_events)
        waits = [f"event {named[0]}"] if named else []
        waits += named[1:]
        still = self._scene.digest.open
        due = [step.due_ns for step in still if step.kind == "timer" and step.due_ns]
        if due:
            waits.append(f"timer {clock(min(due), self._now_ns)}")
        calls = [step for step in still if step.kind in ("activity", "child", "entity")]
        if not waits and calls:
            waits.append(calls[0].name if len(calls) == 1 else f"{number(len(calls))} calls")
        if not waits:
            return []
        return [Message(own, own, f"waiting for {', or '.join(waits)}", "wait", self._now_ns)]


def _error_type(attempt: Attempt) -> str:
    kind = attempt.failure.error_type if attempt.failure is not None else ""
    return kind.rpartition(".")[2] or "failed"


def _results(done: list[_Try]) -> str:
    if len(done) == 1:
        return preview(done[0].attempt.result)
    lengths = [(one.attempt.ended_ns or 0) - one.attempt.scheduled_ns for one in done]
    least, most = min(lengths), max(lengths)
    if most >= SECOND:
        return f"{number(len(done))} results, {least / SECOND:.1f} to {most / SECOND:.1f} s"
    return f"{number(len(done))} results, {duration(least)} to {duration(most)}"


def _joined_columns(
    columns: dict[str, Column], messages: Iterable[Message], most: int
) -> tuple[list[Column], dict[str, str], int]:
    """Return the columns to draw, what the others are drawn as, and how many others there are."""
    used = Counter(key for message in messages for key in (message.source, message.target))
    others = [key for key, column in columns.items() if column.kind not in ("outside", "orchestration")]
    if len(others) <= most:
        return list(columns.values()), {}, 0
    kept = set(sorted(others, key=lambda key: -used[key])[: most - 1])
    joined = [key for key in others if key not in kept]
    kinds = {columns[key].kind for key in joined}
    plural = {"activity": "activities", "child": "children", "entity": "entities"}
    what = plural[kinds.pop()] if len(kinds) == 1 else "others"
    drawn = [column for key, column in columns.items() if key not in joined]
    more = Column(MORE, f"{number(len(joined))} more {what}", "more", "joined")
    return [*drawn, more], dict.fromkeys(joined, MORE), len(joined)


def _shortened(messages: list[Message]) -> tuple[list[Message], int]:
    if len(messages) <= MOST_MESSAGES:
        return messages, 0
    tail = MOST_MESSAGES - _FIRST_SHOWN
    left_out = len(messages) - MOST_MESSAGES
    until = messages[-tail]
    gap = Message("self", "self", f"{number(left_out)} messages left out", "gap", None, until.event)
    return [*messages[:_FIRST_SHOWN], gap, *messages[-tail:]], left_out


def _activations(messages: list[Message], scene: Scene) -> list[Activation]:
    begun: dict[str, tuple[str, int]] = {}
    made: list[Activation] = []
    for row, message in enumerate(messages):
        if message.opens is not None:
            begun[message.opens] = (message.target, row)
        if message.closes is not None and message.closes in begun:
            column, first = begun.pop(message.closes)
            is_own = message.closes == "self"
            tone = scene.row.status if is_own else "failed" if message.style == "failed" else "completed"
            made.append(Activation(column, first, row, tone))
    still = [Activation(column, first, None, "running") for column, first in begun.values()]
    if "self" not in {activation.column for activation in made + still}:
        still.append(Activation("self", 0, None, scene.row.status))
    return sorted(made + still, key=lambda activation: activation.first)
