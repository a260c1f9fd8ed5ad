"""Rows of a timeline: which bars, lines and words stand for one step, in percent of the width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from durakit.dashboard.scale import Scale
from durakit.dashboard.scene import Scene
from durakit.dashboard.steps import Attempt, Step, Suspension
from durakit.dashboard.words import duration, rfc3339, rough

#: Estimates for placing labels: the drawing is at least so wide, a character at most.
_DRAWING_PX, _CHARACTER_PX = 850, 6.6
LABEL_GAP = 1.2
"""Percent between a bar and the words right of it."""
#: Steps before an event that are looked at to say whether it was waited for.
_LOOKED_BACK = 500
#: Percent between two ticks of turns; where there are more, some are left out.
_TURN_DISTANCE = 0.7

Shape = Literal[
    "life", "turn", "queued", "bar", "open", "cross", "dots", "line", "fired", "due", "stop", "envelope",
    "child", "area", "failure", "end",
]  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """A shape in a row. `x` and `width` in percent; `tone` is a status, or `wait`."""

    shape: Shape
    x: float
    width: float = 0.0
    tone: str = "wait"
    title: str = ""
    points: tuple[tuple[float, float], ...] = ()
    """Of an area: place in percent, height from 0 to 1."""


@dataclass(frozen=True)
class Label:
    """Words beside a bar; `anchor` is `start` (right of it) or `end` (left of it)."""

    text: str
    x: float
    anchor: str = "start"
    tone: str = ""
    due_ns: int | None = None
    """A countdown to this moment, kept up to date by the page."""


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        key: names the row in links: the number of its first event, behind those of its callers.
        kind: of the step; `orchestration` for an instance's own row, `group` and `part` for joined calls.
        status: `pending`, `running`, `completed`, `failed` or `cancelled`; colours the icon.
        note: muted words behind the name.
        instance_id: of the child that the row leads to.
        spoken: the row in words, for those who do not see it.
        event: number of the event to look at in the history.
    """

    key: str
    kind: str
    name: str
    status: str
    depth: int
    began_ns: int
    ended_ns: int | None
    marks: tuple[Mark, ...]
    label: Label | None = None
    note: str = ""
    instance_id: str | None = None
    spoken: str = ""
    event: int | None = None
    attempts: int = 1
    error: str | None = None
    is_tall: bool = False
    shows_duration: bool = True

    def length_ns(self, now_ns: int) -> int:
        """How long it took, or has taken so far."""
        return (now_ns if self.ended_ns is None else self.ended_ns) - self.began_ns


@dataclass(frozen=True)
class Held:
    """A span over all rows in which the instance was suspended; in percent."""

    x: float
    width: float
    title: str


