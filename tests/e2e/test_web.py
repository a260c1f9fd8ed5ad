"""`durakit.web.serve` as a real process: what a client that is a web application looks like from outside."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from .fresh_clone import environment
from .programs import TIMEOUT_SECONDS, read_until

PROGRAM = """
import sys
from fastapi import FastAPI
from durakit import web

app = FastAPI()

@app.get("/")
def hello() -> str:
    return "hello"

web.serve(app, port=int(sys.argv[1]))
"""

IMPATIENT = """
import builtins
import signal

tell = print

def tell_and_interrupt(*words, **options):
    tell(*words, **options)
    signal.raise_signal(signal.SIGINT)

builtins.print = tell_and_interrupt
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "client.py"
    path.write_text(PROGRAM, "utf-8")
    return path


def start(program: Path, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, program, str(port)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_where_it_says_until_it_is_asked_to_stop(program: Path, number: int) -> None:
    with start(program, 0) as process:
        page = read_until(process, "Serving ")[-1].split()[1]
        assert httpx.get(page, timeout=TIMEOUT_SECONDS).json() == "hello"

        process.send_signal(number)
        _, errors = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, errors) == (0, "")


def test_ctrl_c_ends_it_from_the_moment_on_at_which_it_says_that_it_serves(program: Path) -> None:
    program.write_text(IMPATIENT + PROGRAM, "utf-8")

    with start(program, 0) as process:
        output, errors = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, errors) == (0, "")
    assert output.startswith("Serving http://127.0.0.1:")


def test_a_busy_port_is_one_line(program: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]

        with start(program, port) as process:
            _, errors = process.communicate(timeout=TIMEOUT_SECONDS)

    assert process.returncode == 1
    assert errors == (
        f"client.py: cannot listen on 127.0.0.1:{port} (Address already in use); "
        "name another with --port, or 0 for one that is free\n"
    )


REFUSED = """
import contextlib
import sys
from durakit import errors, web
from fastapi import FastAPI

@contextlib.asynccontextmanager
async def lifespan(_):
    raise errors.SettingsError("the file is in use") if sys.argv[1] == "0" else KeyError("x")
    yield

web.serve(FastAPI(lifespan=lifespan), port=0)
"""


def test_a_start_up_that_is_refused_ends_it_with_the_sentence_and_without_a_traceback(program: Path) -> None:
    program.write_text(REFUSED, "utf-8")

    with start(program, 0) as process:
        output, errors = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, output) == (1, "")
    assert errors.splitlines()[-1] == "client.py: the file is in use"
    assert "Traceback" not in errors


def test_a_start_up_with_a_bug_is_told_with_its_traceback(program: Path) -> None:
    program.write_text(REFUSED, "utf-8")

    with start(program, 1) as process:
        output, errors = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, output) == (1, "")
    assert "KeyError: 'x'" in errors
