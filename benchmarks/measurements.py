"""The things that can be measured of any variant, each from a fresh deployment and after a warm-up run."""

from __future__ import annotations

import contextlib
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Figure, percentile

if TYPE_CHECKING:
    from benchmarks.variants.base import Deployment, Variant

WARM_UP_TIMEOUT = 30.0  # seconds
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Taken:
    """What one measurement found: figures by name, and CPU milliseconds an item by process."""

    values: dict[str, float]
    cpu_ms_per_item: dict[str, float] = field(default_factory=dict)


Watch = Callable[["Deployment", str], contextlib.AbstractContextManager[None]]


def unwatched(deployment: Deployment, label: str) -> contextlib.AbstractContextManager[None]:
    """The `Watch` that does nothing."""
    return contextlib.nullcontext()


class Measurement(ABC):
    """Something to measure; `family` and `size` select it on the command line as `family:size`."""

    family: str
    size: int | None
    figures: tuple[Figure, ...]
    item: str = ""
    variants: frozenset[str] | None = None
    """Keys of the variants of which it is taken; None: of all. Some would take hours, or measure nothing."""
    every_round: frozenset[str] | None = None
    """Keys of the variants of which it is taken again in every round, None for all; of others it takes
    minutes, and what takes minutes varies little."""

    def is_taken_of(self, variant: str, number: int) -> bool:
        """Whether round `number` (from 1) includes it for the variant of that key."""
        again = self.every_round is None or variant in self.every_round
        return (self.variants is None or variant in self.variants) and (number == 1 or again)

    @property
    def name(self) -> str:
        """The name in reports, as `sequence(100)`."""
        return self.family if self.size is None else f"{self.family}({self.size})"

    @abstractmethod
    def take(self, variant: Variant, place: Path, watch: Watch = unwatched) -> Taken:
        """Measures once, with `place` as an empty folder for data; `watch` lasts while the work is done."""


def warm_up(deployment: Deployment) -> None:
    """Runs every kind of work a little, so that imports, connections and thread pools are paid for."""
    request = {"workload": "one_by_one", "repeats": 3, "timeout": WARM_UP_TIMEOUT}
    deployment.request({**request, "workflow": "sequence", "size": 10})
    deployment.request({**request, "workflow": "fanout", "size": 20})
    deployment.request({"workload": "throughput", "size": 10, "timeout": WARM_UP_TIMEOUT})


class ClientMeasurement(Measurement):
    """A workload that the client runs and times."""

    def __init__(
        self,
        family: str,
        size: int | None,
        figures: tuple[Figure, ...],
        *,
        item: str,
        items: int,
        request: dict[str, Any],
        variants: frozenset[str] | None = None,
        every_round: frozenset[str] | None = None,
    ) -> None:
        """`items` is how many of `item` the request covers, for rates and for CPU an item."""
        self.variants = variants
        self.every_round = every_round
        self.family = family
        self.size = size
        self.figures = figures
        self.item = item
        self._items = items
        self._request = request

    def take(self, variant: Variant, place: Path, watch: Watch = unwatched) -> Taken:
        """Runs the request, with the CPU time of all processes read before and after."""
        with variant.deploy(place) as deployment:
            warm_up(deployment)
            with watch(deployment, f"{self.name} {variant.key}"):
                reply, cpu = self._run(deployment)
        return Taken({figure.name: self._value(figure, reply) for figure in self.figures}, cpu)

    def _run(self, deployment: Deployment) -> tuple[dict[str, Any], dict[str, float]]:
        """The answer to the request, and the milliseconds of CPU time an item cost each process."""
        before = deployment.cpu_seconds()
        reply = deployment.request(self._request)
        after = deployment.cpu_seconds()
        return reply, {role: (after[role] - before[role]) * 1000 / self._items for role in before}

    def _value(self, figure: Figure, reply: dict[str, Any]) -> float:
        if figure.name == "p50":
            return float(statistics.median(reply["samples_ms"]))
        if figure.name == "p99":
            return percentile(reply["samples_ms"], 0.99)
        return self._items / float(reply["seconds"])