class Artist:
    """Makes rows of steps, on one scale."""

    def __init__(self, scale: Scale, now_ns: int) -> None:
        self.scale = scale
        self.now_ns = now_ns

    def until(self, scene: Scene, ended_ns: int | None) -> int:
        """Return where something ends that may still be open."""
        return ended_ns or scene.ended_ns or max(self.now_ns, scene.started_ns)

    def touches(self, scene: Scene, step: Step) -> bool:
        """Return whether the step is in the range that is shown."""
        end = self.until(scene, step.ended_ns)
        return self.scale.shows(step.started_ns, max(end, step.due_ns or 0) if step.status == "open" else end)

    def span(self, shape: Shape, a: int, b: int, tone: str = "wait", title: str = "") -> Mark:
        """Return a mark from one moment to another."""
        x = self.scale.at(a)
        # Clocks of a worker and of the scheduler may differ a little.
        return Mark(shape, x, max(round(self.scale.at(b) - x, 3), 0.0), tone, title)

    def held(self, suspension: Suspension) -> Held:
        """Return the band of a suspension."""
        x = self.scale.at(suspension.from_ns)
        end = self.scale.at(suspension.to_ns or self.now_ns)
        why = f": {suspension.reason}" if suspension.reason else ""
        return Held(x, max(round(end - x, 3), 0.0), f"suspended{why}")

    def life(self, scene: Scene, key: str, depth: int) -> Row:
        """Return an instance's own row: a thin bar with a tick at each turn."""
        end = self.until(scene, scene.ended_ns)
        marks = [self.span("life", scene.started_ns, end, scene.row.status)]
        drawn = -_TURN_DISTANCE
        for turn in scene.digest.turns:
            x = self.scale.at(turn.at_ns)
            if x - drawn >= _TURN_DISTANCE and self.scale.shows(turn.at_ns):
                marks.append(Mark("turn", x))
                drawn = x
        return Row(
            key=key,
            kind="orchestration",
            name=scene.row.name,
            status=scene.row.status,
            depth=depth,
            began_ns=scene.started_ns,
            ended_ns=scene.ended_ns,
            marks=tuple(marks),
            spoken=f"{len(scene.digest.turns)} turns, {scene.row.status}",
            event=1 if scene.digest.events else None,
        )

    def step(self, scene: Scene, step: Step, key: str) -> Row:
        """Return the row of one step."""
        draw = {"timer": self._timer, "event": self._event, "sent": self._sent}.get(step.kind, self._call)
        marks, label, tone = draw(scene, step)
        name, note = _named(scene, step)
        ended = step.ended_ns if step.status != "cancelled" else scene.ended_ns
        began = (_idle_since(scene, step) if step.kind == "event" else None) or step.started_ns
        return Row(
            key=key,
            kind=step.kind,
            name=name,
            note=note,
            status=_status(scene, step),
            depth=key.count("."),
            began_ns=began,
            ended_ns=ended,
            shows_duration=step.kind != "sent" and began != ended,
            marks=tuple(marks),
            label=self._placed(label, marks, tone, step),
            instance_id=step.instance_id if step.kind == "child" else None,
            spoken=self._spoken(scene, step),
            event=step.number,
            attempts=len(step.attempts),
            error=step.last.failure.first_line if step.last.failure is not None else None,
        )

    def awaited(self, scene: Scene, name: str) -> Row:
        """Return the row of an event that has not come yet."""
        reason = scene.row.reason
        turns = scene.digest.turns
        since = (reason.since_ns if reason else None) or (turns[-1].at_ns if turns else scene.started_ns)
        marks = (self.span("dots", since, self.now_ns), Mark("open", self.scale.at(self.now_ns)))
        return Row(
            key=f"event-{name}",
            kind="event",
            name=name,
            status="running",
            depth=0,
            began_ns=since,
            ended_ns=None,
            marks=marks,
            label=self._placed("waiting", marks, "", None),
            spoken="has not come yet",
        )

    # --- marks of each kind

    def _call(self, scene: Scene, step: Step) -> tuple[list[Mark], str, str]:
        marks: list[Mark] = []
        for at, attempt in enumerate(step.attempts):
            if at and step.attempts[at - 1].ended_ns is not None:
                marks.append(self.span("dots", step.attempts[at - 1].ended_ns or 0, attempt.scheduled_ns))
            marks += self._attempt(scene, step, attempt)
        if step.is_retrying:
            marks.append(self.span("dots", step.last.ended_ns or 0, step.last.retry_due_ns or self.now_ns))
        label = _label(step, self.now_ns)
        return marks, label, "failed" if step.status == "failed" else ""

    def _attempt(self, scene: Scene, step: Step, attempt: Attempt) -> list[Mark]:
        status = "cancelled" if step.is_cancelled and attempt.status == "open" else attempt.status
        end = self.until(scene, attempt.ended_ns)
        if step.kind == "child":
            tone = _status(scene, step) if status == "open" else status
            return [self.span("child", attempt.scheduled_ns, end, tone)]
        taken = scene.taken.get(attempt.task_id)
        marks = []
        if taken is not None:
            marks.append(self.span("queued", attempt.scheduled_ns, min(taken, end)))
        elif status == "open" and scene.taken:  # others are known to be taken, this one is not
            return [self.span("queued", attempt.scheduled_ns, end)]
        tone = "running" if status == "open" else status
        marks.append(self.span("bar", taken or attempt.scheduled_ns, end, tone))
        if status == "failed":
            marks.append(Mark("cross", self.scale.at(end), tone="failed"))
        elif status == "open":
            marks.append(Mark("end", self.scale.at(end), tone="running"))
        return marks

    def _timer(self, scene: Scene, step: Step) -> tuple[list[Mark], str, str]:
        due, end = step.due_ns or step.started_ns, self.until(scene, step.ended_ns)
        if step.status == "completed":
            return [self.span("line", step.started_ns, end), Mark("fired", self.scale.at(end))], "", ""
        if step.status == "cancelled":
            end = min(end, due)
            return (
                [self.span("line", step.started_ns, end), Mark("stop", self.scale.at(end))],
                "not needed",
                "",
            )
        marks = [self.span("line", step.started_ns, min(self.now_ns, due))]
        if due > self.now_ns:
            marks += [self.span("dots", self.now_ns, due), Mark("due", self.scale.at(due))]
            return marks, f"in {rough(due - self.now_ns)}", ""
        return [*marks, Mark("due", self.scale.at(due))], "due", ""

    def _event(self, scene: Scene, step: Step) -> tuple[list[Mark], str, str]:
        marks = [Mark("envelope", self.scale.at(step.started_ns))]
        since = _idle_since(scene, step)
        return [self.span("dots", since, step.started_ns), *marks] if since is not None else marks, "", ""

    def _sent(self, scene: Scene, step: Step) -> tuple[list[Mark], str, str]:
        return [Mark("envelope", self.scale.at(step.started_ns))], f"to {step.instance_id}", ""

    # --- words

    def _placed(self, text: str, marks: Sequence[Mark], tone: str, step: Step | None) -> Label | None:
        """Return the label right of the marks when there is room, else left of them, else none."""
        if not text or not marks:
            return None
        width = len(text) * _CHARACTER_PX / _DRAWING_PX * 100
        left, right = min(mark.x for mark in marks), max(mark.x + mark.width for mark in marks)
        due = None
        if step is not None and step.status == "open":
            due = step.last.retry_due_ns if step.is_retrying else step.due_ns
        if right + LABEL_GAP + width <= 100:
            return Label(text, round(right + LABEL_GAP, 3), "start", tone, due)
        return Label(text, round(left - 0.8, 3), "end", tone, due) if left - 0.8 >= width else None

    def _spoken(self, scene: Scene, step: Step) -> str:
        words = [f"started {rfc3339(step.started_ns)}", step.status]
        if len(step.attempts) > 1:
            words.append(f"{len(step.attempts)} attempts")
        if step.ended_ns is not None:
            words.append(f"took {duration(step.ended_ns - step.started_ns)}")
        if step.last.failure is not None:
            words.append(step.last.failure.first_line)
        return ", ".join(words)


