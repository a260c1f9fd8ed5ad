"""How fast pages answer beside a scheduler under load, and what that costs the load.

    python -m benchmarks.dashboard                       # 200,000 instances, one of 20,000 events
    python -m benchmarks.dashboard --instances 20000 --seconds 5 --rounds 1

Rounds alternate: load alone; with an open page, which fetches itself once a second; with a visitor in a
hurry, who opens another page every 50 ms (their times are reported); while everything is indexed for search
for the first time; and on a file without the two indexes that only lists need. Ratios compare neighbours of
one round. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import durakit
import psutil
from durakit import task
from durakit.dashboard.embedded.search import SUFFIX, Search
from durakit.dashboard.lists import InstanceFilter

from benchmarks.filling import HUGE, fill

PAGES = (
    ("list", "/h/default/instances"),
    ("list, older page", "/h/default/instances?after=OLDER"),
    ("list, running", "/h/default/instances?status=running"),
    ("list, failed in 6 h", "/h/default/instances?status=failed&from=-6h"),
    ("list by name", "/h/default/instances?name=book_trip"),
    ("list by id prefix", "/h/default/instances?id=book_trip-01"),
    ("list by tag", "/h/default/instances?tag=customer%3Dc5"),
    ("list, latest change first", "/h/default/instances?sort=-updated"),
    ("search, found", "/h/default/instances?q=card+of+c77"),
    ("search, nothing", "/h/default/instances?q=nothing+of+this+kind"),
    ("20,000 events: timeline", f"/h/default/i/{HUGE}"),
    ("20,000 events: history", f"/h/default/i/{HUGE}/history"),
    ("20,000 events: last page", f"/h/default/i/{HUGE}/history?order=newest"),
    ("20,000 events: search", f"/h/default/i/{HUGE}/history?q=nothing"),
    ("20,000 events: sequence", f"/h/default/i/{HUGE}/sequence"),
    ("workers", "/h/default/workers"),
    ("hubs", "/hubs"),
)
IN_FLIGHT, STARTERS, STEPS = 40, 4, 5
WARM_UP_SECONDS = 3.0


def bench_step(ctx: task.ActivityContext, number: int) -> int:
    """Do nothing."""
    return number


def bench_flow(ctx: task.OrchestrationContext, _: None) -> Iterator[Any]:
    """Run five activities, one after the other."""
    for number in range(STEPS):
        yield ctx.call_activity(bench_step, input=number)


@dataclass
class Figures:
    """What one stretch of load gave: orchestrations/s, and the scheduler's CPU per orchestration."""

    rate: float
    cpu_ms: float = 0.0
    pages_ms: dict[str, list[float]] = field(default_factory=dict)


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--instances", type=int, default=200_000)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each stretch of load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--filled", type=Path, metavar="FILE", help="keep the filled file, and use it again")
    parser.add_argument("--only", action="append", metavar="VARIANT", help="of load alone and this one")
    parser.add_argument("--worker", metavar="ENDPOINT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        durakit.run_worker(orchestrators=[bench_flow], activities=[bench_step], endpoint=options.worker)
        return 0
    with tempfile.TemporaryDirectory(prefix="durakit-dashboard-") as folder:
        filled = options.filled or Path(folder) / "filled.db"
        if not filled.exists():
            print(f"Filling {options.instances:,} instances ...", file=sys.stderr)
            fill(filled, options.instances, options.events, now_ns=time.time_ns())
        report(options, measure(filled, Path(folder), options.seconds, options.rounds, options.only))
    return 0


@dataclass(frozen=True)
class Variant:
    """A stretch of load, and what happens beside it.

    Attributes:
        pause_seconds: between two pages of a visitor; None: nobody visits.
        has_indexes: whether the file has the indexes that only lists need.
        begins_search: one search is made, on a file that is not indexed for it.
    """

    name: str
    pause_seconds: float | None = None
    has_indexes: bool = True
    begins_search: bool = False


HURRIED = "with a visitor in a hurry"
VARIANTS = (
    Variant("alone"),
    Variant("with an open page", 1.0),
    Variant(HURRIED, 0.05),
    Variant("while all is indexed for search", begins_search=True),
    Variant("alone, without the two indexes", has_indexes=False),
)


def measure(
    file: Path, folder: Path, seconds: float, rounds: int, only: list[str] | None
) -> dict[str, list[Figures]]:
    """Return the figures of each variant, one per round."""
    variants = [each for each in VARIANTS if not only or each.name in ("alone", *only)]
    found: dict[str, list[Figures]] = {variant.name: [] for variant in variants}
    print("Indexing for search ...", file=sys.stderr)
    index_for_search(file)
    for number in range(rounds):
        print(f"Round {number + 1} of {rounds} ...", file=sys.stderr)
        for variant in variants[:: 1 if number % 2 == 0 else -1]:
            copy = folder / "run.db"
            shutil.copy(file, copy)
            if not variant.begins_search:
                shutil.copy(f"{file}{SUFFIX}", f"{copy}{SUFFIX}")
            if not variant.has_indexes:
                connection = sqlite3.connect(copy)
                for index in ("instance_status", "instance_name"):
                    connection.execute(f"DROP INDEX {index}")
                connection.close()
            found[variant.name].append(stretch(copy, seconds, variant))
            for each in folder.glob("run.db*"):
                each.unlink()
    return found


def index_for_search(file: Path) -> None:
    """Index a file, as the first searches of a scheduler would have done in the background."""
    index, text = Search(file), InstanceFilter(text="nothing of this kind")
    with closing(sqlite3.connect(file)) as reading:
        while index.candidates(reading, 1, text).notice is not None:
            time.sleep(0.2)
    index.close()


def stretch(file: Path, seconds: float, variant: Variant) -> Figures:
    """Run scheduler, worker, client and visitor for a while; return what came of it."""
    pause_seconds = variant.pause_seconds
    with scheduler(file) as (endpoint, pages, process), worker(endpoint):
        counted, stop = [0], threading.Event()
        starters = [threading.Thread(target=load, args=(endpoint, counted, stop)) for _ in range(STARTERS)]
        for starter in starters:
            starter.start()
        figures = Figures(0.0)
        visitor = threading.Thread(target=visit, args=(pages, figures, stop, pause_seconds or 0))
        if pause_seconds is not None:
            visitor.start()
        if variant.begins_search:
            urllib.request.urlopen(f"{pages}/h/default/instances?q=nothing").read()
        stop.wait(WARM_UP_SECONDS)
        before, began, spent = counted[0], time.monotonic(), sum(process.cpu_times()[:2])
        stop.wait(seconds)
        done = counted[0] - before
        figures.rate = done / (time.monotonic() - began)
        figures.cpu_ms = (sum(process.cpu_times()[:2]) - spent) * 1000 / max(done, 1)
        stop.set()
        for thread in [*starters, *([visitor] if pause_seconds is not None else [])]:
            thread.join()
    return figures


def load(endpoint: str, counted: list[int], stop: threading.Event) -> None:
    """Keep instances in flight, and count those that end."""
    with durakit.connect(endpoint=endpoint, taskhub="default") as client:
        while not stop.is_set():
            ids = [client.schedule_new_orchestration("bench_flow") for _ in range(IN_FLIGHT // STARTERS)]
            for instance_id in ids:
                client.wait_for_orchestration_completion(instance_id, fetch_payloads=False, timeout=60)
                counted[0] += 1


def visit(pages: str, figures: Figures, stop: threading.Event, pause_seconds: float) -> None:
    """Open pages one after the other, with a pause between two."""
    with urllib.request.urlopen(f"{pages}/h/default/instances.json") as answer:
        older = json.load(answer)["next"].partition("after=")[2]
    for _, path in PAGES:
        urllib.request.urlopen(pages + path.replace("OLDER", older)).read()
    while not stop.is_set():
        for name, path in PAGES:
            began = time.perf_counter()
            urllib.request.urlopen(pages + path.replace("OLDER", older)).read()
            figures.pages_ms.setdefault(name, []).append((time.perf_counter() - began) * 1000)
            if stop.wait(pause_seconds):
                return


@contextmanager
def scheduler(file: Path) -> Iterator[tuple[str, str, psutil.Process]]:
    """Run a scheduler on the file; yield the addresses of gRPC and pages, and its process."""
    command = [
        sys.executable, "-c", "import sys; from durakit.cli import main; sys.exit(main(sys.argv[1:]))", "dev",
        "--db", str(file), "--grpc-port", "0", "--dashboard-port", "0", "--log-format", "json",
        "--log-level", "error",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield ready["grpc"], ready["dashboard"], psutil.Process(process.pid)
        finally:
            process.terminate()


@contextmanager
def worker(endpoint: str) -> Iterator[None]:
    """Run a worker."""
    command = [sys.executable, "-m", "benchmarks.dashboard", "--worker", endpoint]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def report(options: argparse.Namespace, found: dict[str, list[Figures]]) -> None:
    """Print the figures as Markdown."""
    print(f"\n{options.instances:,} instances, one of {options.events:,} events; {options.rounds} rounds.\n")
    print("| page | p50 ms | p95 ms | times |\n| --- | ---: | ---: | ---: |")
    every: list[float] = []
    for name, _ in PAGES:
        hurried = found.get(HURRIED, [])
        taken = sorted(ms for figures in hurried for ms in figures.pages_ms.get(name, []))
        every += taken
        if taken:
            print(f"| {name} | {statistics.median(taken):.0f} | {p95(taken):.0f} | {len(taken)} |")
    if every:
        print(f"| all | {statistics.median(every):.0f} | {p95(sorted(every)):.0f} | {len(every)} |")
    print(
        "\n| load | orchestrations/s (median) | of load alone | scheduler's CPU ms each |\n"
        "| --- | ---: | ---: | ---: |"
    )
    for name in found:
        ratios = [
            each.rate / neighbour.rate for each, neighbour in zip(found[name], found["alone"], strict=True)
        ]
        rate = statistics.median(figures.rate for figures in found[name])
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        cpu_ms = statistics.median(figures.cpu_ms for figures in found[name])
        print(f"| {name} | {rate:.0f} | {spread} | {cpu_ms:.2f} |")


def p95(ordered: list[float]) -> float:
    """Return the 95th percentile of sorted values."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


if __name__ == "__main__":
    sys.exit(main())
