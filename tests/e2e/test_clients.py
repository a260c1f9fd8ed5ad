"""Bad input to a sample's client: one sentence on stderr, a non-zero exit, never a traceback."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from durakit.testing import create_test_backend
from showings import SHOWINGS, Showing

from .fresh_clone import ROOT, environment
from .programs import TIMEOUT_SECONDS, read_until

PROGRAMS = [
    path
    for path in sorted(ROOT.glob("samples/*/client.py"))
    if SHOWINGS.get(path.parent.name, Showing()).workers
]
"""Those that look for a scheduler; one that has it inside has a walk of its own."""
CLIENTS = [path for path in PROGRAMS if not SHOWINGS.get(path.parent.name, Showing()).demo]
"""Those that do their work and end; what web applications answer is tested with each, in `samples/`."""
WORKERS = sorted(ROOT.glob("samples/*/worker.py"))


def start(program: Path, endpoint: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, program.name],
        cwd=program.parent,
        env=environment(ENDPOINT=endpoint),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(program: Path, endpoint: str) -> tuple[int, str]:
    with start(program, endpoint) as process:
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, errors


def name(path: Path) -> str:
    return path.parent.name


@pytest.mark.parametrize("client", CLIENTS, ids=name)
def test_without_a_scheduler_a_client_says_where_it_looked(client: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # taken, and nobody listens
        endpoint = f"http://127.0.0.1:{reserved.getsockname()[1]}"

        code, errors = run(client, endpoint)

    assert code == 1
    assert errors.startswith(f"client.py: No scheduler answers at {endpoint} (")
    assert errors.endswith("start one with `durakit dev`, or set ENDPOINT to the address of yours.\n")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("program", [*PROGRAMS, *WORKERS], ids=lambda path: f"{name(path)}-{path.stem}")
def test_an_endpoint_that_is_none_is_refused_with_the_expected_form(program: Path) -> None:
    code, errors = run(program, "ftp://localhost:8080")

    assert code in (1, 2)
    assert errors.endswith("begins with ftp://; expected http:// (plaintext) or https:// (TLS).\n")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("client", CLIENTS, ids=name)
def test_ctrl_c_ends_a_waiting_client_with_a_sentence(client: Path) -> None:
    with (
        create_test_backend(port=0) as backend,
        start(client, f"http://{backend.address}") as process,
    ):
        read_until(process, "Started ")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)

    assert process.returncode != 0
    assert errors.startswith("client.py: no longer waiting; ")
    assert len(errors.splitlines()) == 1
