"""Time as a place on a page: percent of the width, idle spans left out, labels at round times.

Places are percent, so that a drawing needs no script and no fixed width to fill its cell. Moments and lengths
are nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from durakit.dashboard.words import DAY, HOUR, MINUTE, SECOND, utc

Span = tuple[int, int]

GAP_WIDTH = 4.0
"""Percent of the width that one left-out span takes."""
RIGHT = 85.0
"""Percent at which time ends; the rest is room for labels."""

_MOST_GAPS = 3
#: Idle longer than this part of the busy time is left out.
_IDLE_SHARE = 0.15
#: What stays visible at each side of a gap, as part of the time that is not left out.
_MARGIN_SHARE = 0.05
#: Percent between two labels: 64 px of the 850 px that a drawing has at least.
_LABEL_DISTANCE = 7.5
STARTS_AT = 4.0
"""Labels nearer to the left edge than this percent begin at their place; others stand centred on it."""

#: Percent that a character takes, at most.
_CHARACTER_WIDTH = 0.9
#: `:10` may have to be written in full.
_CHARACTERS = {
    "date": 15,
    "second": 8,
    "minute": 5,
    "part": 6,
    "day": 6,
    "tenths": 5,
    "hundredths": 6,
    "thousandths": 7,
}
_MOST_ROUND_LABELS = 6
_MILLISECOND = SECOND // 1000
_ROUND = (
    *(_MILLISECOND * count for count in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(SECOND * count for count in (1, 2, 5, 10, 20, 30)),
    *(MINUTE * count for count in (1, 2, 5, 10, 20, 30)),
    *(HOUR * count for count in (1, 2, 3, 6, 12)),
    *(DAY * count for count in (1, 2, 7, 30, 90, 365)),
)
_DIGITS = {"tenths": 1, "hundredths": 2, "thousandths": 3}


@dataclass(frozen=True)
class Tick:
    """A label on the axis.

    Attributes:
        x: percent.
        text: the moment in UTC; the page's script writes it again for local time, in the same form.
        form: `date`, `second`, `minute`, `part` (:10), `tenths` (:10.2), `hundredths`, `thousandths`, `day`.
        kind: `start`, `now`, `end` or `round`.
    """

    x: float
    at_ns: int
    form: str
    kind: str = "round"
    text: str = ""


@dataclass(frozen=True)
class Gap:
    """Idle time that is left out; `x` and `width` in percent."""

    x: float
    width: float
    length_ns: int


class Scale:
    """Where a moment is drawn.

    Args:
        start_ns, end_ns: what is shown.
        gaps: spans in it that are left out, in order, not touching each other.
        right: percent at which the end is drawn.
    """

    def __init__(
        self, start_ns: int, end_ns: int, gaps: Sequence[Span] = (), *, right: float = RIGHT
    ) -> None:
        self.start_ns, self.end_ns = start_ns, max(end_ns, start_ns + _MILLISECOND)
        edges = [self.start_ns, *(moment for gap in gaps for moment in gap), self.end_ns]
        shown = list(zip(edges[::2], edges[1::2], strict=True))
        self.shown_ns = max(sum(b - a for a, b in shown), 1)
        per_ns = (right - GAP_WIDTH * len(gaps)) / self.shown_ns
        self.gaps: list[Gap] = []
        self.pieces: list[tuple[int, int, float, float]] = []
        """From, to and their places; every second one is a gap."""
        x = 0.0
        for index, (a, b) in enumerate(shown):
            self.pieces.append((a, b, x, x + (b - a) * per_ns))
            x += (b - a) * per_ns
            if index < len(gaps):
                self.gaps.append(Gap(round(x, 3), GAP_WIDTH, gaps[index][1] - gaps[index][0]))
                self.pieces.append((*gaps[index], x, x + GAP_WIDTH))
                x += GAP_WIDTH

    def at(self, moment_ns: int) -> float:
        """Return the place of a moment in percent; moments outside are at the nearer end."""
        for a, b, left, right in self.pieces:
            if moment_ns <= b:
                part = (moment_ns - a) / (b - a) if b > a else 0.0
                return round(left + (right - left) * max(part, 0.0), 3)
        return round(self.pieces[-1][3], 3)

    def shows(self, from_ns: int, to_ns: int | None = None) -> bool:
        """Return whether a span, or a moment, touches what is shown; left-out spans count."""
        return from_ns <= self.end_ns and (from_ns if to_ns is None else to_ns) >= self.start_ns

    def drawn_spans(self) -> list[Span]:
        """Return what is drawn to scale."""
        return [(a, b) for a, b, _, _ in self.pieces[::2]]


def merge(spans: Iterable[Span]) -> list[Span]:
    """Return the spans joined where they touch, in order."""
    merged: list[Span] = []
    until: int | None = None
    for a, b in sorted(spans):
        if until is None or a > until:
            merged.append((a, b))
            until = b
        elif b > until:
            merged[-1] = (merged[-1][0], b)
            until = b
    return merged


def idle_spans(start_ns: int, end_ns: int, busy: Iterable[Span], moments: Iterable[int]) -> list[Span]:
    """Return the spans worth leaving out: at most three, the longest, in order.

    Args:
        start_ns, end_ns: what would be shown.
        busy: when something was under way.
        moments: what must stay visible although nothing was under way, such as now.
    """
    inside = [(max(a, start_ns), min(b, end_ns)) for a, b in busy if a <= end_ns and b >= start_ns]
    points = [(moment, moment) for moment in moments if start_ns <= moment <= end_ns]
    kept = merge([(start_ns, start_ns), (end_ns, end_ns), *inside, *points])
    worked = max(sum(b - a for a, b in kept), (end_ns - start_ns) // 1000)
    least = int(worked * _IDLE_SHARE)
    idle = sorted((a[1] - b[0], a[1], b[0]) for a, b in pairwise(kept) if b[0] - a[1] > least)[:_MOST_GAPS]
    margin = int((end_ns - start_ns + sum(span[0] for span in idle)) * _MARGIN_SHARE)
    return sorted((a + margin, b - margin) for _, a, b in idle if b - a > 4 * margin)


def ticks(scale: Scale, *, now_ns: int, shows_now: bool, due_ns: int | None = None) -> list[Tick]:
    """Return labels where there is room: the start, now, what is due last, and round times between."""
    today = utc(now_ns).date()

    def full(moment_ns: int) -> str:
        return "second" if utc(moment_ns).date() == today else "date"

    made = [Tick(0.0, scale.start_ns, full(scale.start_ns), "start")]
    wanted = [(now_ns, "now")] if shows_now else []
    wanted += [(due_ns, "end")] if due_ns is not None else []
    for moment_ns, kind in wanted:
        tick = Tick(scale.at(moment_ns), moment_ns, full(moment_ns), kind)
        if scale.shows(moment_ns) and _has_room(tick, made):
            made.append(tick)
    step = next((step for step in _ROUND if scale.shown_ns / step <= _MOST_ROUND_LABELS), _ROUND[-1])
    for moment_ns in _round_times(scale.drawn_spans(), step):
        tick = Tick(scale.at(moment_ns), moment_ns, _form(step))
        if _has_room(tick, made):
            made.append(tick)
    return _written(sorted(made, key=lambda tick: tick.x))


def _has_room(tick: Tick, made: Sequence[Tick]) -> bool:
    left, right = _extent(tick)
    others = map(_extent, made)
    return all(right <= a or b <= left for a, b in others) and all(
        abs(tick.x - other.x) >= _LABEL_DISTANCE for other in made
    )


def _extent(tick: Tick) -> tuple[float, float]:
    """Return from where to where a label and the space around it reach, in percent."""
    characters = _CHARACTERS[tick.form] + (len("now ") if tick.kind == "now" else 0) + 1.5
    width = characters * _CHARACTER_WIDTH
    return (tick.x, tick.x + width) if tick.x < STARTS_AT else (tick.x - width / 2, tick.x + width / 2)


def _round_times(spans: Iterable[Span], step: int) -> Iterator[int]:
    for a, b in spans:
        yield from range(-(-a // step) * step, b + 1, step)


def _form(step: int) -> str:
    if step >= DAY:
        return "day"
    if step >= SECOND:
        return "minute" if step >= MINUTE else "part"
    return "tenths" if step >= SECOND // 10 else "hundredths" if step >= SECOND // 100 else "thousandths"


def _written(made: Sequence[Tick]) -> list[Tick]:
    """Return the labels with their texts; `:10` needs a label of the same minute before it."""
    out: list[Tick] = []
    minute: int | None = None
    for tick in made:
        form = tick.form
        if form == "minute" and tick.at_ns % DAY == 0:
            form = "day"
        if form == "part" and minute != tick.at_ns // MINUTE:
            form = "second"
        minute = tick.at_ns // MINUTE
        out.append(Tick(tick.x, tick.at_ns, form, tick.kind, write(tick.at_ns, form)))
    return out


def write(moment_ns: int, form: str) -> str:
    """Return a moment in one of the forms of `Tick`, in UTC."""
    at = utc(moment_ns)
    if form == "date":
        return f"{at.day} {at:%b %H:%M:%S}"
    if form == "day":
        return f"{at.day} {at:%b}"
    if form == "part":
        return at.strftime(":%S")
    if form in _DIGITS:
        return at.strftime(":%S") + f".{at.microsecond:06d}"[: 1 + _DIGITS[form]]
    return at.strftime("%H:%M" if form == "minute" else "%H:%M:%S")
