"""The bars that issues set, each computed from the records of a run; a later issue adds its own list."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.figures import Record, median_cpu, median_of, values_by_round


@dataclass(frozen=True)
class Goal:
    """A bar: `actual` gives the median over rounds, or None when the run did not include what it needs."""

    text: str
    bar: float
    at_least: bool
    actual: Callable[[Sequence[Record]], float | None]

    def is_met(self, value: float) -> bool:
        """Whether a value reaches the bar."""
        return value >= self.bar if self.at_least else value <= self.bar


def times_better(
    variant: str, measurement: str, figure: str = "rate", *, baseline: str = "peer", lower: bool = False
) -> Callable[[Sequence[Record]], float | None]:
    """Median over rounds of variant by baseline, or of baseline by variant where lower is better."""

    def actual(records: Sequence[Record]) -> float | None:
        ours = values_by_round(records, variant, measurement, figure)
        theirs = values_by_round(records, baseline, measurement, figure)
        both = ours.keys() & theirs.keys()
        ratios = [theirs[n] / ours[n] if lower else ours[n] / theirs[n] for n in both]
        return statistics.median(ratios) if ratios else None

    return actual


def share_of(
    variant: str, measurement: str, figure: str, *, baseline: str = "peer"
) -> Callable[[Sequence[Record]], float | None]:
    """Median over rounds of the variant's figure as a part of the baseline's."""
    return times_better(variant, measurement, figure, baseline=baseline)


def median(variant: str, measurement: str, figure: str) -> Callable[[Sequence[Record]], float | None]:
    """The figure itself, its median over rounds."""
    return lambda records: median_of(records, variant, measurement, figure)


def cost_growth(variant: str, long: str, short: str) -> Callable[[Sequence[Record]], float | None]:
    """Time per step of the long sequence by that of the short one."""

    def actual(records: Sequence[Record]) -> float | None:
        slow = median_of(records, variant, long, "rate")
        fast = median_of(records, variant, short, "rate")
        return None if slow is None or fast is None else fast / slow

    return actual


def cpu(variant: str, measurement: str, role: str) -> Callable[[Sequence[Record]], float | None]:
    """Milliseconds of CPU an item costs one of the three processes."""
    return lambda records: median_cpu(records, variant, measurement).get(role)


STANDARD_PROTOCOL = (
    Goal(
        "standard protocol: sequence(1000), × peer",
        3.5,
        True,
        times_better("durakit-standard", "sequence(1000)"),
    ),
    Goal(
        "standard protocol: cost per step, n = 3000 by n = 100",
        1.25,
        False,
        cost_growth("durakit-standard", "sequence(3000)", "sequence(100)"),
    ),
    Goal(
        "standard protocol: throughput(100), × peer",
        1.5,
        True,
        times_better("durakit-standard", "throughput(100)"),
    ),
    Goal(
        "standard protocol: throughput(1000), × peer",
        1.5,
        True,
        times_better("durakit-standard", "throughput(1000)"),
    ),
    Goal(
        "standard protocol: latency p50, × better than peer",
        1.0,
        True,
        times_better("durakit-standard", "latency", "p50", lower=True),
    ),
    Goal(
        "standard protocol: latency p50 with idle gaps, × better than peer",
        1.0,
        True,
        times_better("durakit-standard", "latency-idle", "p50", lower=True),
    ),
    *(
        Goal(
            f"Microsoft's SDK on our scheduler, {name}, × its own backend",
            0.95,
            True,
            times_better("ms-on-durakit", name),
        )
        for name in (
            "sequence(100)",
            "sequence(1000)",
            "fanout(1000)",
            "fanout(5000)",
            "throughput(100)",
            "throughput(1000)",
        )
    ),
)

LINK = (
    Goal("sequence(1000), × peer", 20, True, times_better("durakit", "sequence(1000)")),
    Goal(
        "cost per step, n = 10,000 by n = 100",
        1.1,
        False,
        cost_growth("durakit", "sequence(10000)", "sequence(100)"),
    ),
    Goal("fanout(5000), × peer", 25, True, times_better("durakit", "fanout(5000)")),
    Goal("throughput(1000), × peer", 20, True, times_better("durakit", "throughput(1000)")),
    Goal("latency p50, of peer's", 0.25, False, share_of("durakit", "latency", "p50")),
    Goal("latency p99, of peer's", 0.4, False, share_of("durakit", "latency", "p99")),
    Goal("event p50, of peer's", 0.5, False, share_of("durakit", "event", "p50")),
    Goal(
        "timer lateness p99, of peer's, 1,000 spread over a second",
        1.0,
        False,
        share_of("durakit", "timers(1000)", "p99"),
    ),
    Goal(
        "timer lateness p99, of peer's, 1,000 at one instant",
        1.0,
        False,
        share_of("durakit", "timers-burst(1000)", "p99"),
    ),
    Goal("CPU a step, scheduler, ms", 0.45, False, cpu("durakit", "sequence(1000)", "scheduler")),
    Goal("CPU a step, worker, ms", 0.25, False, cpu("durakit", "sequence(1000)", "worker")),
    Goal("idle: scheduler CPU, % of a core", 0.3, False, median("durakit", "idle", "scheduler CPU")),
    Goal("idle: worker CPU, % of a core", 0.3, False, median("durakit", "idle", "worker CPU")),
    Goal("idle: scheduler memory, MiB", 60, False, median("durakit", "idle", "scheduler memory")),
    Goal("idle: worker memory, MiB", 45, False, median("durakit", "idle", "worker memory")),
    Goal("cold start: `durakit dev` ready, ms", 400, False, median("durakit", "cold", "scheduler ready")),
    Goal(
        "cold start: worker to first result, ms",
        250,
        False,
        median("durakit", "cold", "worker to first result"),
    ),
)
"""Bars for durakit as shipped, with the link."""

EMBEDDED = (Goal("embedded: sequence(1000), × peer", 35, True, times_better("embedded", "sequence(1000)")),)
"""The bar for scheduler, worker and client in one process."""

EVERY = (*STANDARD_PROTOCOL, *LINK, *EMBEDDED)
