"""The timeline in a terminal: the dashboard's rows, their marks as characters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Group
from rich.table import Table
from rich.text import Text

from durakit.cli.output import STYLES
from durakit.dashboard import timeline, words
from durakit.dashboard.instances import Instance
from durakit.dashboard.phrases import plain
from durakit.dashboard.scene import Scene
from durakit.dashboard.steps import Digest
from durakit.dashboard.text import visible
from durakit.dashboard.timeline_rows import Mark, Row

_SPANS = {"life": "─", "queued": "╌", "bar": "━", "dots": "·", "line": "─", "child": "▬", "stop": "╴"}
_POINTS = {"open": "▶", "cross": "✗", "failure": "✗", "fired": "◆", "due": "◇", "envelope": "▼", "end": "▶"}
_HEIGHTS = " ▁▂▃▄▅▆▇█"
_NAME_CHARACTERS = 32
_LEAST_BAR = 16
_AROUND = 9
"""Lines above and below the rows."""


def draw(instance: Instance, steps: Digest, now_ns: int, width: int, height: int) -> Group:
    """Return the picture of an instance at a moment, for a terminal of so many characters and lines."""
    drawn = timeline.build(Scene(instance.row, steps), now_ns)
    rows = _chosen(drawn.rows, max(height - _AROUND, 3))
    names = min(max((len(_name(row)) for row in rows), default=0), _NAME_CHARACTERS)
    bar = max(width - names - 32, _LEAST_BAR)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(no_wrap=True, overflow="ellipsis", width=names)
    table.add_column(no_wrap=True, width=bar)
    table.add_column(no_wrap=True, justify="right", width=10)
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_row("", _axis(drawn.start_ns, drawn.end_ns, bar), "", "")
    for row in rows:
        label = row.label.text if row.label is not None else row.error or ""
        length = words.duration(row.length_ns(now_ns)) if row.shows_duration else ""
        tone = STYLES.get(row.status, "") if row.status in ("failed", "running") else ""
        table.add_row(
            Text(_name(row), tone), bar_of(row.marks, bar), length, Text(visible(label), STYLES["muted"])
        )
    return Group(*_head(instance, now_ns), table, *_left_out(drawn, len(rows)))


def _head(instance: Instance, now_ns: int) -> list[Text]:
    row, reason = instance.row, instance.row.reason
    tone = STYLES.get(row.status, "")
    lines = [Text.assemble((row.status.capitalize(), f"bold {tone}"), "  ", visible(f"{row.name}  {row.id}"))]
    if reason is not None:
        style = (
            STYLES["attention"] if reason.attention else STYLES["failed"] if row.status == "failed" else ""
        )
        lines.append(Text(visible(plain(reason.sentence)), style))
        if reason.detail:
            lines.append(Text(visible(plain(reason.detail)), STYLES["muted"]))
    return [*lines, Text("")]


def _left_out(drawn: timeline.Timeline, shown: int) -> list[Text]:
    hidden = len(drawn.rows) - shown + drawn.left_out
    if not hidden:
        return []
    return [Text(f"{words.counted(hidden, 'earlier row')} not shown", STYLES["muted"])]


def _chosen(rows: Sequence[Row], most: int) -> list[Row]:
    """Return the instance's own row and the newest others."""
    return list(rows) if len(rows) <= most else [rows[0], *rows[len(rows) - most + 1 :]]


def _name(row: Row) -> str:
    note = f" {row.note}" if row.note else ""
    return visible(f"{'  ' * row.depth}{row.name}{note}")


def _axis(start_ns: int, end_ns: int, width: int) -> Text:
    """The first and the last moment above the bars."""
    left, right = words.clock_ms(start_ns)[:8], words.clock_ms(end_ns)[:8]
    return Text(f"{left}{right:>{max(width - len(left), 0)}}"[:width], STYLES["muted"])


def bar_of(marks: Sequence[Mark], width: int) -> Text:
    """Return a row's marks on so many characters; later marks cover earlier ones, as in the picture."""
    cells: list[tuple[str, str]] = [(" ", "")] * width
    for mark in marks:
        style = STYLES.get(mark.tone, STYLES["muted"])
        first = min(int(mark.x / 100 * width), width - 1)
        if mark.shape == "area":
            _area(cells, mark, width)
        elif mark.shape in _SPANS:
            last = min(max(int((mark.x + mark.width) / 100 * width), first + 1), width)
            cells[first:last] = [(_SPANS[mark.shape], style)] * (last - first)
        elif mark.shape in _POINTS:
            cells[first] = (_POINTS[mark.shape], style)
    runs = groupby(cells, key=lambda cell: cell[1])
    return Text.assemble(*(("".join(character for character, _ in run), style) for style, run in runs))


def _area(cells: list[tuple[str, str]], mark: Mark, width: int) -> None:
    for x, height in mark.points:
        at = min(int(x / 100 * width), width - 1)
        character = _HEIGHTS[round(max(0.0, min(height, 1.0)) * (len(_HEIGHTS) - 1))]
        cells[at] = (character, STYLES["running"])
