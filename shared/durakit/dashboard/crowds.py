"""Many calls of one name as one row: how many were in flight over time, and below it only what stands out."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from durakit.dashboard.scene import Scene
from durakit.dashboard.steps import Step
from durakit.dashboard.timeline_rows import Artist, Label, Mark, Row
from durakit.dashboard.words import duration, number, rough

CROWD = 20
"""More calls of one name than this, made in one turn or in consecutive ones, are joined."""

_FAILED_SHOWN = 20
_SLOWEST_SHOWN = 20
_POINTS = 240

Placed = tuple[Scene, Step, str]
"""A step, where it belongs, and its key."""


@dataclass(frozen=True)
class Crowd:
    """Calls that are shown together, in order of scheduling."""

    members: tuple[Placed, ...]

    @property
    def first_key(self) -> str:
        """Key of the first call; its row is where the crowd's is."""
        return self.members[0][2]

    @property
    def steps(self) -> list[Step]:
        return [step for _, step, _ in self.members]


def find(steps: Sequence[Placed], most_rows: int) -> dict[str, Crowd]:
    """Return who belongs to which crowd, by key. With too many rows left, calls of one name join for good."""
    by_name: dict[tuple[int, str, str], list[Placed]] = defaultdict(list)
    for placed in steps:
        scene, step, _ = placed
        by_name[id(scene), step.kind, step.name].append(placed)
    crowds = [
        Crowd(tuple(run))
        for (_, kind, _), called in by_name.items()
        if kind in ("activity", "child", "entity")
        for run in _runs(called)
        if len(run) > CROWD
    ]
    joined = sum(len(crowd.members) for crowd in crowds)
    if len(steps) - joined + 6 * len(crowds) > most_rows:
        crowds = [Crowd(tuple(called)) for called in by_name.values() if len(called) > 5]
    return {key: crowd for crowd in crowds for _, _, key in crowd.members}


def _runs(called: Sequence[Placed]) -> list[list[Placed]]:
    """Return calls divided where a turn made none."""
    runs: list[list[Placed]] = []
    for placed in called:
        if runs and placed[1].turn - runs[-1][-1][1].turn <= 1:
            runs[-1].append(placed)
        else:
            runs.append([placed])
    return runs


def rows(crowd: Crowd, artist: Artist, slow: str | None = None) -> list[Row]:
    """Return the joined row and its parts that are not empty; if its key is `slow`, its slowest calls too."""
    key = f"all-{crowd.first_key}"
    parts = [row for row in _parts(crowd, artist, key) if row is not None]
    if slow == key:
        shown = {row.key for row in parts}
        parts += [row for row in _slowest(crowd, artist) if row.key not in shown]
    return [_joined(crowd, artist, key), *parts]


def _slowest(crowd: Crowd, artist: Artist) -> list[Row]:
    """Return the calls that took longest, from being scheduled, slowest first."""

    def took(placed: Placed) -> int:
        scene, step, _ = placed
        return artist.until(scene, step.ended_ns) - step.started_ns

    found = heapq.nlargest(_SLOWEST_SHOWN, crowd.members, key=took)
    rows = [(each, artist.step(*each)) for each in found]
    return [
        replace(row, depth=1 + key.count("."), note=row.note or f"#{step.number}")
        for (_, step, key), row in rows
    ]


def _joined(crowd: Crowd, artist: Artist, key: str) -> Row:
    steps = crowd.steps
    scene, first, _ = crowd.members[0]
    is_open = any(step.status == "open" for step in steps)
    ends = [artist.until(scene, step.ended_ns) for step in steps]
    area, now_running, peak = _in_flight(crowd, artist)
    failed = sum(step.status == "failed" for step in steps)
    status = "running" if is_open else "failed" if failed else "completed"
    label = None
    if area is not None:
        text = f"{number(now_running)} in flight, peak {number(peak)}" if is_open else f"peak {number(peak)}"
        label = Label(text, round(area.x + area.width + 1.2, 3))
        if label.x > 84:
            label = Label(text, round(area.x + area.width - 1, 3), "end")
    name = first.name or first.kind
    return Row(
        key=key,
        kind=first.kind,
        name=name,
        note=f"× {number(len(steps))}",
        status=status,
        depth=crowd.first_key.count("."),
        began_ns=min(step.started_ns for step in steps),
        ended_ns=None if is_open else max(ends),
        marks=() if area is None else (replace(area, tone="running" if is_open else "completed"),),
        label=label,
        spoken=f"{number(len(steps))} calls, {number(failed)} failed, at most {number(peak)} at a time",
        event=first.number,
        is_tall=True,
    )


