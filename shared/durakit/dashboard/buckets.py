"""Buckets of a round width for the histogram."""

from __future__ import annotations

from collections.abc import Mapping

from durakit.dashboard import words
from durakit.dashboard.lists import Bucket, Histogram

_WIDTHS = [
    *(seconds * words.SECOND for seconds in (1, 2, 5, 10, 15, 30)),
    *(minutes * words.MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * words.HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * words.DAY for days in (1, 2, 7, 14, 30, 90, 365)),
]


def width_for(from_ns: int, to_ns: int, buckets: int) -> int:
    """Return the least round width with which so many buckets reach over a range."""
    return next((width for width in _WIDTHS if width * buckets >= to_ns - from_ns), _WIDTHS[-1])


def histogram(
    counted: Mapping[int, dict[str, int]], width: int, from_ns: int, to_ns: int, most: int, is_complete: bool
) -> Histogram:
    """Return a histogram with all buckets of a range; of very many only the newest `2 * most`.

    Args:
        counted: instances by status, by number of the bucket (start divided by width).
    """
    start = from_ns - from_ns % width
    count = max(0, (to_ns - start) // width + 1)
    if count > 2 * most:
        # An instance from long ago: the newest part says more.
        start, count, is_complete = start + (count - 2 * most) * width, 2 * most, False
    made = [Bucket(at, counted.get(at // width, {})) for at in range(start, start + count * width, width)]
    return Histogram(width, made, is_complete)
