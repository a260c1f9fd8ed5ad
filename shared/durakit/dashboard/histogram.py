"""The histogram of the list as a drawing: bars stacked by status, places in percent."""

from __future__ import annotations

import json
from dataclasses import dataclass

from durakit.dashboard.lists import Bucket, Histogram
from durakit.dashboard.scale import Scale, Tick, ticks
from durakit.dashboard.words import rfc3339

HEIGHT = 52
"""Pixels from the axis to the peak."""

#: From the axis up: what went well lies below, what somebody should see on top.
_STACKED = ("completed", "pending", "terminated", "canceled", "suspended", "running", "failed")
_LEAST_PX = 1.5
#: Percent between two labels on a narrow page.
_NARROW_DISTANCE = 24


@dataclass(frozen=True)
class Part:
    """One status of a bar, in pixels from the top."""

    status: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One bucket; `start` and `end` as the list's address takes them."""

    x: float
    start: str
    end: str
    parts: list[Part]


@dataclass(frozen=True)
class Label:
    """A label of the axis."""

    x: float
    anchor: str
    at_ns: int
    form: str
    text: str
    is_needed: bool
    """Whether a narrow page shows it, too."""


@dataclass(frozen=True)
class Drawing:
    """The whole; `width` of a bar in percent."""

    width: float
    bars: list[Bar]
    ticks: list[Label]
    pieces_json: str


def draw(histogram: Histogram, now_ns: int) -> Drawing:
    """Return the drawing of a histogram with at least one bucket."""
    buckets = histogram.buckets
    start, end = buckets[0].at_ns, buckets[-1].at_ns + histogram.width_ns
    scale = Scale(start, end, right=100.0)
    slot = 100 / len(buckets)
    bars = [
        Bar(
            round(scale.at(bucket.at_ns) + slot * 0.08, 3),
            rfc3339(bucket.at_ns),
            rfc3339(bucket.at_ns + histogram.width_ns),
            _parts(bucket, max(histogram.peak, 1)),
        )
        for bucket in buckets
    ]
    labels: list[Label] = []
    for tick in ticks(scale, now_ns=now_ns, shows_now=False):
        is_needed = all(tick.x - label.x > _NARROW_DISTANCE for label in labels if label.is_needed)
        labels.append(_label(tick, is_needed))
    pieces = json.dumps([[start // 1_000_000, end // 1_000_000, 0, 100]])
    return Drawing(round(slot * 0.84, 3), bars, labels, pieces)


def _label(tick: Tick, is_needed: bool) -> Label:
    anchor = "start" if tick.x < 3 else "end" if tick.x > 97 else "middle"
    return Label(tick.x, anchor, tick.at_ns, tick.form, tick.text, is_needed)


def _parts(bucket: Bucket, peak: int) -> list[Part]:
    parts, y = [], float(HEIGHT)
    for status in _STACKED:
        count = bucket.by_status.get(status, 0)
        if count:
            height = max(round(count / peak * HEIGHT, 2), _LEAST_PX)
            y = round(max(y - height, 0), 2)
            parts.append(Part(status, y, height))
    return parts
