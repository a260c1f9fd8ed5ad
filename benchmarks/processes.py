"""One child process of a deployment: its line protocol, its CPU time and memory, and its certain end."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
PR_SET_PDEATHSIG = 1  # Linux: the signal a process gets when its parent dies


class ChildSilent(Exception):
    """A child did not answer in time."""


class ChildEnded(Exception):
    """A child ended although it was still needed."""


class Child:
    """A process started for a benchmark; stdout carries one line per answer, stderr goes to a file."""

    def __init__(self, role: str, command: Sequence[str], place: Path) -> None:
        """Starts `command` with `place` as working directory, where its stderr is kept as `<role>.log`."""
        self.role = role
        self._log = place / f"{role}.log"
        self._buffer = b""
        self.started_at = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=place,
                env=environment(),
                start_new_session=True,
                preexec_fn=DIE_WITH_PARENT,
            )
        self._usage = psutil.Process(self._process.pid)

    @property
    def pid(self) -> int:
        """The operating system's number of the process."""
        return self._process.pid

    def send(self, message: dict[str, Any]) -> None:
        """Writes one JSON line to the child's stdin; raises ChildEnded if it is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ChildEnded(self._ended_text()) from None

    def read_line(self, timeout: float) -> str:
        """The next line of stdout; raises ChildSilent after `timeout` seconds, ChildEnded at its end."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not select.select([descriptor], [], [], remaining)[0]:
                raise ChildSilent(f"{self.role} gave no answer within {timeout:.0f} s")
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                raise ChildEnded(self._ended_text())
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()

    def read_answer(self, timeout: float) -> dict[str, Any]:
        """The next line of stdout as JSON object."""
        answer: dict[str, Any] = json.loads(self.read_line(timeout))
        return answer

    def cpu_seconds(self) -> float:
        """CPU time used so far by all threads of the process, user and system."""
        if sys.platform == "linux":
            # The process's own CPU clock counts nanoseconds; psutil counts ticks of 10 ms.
            return time.clock_gettime((~self._process.pid << 3) | 2)
        times = self._usage.cpu_times()
        return times.user + times.system

    def resident_bytes(self) -> int:
        """Memory resident now."""
        resident: int = self._usage.memory_info().rss
        return resident

    def peak_resident_bytes(self) -> int:
        """The most memory that was resident so far; where the system does not tell, what is resident now."""
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():
            return self.resident_bytes()
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024

    def kill(self) -> None:
        """Ends the process and whatever it started, at once; does nothing if it is gone already."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _ended_text(self) -> str:
        code = self._process.wait()
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"{self.role} ended with exit code {code}" + (f": {lines[-1]}" if lines else "")


def environment() -> dict[str, str]:
    """The environment of every child: this one's, without Durakit settings, with this tree importable."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DURAKIT_")}
    for name in ("ENDPOINT", "TASKHUB"):
        kept.pop(name, None)
    kept["PYTHONPATH"] = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "shared")))
    return kept


def die_with_parent_hook() -> Callable[[], None] | None:
    """What a child runs before its program so that it cannot outlive a killed benchmark (Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def die_with_parent() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return die_with_parent


DIE_WITH_PARENT = die_with_parent_hook()
