"""A scheduler whose file holds very many instances: its start, memory and speed, and how they are purged.

The file is written as the scheduler would have left it a month ago, so that the default retention, of 30
days, finds all of them old enough: ten seconds after the start it begins to purge them.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.filling import SECOND, fill
from benchmarks.measurements import MEBIBYTE, Measurement, Taken, Watch, unwatched, warm_up
from benchmarks.variants.base import Variant, WorkloadFailed

FILE = "scheduler.db"
DAY_NS = 86_400 * SECOND
AGE_DAYS = 31
HUGE_EVENTS = 1000
STEPS = 1000
REQUEST = {"workload": "one_by_one", "workflow": "sequence", "repeats": 1, "size": STEPS, "timeout": 120}
PURGE_BEGINS = 60.0  # seconds after which it is given up
PURGE_WATCHED = 10.0  # seconds
LOOK = 0.2  # seconds


class Large(Measurement):
    """`size` instances in one file."""

    family = "large"
    figures = (
        Figure("scheduler ready", "ms", higher_is_better=False, digits=0),
        Figure("scheduler memory", "MiB", higher_is_better=False),
        Figure("rate", "steps/s", higher_is_better=True, digits=0),
        Figure("rate while purging", "steps/s", higher_is_better=True, digits=0),
        Figure("purged", "instances/s", higher_is_better=True, digits=0),
        Figure("scheduler peak", "MiB", higher_is_better=False),
    )
    item = "step"
    variants = frozenset(("durakit",))
    every_round: frozenset[str] = frozenset()

    def __init__(self, size: int) -> None:
        self.size: int = size

    def take(self, variant: Variant, place: Path, watch: Watch = unwatched) -> Taken:
        """A first life tells how long the start takes, a second one the rest."""
        fill(place / FILE, self.size, HUGE_EVENTS, now_ns=time.time_ns() - AGE_DAYS * DAY_NS)
        cold = variant.cold_start(place)
        with variant.deploy(place) as deployment:
            scheduler = deployment.processes["scheduler"]
            memory = scheduler.resident_bytes() / MEBIBYTE
            warm_up(deployment)
            with watch(deployment, f"{self.name} {variant.key}"):
                before = deployment.cpu_seconds()
                seconds = float(deployment.request(REQUEST)["seconds"])
                after = deployment.cpu_seconds()
            wait_for_purge(place / FILE)
            beside = float(deployment.request(REQUEST)["seconds"])
            purged = purge_rate(place / FILE)
            values = {
                "scheduler ready": cold["scheduler ready"],
                "scheduler memory": memory,
                "rate": STEPS / seconds,
                "rate while purging": STEPS / beside,
                "purged": purged,
                "scheduler peak": scheduler.peak_resident_bytes() / MEBIBYTE,
            }
        return Taken(values, {role: (after[role] - before[role]) * 1000 / STEPS for role in before})


def old_instances(file: Path) -> int:
    """How many of the instances that the file was filled with have not been purged."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        edge = time.time_ns() - DAY_NS
        statement = "SELECT count(*) FROM instance WHERE hub = 1 AND completed_ns < ?"
        count: int = connection.execute(statement, (edge,)).fetchone()[0]
        return count


def wait_for_purge(file: Path) -> None:
    """Returns when old instances become fewer; raises WorkloadFailed if they do not."""
    whole, deadline = old_instances(file), time.monotonic() + PURGE_BEGINS
    while old_instances(file) >= whole:
        if time.monotonic() > deadline:
            raise WorkloadFailed(f"none of {whole} old instances was purged within {PURGE_BEGINS:.0f} s")
        time.sleep(LOOK)


def purge_rate(file: Path) -> float:
    """Instances purged a second, from now on."""
    began, whole = time.monotonic(), old_instances(file)
    time.sleep(PURGE_WATCHED)
    left = old_instances(file)
    return (whole - left) / (time.monotonic() - began)
