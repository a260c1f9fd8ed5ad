"""Which measurements there are, in full and quick form, and how the command line selects among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.actors.driver import STEPS_PER_ORCHESTRATION
from benchmarks.figures import Figure
from benchmarks.large import Large
from benchmarks.measurements import ClientMeasurement, ColdStart, Eternal, Hoard, Idle, Measurement
from benchmarks.slow_disk import SlowDisk

MEGABYTE = 1_000_000
LATENCY = (
    Figure("p50", "ms", higher_is_better=False, digits=2),
    Figure("p99", "ms", higher_is_better=False, digits=2),
)


OURS = frozenset(
    ("durakit", "durakit-standard", "durakit-unary", "durakit-async", "embedded", "embedded-async")
)
"""Variants whose steps cost the same however many there are; the others' grow with their number."""
LONGEST_FOR_ALL = 3000  # steps; the peer takes two minutes for them, and half an hour for 10,000


class UnknownSelection(ValueError):
    """A name on the command line stands for no measurement."""


def sequence(steps: int) -> Measurement:
    """No-op activities one after the other; short ones are repeated to last some seconds with the peer."""
    repeats = max(1, min(20, 500 // steps))
    figure = Figure("rate", "steps/s", higher_is_better=True, digits=0)
    request = one_by_one("sequence", repeats, timeout=30 + 0.08 * steps, size=steps)
    return ClientMeasurement(
        "sequence",
        steps,
        (figure,),
        item="step",
        items=steps * repeats,
        request=request,
        variants=OURS if steps > LONGEST_FOR_ALL else None,
        every_round=OURS if steps > 1000 else None,
    )


def fanout(width: int) -> Measurement:
    """No-op activities all at once."""
    repeats = max(1, min(10, 2000 // width))
    figure = Figure("rate", "activities/s", higher_is_better=True, digits=0)
    request = one_by_one("fanout", repeats, timeout=30 + 0.01 * width, size=width)
    return ClientMeasurement(
        "fanout", width, (figure,), item="activity", items=width * repeats, request=request
    )


def throughput(orchestrations: int) -> Measurement:
    """Orchestrations of five steps, all in flight together."""
    figure = Figure("rate", "orchestrations/s", higher_is_better=True, digits=0)
    request = {"workload": "throughput", "size": orchestrations, "timeout": 30 + 0.1 * orchestrations}
    return ClientMeasurement(
        "throughput",
        orchestrations,
        (figure,),
        item="orchestration",
        items=orchestrations,
        request=request,
    )


def latency(family: str, gap_ms: int, repeats: int) -> Measurement:
    """One orchestration of five steps at a time, start to result."""
    request = one_by_one("sequence", repeats, timeout=60, size=STEPS_PER_ORCHESTRATION, gap_ms=gap_ms)
    return ClientMeasurement(family, None, LATENCY, item="orchestration", items=repeats, request=request)


def event(family: str, gap_ms: int, repeats: int) -> Measurement:
    """From raising an event to the result of the orchestration that waits for it."""
    request = {"workload": "event", "repeats": repeats, "gap_ms": gap_ms, "timeout": 60}
    return ClientMeasurement(family, None, LATENCY, item="event", items=repeats, request=request)


def timers(family: str, count: int, spread_ms: int) -> Measurement:
    """Timers due within one second, evenly, or all at the same instant; they are set well before."""
    delay_ms = 5_000 + 7 * count
    request = {
        "workload": "timers",
        "size": count,
        "delay_ms": delay_ms,
        "spread_ms": spread_ms,
        "timeout": 60 + delay_ms / 1000,
    }
    return ClientMeasurement(family, count, LATENCY, item="timer", items=count, request=request)


def histories(activities: int) -> Measurement:
    """One history with a megabyte in each of its activities' results."""
    figure = Figure("rate", "activities/s", higher_is_better=True, digits=0)
    request = {"workload": "hoard", "size": activities, "bytes": MEGABYTE, "timeout": 30 + 0.3 * activities}
    figures = (figure, *Hoard.PEAKS)
    return Hoard("histories", activities, figures, item="activity", items=activities, request=request)


def payload(size: int, repeats: int) -> Measurement:
    """`size` bytes in, through one activity, and out again."""
    request = one_by_one("echo", repeats, timeout=30, bytes=size)
    return ClientMeasurement("payload", size, LATENCY[:1], item="echo", items=repeats, request=request)


def eternal(rounds: int) -> Measurement:
    """One orchestration that continues as new; a run of 100,000 takes minutes, so only on request."""
    figure = Figure("rate", "executions/s", higher_is_better=True, digits=0)
    request = one_by_one("eternal", 1, timeout=60 + 0.02 * rounds, size=rounds)
    figures = (figure, *Eternal.GROWTH)
    return Eternal("eternal", rounds, figures, item="execution", items=rounds, request=request)


def one_by_one(workflow: str, repeats: int, *, timeout: float, **more: int) -> dict[str, object]:
    """The request that runs a program `repeats` times, each within `timeout` seconds."""
    return {
        "workload": "one_by_one",
        "workflow": workflow,
        "repeats": repeats,
        "timeout": timeout,
        **more,
    }


SIZED: dict[str, Callable[[int], Measurement]] = {
    "sequence": sequence,
    "fanout": fanout,
    "throughput": throughput,
    "eternal": eternal,
    "timers": lambda count: timers("timers", count, spread_ms=1000),
    "timers-burst": lambda count: timers("timers-burst", count, spread_ms=0),
    "histories": histories,
    "large": Large,
    "slow-disk": SlowDisk,
    "payload": lambda size: payload(size, 10),
}


def full_plan() -> list[Measurement]:
    """Everything a report for an issue needs; some ten minutes a round with the slowest variants."""
    return [
        *map(sequence, (10, 100, 1000, 3000, 10_000)),
        *map(fanout, (100, 1000, 5000)),
        *map(throughput, (100, 1000)),
        latency("latency", gap_ms=0, repeats=200),
        latency("latency-idle", gap_ms=20, repeats=200),
        event("event", gap_ms=0, repeats=200),
        event("event-idle", gap_ms=5, repeats=200),
        timers("timers", 1000, spread_ms=1000),
        timers("timers-burst", 1000, spread_ms=0),
        payload(MEGABYTE, repeats=10),
        histories(100),
        *map(SlowDisk, (0, 1, 2, 5, 10, 20)),
        Idle(seconds=10),
        ColdStart(),
    ]


def quick_plan() -> list[Measurement]:
    """One of each kind, small: for a look while working."""
    return [
        *map(sequence, (10, 100)),
        fanout(100),
        throughput(100),
        latency("latency", gap_ms=0, repeats=30),
        event("event", gap_ms=0, repeats=30),
        timers("timers", 20, spread_ms=1000),
        payload(MEGABYTE, repeats=3),
        eternal(500),
        Idle(seconds=2),
        ColdStart(),
    ]


def select(plan: Sequence[Measurement], names: Sequence[str]) -> list[Measurement]:
    """The measurements named, each as `family` or `family:size`, where any size may be given.

    Raises UnknownSelection with the families there are.
    """
    chosen: list[Measurement] = []
    for name in names:
        family, _, size = name.partition(":")
        if size.isdigit() and int(size) > 0 and family in SIZED:
            chosen.append(SIZED[family](int(size)))
            continue
        found = [measurement for measurement in plan if measurement.family == name]
        if not found:
            families = ", ".join(dict.fromkeys(measurement.family for measurement in plan))
            raise UnknownSelection(
                f"There is no workload {name!r}. Choose from {families}; "
                f"{', '.join(SIZED)} also take a size, as in sequence:250."
            )
        chosen.extend(found)
    return chosen
