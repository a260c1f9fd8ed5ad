from __future__ import annotations

from durakit.runtime.pace import DOUBTFUL_SECONDS, MOST, QUICK_SECONDS, TRUSTED, Pace

QUICK = QUICK_SECONDS / 2
INTERRUPTED = DOUBTFUL_SECONDS / 2
SLOW = DOUBTFUL_SECONDS * 2


def paced(*seconds: float) -> Pace:
    pace = Pace()
    for each in seconds:
        pace.took("a", each)
    return pace


def test_an_activity_is_quick_once_it_has_been_quick_for_a_while() -> None:
    assert not paced().is_quick("a")
    assert not paced(*[QUICK] * (TRUSTED - 1)).is_quick("a")
    assert paced(*[QUICK] * TRUSTED).is_quick("a")


def test_names_are_told_apart() -> None:
    assert not paced(*[QUICK] * TRUSTED).is_quick("b")


def test_one_slow_run_is_enough_to_begin_anew() -> None:
    pace = paced(*[QUICK] * MOST, SLOW)

    assert not pace.is_quick("a")
    for _ in range(TRUSTED):
        pace.took("a", QUICK)
    assert pace.is_quick("a")


def test_a_run_that_was_interrupted_now_and_then_does_not_matter() -> None:
    assert paced(*[QUICK] * MOST, INTERRUPTED).is_quick("a")


def test_what_always_takes_a_little_longer_is_not_quick() -> None:
    assert not paced(*[INTERRUPTED, QUICK, QUICK] * MOST).is_quick("a")


def test_while_one_runs_where_it_was_brought_its_name_does_not_count_as_quick() -> None:
    pace = paced(*[QUICK] * TRUSTED)

    with pace.here("a"):
        assert not pace.is_quick("a")
    assert pace.is_quick("a")
