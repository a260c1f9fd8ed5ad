"""Throughput as a function of what a commit costs: group commit should make it nearly indifferent."""

from __future__ import annotations

import copy
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.measurements import ClientMeasurement, Taken, Watch, unwatched
from benchmarks.variants.base import Variant, python_module
from benchmarks.variants.durakit_dev import OnDurakitScheduler

ORCHESTRATIONS = 500
STARTERS = 64
"""Threads of the client: each waits until its start is on disk, so few of them would be what is slow."""


class SlowDisk(ClientMeasurement):
    """Orchestrations of five steps while every commit takes `size` milliseconds longer."""

    def __init__(self, delay_ms: int) -> None:
        super().__init__(
            "slow-disk",
            delay_ms,
            (Figure("rate", "orchestrations/s", higher_is_better=True, digits=0),),
            item="orchestration",
            items=ORCHESTRATIONS,
            request={
                "workload": "throughput",
                "size": ORCHESTRATIONS,
                "threads": STARTERS,
                "timeout": 120 + 5 * delay_ms,
            },
            variants=frozenset(("durakit", "durakit-standard")),
            every_round=frozenset(),
        )
        self._delay_ms = delay_ms

    def take(self, variant: Variant, place: Path, watch: Watch = unwatched) -> Taken:
        """As every workload of the client, on a scheduler with slow commits."""
        return super().take(on_slow_disk(variant, self._delay_ms), place, watch)


def on_slow_disk(variant: Variant, delay_ms: int) -> OnDurakitScheduler:
    """The variant with a scheduler whose commits take longer."""
    if not isinstance(variant, OnDurakitScheduler):
        raise TypeError(f"{variant.key} has no scheduler whose commits could be slowed down")
    slowed = copy.copy(variant)
    slowed.program = tuple(python_module("benchmarks.actors.slow_scheduler", str(delay_ms)))
    return slowed
