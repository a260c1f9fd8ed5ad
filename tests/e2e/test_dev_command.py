"""`durakit dev` and `durakit wait-ready` as real processes: what scripts and people rely on."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from durakit.azuremanaged.client import DurableTaskSchedulerClient

from .fresh_clone import environment
from .programs import TIMEOUT_SECONDS

DURAKIT = Path(sys.executable).with_name("durakit")
FREE_PORTS = ("--grpc-port", "0", "--dashboard-port", "0")

Run = Callable[..., subprocess.CompletedProcess[str]]
Start = Callable[..., "Scheduler"]


@dataclass
class Scheduler:
    """A running `durakit dev`."""

    process: subprocess.Popen[str]
    grpc: str
    dashboard: str | None
    data: str | None

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal; return exit code and the rest of stdout and stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=TIMEOUT_SECONDS)
        return self.process.returncode, out, err

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Visit the dashboard."""
        return httpx.get(f"{self.dashboard}{path}", headers=headers, timeout=TIMEOUT_SECONDS)

    def client(self, hub: str = "default") -> DurableTaskSchedulerClient:
        return DurableTaskSchedulerClient(
            host_address=self.grpc, taskhub=hub, token_credential=None, secure_channel=False
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command to its end, in a folder of its own."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DURAKIT, *arguments],
            cwd=tmp_path,
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts schedulers on free ports; those still up afterwards are killed."""
    with ExitStack() as stack:

        def start(*arguments: str, **variables: str) -> Scheduler:
            process = subprocess.Popen(
                [DURAKIT, "dev", *FREE_PORTS, "--log-format", "json", *arguments],
                cwd=tmp_path,
                env=environment(**variables),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready.pop("event") == "ready"
            return Scheduler(process, **ready)

        yield start


def port_of(url: str | None) -> int:
    assert url is not None
    return int(url.rpartition(":")[2])


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a command that failed."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.rstrip("\n")


def test_the_ready_line_is_all_of_stdout_and_sigterm_ends_with_0(tmp_path: Path) -> None:
    with subprocess.Popen(
        [DURAKIT, "dev", *FREE_PORTS],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        rest, logs = process.communicate(timeout=TIMEOUT_SECONDS)

    assert re.fullmatch(
        r"durakit is ready: gRPC http://127\.0\.0\.1:\d+, dashboard http://127\.0\.0\.1:\d+, "
        rf"data {re.escape(str(tmp_path))}/\.durakit/scheduler\.db\n",
        line,
    )
    assert (process.returncode, rest) == (0, "")
    assert logs.endswith("Stopping; running orchestrations go on when the scheduler is started again\n")
    assert "Traceback" not in logs


def test_in_json_everything_on_stderr_is_json_too(start: Start) -> None:
    code, out, logs = start("--task-hub", "orders").stop()

    assert (code, out) == (0, "")
    messages = [json.loads(line)["message"] for line in logs.splitlines()]
    assert messages == [
        "Task hub 'orders' created.",
        "Stopping; running orchestrations go on when the scheduler is started again",
    ]


def test_ctrl_c_ends_with_0(start: Start) -> None:
    code, out, logs = start().stop(signal.SIGINT)

    assert (code, out) == (0, "")
    assert "Traceback" not in logs


def test_neither_dashboard_nor_file_need_be(start: Start, tmp_path: Path) -> None:
    scheduler = start("--headless", "--in-memory")

    assert (scheduler.dashboard, scheduler.data) == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_open_connections_of_clients_and_visitors_do_not_hold_it_up(start: Start) -> None:
    scheduler = start()

    with httpx.Client(base_url=str(scheduler.dashboard)) as visitor, scheduler.client() as client:
        assert visitor.get("/healthz").json() == {"status": "ok"}
        client.schedule_new_orchestration("purchase_order")
        code, _, logs = scheduler.stop()

    assert code == 0
    assert "Traceback" not in logs


def test_an_orchestration_is_on_the_page_and_still_there_after_a_restart(start: Start) -> None:
    first = start("--task-hub", "orders")
    with first.client("orders") as client:
        client.schedule_new_orchestration("purchase_order", instance_id="po-1")
    before = first.get("/h/orders/instances.json").json()
    first.stop()

    second = start("--task-hub", "orders")

    after = second.get("/h/orders/instances.json").json()
    assert [(item["id"], item["status"]) for item in before["instances"]] == [("po-1", "pending")]
    # How long it has waited is told anew each time.
    facts = [{**item, "waiting": item["waiting"]["kind"]} for item in before["instances"]]
    assert [{**item, "waiting": item["waiting"]["kind"]} for item in after["instances"]] == facts
    assert "purchase_order" in second.get("/h/orders/instances").text


def test_a_foreign_host_is_refused_by_the_true_dashboard(start: Start) -> None:
    assert start().get("/hubs", Host="evil.example").status_code == 403


@pytest.mark.parametrize("option", ["--grpc-port", "--dashboard-port"])
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the holder may be hidden")
def test_a_busy_port_is_named_with_its_holder(run: Run, option: str) -> None:
    other = "--dashboard-port" if option == "--grpc-port" else "--grpc-port"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        line = refused(run("dev", "--in-memory", option, str(port), other, "0"))

    assert line.startswith(f"durakit dev: Port {port} on 127.0.0.1 is in use by ")
    assert line.endswith(
        f"(process {os.getpid()}). Stop it, or let the system choose a free port: {option} 0"
    )


def test_a_file_of_another_program_is_refused_and_left_alone(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "theirs.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    content = file.read_bytes()

    line = refused(run("dev", *FREE_PORTS, "--db", "theirs.db"))

    assert line == (
        f"durakit dev: {file} is a SQLite database of another program; it was left untouched. "
        f"Choose another file with --db."
    )
    assert file.read_bytes() == content


def test_a_file_that_is_no_database_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at " * 100)

    line = refused(run("dev", *FREE_PORTS, "--db", "notes.txt"))

    assert line == (
        f"durakit dev: {tmp_path}/notes.txt is not a SQLite database. Choose another file with --db."
    )


def test_a_file_in_use_by_another_scheduler_is_refused(start: Start, run: Run) -> None:
    data = start().data

    line = refused(run("dev", *FREE_PORTS))

    assert line == (
        f"durakit dev: {data} is in use by another scheduler. "
        f"Stop that one, or choose another file with --db."
    )


def test_other_machines_are_let_in_only_on_purpose(run: Run, start: Start) -> None:
    done = run("dev", *FREE_PORTS, "--host", "0.0.0.0")
    scheduler = start("--host", "0.0.0.0", "--insecure", "--in-memory")

    assert done.returncode == 2
    assert done.stderr.startswith(
        "durakit dev: --host 0.0.0.0 lets other machines in, and there is no token."
    )
    _, _, logs = scheduler.stop()
    assert json.loads(logs.splitlines()[0])["message"] == (
        "Everyone who can reach 0.0.0.0 is let in: --insecure, no token"
    )


def test_a_token_guards_grpc_and_dashboard_and_is_never_logged(
    start: Start, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    scheduler = start("--token-file", "token", "--log-level", "debug")

    stranger = run("wait-ready", "--endpoint", scheduler.grpc)
    friend = run("wait-ready", "--endpoint", scheduler.grpc, DURAKIT_TOKEN="s3cret")

    assert refused(stranger) == (
        f"durakit wait-ready: {scheduler.grpc} is up and refuses us: The bearer token is missing. "
        f"Set DURAKIT_TOKEN to the token the scheduler was started with."
    )
    assert friend.returncode == 0
    assert scheduler.get("/hubs").status_code == 401
    assert scheduler.get("/hubs", Authorization="Bearer s3cret").status_code == 200
    assert "s3cret" not in scheduler.stop()[2]


def test_wait_ready_says_when_a_scheduler_answers(start: Start, run: Run) -> None:
    scheduler = start("--in-memory", "--headless")

    done = run("wait-ready", ENDPOINT=scheduler.grpc)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"durakit: {scheduler.grpc} is ready after \d+\.\d s\n", done.stdout)


def test_wait_ready_waits_for_a_scheduler_that_comes_later(start: Start, tmp_path: Path) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        waiting = subprocess.Popen(
            [DURAKIT, "wait-ready", "--endpoint", f"http://127.0.0.1:{port}"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
    with waiting:
        scheduler = start("--in-memory", "--headless", "--grpc-port", str(port))

        said, _ = waiting.communicate(timeout=TIMEOUT_SECONDS)

    assert port_of(scheduler.grpc) == port
    assert (waiting.returncode, said.partition(" is ready")[0]) == (0, f"durakit: http://127.0.0.1:{port}")


def test_wait_ready_gives_up_in_time(run: Run) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"

        done = run("wait-ready", "--endpoint", endpoint, "--timeout", "0.2")

    assert refused(done) == (
        f"durakit wait-ready: {endpoint} did not answer within 0.2 s. Start a scheduler with durakit dev, "
        f"or give the address of yours with --endpoint."
    )
