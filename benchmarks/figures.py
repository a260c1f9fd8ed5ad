"""Pure arithmetic on what was measured: medians, percentiles, ratios with their spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One number a measurement yields; `digits` after the point in reports."""

    name: str
    unit: str
    higher_is_better: bool
    digits: int = 1


@dataclass(frozen=True)
class Record:
    """One measurement of one variant in one round; `status` is ok, timeout, failed or missing."""

    round: int
    variant: str
    measurement: str
    status: str
    values: Mapping[str, float] = field(default_factory=dict)
    cpu_ms_per_item: Mapping[str, float] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """The record that was written with `dataclasses.asdict`."""
        return cls(**data)


@dataclass(frozen=True)
class Ratio:
    """How many times better than the baseline: median over rounds, and the extremes."""

    median: float
    lowest: float
    highest: float


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` (0 to 1) of all samples do not exceed."""
    if not samples:
        raise ValueError("a percentile needs at least one sample")
    rank = max(1, math.ceil(share * len(samples)))
    return sorted(samples)[rank - 1]


def median_of(records: Sequence[Record], variant: str, measurement: str, figure: str) -> float | None:
    """The median over the rounds that succeeded, or None."""
    values = list(values_by_round(records, variant, measurement, figure).values())
    return statistics.median(values) if values else None


def values_by_round(
    records: Sequence[Record], variant: str, measurement: str, figure: str
) -> dict[int, float]:
    """The figure in each round that succeeded."""
    return {
        record.round: record.values[figure]
        for record in records
        if record.variant == variant and record.measurement == measurement and figure in record.values
    }


def ratio_to(
    records: Sequence[Record], variant: str, baseline: str, measurement: str, figure: Figure
) -> Ratio | None:
    """How many times better `variant` is than `baseline`, compared within each round, or None.

    Runs of one round are neighbours in time, so a machine that is slow for a while slows both.
    """
    ours = values_by_round(records, variant, measurement, figure.name)
    theirs = values_by_round(records, baseline, measurement, figure.name)
    ratios = []
    for number in ours.keys() & theirs.keys():
        better, worse = (
            (ours[number], theirs[number]) if figure.higher_is_better else (theirs[number], ours[number])
        )
        if worse > 0:
            ratios.append(better / worse)
    if not ratios:
        return None
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


def median_cpu(records: Sequence[Record], variant: str, measurement: str) -> dict[str, float]:
    """CPU milliseconds an item of each process, medians over the rounds that succeeded."""
    found = [
        record.cpu_ms_per_item
        for record in records
        if record.variant == variant and record.measurement == measurement and record.cpu_ms_per_item
    ]
    roles = dict.fromkeys(role for cpu in found for role in cpu)
    return {role: statistics.median([cpu[role] for cpu in found if role in cpu]) for role in roles}
