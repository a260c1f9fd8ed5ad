"""The schedulers under test, as processes of their own: ours, and the sidecar of `durabletask-go`."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

STOP_SECONDS = 10


@contextlib.contextmanager
def durakit(folder: Path) -> Iterator[str]:
    """Run `durakit dev` with its file and log in `folder`; yield its address as host:port."""
    command = [sys.executable, "-c", "import sys; from durakit.cli import main; sys.exit(main())"]
    options = ["dev", "--headless", "--grpc-port", "0", "--db", str(folder / "scheduler.db")]
    with _process([*command, *options, "--log-format", "json"], folder / "scheduler.log", _ready_line) as at:
        yield at


@contextlib.contextmanager
def sidecar(binary: Path, folder: Path) -> Iterator[str]:
    """Run Go's sidecar on a file in `folder`; yield its address as host:port."""
    command = sidecar_command(binary, folder / "sidecar.db")
    with _process(command, folder / "sidecar.log", sidecar_address) as at:
        yield at


def sidecar_command(binary: Path, database: Path) -> list[str]:
    """Return what starts Go's sidecar on a port of its choice, with that file."""
    return [str(binary), "-host", "127.0.0.1", "-port", "0", "-db", str(database)]


def sidecar_address(line: str) -> str:
    """Return the host:port that the sidecar's first line tells."""
    return line.rsplit(" ", 1)[1].strip()


def _ready_line(line: str) -> str:
    address: str = json.loads(line)["grpc"]
    return address.removeprefix("http://")


@contextlib.contextmanager
def _process(command: Sequence[str], log: Path, address_in: Callable[[str], str]) -> Iterator[str]:
    """Run a server whose first line on stdout tells its address; stop it on leaving."""
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        try:
            yield address_in(_first_line(process.stdout, command, log))
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_line(stdout: IO[str] | None, command: Sequence[str], log: Path) -> str:
    assert stdout is not None
    line = stdout.readline()
    if not line:
        raise RuntimeError(f"{command[0]} ended before it was ready:\n{log.read_text()}")
    return line
