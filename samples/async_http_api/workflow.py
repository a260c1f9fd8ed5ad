"""A job that takes long: find the primes of a range, slice by slice, and say how far it is.

The range is cut into slices of a million numbers; a few are sieved at a time, and after each wave the custom
status tells what is done. A slice's result is five numbers, so the history stays small whatever was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import sub

from durakit.task import ActivityContext, OrchestrationContext, when_all

import sieve

SLICE = 1_000_000
"""Numbers in a slice: some hundredths of a second of work, and the most that a crash repeats."""

AT_ONCE = 4
"""Slices of one search under way at the same time; other searches shall get their turn, too."""

LARGEST = 10**12
"""Where searches end: the sieve needs the primes up to its square root."""

LONGEST = 10**9
"""Numbers in one search: a thousand slices, each of them three events of history."""


@dataclass(frozen=True)
class Range:
    """The numbers from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True)
class Primes:
    """What is known of the primes in a range."""

    count: int = 0
    smallest: int | None = None
    largest: int | None = None
    longest_gap: int = 0
    longest_gap_after: int | None = None


@dataclass(frozen=True)
class Progress:
    """The custom status."""

    slices_done: int
    slices: int
    primes: int


class PrimeSearchError(Exception):
    """The search cannot be made; the message is for the person who asked for it."""


async def prime_search(ctx: OrchestrationContext, search: Range) -> Primes:
    """Find the primes of the range."""
    if problem := range_problem(search):
        raise PrimeSearchError(problem)
    found = Primes()
    slices = list(cut(search))
    for done in range(0, len(slices), AT_ONCE):
        ctx.set_custom_status(Progress(done, len(slices), found.count))
        wave = [ctx.call_activity(prime_sieve_slice, input=part) for part in slices[done : done + AT_ONCE]]
        for primes in await when_all(wave):  # in the order of the slices, whichever came first
            found = join(found, primes)
    ctx.set_custom_status(Progress(len(slices), len(slices), found.count))
    return found


def prime_sieve_slice(_: ActivityContext, part: Range) -> Primes:
    """Sieve one slice; for the same slice always the same answer, so it may well run twice."""
    primes = sieve.primes(part.first, part.last)
    if not primes:
        return Primes()
    gaps = list(map(sub, primes[1:], primes))
    longest = max(gaps, default=0)
    after = primes[gaps.index(longest)] if gaps else None
    return Primes(len(primes), primes[0], primes[-1], longest, after)


ACTIVITIES: list[Callable[..., object]] = [prime_sieve_slice]


def range_problem(search: Range) -> str | None:
    """Return why no search can be made in this range, or None."""
    if not 0 <= search.first <= search.last:
        return f"{search.first} to {search.last} is not a range; 0 <= first <= last is needed"
    if search.last > LARGEST:
        return f"last is {search.last:,}; searches end at {LARGEST:,}"
    if search.last - search.first >= LONGEST:
        return f"{search.first:,} to {search.last:,} is too long; one search may have {LONGEST:,} numbers"
    return None


def cut(search: Range) -> Iterator[Range]:
    """Part a range into slices."""
    for first in range(search.first, search.last + 1, SLICE):
        yield Range(first, min(first + SLICE - 1, search.last))


def join(left: Primes, right: Primes) -> Primes:
    """Return what is known of two neighbouring ranges together, the gap between them included."""
    if left.largest is None or right.smallest is None:
        return right if left.largest is None else left
    gaps = [
        (left.longest_gap, left.longest_gap_after),
        (right.smallest - left.largest, left.largest),
        (right.longest_gap, right.longest_gap_after),
    ]
    longest, after = max(gaps, key=lambda gap: gap[0])  # the first of equals, as the literature counts
    return Primes(left.count + right.count, left.smallest, right.largest, longest, after)
