"""A cleanup that never ends: delete expired files, wait, begin again as new.

Each iteration is an execution of its own with a history of its own. What the next one has to know is
its input: the plan, and what was done so far.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from durakit.task import ActivityContext, OrchestrationContext, TaskFailedError, when_any

STOP = "stop"
"""The external event that ends the cleanup after the sweep under way; its data say why."""

FAILURES_IN_A_ROW = 3
"""After so many failed sweeps in a row the cleanup gives up: somebody has to look at the folder."""

KEPT_PROBLEMS = 5
"""How many files that could not be deleted are named; a result has to stay small."""

log = logging.getLogger("periodic_cleanup")


class CleanupError(Exception):
    """The cleanup cannot go on; the message is for the person who started it."""


@dataclass(frozen=True)
class Plan:
    """What the client asks for; it stays the same in all iterations."""

    folder: str
    """Absolute, because the worker may run in another folder."""
    max_age_seconds: float
    interval_seconds: float = 15
    iterations: int | None = 5
    """None: until somebody raises the event `stop`."""


@dataclass(frozen=True)
class Totals:
    """What all iterations together have done."""

    iterations: int = 0
    files: int = 0
    bytes: int = 0
    failures_in_a_row: int = 0


@dataclass(frozen=True)
class Sweep:
    """One look at the folder."""

    folder: str
    expired_before: datetime
    """UTC; files last written before are deleted."""


@dataclass(frozen=True)
class Swept:
    """What a sweep did."""

    files: int = 0
    bytes: int = 0
    kept: int = 0
    """Files that are still young."""
    problems: list[str] = field(default_factory=list)
    """Why expired files are still there, the first few."""


@dataclass(frozen=True)
class Iteration:
    """The input of an execution: the plan, and the counter and sums carried over from those before."""

    plan: Plan
    totals: Totals = field(default_factory=Totals)


@dataclass(frozen=True)
class Progress:
    """The custom status: the last sweep in words, and the sums so far. It is replaced, so it stays small."""

    iteration: int
    sentence: str
    totals: Totals


@dataclass(frozen=True)
class Report:
    """The result, once the cleanup ends."""

    totals: Totals
    reason: str


async def periodic_cleanup(ctx: OrchestrationContext, run: Iteration) -> Report | None:
    """Sweep once and wait; then end, or begin the next iteration with an empty history."""
    plan = run.plan
    swept, sentence = await sweep_once(ctx, plan)
    totals = add(run.totals, swept)
    ctx.set_custom_status(Progress(totals.iterations, sentence, totals))
    # Silent on replay, so each iteration is logged once, however often this code runs.
    ctx.create_replay_safe_logger(log).info("iteration %d: %s", totals.iterations, sentence)

    if swept is None and totals.iterations == 1:
        raise CleanupError(sentence)  # never worked: most likely a slip in the plan
    if totals.failures_in_a_row == FAILURES_IN_A_ROW:
        raise CleanupError(f"gave up after {FAILURES_IN_A_ROW} failed sweeps in a row: {sentence}")
    if totals.iterations == plan.iterations:
        return Report(totals, f"all {plan.iterations} iterations are done")

    stop = ctx.wait_for_external_event(STOP, data_type=str)
    timer = ctx.create_timer(timedelta(seconds=plan.interval_seconds))
    if await when_any([stop, timer]) is stop:
        timer.cancel()
        return Report(totals, stop.get_result() or "stopped")

    # A stop that arrives just now was not looked at by this execution; with save_events the next one gets it.
    ctx.continue_as_new(Iteration(plan, totals), save_events=True)
    return None


async def sweep_once(ctx: OrchestrationContext, plan: Plan) -> tuple[Swept | None, str]:
    """Return what a sweep did, None if it failed, and the same in words."""
    expired_before = ctx.current_utc_datetime - timedelta(seconds=plan.max_age_seconds)
    try:
        swept = await ctx.call_activity(cleanup_delete_expired, input=Sweep(plan.folder, expired_before))
    except TaskFailedError as failure:
        # One bad moment of a disk is no reason to end what is meant to run for years.
        return None, failure.details.message
    sentence = f"deleted {count(swept.files, 'file')} ({swept.bytes:,} bytes), kept {swept.kept}"
    return swept, "; ".join([sentence, *swept.problems])


def add(totals: Totals, swept: Swept | None) -> Totals:
    """Return the totals after one more sweep; None is one that failed."""
    if swept is None:
        return replace(
            totals, iterations=totals.iterations + 1, failures_in_a_row=totals.failures_in_a_row + 1
        )
    return Totals(totals.iterations + 1, totals.files + swept.files, totals.bytes + swept.bytes)


def count(number: int, noun: str) -> str:
    """Return `1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def cleanup_delete_expired(_: ActivityContext, sweep: Sweep) -> Swept:
    """Delete the regular files of the folder, not of its subfolders, that were last written before a time.

    It may run twice for one sweep, when a worker dies after the work and before the answer. The second run
    finds fewer files, and those the first one deleted are missing in the sums; nothing worse happens.
    """
    folder = Path(sweep.folder)
    try:
        entries = sorted(folder.iterdir())
    except FileNotFoundError:
        raise CleanupError(f"{folder} does not exist on the worker's machine") from None
    except OSError as error:
        raise CleanupError(f"{folder} cannot be read: {error.strerror}") from None
    # A time in a payload has no zone of its own; those of an orchestration are UTC.
    limit = sweep.expired_before.replace(tzinfo=timezone.utc).timestamp()
    files, size, kept = 0, 0, 0
    problems: list[str] = []
    for path in entries:
        try:
            facts = path.lstat()
            if not stat.S_ISREG(facts.st_mode):  # subfolders and links are none of our business
                continue
            if facts.st_mtime >= limit:
                kept += 1
                continue
            path.unlink()
        except FileNotFoundError:
            continue  # somebody else was faster
        except OSError as error:
            problems.append(f"{path.name} is still there: {error.strerror}")
        else:
            files, size = files + 1, size + facts.st_size
    return Swept(files, size, kept, problems[:KEPT_PROBLEMS])


ACTIVITIES: list[Callable[..., object]] = [cleanup_delete_expired]