def _idle_since(scene: Scene, event: Step) -> int | None:
    """Return since when nothing was under way that an event or a timer could not end; None: something was."""
    if event.turn < 2 or event.turn > len(scene.digest.turns):
        return None
    since = scene.digest.turns[event.turn - 2].at_ns
    for step in scene.digest.steps[-_LOOKED_BACK:]:
        is_call = step.kind in ("activity", "child", "entity") and step.started_ns < event.started_ns
        if is_call and (step.ended_ns is None or step.ended_ns > since):
            return None
    return since


def _named(scene: Scene, step: Step) -> tuple[str, str]:
    """Return a step's name and the muted words behind it."""
    if step.kind == "timer":
        return f"timer of {duration(scene.asked_ns(step))}", ""
    if step.kind == "child":
        return step.name, step.instance_id or ""
    if step.kind == "entity":
        return f"{_entity(step.instance_id)}.{step.name}", ""
    if step.kind == "lock":
        return "lock", step.name
    return step.name, ""


def _entity(instance_id: str | None) -> str:
    """Return `name@key`; on the wire it is `@name@key`."""
    return (instance_id or "entity").removeprefix("@")


def _status(scene: Scene, step: Step) -> str:
    if step.status != "open":
        return step.status
    waits = step.kind == "activity" and bool(scene.taken) and step.last.task_id not in scene.taken
    return "pending" if waits and not step.is_retrying else "running"


def _label(step: Step, now_ns: int) -> str:
    tries = len(step.attempts)
    if step.kind == "child":
        return "open ↗"
    if step.is_retrying:
        return f"attempt {tries + 1} in {rough((step.last.retry_due_ns or now_ns) - now_ns)}"
    if step.status == "completed" and tries > 1:
        return f"{_ordinal(tries)} attempt worked"
    if step.status == "failed" and step.last.failure is not None:
        kind = step.last.failure.error_type.rpartition(".")[2]
        return f"attempt {tries}: {kind}" if tries > 1 else kind
    return f"attempt {tries}" if tries > 1 else ""


def _ordinal(count: int) -> str:
    if count % 100 in (11, 12, 13):
        return f"{count}th"
    return f"{count}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(count % 10, 'th') }"
