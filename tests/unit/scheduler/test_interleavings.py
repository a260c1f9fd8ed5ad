"""The scheduler under random interleavings, and schedulers with a fault that these must notice.

The seed is printed; DURAKIT_SEED repeats a run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from durakit.scheduler import eager
from durakit.scheduler.machine.instance import Instance, Status

from .interleavings import SEED, STEPS, Interleavings, InterleavingsAhead, interleave
from .rig import SECOND

MUTANT_STEPS, MUTANT_SEEDS = 20_000, range(1, 5)
"""Within so many steps with one of these seeds, which pass without a fault, every mutant must be noticed."""


def life() -> None:
    for seed in MUTANT_SEEDS:
        interleave(InterleavingsAhead, MUTANT_STEPS, seed)


@pytest.mark.parametrize("machine", [Interleavings, InterleavingsAhead])
def test_every_interleaving_looks_like_the_model(machine: type[Interleavings]) -> None:
    print(f"DURAKIT_SEED={SEED}")  # noqa: T201 - repeats a failing run

    interleave(machine, STEPS)


# --- mutants: schedulers that take turns which are not the next ones


def unfaithful(
    patch: pytest.MonkeyPatch,
    change: Callable[[Instance, eager.Claim], tuple[Instance, eager.Claim, bool]],
) -> None:
    """Have turns judged by another claim, or another state of the instance, than the true one."""
    objection = eager.objection

    def lenient(
        instance: Instance, claim: eager.Claim, stream: object, results: Sequence[Any], now: int
    ) -> str | None:
        seen, claimed, any_stream = change(instance, claim)
        return objection(seen, claimed, seen.session if any_stream else stream, results, now)

    patch.setattr(eager, "objection", lenient)


def skips_the_event_count(patch: pytest.MonkeyPatch) -> None:
    unfaithful(patch, lambda one, claim: (one, replace(claim, committed_events=one.events), False))


def skips_the_execution(patch: pytest.MonkeyPatch) -> None:
    unfaithful(patch, lambda one, claim: (one, replace(claim, execution_id=one.execution_id), False))


def skips_the_session(patch: pytest.MonkeyPatch) -> None:
    unfaithful(patch, lambda one, claim: (one, replace(claim, session=one.session_token), False))


def skips_the_link(patch: pytest.MonkeyPatch) -> None:
    unfaithful(patch, lambda one, claim: (one, claim, True))


def skips_the_suspension(patch: pytest.MonkeyPatch) -> None:
    def running(one: Instance, claim: eager.Claim) -> tuple[Instance, eager.Claim, bool]:
        seen = copy.copy(one)
        if one.is_suspended:
            seen.status = Status.RUNNING
        return seen, claim, False

    unfaithful(patch, running)


def skips_the_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(eager, "CLOCK_TOLERANCE_NS", 100 * SECOND)


def applies_the_turn_without_its_results(patch: pytest.MonkeyPatch) -> None:
    turn_for = eager.turn_for

    def without(instance: Instance, claim: eager.Claim, results: list[Any]) -> Any:
        turn = turn_for(instance, claim, results)
        del turn.new_events[1:]
        return turn

    patch.setattr(eager, "turn_for", without)


def leaves_the_results_in_the_inbox(patch: pytest.MonkeyPatch) -> None:
    turn_for = eager.turn_for

    def leaving(instance: Instance, claim: eager.Claim, results: list[Any]) -> Any:
        turn = turn_for(instance, claim, results)
        turn.arrivals.clear()
        return turn

    patch.setattr(eager, "turn_for", leaving)


@pytest.mark.parametrize(
    "mutant",
    [
        skips_the_event_count,
        skips_the_execution,
        skips_the_session,
        skips_the_link,
        skips_the_suspension,
        skips_the_clock,
    ],
)
def test_a_scheduler_that_takes_a_stale_turn_is_noticed(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)

    with pytest.raises(AssertionError, match="a turn counted that was not the next one"):
        life()


@pytest.mark.parametrize("mutant", [applies_the_turn_without_its_results, leaves_the_results_in_the_inbox])
def test_a_scheduler_that_loses_or_repeats_results_is_noticed(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)

    with pytest.raises(AssertionError):
        life()
