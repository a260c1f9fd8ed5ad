"""The processes of one world: a scheduler, a worker and a client that can be killed and started again.

Every process dies with the thread that started it (scripts/tether.py), so no test leaves one behind. Ports
are taken from below the range that the kernel uses for outgoing connections: there, a client that keeps
dialling a dead scheduler could get connected to itself.
"""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TETHER = ROOT / "scripts" / "tether.py"
READY_SECONDS = 60.0
PORTS = range(20_000, 32_000)

_ports_given: set[int] = set()
_ports_lock = threading.Lock()
_port_draw = random.Random(os.getpid())


class NotReady(Exception):
    """A process ended or stayed silent before it was ready."""


def free_port() -> int:
    """Return a port on which a server can be started, and started again."""
    with _ports_lock:
        while True:
            port = _port_draw.choice(PORTS)
            if port in _ports_given:
                continue
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            _ports_given.add(port)
            return port


class Actor:
    """One role; `start` may be called again after `kill`.

    Args:
        log: file that collects what all its lives wrote to stderr.
    """

    def __init__(self, role: str, arguments: Sequence[str], log: Path, variables: dict[str, str]) -> None:
        self.role = role
        self._command = [sys.executable, "-m", f"tests.faults.actors.{role}", *arguments]
        self._log = log
        self._variables = variables
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        """Start the process, with `more` environment variables; it may not be ready yet."""
        self.kill()
        command = self._command
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *command]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONWARNINGS": "default", **self._variables, **more},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The present life."""
        assert self._process is not None, f"the {self.role} was not started"
        return self._process

    def await_ready(self) -> None:
        """Return when the process has printed a line.

        Raises:
            NotReady: it ended or was silent for too long.
        """
        stdout = self.process.stdout
        assert stdout is not None
        readable, _, _ = select.select([stdout], [], [], READY_SECONDS)
        line = stdout.readline() if readable else b""
        if not line:
            raise NotReady(f"The {self.role} did not get ready; its log:\n{self.log_tail()}")

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, and wait for the end. Nothing happens when it has ended already."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
        self._process.wait(timeout=30)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def wait(self, deadline: float) -> int | None:
        """Return the exit code, None when `deadline` (monotonic seconds) passes first."""
        try:
            return self.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return None

    def log_tail(self, lines: int = 30) -> str:
        """Return the last lines it wrote to stderr."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


class World:
    """A scheduler on a file, a worker, a client, and a ledger, all in one folder."""

    def __init__(
        self,
        folder: Path,
        shape: str,
        seed: int,
        *,
        mutant: str | None = None,
        grace_seconds: float = 0.2,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.db = folder / "scheduler.db"
        self.ledger = folder / "ledger.jsonl"
        self.port = free_port()
        variables = {"FAULTS_LEDGER": str(self.ledger), **(variables or {})}
        scheduler_arguments = [str(self.db), str(self.port), str(grace_seconds)]
        arguments = {
            "scheduler": scheduler_arguments + ([mutant] if mutant else []),
            "worker": [str(self.port)],
            "client": [str(self.port), shape, str(seed)],
        }
        self.actors = {
            role: Actor(role, arguments[role], folder / f"{role}.log", variables) for role in arguments
        }

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.actors.values():
            actor.kill()

    def start(self, crash: str = "") -> None:
        """Start scheduler and worker; return when both are ready.

        Args:
            crash: where this life of the scheduler kills itself (see actors/scheduler.py), if it shall.
        """
        self.actors["scheduler"].start(FAULTS_CRASH=crash)
        self.actors["worker"].start()
        self.actors["scheduler"].await_ready()
        self.actors["worker"].await_ready()

    def logs(self) -> str:
        """Return the ends of all logs."""
        return "\n".join(f"--- {role}\n{actor.log_tail()}" for role, actor in self.actors.items())
