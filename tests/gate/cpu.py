"""What a step and an orchestration cost in CPU time, put into the terms of one known machine.

The clock is each process's own CPU clock, so waiting, for the disk or for another program, costs nothing. A
slower machine, and one that is slower for a while because others use it, are allowed for by a loop of pure
Python that this process runs before and after each round: figures are given as if that loop had taken
`REFERENCE_MS`. The cheapest of many short rounds counts, because what else happens on a busy machine only
adds; and more rounds are taken as long as a cost is over its budget.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measurements import warm_up
from benchmarks.variants.base import Deployment, Variant

REFERENCE_MS = 8.0
"""What the loop takes on the machine on which the budgets were set (AMD EPYC, CPython 3.11), quiet."""
FEWEST_ROUNDS, MOST_ROUNDS = 3, 40
LOOPS = 6
STEPS = 150
ORCHESTRATIONS = 100

Request = dict[str, Any]
SEQUENCE: Request = {
    "workload": "one_by_one",
    "workflow": "sequence",
    "repeats": 1,
    "size": STEPS,
    "timeout": 60,
}
THROUGHPUT: Request = {"workload": "throughput", "size": ORCHESTRATIONS, "timeout": 60}


@dataclass(frozen=True)
class Cost:
    """Milliseconds of CPU time of the reference machine."""

    scheduler_ms: float
    worker_ms: float


@dataclass(frozen=True)
class Costs:
    """What was found of one variant."""

    step: Cost
    orchestration: Cost

    def over(self, budget: Costs) -> list[str]:
        """Return a line for each cost that is over its budget."""
        return [
            f"{item}, {role}: {spent:.3f} ms of CPU time, budget {limit:.3f} ms"
            for item, cost, most in (
                ("step", self.step, budget.step),
                ("orchestration", self.orchestration, budget.orchestration),
            )
            for role, spent, limit in (
                ("scheduler", cost.scheduler_ms, most.scheduler_ms),
                ("worker", cost.worker_ms, most.worker_ms),
            )
            if spent > limit
        ]


class Loop:
    """The calibration: work of the kind that the programs do, on numbers, text, dicts and calls."""

    def run(self) -> int:
        """Return a number that depends on all of it."""
        seen: dict[str, int] = {}
        total = 0
        for number in range(30_000):
            key = f"{number % 997}:{number & 7}"
            seen[key] = self._next(seen.get(key, number))
            total += len(key)
        return total + sum(seen.values())

    def _next(self, value: int) -> int:
        return (value * 31 + 7) % 1_000_003


def calibrate() -> float:
    """Return the milliseconds of CPU time that the loop takes now, averaged over some fifty."""
    before = time.thread_time()
    for _ in range(LOOPS):
        Loop().run()
    return (time.thread_time() - before) * 1000 / LOOPS


def cheapest(variant: Variant, place: Path, budget: Costs) -> Costs:
    """Return what a variant's steps and orchestrations cost; results are checked on the way.

    Args:
        place: an empty folder for the scheduler's file and the logs.
        budget: once all costs are within it no more rounds are taken.
    """
    steps: list[Cost] = []
    orchestrations: list[Cost] = []
    with variant.deploy(place) as deployment:
        warm_up(deployment)
        for number in range(1, MOST_ROUNDS + 1):
            steps.append(one_round(deployment, SEQUENCE, STEPS))
            orchestrations.append(one_round(deployment, THROUGHPUT, ORCHESTRATIONS))
            found = Costs(lowest(steps), lowest(orchestrations))
            if number >= FEWEST_ROUNDS and not found.over(budget):
                break
    return found


def one_round(deployment: Deployment, request: Request, items: int) -> Cost:
    """Return what each item of a request costs, in the reference machine's terms."""
    loop = calibrate()
    before = deployment.cpu_seconds()
    deployment.request(request)
    after = deployment.cpu_seconds()
    loop = (loop + calibrate()) / 2
    scheduler, worker = ((after[role] - before[role]) * 1000 / items for role in ("scheduler", "worker"))
    return Cost(scheduler * REFERENCE_MS / loop, worker * REFERENCE_MS / loop)


def lowest(rounds: list[Cost]) -> Cost:
    """Return the least that each process came to."""
    return Cost(min(each.scheduler_ms for each in rounds), min(each.worker_ms for each in rounds))
