"""A history as a table of bars: one row for each call, timer, event and child, in order of scheduling.

What is drawn where, in percent; `timeline_svg` makes pictures of it, templates make the table. Thousands of
calls of one name become one row (`crowds`), so that a page never has more than `MOST_ROWS`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from durakit.dashboard import crowds
from durakit.dashboard.scale import RIGHT, Gap, Scale, Span, Tick, idle_spans, merge, ticks
from durakit.dashboard.scene import Scene
from durakit.dashboard.steps import Step
from durakit.dashboard.timeline_rows import Artist, Held, Row
from durakit.dashboard.words import rfc3339

MOST_ROWS = 200
"""However long the history is."""


@dataclass(frozen=True)
class Timeline:
    """The table."""

    now_ns: int
    start_ns: int
    end_ns: int
    rows: list[Row]
    ticks: list[Tick]
    gaps: list[Gap]
    held: list[Held]
    now_x: float | None
    steps: int
    """How many steps there are, joined or not."""
    outside: int = 0
    """Steps that the chosen range does not touch."""
    left_out: int = 0
    """Rows beyond the most that are drawn."""
    is_zoomed: bool = False
    chosen: Step | None = None
    chosen_in: Scene | None = None
    kinds: frozenset[str] = field(default_factory=frozenset)
    """Shapes that are drawn, for the legend."""
    pieces: list[tuple[int, int, float, float]] = field(default_factory=list)
    """From, to in nanoseconds, and their places in percent; gaps included."""

    @property
    def pieces_json(self) -> str:
        """Where times are, for the page's script: from, to in milliseconds, their places in percent."""
        return json.dumps([[a // 1_000_000, b // 1_000_000, x, y] for a, b, x, y in self.pieces])

    def zoomed(self, share: float) -> dict[str, str]:
        """Return `from` and `to` of a range so many times as long, around the middle of this one."""
        middle, half = (self.start_ns + self.end_ns) // 2, int((self.end_ns - self.start_ns) * share / 2)
        return {"from": rfc3339(middle - half), "to": rfc3339(middle + half)}

    def as_json(self) -> dict[str, Any]:
        """Return the rows with times in RFC 3339 and lengths in milliseconds."""
        return {
            "start": rfc3339(self.start_ns),
            "end": rfc3339(self.end_ns),
            "now": rfc3339(self.now_ns),
            "steps": self.steps,
            "rows": [_row_as_json(row, self.now_ns) for row in self.rows],
            "leftOut": [{"lengthMs": gap.length_ns / 1e6} for gap in self.gaps],
        }


def _row_as_json(row: Row, now_ns: int) -> dict[str, Any]:
    return {
        "key": row.key,
        "kind": row.kind,
        "name": row.name,
        "status": row.status,
        "depth": row.depth,
        "began": rfc3339(row.began_ns),
        "ended": None if row.ended_ns is None else rfc3339(row.ended_ns),
        "durationMs": row.length_ns(now_ns) / 1e6,
        "attempts": row.attempts,
        "error": row.error,
        "instanceId": row.instance_id,
        "event": row.event,
        "note": row.note,
        "text": row.spoken,
    }


def build(
    scene: Scene,
    now_ns: int,
    *,
    from_ns: int | None = None,
    to_ns: int | None = None,
    leave_out_idle: bool = True,
    group: bool = True,
    chosen: str | None = None,
    slow: str | None = None,
    only_failed: bool = False,
) -> Timeline:
    """Return the timeline of an instance.

    Args:
        from_ns, to_ns: the range to show; None: from the start, to the end or now.
        group: join calls of one name when there are more than `crowds.CROWD` of them.
        chosen: key of the row whose step is wanted in full.
        slow: key of the joined row whose slowest calls are wanted, each as a row.
        only_failed: only the rows that lead to the failure.
    """
    scale, due_ns = _scale(scene, now_ns, from_ns, to_ns, leave_out_idle)
    artist = Artist(scale, now_ns)
    rows, outside = _rows(scene, artist, group=group, slow=slow, only_failed=only_failed)
    shows_now = scene.row.is_open and scale.shows(now_ns)
    found = _find(scene, chosen) if chosen else None
    return Timeline(
        now_ns=now_ns,
        start_ns=scale.start_ns,
        end_ns=scale.end_ns,
        rows=rows[:MOST_ROWS],
        ticks=ticks(scale, now_ns=now_ns, shows_now=shows_now, due_ns=due_ns),
        gaps=scale.gaps,
        held=[artist.held(held) for each in scene.all() for held in each.digest.suspensions][:20],
        now_x=scale.at(now_ns) if shows_now else None,
        steps=sum(1 for _ in shown_steps(scene)),
        outside=outside,
        left_out=max(len(rows) - MOST_ROWS, 0),
        is_zoomed=from_ns is not None or to_ns is not None,
        chosen=found[1] if found else None,
        chosen_in=found[0] if found else None,
        kinds=frozenset(mark.shape for row in rows for mark in row.marks),
        pieces=scale.pieces,
    )


def shown_steps(scene: Scene) -> Iterator[tuple[Scene, Step, str]]:
    """Return what gets a row or joins one: (instance, step, key), children below their callers."""
    yield from _shown_steps(scene, "")


def _shown_steps(scene: Scene, prefix: str) -> Iterator[tuple[Scene, Step, str]]:
    for step in scene.digest.steps:
        if step.is_retry_timer:
            continue
        key = f"{prefix}{step.number}"
        yield scene, step, key
        if step.number in scene.children:
            yield from _shown_steps(scene.children[step.number], f"{key}.")


def _find(scene: Scene, key: str) -> tuple[Scene, Step] | None:
    return next(((within, step) for within, step, found in shown_steps(scene) if found == key), None)


# --- what is shown


def _scale(
    scene: Scene, now_ns: int, from_ns: int | None, to_ns: int | None, leave_out_idle: bool
) -> tuple[Scale, int | None]:
    start = scene.started_ns
    due = _last_due(scene)
    until = scene.ended_ns or max(now_ns, start)
    if scene.row.is_open:
        until = _in_steps(start, until)
    end = max(until, due or 0)
    a, b = from_ns if from_ns is not None else start, to_ns if to_ns is not None else end
    if b <= a:
        a, b = start, end
    is_zoomed = (a, b) != (start, end)
    gaps: Sequence[Span] = ()
    if leave_out_idle:
        moments = [] if scene.ended_ns is not None else [now_ns]
        moments += [
            step.last.ended_ns for each in scene.all() for step in each.digest.steps if step.last.ended_ns
        ]
        gaps = idle_spans(a, b, _busy(scene, now_ns), moments)
    return Scale(a, b, gaps, right=100.0 if is_zoomed else RIGHT), None if is_zoomed else due


def _in_steps(start: int, now_ns: int) -> int:
    """Return the end of time for an open instance: a twentieth more than now, so that bars do not crawl."""
    return now_ns + max((now_ns - start) // 20, 1_000_000)


def _last_due(scene: Scene) -> int | None:
    if not scene.row.is_open:
        return None
    due = [step.due_ns for step in scene.digest.steps if step.status == "open" and step.due_ns]
    return max(due, default=None)


def _busy(scene: Scene, now_ns: int) -> list[Span]:
    busy: list[Span] = []
    pauses: list[Span] = []
    for each in scene.all():
        busy += [(turn.at_ns, turn.at_ns) for turn in each.digest.turns]
        for step in each.digest.steps:
            if step.kind in ("activity", "child", "entity"):
                tries = [(a.scheduled_ns, a.ended_ns or each.ended_ns or now_ns) for a in step.attempts]
                busy += tries
                pauses += [(a[1], b[0]) for a, b in pairwise(tries)]
    worked = sum(b - a for a, b in merge(busy))
    # The short pause before another attempt belongs to the call; one of an hour is idle time.
    return busy + [(a, b) for a, b in pauses if b - a <= worked]


# --- rows


def _rows(
    scene: Scene, artist: Artist, *, group: bool, slow: str | None, only_failed: bool
) -> tuple[list[Row], int]:
    rows = [artist.life(scene, "life", 0)]
    found = [
        (within, step, key)
        for within, step, key in shown_steps(scene)
        if not only_failed or step.status == "failed" or step.last.failure is not None
    ]
    inside = [each for each in found if artist.touches(each[0], each[1])]
    joined: dict[str, crowds.Crowd] = crowds.find(inside, MOST_ROWS - 1) if group else {}
    for within, step, key in inside:
        crowd = joined.get(key)
        if crowd is None:
            rows.append(artist.step(within, step, key))
        elif crowd.first_key == key:
            rows += crowds.rows(crowd, artist, slow)
    rows += [artist.awaited(scene, name) for name in scene.awaited_events]
    return rows, len(found) - len(inside)