def _in_flight(crowd: Crowd, artist: Artist) -> tuple[Mark | None, int, int]:
    """Return the area of calls in flight over time, how many are now, and the peak."""
    changes: dict[int, int] = defaultdict(int)
    for scene, step, _ in crowd.members:
        for attempt in step.attempts:
            if scene.taken and attempt.status == "open" and attempt.task_id not in scene.taken:
                continue  # queued
            changes[scene.taken.get(attempt.task_id, attempt.scheduled_ns)] += 1
            changes[artist.until(scene, attempt.ended_ns)] -= 1
            if attempt.ended_ns is None:
                changes[artist.now_ns + 1] += 0
    if not changes:
        return None, 0, 0
    moments = sorted(changes)
    counts = list(accumulate(changes[moment] for moment in moments))
    peak = max(max(counts), 1)
    running = sum(
        attempt.status == "open" and (not scene.taken or attempt.task_id in scene.taken)
        for scene, step, _ in crowd.members
        for attempt in step.attempts
    )
    x, right = artist.scale.at(moments[0]), artist.scale.at(moments[-1])
    highest: dict[float, int] = {}
    width = max(right - x, 0.1)
    for moment, count in zip(moments, counts, strict=True):
        slot = round((artist.scale.at(moment) - x) / width * _POINTS) / _POINTS
        highest[slot] = max(highest.get(slot, 0), count)
    highest[1.0] = running
    points = tuple((round(slot * 100, 2), round(count / peak, 3)) for slot, count in sorted(highest.items()))
    return Mark("area", x, round(width, 3), points=points), running, peak


def _parts(crowd: Crowd, artist: Artist, key: str) -> list[Row | None]:
    done = [each for each in crowd.members if each[1].status == "completed"]
    failed = [each for each in crowd.members if each[1].status == "failed"]
    repaired = [each for each in done if len(each[1].attempts) > 1]
    is_open = [each for each in crowd.members if each[1].status == "open"]
    retrying = [each for each in is_open if each[1].is_retrying]
    queued = [each for each in is_open if not each[1].is_retrying and _is_queued(*each[:2])]
    running = [each for each in is_open if each not in retrying and each not in queued]
    shown = failed[:_FAILED_SHOWN]
    return [
        _part(artist, key, "completed", done, _times(done)),
        *[replace(artist.step(*each), depth=1 + each[2].count(".")) for each in shown],
        _part(artist, key, "more-failed", failed[_FAILED_SHOWN:], ""),
        _part(artist, key, "repaired", repaired, ""),
        _part(artist, key, "retrying", retrying, _oldest(retrying, artist)),
        _part(artist, key, "running", running, _oldest(running, artist)),
        _part(artist, key, "queued", queued, _oldest(queued, artist)),
    ]


def _is_queued(scene: Scene, step: Step) -> bool:
    return bool(scene.taken) and step.last.task_id not in scene.taken


_WORDS = {
    "completed": ("completed", "completed"),
    "more-failed": ("failed", "more failed"),
    "repaired": ("failed", "with failed attempts, then done"),
    "retrying": ("failed", "retrying"),
    "running": ("running", "running"),
    "queued": ("pending", "queued"),
}


def _part(artist: Artist, key: str, part: str, members: Sequence[Placed], note: str) -> Row | None:
    if not members:
        return None
    status, words = _WORDS[part]
    first = min(began(scene, step) for scene, step, _ in members)
    ends = [artist.until(scene, step.ended_ns) for scene, step, _ in members]
    return Row(
        key=f"{key}-{part}",
        kind="part",
        name=f"{number(len(members))} {words}",
        note=note,
        status=status,
        depth=1,
        began_ns=first,
        ended_ns=max(ends),
        marks=tuple(_part_marks(artist, part, members, first, max(ends))),
        spoken=note,
        event=members[0][1].number if part in ("running", "retrying", "queued") else None,
        shows_duration=False,
    )


def _part_marks(artist: Artist, part: str, members: Sequence[Placed], first: int, end: int) -> list[Mark]:
    if part == "completed":
        return [artist.span("life", first, end, "completed")]
    if part == "queued":
        return [artist.span("queued", first, artist.now_ns)]
    if part == "running":
        return [
            artist.span("bar", first, artist.now_ns, "running"),
            Mark("end", artist.scale.at(artist.now_ns), tone="running"),
        ]
    places = {
        round(artist.scale.at(attempt.ended_ns), 1)
        for _, step, _ in members
        for attempt in step.attempts
        if attempt.failure is not None and attempt.ended_ns is not None
    }
    return [Mark("failure", x, tone="failed") for x in sorted(places)]


def _times(done: Sequence[Placed]) -> str:
    lengths = sorted((step.last.ended_ns or 0) - began(scene, step) for scene, step, _ in done)
    if not lengths:
        return ""
    p50, p95 = (lengths[min(len(lengths) - 1, int(len(lengths) * share))] for share in (0.5, 0.95))
    return f"p50 {duration(p50)}, p95 {duration(p95)}"


def _oldest(members: Sequence[Placed], artist: Artist) -> str:
    if not members:
        return ""
    scene, oldest, _ = min(members, key=lambda each: began(*each[:2]))
    return f"oldest {rough(artist.now_ns - began(scene, oldest))}: #{oldest.number}"


def began(scene: Scene, step: Step) -> int:
    """Return when the latest attempt began to run; where that is not known, when it was scheduled."""
    return scene.taken.get(step.last.task_id, step.last.scheduled_ns)
