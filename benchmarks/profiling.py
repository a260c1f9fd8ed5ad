"""Where the Python time of a process goes while a workload runs, sampled from outside with py-spy.

Only threads that hold the interpreter lock are counted: in a virtual machine, threads asleep in system calls
are often taken for busy. Time in gRPC's core, in epoll and in SQLite's commits is therefore missing here;
compare with the CPU table.

For each process asked for, the stacks are kept in collapsed form (one `a;b;c count` a line, as flame graph
tools take it) and the functions that were at work most are printed.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.variants.base import Deployment

SAMPLES_PER_SECOND = 500
SHOWN = 30
LINE_NUMBER = re.compile(r":\d+\)$")


class ProfilerMissing(Exception):
    """py-spy is not installed."""


class Profiler:
    """Samples the given roles (`scheduler`, `worker`, `client`) and writes below `folder`."""

    def __init__(self, roles: Sequence[str], folder: Path) -> None:
        """Raises ProfilerMissing when there is no py-spy on the path or beside this Python."""
        beside = Path(sys.executable).with_name("py-spy")
        found = shutil.which("py-spy") or (str(beside) if beside.exists() else None)
        if found is None:
            raise ProfilerMissing("py-spy is not installed; profiling needs it. Run: pip install py-spy")
        self._command = found
        self._roles = roles
        self._folder = folder

    @contextlib.contextmanager
    def watch(self, deployment: Deployment, label: str) -> Iterator[None]:
        """Samples while the context lasts, then prints what it found, headed by `label`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        stem = re.sub(r"\W+", "-", label).strip("-")
        samplers = {
            self._folder / f"{stem}-{role}.collapsed": self._sample(deployment, role, stem)
            for role in self._roles
            if role in deployment.processes
        }
        try:
            yield
        finally:
            for sampler in samplers.values():
                sampler.send_signal(signal.SIGINT)
            for path, sampler in samplers.items():
                sampler.wait()
                if path.exists():
                    print(summary(path), file=sys.stderr)

    def _sample(self, deployment: Deployment, role: str, stem: str) -> subprocess.Popen[bytes]:
        path = self._folder / f"{stem}-{role}.collapsed"
        pid = str(deployment.processes[role].pid)
        options = ["--rate", str(SAMPLES_PER_SECOND), "--format", "raw", "--output", str(path), "--gil"]
        return subprocess.Popen(
            [self._command, "record", "--pid", pid, "--duration", "unlimited", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def summary(path: Path) -> str:
    """The functions of a collapsed file that were at work most: own share, share with callees."""
    own: Counter[str] = Counter()
    with_callees: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [LINE_NUMBER.sub(")", frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        for frame in dict.fromkeys(frames):
            with_callees[frame] += int(count)
    total = sum(own.values()) or 1
    lines = [f"{path}: {total / SAMPLES_PER_SECOND:.2f} s of Python", "   own %   all %  function"]
    lines += [
        f"  {own[frame] / total:6.1%}  {with_callees[frame] / total:6.1%}  {frame}"
        for frame, _ in own.most_common(SHOWN)
    ]
    return "\n".join(lines)
