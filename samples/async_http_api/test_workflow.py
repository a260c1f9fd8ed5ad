"""The prime search on a task hub inside this process: no scheduler, no worker process, no waiting."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from durakit.client import OrchestrationState, OrchestrationStatus
from durakit.task import ActivityContext
from durakit.testing import InProcessTaskHub

import sieve
import workflow
from workflow import (
    ACTIVITIES,
    LARGEST,
    LONGEST,
    Primes,
    Progress,
    Range,
    cut,
    join,
    prime_search,
    prime_sieve_slice,
    range_problem,
)

SMALL_PRIMES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[InProcessTaskHub]:
    """A hub that knows the search, with slices of 100 numbers."""
    monkeypatch.setattr(workflow, "SLICE", 100)
    with InProcessTaskHub(orchestrators=[prime_search], activities=ACTIVITIES) as hub:
        yield hub


def search(hub: InProcessTaskHub, first: int, last: int) -> OrchestrationState:
    instance_id = hub.client.schedule_new_orchestration(prime_search, input=Range(first, last))
    state = hub.client.wait_for_orchestration_completion(instance_id)
    assert state is not None
    return state


def test_a_search_finds_what_the_literature_has(hub: InProcessTaskHub) -> None:
    state = search(hub, 1, 10_000)

    # 36 follows 9551: the 13th maximal gap.
    assert state.get_output(Primes) == Primes(1229, 2, 9973, 36, 9551)
    assert state.get_custom_status(Progress) == Progress(100, 100, 1229)


def test_slicing_changes_nothing(hub: InProcessTaskHub, monkeypatch: pytest.MonkeyPatch) -> None:
    sliced = search(hub, 113, 1327).get_output(Primes)
    monkeypatch.setattr(workflow, "SLICE", 10**6)

    assert sliced == search(hub, 113, 1327).get_output(Primes) == Primes(188, 113, 1327, 22, 1129)


def test_a_range_without_primes_has_none(hub: InProcessTaskHub) -> None:
    assert search(hub, 114, 126).get_output(Primes) == Primes()


def test_the_custom_status_tells_how_far_it_is(hub: InProcessTaskHub) -> None:
    seen: list[Progress] = []

    def watch(ctx: ActivityContext, part: Range) -> Primes:
        state = hub.client.get_orchestration_state(ctx.orchestration_id)
        progress = state.get_custom_status(Progress) if state else None
        if progress is not None and progress not in seen:
            seen.append(progress)
        return prime_sieve_slice(ctx, part)

    hub.replace_activity(prime_sieve_slice, watch)
    search(hub, 0, 999)

    assert seen == [Progress(0, 10, 0), Progress(4, 10, 78), Progress(8, 10, 139)]


def test_a_terminated_search_does_no_more_slices(hub: InProcessTaskHub) -> None:
    def end_it(ctx: ActivityContext, part: Range) -> Primes:
        hub.client.terminate_orchestration(ctx.orchestration_id)
        return prime_sieve_slice(ctx, part)

    hub.replace_activity(prime_sieve_slice, end_it)
    state = search(hub, 0, 9_999)

    assert state.runtime_status is OrchestrationStatus.TERMINATED
    assert len(hub.calls_of("prime_sieve_slice")) <= workflow.AT_ONCE


def test_a_worker_that_dies_costs_no_slice(hub: InProcessTaskHub) -> None:
    hub.faults.crash_worker(after="prime_sieve_slice", call=3)

    assert search(hub, 1, 10_000).get_output(Primes) == Primes(1229, 2, 9973, 36, 9551)


def test_a_range_that_is_none_fails_the_search_with_the_reason(hub: InProcessTaskHub) -> None:
    state = search(hub, 5, 4)

    assert state.failure_details is not None
    assert state.failure_details.message == "5 to 4 is not a range; 0 <= first <= last is needed"


@pytest.mark.parametrize(
    ("first", "last", "problem"),
    [
        (-1, 5, "-1 to 5 is not a range; 0 <= first <= last is needed"),
        (LARGEST, LARGEST + 1, "last is 1,000,000,000,001; searches end at 1,000,000,000,000"),
        (0, LONGEST, "0 to 1,000,000,000 is too long; one search may have 1,000,000,000 numbers"),
        (1, LONGEST, None),
        (LARGEST, LARGEST, None),
    ],
)
def test_the_limits_of_a_search(first: int, last: int, problem: str | None) -> None:
    assert range_problem(Range(first, last)) == problem


def test_slices_cover_the_range_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "SLICE", 4)

    assert list(cut(Range(3, 12))) == [Range(3, 6), Range(7, 10), Range(11, 12)]
    assert list(cut(Range(7, 7))) == [Range(7, 7)]


def test_the_gap_between_two_slices_counts() -> None:
    assert join(Primes(1, 113, 113), Primes(1, 127, 127)) == Primes(2, 113, 127, 14, 113)
    assert join(Primes(), Primes(1, 2, 2)) == join(Primes(1, 2, 2), Primes()) == Primes(1, 2, 2)


def test_the_sieve_agrees_with_a_table() -> None:
    for first, last in combinations(range(50), 2):
        assert sieve.primes(first, last) == [prime for prime in SMALL_PRIMES if first <= prime <= last]


def test_the_sieve_works_far_out() -> None:
    # The largest prime below 10**12, and the first above 10**11.
    assert sieve.primes(10**12 - 11, 10**12) == [999_999_999_989]
    assert sieve.primes(10**11, 10**11 + 3) == [100_000_000_003]
