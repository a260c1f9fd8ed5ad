"""Facts about the machine that a reader needs to judge the figures."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import time
from importlib import metadata
from pathlib import Path

import psutil

FSYNC_SAMPLES = 200
PAGE = bytes(4096)


def facts(place: Path) -> dict[str, str]:
    """Label to value, all text; `place` is a folder on the disk that the benchmarks write to."""
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB"
    system = f"{platform.system()} {platform.release()}"
    return {
        "machine": f"{os.cpu_count()} x {processor()}, {memory}, {system}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "SQLite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("grpcio", "protobuf", "durabletask", "durakit")},
        **state(place, "before"),
    }


def state(place: Path, when: str) -> dict[str, str]:
    """What may change during a run on a shared machine: how fast the disk is, how busy the processors."""
    return {
        f"fsync p50 {when}": f"{fsync_p50_ms(place):.2f} ms (4 KiB appended)",
        f"SQLite commit p50 {when}": f"{commit_p50_ms(place):.2f} ms (WAL, synchronous=FULL, one row)",
        f"load {when}": f"{os.getloadavg()[0]:.2f}",
    }


def processor() -> str:
    """The processor's name where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def version(distribution: str) -> str:
    """The installed version, or a remark that there is none."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def fsync_p50_ms(place: Path) -> float:
    """Median milliseconds to append one page to a file in `place` and have it on disk."""
    path = place / "fsync.probe"
    samples = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        for _ in range(FSYNC_SAMPLES):
            began = time.perf_counter()
            os.write(descriptor, PAGE)
            os.fsync(descriptor)
            samples.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(samples) * 1000


def commit_p50_ms(place: Path) -> float:
    """Median milliseconds of a durable SQLite commit of one row in `place`."""
    path = place / "commit.probe.db"
    samples = []
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE probe (number INTEGER)")
        for number in range(FSYNC_SAMPLES):
            began = time.perf_counter()
            database.execute("INSERT INTO probe VALUES (?)", (number,))
            samples.append(time.perf_counter() - began)
    finally:
        database.close()
        path.unlink()
    return statistics.median(samples) * 1000
