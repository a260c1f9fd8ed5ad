"""Runs measurements round by round, variants side by side, and never waits twice for one that hangs."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Record
from benchmarks.measurements import Watch, unwatched
from benchmarks.processes import ChildEnded, ChildSilent
from benchmarks.variants.base import Variant, WorkloadFailed

if TYPE_CHECKING:
    from benchmarks.measurements import Measurement

Report = Callable[[Record, float], None]


def run_rounds(
    variants: Sequence[Variant],
    measurements: Sequence[Measurement],
    rounds: int,
    data: Path,
    report: Report,
    watch: Watch = unwatched,
) -> list[Record]:
    """All records; `report` is called with each and the seconds it took.

    For each measurement the variants run one after the other, in an order that turns with the round, so that
    what they are compared with is a neighbour in time. A pair that timed out is not tried in later rounds.
    """
    records: list[Record] = []
    hanging: set[tuple[str, str]] = set()
    for number in range(1, rounds + 1):
        for measurement in measurements:
            for variant in rotated(variants, number - 1):
                pair = (variant.key, measurement.name)
                if pair in hanging or not measurement.is_taken_of(variant.key, number):
                    continue
                began = time.perf_counter()
                record = run_once(variant, measurement, number, data, watch)
                if record.status == "timeout":
                    hanging.add(pair)
                records.append(record)
                report(record, time.perf_counter() - began)
    return records


def rotated(variants: Sequence[Variant], by: int) -> list[Variant]:
    """The variants beginning with another one."""
    shift = by % len(variants) if variants else 0
    return [*variants[shift:], *variants[:shift]]


def run_once(variant: Variant, measurement: Measurement, number: int, data: Path, watch: Watch) -> Record:
    """One measurement of one variant; what goes wrong with it becomes the record's status and note."""

    def record(status: str, note: str) -> Record:
        return Record(number, variant.key, measurement.name, status, note=note)

    missing = variant.missing() or variant.not_offered.get(measurement.family) or variant.prepare()
    if missing is not None:
        return record("missing", missing)
    place = Path(tempfile.mkdtemp(prefix=f"{variant.key}-", dir=data))
    try:
        taken = measurement.take(variant, place, watch)
    except ChildSilent as error:
        return record("timeout", str(error))
    except WorkloadFailed as error:
        return record("timeout" if is_timeout(str(error)) else "failed", str(error)[:200])
    except ChildEnded as error:
        return record("failed", str(error)[:200])
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Record(number, variant.key, measurement.name, "ok", taken.values, taken.cpu_ms_per_item)


def is_timeout(error: str) -> bool:
    """Whether a client's error says that it waited in vain."""
    return error.startswith("TimeoutError") or "DEADLINE_EXCEEDED" in error
