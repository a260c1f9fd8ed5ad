"""A fresh clone for tests that do what a new user does: files as git has them, nothing installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from .programs import TIMEOUT_SECONDS

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Clone:
    """A copy of the repository, and ways to run its scripts."""

    root: Path

    def popen(self, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Start a command in the clone, its output kept, on ports that the system chooses."""
        return subprocess.Popen(
            arguments,
            cwd=cwd or self.root,
            env=environment(DURAKIT_GRPC_PORT="0", DURAKIT_DASHBOARD_PORT="0"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run_sample(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/run.py to its end; stdout and stderr come as one."""
        with self.start_sample(*arguments) as process:
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, output)

    def start_sample(self, *arguments: str) -> subprocess.Popen[str]:
        """Start scripts/run.py."""
        return self.popen(sys.executable, "scripts/run.py", *arguments)

    def add_sample(self, name: str, worker: str, client: str = "") -> None:
        """Add a sample made for a test; the scheduler is the true one."""
        folder = self.root / "samples" / name
        folder.mkdir()
        (folder / "README.md").write_text(f"# {name}\n\nFor a test.\n")
        (folder / "worker.py").write_text(worker)
        (folder / "client.py").write_text(client)

    def processes(self) -> list[str]:
        """Return what still runs out of the clone."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or [])
            if str(self.root) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(line)
        return found


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without its virtual environment and settings."""
    dropped = ("VIRTUAL_ENV", "PYTHONPATH", "ENDPOINT", "TASKHUB", "NO_COLOR")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.startswith(("DURAKIT_", "PYTEST_"))
    }
    return {**kept, **more}


def eventually(condition: Callable[[], bool], timeout_seconds: float = 120.0) -> bool:
    """Return whether the condition becomes true before the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def copy_repository(target: Path) -> Clone:
    """Copy what git knows, or would add, to the folder."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in names:
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return Clone(target)


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> str:
    """Send a signal and return the rest of the output, once the process has ended."""
    process.send_signal(number)
    return process.communicate(timeout=TIMEOUT_SECONDS)[0]