class Hoard(ClientMeasurement):
    """A history full of payloads: its speed, and the most memory that scheduler and worker came to hold."""

    PEAKS = (
        Figure("scheduler peak", "MiB", higher_is_better=False, digits=0),
        Figure("worker peak", "MiB", higher_is_better=False, digits=0),
    )

    def take(self, variant: Variant, place: Path, watch: Watch = unwatched) -> Taken:
        """Peaks count from the start of the processes; the warm-up needs less."""
        with variant.deploy(place) as deployment:
            warm_up(deployment)
            with watch(deployment, f"{self.name} {variant.key}"):
                reply, cpu = self._run(deployment)
            peaks = {
                f"{role} peak": child.peak_resident_bytes() / MEBIBYTE
                for role, child in deployment.processes.items()
            }
        held = {figure.name: peaks[figure.name] for figure in self.PEAKS if figure.name in peaks}
        return Taken({"rate": self._items / float(reply["seconds"]), **held}, cpu)


class Eternal(ClientMeasurement):
    """An orchestration that continues as new many times: its rate, and what it leaves behind."""

    GROWTH = (
        Figure("scheduler memory growth", "MiB", higher_is_better=False, digits=2),
        Figure("data growth", "MiB", higher_is_better=False, digits=2),
    )

    def take(self, variant: Variant, place: Path, watch: Watch = unwatched) -> Taken:
        """Growth is counted from a tenth of the way, when memory and files have their usual size."""
        with variant.deploy(place) as deployment:
            warm_up(deployment)
            tenth = {**self._request, "size": max(1, self._items // 10)}
            deployment.request(tenth)
            scheduler = deployment.processes.get("scheduler")
            memory = scheduler.resident_bytes() if scheduler else 0
            data = bytes_below(place)
            reply, cpu = self._run(deployment)
            grown = {
                "scheduler memory growth": ((scheduler.resident_bytes() if scheduler else 0) - memory)
                / MEBIBYTE,
                "data growth": (bytes_below(place) - data) / MEBIBYTE,
            }
        values = {figure.name: grown.get(figure.name, 0.0) for figure in self.GROWTH}
        return Taken({"rate": self._items / float(reply["seconds"]), **values}, cpu)


def bytes_below(folder: Path) -> int:
    """How much the files below a folder hold."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Idle(Measurement):
    """Memory and CPU of scheduler and worker while nothing happens, after the warm-up."""

    family = "idle"
    size = None
    figures = (
        Figure("scheduler memory", "MiB", higher_is_better=False),
        Figure("worker memory", "MiB", higher_is_better=False),
        Figure("scheduler CPU", "% of a core", higher_is_better=False, digits=2),
        Figure("worker CPU", "% of a core", higher_is_better=False, digits=2),
    )

    def __init__(self, seconds: float) -> None:
        """`seconds` is how long CPU time is watched."""
        self._seconds = seconds

    def take(self, variant: Variant, place: Path, watch: Watch = unwatched) -> Taken:
        """Waits first until what the warm-up left to do is over."""
        with variant.deploy(place) as deployment:
            warm_up(deployment)
            time.sleep(self._seconds / 5)
            before = deployment.cpu_seconds()
            time.sleep(self._seconds)
            after = deployment.cpu_seconds()
            values = {}
            for role, child in deployment.processes.items():
                values[f"{role} memory"] = child.resident_bytes() / MEBIBYTE
                values[f"{role} CPU"] = (after[role] - before[role]) / self._seconds * 100
        return Taken({figure.name: values[figure.name] for figure in self.figures if figure.name in values})


class ColdStart(Measurement):
    """Time from starting a process to its first use; no warm-up, by its nature."""

    family = "cold"
    size = None
    figures = (
        Figure("scheduler ready", "ms", higher_is_better=False, digits=0),
        Figure("worker to first result", "ms", higher_is_better=False, digits=0),
    )

    def take(self, variant: Variant, place: Path, watch: Watch = unwatched) -> Taken:
        """Leaves the order of starting to the variant."""
        return Taken(variant.cold_start(place))
