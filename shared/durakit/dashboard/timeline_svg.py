"""Pictures of a timeline: one small SVG per row for the page's table, or all rows as one document.

Places along time are percent, so a picture fits any width; shapes of fixed size stand in an inner SVG.
Everything variable is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup, escape

from durakit.dashboard import drawing
from durakit.dashboard.scale import STARTS_AT, Tick
from durakit.dashboard.text import visible
from durakit.dashboard.timeline import Timeline
from durakit.dashboard.timeline_rows import LABEL_GAP, Mark, Row
from durakit.dashboard.words import duration

ROW_PX, TALL_PX, AXIS_PX = 28, 56, 28

_LABEL_COLUMN, _DURATION_COLUMN, _TIME_COLUMN = 250, 92, 1000
#: Bars narrower than this (percent) get a minimum, or they would not be seen.
_THIN = 0.25
#: Percent between labels on a narrow page, and which of them are needed most.
_NARROW_DISTANCE = 32
_FIRST = ("start", "now", "end", "round")
_DIAMOND = "M0 9l5 5-5 5-5-5z"


def height(row: Row) -> int:
    """Return the height of a row in pixels."""
    return TALL_PX if row.is_tall else ROW_PX


def row(row: Row, timeline: Timeline, href: str | None = None) -> Markup:
    """Return what is inside the SVG of a row; `href` is where its label leads."""
    parts = [_mark(mark, timeline, height(row)) for mark in row.marks]
    if row.label is not None:
        label = row.label
        names = " ".join(filter(None, ("label", label.tone)))
        due = f' data-due="{label.due_ns // 1_000_000}"' if label.due_ns is not None else ""
        y = 32 if row.is_tall else 18
        anchor = ' text-anchor="end"' if label.anchor == "end" else ""
        words = escape(visible(label.text))
        if timeline.now_x is not None and abs(label.x - LABEL_GAP - timeline.now_x) < 0.01:
            names, due = f"{names} moves", f'{due} data-ahead="{LABEL_GAP}"'
        text = f'<text x="{label.x:g}%" y="{y}" class="{names}"{anchor}{due}>{words}</text>'
        parts.append(f'<a href="{escape(href)}" tabindex="-1">{text}</a>' if href else text)
    return Markup("".join(parts))


def backdrop(timeline: Timeline) -> Markup:
    """Return lines that go through all rows: round times, left-out spans, suspensions, now."""
    parts = [
        _upright(tick.x, "grid") for tick in timeline.ticks if tick.kind in ("round", "end") or not tick.x
    ]
    for held in timeline.held:
        title = f"<title>{escape(visible(held.title))}</title>"
        parts.append(
            f'<rect x="{held.x:g}%" width="{held.width:g}%" height="100%" class="held">{title}</rect>'
        )
    for gap in timeline.gaps:
        parts += [_upright(gap.x, "gap"), _upright(gap.x + gap.width, "gap")]
    if timeline.now_x is not None:
        parts.append(_upright(timeline.now_x, "now moves"))
    return Markup("".join(parts))


def axis(timeline: Timeline) -> Markup:
    """Return the labels of the axis and the marks of left-out spans; `wide` ones need room."""
    few: list[Tick] = []
    for tick in sorted(timeline.ticks, key=lambda tick: _FIRST.index(tick.kind)):
        if all(abs(tick.x - other.x) > _NARROW_DISTANCE for other in few):
            few.append(tick)
    parts = []
    for tick in timeline.ticks:
        where = "" if tick in few else " wide"
        anchor = "start" if tick.x < STARTS_AT else "middle"
        words = f"now {tick.text}" if tick.kind == "now" else tick.text
        names = "strong moves" if tick.kind == "now" else "label"
        parts.append(
            f'<text x="{tick.x:g}%" y="18" text-anchor="{anchor}" class="{names}{where}" '
            f'data-at="{tick.at_ns // 1_000_000}" data-form="{tick.form}">{escape(words)}</text>'
        )
    for gap in timeline.gaps:
        middle = gap.x + gap.width / 2
        if all(abs(middle - tick.x) > (6 if tick.kind == "now" else 4) for tick in timeline.ticks):
            title = f"<title>{duration(gap.length_ns)} left out, nothing was under way</title>"
            parts.append(
                f'<text x="{middle:g}%" y="18" text-anchor="middle" class="muted wide">⋯{title}</text>'
            )
    return Markup("".join(parts))


def hatch() -> Markup:
    """Return the pattern of suspended spans, to be defined once on a page."""
    return Markup(
        '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><path d="M0 0v6" class="hatch"/></pattern>'
    )


def document(timeline: Timeline, title: str) -> str:
    """Return the whole timeline as one SVG document."""
    left = _LABEL_COLUMN + _DURATION_COLUMN
    total = AXIS_PX + sum(map(height, timeline.rows)) + 12
    parts = [f"<defs>{hatch()}</defs>"]
    body = total - AXIS_PX - 12
    parts.append(_inner(left, 0, _TIME_COLUMN, AXIS_PX, axis(timeline)))
    parts.append(_inner(left, AXIS_PX, _TIME_COLUMN, body, backdrop(timeline)))
    y = AXIS_PX
    for each in timeline.rows:
        middle = y + height(each) / 2 + 4
        name = escape(visible(f"{each.name} {each.note}".strip()))
        names = "strong" if each.kind == "orchestration" else "label"
        parts.append(f'<text x="{12 + 16 * each.depth}" y="{middle:g}" class="{names}">{name}</text>')
        if each.shows_duration:
            length = duration(each.length_ns(timeline.now_ns))
            parts.append(
                f'<text x="{left - 12}" y="{middle:g}" text-anchor="end" class="muted">{length}</text>'
            )
        parts.append(_inner(left, y, _TIME_COLUMN, height(each), row(each, timeline)))
        y += height(each)
    return drawing.alone("".join(parts), left + _TIME_COLUMN + 12, total, title)


def _inner(x: float, y: float, width: float, tall: float, content: str) -> str:
    return f'<svg x="{x:g}" y="{y:g}" width="{width:g}" height="{tall:g}" overflow="visible">{content}</svg>'


def _upright(x: float, names: str) -> str:
    return f'<line x1="{x:g}%" x2="{x:g}%" y1="0" y2="100%" class="{names}"/>'


def _mark(mark: Mark, timeline: Timeline, tall: int) -> str:
    return _SHAPES[mark.shape](mark, _live(mark, timeline), tall)


def _live(mark: Mark, timeline: Timeline) -> str:
    """Return the class of what goes on with the clock: its end grows, or all of it moves."""
    if timeline.now_x is None or abs(mark.x + mark.width - timeline.now_x) > 0.002:
        return ""
    return " grows" if mark.width else " moves" if mark.shape in ("open", "end") else ""


def _box(mark: Mark, names: str, y: float, tall: float, rounded: float) -> str:
    at, size = f'x="{mark.x:g}%" y="{y:g}" height="{tall:g}"', f'rx="{rounded:g}"'
    box = f'<rect {at} {size} width="{mark.width:g}%" class="{names}"/>'
    if mark.width < _THIN:
        box += f'<rect {at} width="2" class="{names.removesuffix(" grows")}"/>'
    return box


def _level(mark: Mark, names: str) -> str:
    return f'<line x1="{mark.x:g}%" x2="{mark.x + mark.width:g}%" y1="14" y2="14" class="{names}"/>'


def _fixed(mark: Mark, names: str, path: str, live: str = "") -> str:
    inner = f'<path d="{path}" class="{names}"/>'
    return f'<svg x="{mark.x:g}%" overflow="visible" class="at{live}">{inner}</svg>'


def _area(mark: Mark, live: str, tall: int) -> str:
    top, floor = 4, tall - 4
    line = " ".join(f"L{x:g} {floor - (floor - top) * share:g}" for x, share in mark.points)
    path = f"M0 {floor}{line}L100 {floor}z"
    return (
        f'<svg x="{mark.x:g}%" width="{mark.width:g}%" height="{tall}" viewBox="0 0 100 {tall}" '
        f'preserveAspectRatio="none"><path d="{path}" class="area {mark.tone}" '
        f'vector-effect="non-scaling-stroke"/></svg>'
    )


_SHAPES: dict[str, Callable[[Mark, str, int], str]] = {
    "life": lambda mark, live, _: _box(mark, f"life {mark.tone}{live}", 12, 4, 1),
    "turn": lambda mark, *_: f'<rect x="{mark.x:g}%" y="9" width="1.5" height="10" class="turn"/>',
    "queued": lambda mark, live, _: _box(mark, f"queued{live}", 10.5, 7, 1.5),
    "bar": lambda mark, live, _: _box(mark, f"bar {mark.tone}{live}", 8, 12, 2),
    "child": lambda mark, live, _: _box(mark, f"child {mark.tone}{live}", 8, 12, 2),
    "dots": lambda mark, live, _: _level(mark, f"dots{live}"),
    "line": lambda mark, live, _: _level(mark, f"wire{live}"),
    "end": lambda mark, live, _: _fixed(mark, f"end {mark.tone}", "M-1 8h2l5 6-5 6h-2z", live),
    "open": lambda mark, live, _: _fixed(mark, "solid", "M-2 9h2l5 5-5 5h-2z", live),
    "cross": lambda mark, *_: _fixed(mark, "cross", "M-9.5 11.5l5 5M-4.5 11.5l-5 5"),
    "fired": lambda mark, *_: _fixed(mark, "solid", _DIAMOND),
    "due": lambda mark, *_: _fixed(mark, "hollow", _DIAMOND),
    "stop": lambda mark, *_: _fixed(mark, "wire", "M0 9v10"),
    "envelope": lambda mark, *_: _fixed(mark, "letter", "M-6 9.5h12v9h-12zM-6 10l6 5 6-5"),
    "failure": lambda mark, *_: f'<rect x="{mark.x:g}%" y="8" width="3" height="12" class="failure"/>',
    "area": _area,
}
