from __future__ import annotations

from itertools import pairwise

from durakit.dashboard.scale import RIGHT, Scale, idle_spans, merge, ticks
from durakit.dashboard.words import DAY, MINUTE, SECOND

from .scenes import ns


def test_time_is_drawn_to_scale_from_the_left_edge_to_the_room_for_labels() -> None:
    scale = Scale(ns(0), ns(10))

    assert [scale.at(ns(0)), scale.at(ns(5)), scale.at(ns(10))] == [0, RIGHT / 2, RIGHT]


def test_moments_outside_are_at_the_nearer_end() -> None:
    scale = Scale(ns(0), ns(10))

    assert (scale.at(ns(-5)), scale.at(ns(99))) == (0, RIGHT)


def test_a_left_out_span_takes_four_percent_whatever_its_length() -> None:
    scale = Scale(ns(0), ns(0) + 3 * DAY, [(ns(2), ns(0) + 3 * DAY - SECOND)])

    (gap,) = scale.gaps
    assert gap.width == 4.0
    assert gap.x == 54.0  # two of three shown seconds in 81 %
    assert scale.at(ns(0) + 3 * DAY) == RIGHT


def test_only_the_three_longest_idle_spans_are_left_out() -> None:
    busy = [(ns(at), ns(at + 1)) for at in (0, 100, 300, 400, 700)]

    spans = idle_spans(ns(0), ns(701), busy, [])

    assert len(spans) == 3
    assert all(b - a > 80 * SECOND for a, b in spans)


def test_a_moment_that_must_be_seen_divides_an_idle_span() -> None:
    spans = idle_spans(ns(0), ns(1000), [(ns(0), ns(10))], [ns(500)])

    assert all(not a <= ns(500) <= b for a, b in spans)
    assert len(spans) == 2


def test_short_pauses_stay() -> None:
    assert idle_spans(ns(0), ns(21), [(ns(0), ns(10)), (ns(11), ns(21))], []) == []


def test_touching_spans_become_one() -> None:
    assert merge([(5, 7), (1, 3), (3, 4)]) == [(1, 4), (5, 7)]


def test_labels_stand_at_round_times_and_leave_room_for_each_other() -> None:
    made = ticks(Scale(ns(0), ns(4)), now_ns=ns(4), shows_now=True)

    assert [tick.text for tick in made] == ["13:47:09", ":10", ":11", ":12", "13:47:13"]
    assert made[-1].kind == "now"
    assert all(b.x - a.x >= 7.5 for a, b in pairwise(made))


def test_labels_of_another_day_say_the_date() -> None:
    made = ticks(Scale(ns(0), ns(0) + 3 * DAY), now_ns=ns(0) + 3 * DAY, shows_now=False)

    assert made[0].text == "21 Nov 13:47:09"
    assert [tick.text for tick in made[1:]] == ["12:00", "23 Nov", "12:00", "24 Nov", "12:00"]


def test_minutes_are_written_without_seconds() -> None:
    made = ticks(Scale(ns(0), ns(0) + 20 * MINUTE), now_ns=ns(0), shows_now=False)

    assert [tick.text for tick in made][1:] == ["13:50", "13:55", "14:00", "14:05"]


def test_now_leaves_room_for_what_is_due_on_another_day() -> None:
    scale = Scale(ns(0), ns(0) + 2 * DAY, [(ns(8), ns(0) + 2 * DAY - SECOND)])

    made = ticks(scale, now_ns=ns(8), shows_now=True, due_ns=ns(0) + 2 * DAY)

    assert {tick.kind for tick in made} == {"start", "round", "now"}
