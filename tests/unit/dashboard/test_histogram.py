from __future__ import annotations

from durakit.dashboard import histogram
from durakit.dashboard.lists import Bucket, Histogram
from durakit.dashboard.words import MINUTE

from .scenes import ns


def drawn(*counts: dict[str, int]) -> histogram.Drawing:
    buckets = [Bucket(ns(0) + at * MINUTE, by_status) for at, by_status in enumerate(counts)]
    return histogram.draw(Histogram(MINUTE, buckets), ns(600))


def test_the_highest_bar_reaches_the_top_and_stands_on_the_axis() -> None:
    low, high = drawn({"completed": 5}, {"completed": 7, "failed": 3}).bars

    assert sum(part.height for part in high.parts) == histogram.HEIGHT
    assert low.parts[0].y + low.parts[0].height == histogram.HEIGHT


def test_failures_are_on_top_of_what_went_well() -> None:
    (bar,) = drawn({"failed": 1, "completed": 9}).bars

    assert [part.status for part in bar.parts] == ["completed", "failed"]
    assert bar.parts[1].y == 0


def test_one_failure_among_thousands_can_be_seen() -> None:
    (bar,) = drawn({"completed": 10_000, "failed": 1}).bars

    assert bar.parts[1].height >= 1


def test_a_bar_leads_to_its_own_span() -> None:
    first, second = drawn({"running": 1}, {}).bars

    assert (first.start, first.end) == ("2026-11-21T13:47:09Z", "2026-11-21T13:48:09Z")
    assert second.start == first.end
    assert second.parts == []
