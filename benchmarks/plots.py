"""Pure: the report's plots, as SVG text. Lines on two logarithmic axes; nothing else is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.figures import median_of

if TYPE_CHECKING:
    from benchmarks.report import Run

WIDTH, HEIGHT = 840, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 280, 44, 56
COLOURS = ("#0b6e99", "#d9480f", "#2b8a3e", "#862e9c", "#c2255c", "#5c940d", "#1864ab", "#846358", "#495057")
"""Each dark enough to be told from white; lines beyond their number have them again, dashed."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Plot:
    """A picture: lines by title, each through its points; `name` is the file's.

    `titles` are those of all variants of the run, so that one has the same colour in every picture.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    titles: Sequence[str]
    lines: Mapping[str, Sequence[Point]]


def plots(run: Run) -> list[Plot]:
    """Those for which the run has at least two points on a line."""
    titles = list(run.variants.values())
    every = [
        Plot(
            "cost-per-step",
            "Time per step against the length of the sequence",
            "steps in the sequence",
            "ms per step",
            titles,
            lines_of(run, "sequence", lambda rate: 1000 / rate),
        ),
        Plot(
            "throughput-on-slow-disks",
            "Throughput against the time of an fsync",
            "ms an fsync takes (this disk's median, and more added)",
            "orchestrations/s",
            titles,
            lines_of(run, "slow-disk", lambda rate: rate, more=fsync_ms(run)),
        ),
    ]
    return [plot for plot in every if plot.lines]


def fsync_ms(run: Run) -> float:
    """The median that the machine's facts tell, as in `0.18 ms (4 KiB appended)`; 0.1 where they do not."""
    return float(run.facts.get("fsync p50 before", "0.1").split()[0])


def lines_of(
    run: Run, family: str, value: Callable[[float], float], *, more: float = 0.0
) -> dict[str, list[Point]]:
    """Per variant title: the size, and `more`, against the value made of the median rate."""
    sizes = sorted({size for line in run.lines if (size := size_in(line.measurement, family)) is not None})
    lines = {}
    for key, title in run.variants.items():
        rates = [(size, median_of(run.records, key, f"{family}({size})", "rate")) for size in sizes]
        points = [(size + more, value(rate)) for size, rate in rates if rate]
        if len(points) > 1:
            lines[title] = points
    return lines


def size_in(measurement: str, family: str) -> int | None:
    """The 100 in `sequence(100)`, None for another family."""
    head, _, size = measurement.rstrip(")").partition("(")
    return int(size) if head == family and size.isdigit() else None


class Axis:
    """Values to pixels, logarithmically, with a tick at each power of ten and at 2 and 5 times it."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        self._low = math.log10(min(values)) - 0.04
        self._high = math.log10(max(values)) + 0.04
        self._begin, self._end = begin, end
        self._values = values

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._begin + share * (self._end - self._begin)

    def ticks(self) -> list[float]:
        """The round values on the axis; fewer when it spans many powers of ten."""
        steps = (1, 2, 5) if self._high - self._low < 3 else (1,)
        powers = range(math.floor(self._low), math.ceil(self._high) + 1)
        every = [step * 10.0**power for power in powers for step in steps]
        return [tick for tick in every if self._low <= math.log10(tick) <= self._high]


def svg(plot: Plot) -> str:
    """The picture as a document of its own."""
    points = [point for line in plot.lines.values() for point in line]
    x = Axis([point[0] for point in points], LEFT, WIDTH - RIGHT)
    y = Axis([point[1] for point in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12" role="img" '
        f'aria-label="{escape(plot.title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(LEFT, 24, plot.title, size=15),
        *grid(x, y),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, plot.x_label, anchor="middle"),
        text(LEFT, TOP - 6, plot.y_label, colour="#495057"),
        *(line(plot, title, x, y) for title in plot.lines),
        *(entry(plot, title, number) for number, title in enumerate(plot.lines)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def grid(x: Axis, y: Axis) -> list[str]:
    """A thin line and a number at each tick."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in x.ticks():
        parts.append(f'<path d="M{x.at(tick):.1f} {TOP}V{bottom}" stroke="#dee2e6"/>')
        parts.append(text(x.at(tick), bottom + 18, f"{tick:,g}", anchor="middle"))
    for tick in y.ticks():
        parts.append(f'<path d="M{LEFT} {y.at(tick):.1f}H{right}" stroke="#dee2e6"/>')
        parts.append(text(LEFT - 8, y.at(tick) + 4, f"{tick:,g}", anchor="end"))
    return parts


def look(plot: Plot, title: str) -> tuple[str, str]:
    """The colour of a title's line, and the attribute that dashes it, if it is."""
    again, number = divmod(plot.titles.index(title), len(COLOURS))
    return COLOURS[number], ' stroke-dasharray="6 3"' if again else ""


def line(plot: Plot, title: str, x: Axis, y: Axis) -> str:
    """A line through its points, each marked; the value shows when the pointer rests on it."""
    colour, dashed = look(plot, title)
    places = [(x.at(a), y.at(b), a, b) for a, b in plot.lines[title]]
    path = " ".join(f"{left:.1f},{top:.1f}" for left, top, _, _ in places)
    marks = "".join(
        f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3.5" fill="{colour}">'
        f"<title>{escape(title)}: {a:,g} → {b:,.3g}</title></circle>"
        for left, top, a, b in places
    )
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>{marks}'


def entry(plot: Plot, title: str, number: int) -> str:
    """A title beside the picture, behind a piece of its line."""
    colour, dashed = look(plot, title)
    left, top = WIDTH - RIGHT + 16, TOP + 10 + number * 20
    piece = f'<path d="M{left} {top - 4}h24" stroke="{colour}" stroke-width="3"{dashed}/>'
    return piece + text(left + 30, top, title, size=11)


def text(
    left: float, top: float, words: str, *, size: int = 12, anchor: str = "start", colour: str = "#212529"
) -> str:
    """Words at a place."""
    return (
        f'<text x="{left:.1f}" y="{top:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(words)}</text>"
    )
