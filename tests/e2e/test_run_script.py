"""scripts/run.py as a new user meets it: real processes in a fresh clone, and nobody left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from .fresh_clone import Clone, eventually, interrupt
from .programs import read_until

pytestmark = pytest.mark.usefixtures("clone")

READY_WORKER = """
import sys, threading
sys.stderr.write("worker ready: for a test\\n")
threading.Event().wait()
"""
HANGING_CLIENT = """
import threading
print("waiting", flush=True)
threading.Event().wait()
"""
NOT_READY = "run.py: The {} ended before it was ready (exit code {}); see its lines above."


def last_line(output: str) -> str:
    return output.rstrip("\n").splitlines()[-1]


def test_a_fresh_clone_runs_the_sample_to_its_result(first_run: subprocess.CompletedProcess[str]) -> None:
    lines = first_run.stdout.splitlines()

    assert first_run.returncode == 0
    assert lines[0] == "Making .venv (first use only; takes a minute or less)."
    assert re.fullmatch(
        r"function_chaining finished in \d+\.\d s: 56 orders worth 7,038.05 EUR: .*report.html", lines[-2]
    )
    assert re.fullmatch(r"Dashboard: http://127.0.0.1:\d+ \(stopped now; --keep leaves it up\)", lines[-1])


def test_every_line_of_a_child_has_its_prefix(first_run: subprocess.CompletedProcess[str]) -> None:
    lines = [line for line in first_run.stdout.splitlines() if line.startswith("[")]

    assert {line[:12] for line in lines} == {"[scheduler] ", "[worker]    ", "[client]    "}
    assert "\x1b" not in first_run.stdout


def test_a_later_run_starts_at_once(clone: Clone) -> None:
    done = clone.run_sample("function-chaining")

    assert done.returncode == 0
    assert ".venv" not in done.stdout.splitlines()[0]


def test_a_failing_client_says_why_and_fails_the_command(clone: Clone) -> None:
    done = clone.run_sample("function_chaining", "--", "missing.csv")

    assert done.returncode == 1
    assert "missing.csv does not exist on the worker's machine" in done.stdout
    assert last_line(done.stdout) == "run.py: The client failed (exit code 1)."
    assert "Traceback" not in done.stdout


def test_a_busy_port_is_named_with_its_holder(clone: Clone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        done = clone.run_sample("function_chaining", "--grpc-port", str(port))

    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is in use by " in done.stdout
    assert f"process {os.getpid()}" in done.stdout
    assert "let the system choose a free port: --grpc-port 0" in done.stdout
    assert last_line(done.stdout) == NOT_READY.format("scheduler", 1)


def test_a_scheduler_that_cannot_start_says_why(clone: Clone) -> None:
    clone.add_sample("foreign_file", READY_WORKER)
    data = clone.root / ".durakit" / "run" / "foreign_file.db"
    data.write_text("not a database, but long enough to be looked at" * 100)

    done = clone.run_sample("foreign_file")

    assert done.returncode == 1
    assert "[scheduler]" in done.stdout
    assert last_line(done.stdout) == NOT_READY.format("scheduler", 1)
    assert "Traceback" not in done.stdout


def test_a_worker_that_crashes_at_start_fails_the_command(clone: Clone) -> None:
    clone.add_sample("crashing_worker", "raise SystemExit(3)")

    done = clone.run_sample("crashing_worker")

    assert done.returncode == 1
    assert last_line(done.stdout) == NOT_READY.format("worker", 3)


def test_a_worker_that_crashes_later_fails_the_command(clone: Clone) -> None:
    clone.add_sample(
        "dying_worker", READY_WORKER.replace(".wait()", ".wait(0.5); sys.exit(4)"), HANGING_CLIENT
    )

    done = clone.run_sample("dying_worker")

    assert done.returncode == 1
    assert last_line(done.stdout) == "run.py: The worker ended while the client was at work (exit code 4)."


def test_a_worker_that_fails_when_it_is_stopped_fails_the_command(clone: Clone) -> None:
    untidy = READY_WORKER.replace("import sys", "import signal, sys").replace(
        "sys.stderr", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); sys.stderr"
    )
    clone.add_sample("untidy_worker", untidy, "print('done')")

    done = clone.run_sample("untidy_worker")

    assert done.returncode == 1
    assert last_line(done.stdout) == "run.py: The worker did not stop cleanly (exit code 5)."


def test_keep_leaves_everything_up_until_ctrl_c(clone: Clone) -> None:
    with clone.start_sample("function_chaining", "--keep") as process:
        kept = read_until(process, "Dashboard: ")
        rest = interrupt(process)

    assert "up until Ctrl-C" in kept[-1]
    assert "Stopping." in rest
    assert process.returncode == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_everything_with_one_line(clone: Clone, number: signal.Signals, code: int) -> None:
    clone.add_sample(f"waiting_{code}", READY_WORKER, HANGING_CLIENT)

    with clone.start_sample(f"waiting_{code}") as process:
        read_until(process, "waiting")
        rest = interrupt(process, number)

    assert last_line(rest) == f"run.py: stopped by {number.name} before the sample was finished."
    assert process.returncode == code
    assert "Traceback" not in rest


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the children of a killed process")
def test_nobody_outlives_a_killed_launcher(clone: Clone) -> None:
    clone.add_sample("orphans", READY_WORKER, HANGING_CLIENT)

    with clone.start_sample("orphans") as process:
        read_until(process, "waiting")
        assert len(clone.processes()) >= 3
        process.kill()

    assert eventually(lambda: not clone.processes())


def test_an_unknown_sample_is_refused_with_the_ones_there_are(clone: Clone) -> None:
    done = clone.run_sample("nothing")

    assert done.returncode == 2
    assert "there is no sample 'nothing'; there are: " in last_line(done.stdout)
