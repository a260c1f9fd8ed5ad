"""Full mixed load for minutes, by real processes: nothing may grow, complain or be wrong at the end.

    python -m benchmarks.soak --minutes 10

One scheduler with its file on disk, two workers (one with the link, one with the standard protocol) and a
client that keeps chains, fan-outs, children, timers, events and eternal orchestrations in flight. Prints
Markdown; the exit code is 1 when a check fails. `steadiness` says how memory and log are judged.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from durakit.scheduler.machine.instance import Status

from benchmarks.actors.mixed import MAKERS
from benchmarks.cli import DEFAULT_DATA
from benchmarks.report import table
from benchmarks.steadiness import (
    GROWTH_MIB,
    WAL_MIB,
    Sample,
    grave_lines,
    growth,
    largest_wal_mib,
)
from benchmarks.variants.base import Deployment, python_module
from benchmarks.variants.durakit_dev import DURAKIT

FILE = "scheduler.db"
SETTLE_SECONDS = 180.0  # for what is in flight when the time is up
SHOWN_LINES = 5
SHORTEST_MINUTES = 0.2  # enough samples to compare thirds


@dataclass(frozen=True)
class Check:
    """One thing that must hold, and what was found."""

    text: str
    found: str
    holds: bool


@dataclass(frozen=True)
class Soaked:
    """What a soak left behind: a sample a second, the client's last words, the logs, what the file holds."""

    samples: Sequence[Sample]
    done: Mapping[str, int]
    wrong: Sequence[str]
    logs: Mapping[str, str]
    not_completed: int
    inbox: int
    integrity: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--in-flight", type=int, default=100, help="instances at a time (default 100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="disk to write to")
    options = parser.parse_args(arguments)
    if options.minutes < SHORTEST_MINUTES:
        parser.error(f"--minutes {options.minutes:g} tells nothing of growth: at least {SHORTEST_MINUTES:g}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    options.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="soak-", dir=options.data) as place:
        soaked = soak(Path(place), options.minutes * 60, options.in_flight, options.seed)
    checks = judge(soaked)
    print(report(soaked, checks, options.minutes * 60))
    return 0 if all(check.holds for check in checks) else 1


def soak(place: Path, seconds: float, in_flight: int, seed: int) -> Soaked:
    """Runs the load in the empty folder `place`; returns what came of it."""
    with deployed(place) as deployment:
        client = deployment.processes["client"]
        client.send({"seconds": seconds, "in_flight": in_flight, "seed": seed})
        samples: list[Sample] = []
        while True:
            # Once a second, until the client finishes what is in flight; that may take it a while.
            last = client.read_answer(SETTLE_SECONDS)
            if last["ended"]:
                break
            samples.append(sample(deployment, sum(last["done"].values())))
            tell(samples[-1], seconds, len(samples))
        # Before the processes are killed: each would complain of the others.
        logs = {role: (place / f"{role}.log").read_text(errors="replace") for role in deployment.processes}
    return Soaked(samples, last["done"], last["wrong"], logs, *counts(place / FILE))


@contextlib.contextmanager
def deployed(place: Path) -> Iterator[Deployment]:
    """Scheduler, two workers, client."""
    deployment = Deployment(place)
    try:
        address = DURAKIT.start_scheduler(deployment)
        worker = python_module("benchmarks.actors.mixed_worker", "--address", address)
        deployment.start("linked worker", worker)
        deployment.start("standard worker", [*worker, "--no-link"])
        deployment.start("client", python_module("benchmarks.actors.mixed_client", "--address", address))
        yield deployment
    finally:
        deployment.stop()


def sample(deployment: Deployment, done: int) -> Sample:
    """What is to be seen now."""
    log = deployment.place / f"{FILE}-wal"
    resident = {role: child.resident_bytes() for role, child in deployment.processes.items()}
    return Sample(resident, log.stat().st_size if log.exists() else 0, done)


def tell(seen: Sample, seconds: float, number: int) -> None:
    """A line of progress on stderr every ten seconds."""
    if number % 10 == 0:
        memory = ", ".join(f"{role} {size / 2**20:.0f}" for role, size in seen.resident.items())
        print(f"{number:4} of {seconds:.0f} s  {seen.done:7,} instances  MiB: {memory}", file=sys.stderr)


def counts(file: Path) -> tuple[int, int, str]:
    """Instances that did not complete, events that wait in inboxes, and what SQLite says of the file."""
    with contextlib.closing(sqlite3.connect(file)) as connection:

        def one(statement: str, *parameters: Any) -> Any:
            return connection.execute(statement, parameters).fetchone()[0]

        not_completed = one("SELECT count(*) FROM instance WHERE status <> ?", int(Status.COMPLETED))
        return not_completed, one("SELECT count(*) FROM inbox"), one("PRAGMA quick_check")


def judge(soaked: Soaked) -> list[Check]:
    """All that must hold of a soak."""
    checks = []
    for role in soaked.samples[0].resident:
        grown = growth(soaked.samples, role)
        found = (
            f"{grown.before_mib:.1f} to {grown.after_mib:.1f} MiB, "
            f"{grown.bytes_per_instance:+.0f} bytes an instance"
        )
        checks.append(
            Check(f"memory of the {role} grows by at most {GROWTH_MIB:g} MiB", found, grown.is_flat)
        )
    wal = largest_wal_mib(soaked.samples)
    checks.append(
        Check(f"the write-ahead log never exceeds {WAL_MIB:g} MiB", f"{wal:.1f} MiB", wal <= WAL_MIB)
    )
    for role, log in soaked.logs.items():
        grave = grave_lines(log)
        checks.append(Check(f"no warning or error in the log of the {role}", str(len(grave)), not grave))
    missing = [kind for kind in MAKERS if not soaked.done.get(kind)]
    total = sum(soaked.done.values())
    checks += [
        Check("every result is right", f"{len(soaked.wrong)} wrong of {total:,}", not soaked.wrong),
        Check(
            "every kind of instance ran", f"none of {', '.join(missing)}" if missing else "all", not missing
        ),
        Check(
            "every instance in the file completed", f"{soaked.not_completed} not", not soaked.not_completed
        ),
        Check("nothing waits in an inbox", str(soaked.inbox), soaked.inbox == 0),
        Check("the file is sound", soaked.integrity, soaked.integrity == "ok"),
    ]
    return checks


def report(soaked: Soaked, checks: Sequence[Check], seconds: float) -> str:
    """The soak as Markdown."""
    total = sum(soaked.done.values())
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in soaked.done.items())
    rows = [[check.text, check.found, "yes" if check.holds else "**no**"] for check in checks]
    parts = [
        f"### Soak of {seconds:.0f} s",
        f"{total:,} instances, {total / seconds:.0f} a second: {kinds}.",
        table(["check", "found", "holds"], rows),
    ]
    worst = [
        *soaked.wrong,
        *(line for log in soaked.logs.values() for line in grave_lines(log)[:SHOWN_LINES]),
    ]
    if worst:
        parts.append("\n".join(f"- `{line}`" for line in worst))
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
