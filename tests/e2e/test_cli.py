"""`durakit instances`, `hubs`, `workers` and shell completion as processes, against `durakit dev`."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from durakit.testing import replay

from .fresh_clone import ROOT, environment, eventually
from .programs import TIMEOUT_SECONDS

DURAKIT = str(Path(sys.executable).parent / "durakit")

WORKER = """
import durakit
from datetime import timedelta
from durakit.task import ActivityContext, OrchestrationContext, when_any

async def order(ctx: OrchestrationContext, order: dict) -> str:
    await ctx.call_activity(check, input=order["amount"])
    approval = ctx.wait_for_external_event("approval")
    await when_any([approval, ctx.create_timer(timedelta(hours=1))])
    return f"charged {order['amount']}"

def check(ctx: ActivityContext, amount: int) -> bool:
    if amount < 0:
        raise ValueError("negative amount")
    return True

if __name__ == "__main__":
    durakit.run_worker(orchestrators=[order], activities=[check])
"""


@dataclass(frozen=True)
class Shell:
    """A shell whose settings name the scheduler."""

    folder: Path
    variables: dict[str, str]

    def run(self, *arguments: str, typed: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [DURAKIT, *arguments],
            cwd=self.folder,
            env=environment(**{**self.variables, **variables}),
            input=typed,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command that goes on; it is killed at the end, if it still runs."""
        with subprocess.Popen(
            [DURAKIT, *arguments],
            cwd=self.folder,
            env=environment(**self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def ok(self, *arguments: str, typed: str = "") -> str:
        """Return what a command printed that did what it should and had nothing else to say."""
        done = self.run(*arguments, typed=typed)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A scheduler with one worker, and a shell that talks to it."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "orders.py").write_text(WORKER)
    with ExitStack() as stack:

        def start(*command: str, **variables: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(**variables),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        free = ("--grpc-port", "0", "--dashboard-port", "0", "--in-memory", "--log-format", "json")
        scheduler = start(DURAKIT, "dev", *free)
        assert scheduler.stdout is not None
        ready = json.loads(scheduler.stdout.readline())
        worker = start(sys.executable, "orders.py", ENDPOINT=ready["grpc"])
        assert worker.stderr is not None
        assert worker.stderr.readline().startswith("worker ready")
        yield Shell(folder, {"ENDPOINT": ready["grpc"], "DURAKIT_DASHBOARD": ready["dashboard"]})


def test_an_order_from_start_to_purge(shell: Shell) -> None:
    assert (
        shell.ok("instances", "start", "order", "--id", "po-1", "--input", "-", typed='{"amount": 5}')
        == "po-1\n"
    )
    shell.ok("instances", "start", "order", "--id", "po-2", "--input", '{"amount": 7}', "--tag", "region=eu")
    with shell.started("instances", "watch", "po-1") as watching:
        assert watching.stdout is not None
        said = next(line for line in watching.stdout if "Waiting for event approval until" in line)
        assert said

        listed = shell.run("instances", "list", "--waiting", "event", "--on", "approval", "--id", "po-1")
        assert "Waiting for event approval until" in listed.stdout
        assert listed.stderr == "Filtered here; searched 1 so far.\n"
        assert shell.ok("instances", "raise", "po-1", "approval") == "Raised approval for po-1.\n"
        assert shell.ok("instances", "wait", "po-1") == '"charged 5"\n'
        rest, _ = watching.communicate(timeout=TIMEOUT_SECONDS)
        assert "event approval arrived" in rest
        assert watching.returncode == 0

    export = shell.folder / "po-1.history.json"
    export.write_text(shell.ok("instances", "history", "po-1", "-o", "json"))
    workflow: dict[str, Any] = {"__name__": "orders"}
    exec(WORKER, workflow)
    assert replay(workflow["order"], export)

    assert shell.ok("instances", "terminate", "po-2", "--reason", "wrong file") == "Terminated po-2.\n"
    done = shell.run("instances", "wait", "po-2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("durakit instances wait: po-2 was terminated ")
    assert shell.ok("instances", "purge", "--id", "po-", "--yes") == "Purged 2 instances.\n"


def test_a_failure_is_told_and_exits_with_1(shell: Shell) -> None:
    done = shell.run("instances", "start", "order", "--id", "bad", "--input", '{"amount": -1}', "--wait")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "Started order bad",
        "durakit instances start: bad failed: ValueError: negative amount",
    ]
    assert json.loads(shell.ok("instances", "show", "bad", "-o", "json"))["status"] == "failed"


def test_ctrl_c_ends_the_waiting_only(shell: Shell) -> None:
    shell.ok("instances", "start", "order", "--id", "long", "--input", '{"amount": 1}')
    with shell.started("instances", "watch", "long") as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=TIMEOUT_SECONDS)

    assert watching.returncode == 130
    assert "Traceback" not in said
    assert json.loads(shell.ok("instances", "show", "long", "-o", "json"))["status"] == "running"


def test_hubs_and_workers_are_read_from_the_dashboard(shell: Shell) -> None:
    (hub,) = json.loads(shell.ok("hubs", "-o", "json"))["hubs"]
    (worker,) = json.loads(shell.ok("workers", "-o", "json"))["workers"]

    assert (hub["name"], hub["workers"]) == ("default", 1)
    assert {each["name"] for each in worker["offers"]} == {"order", "check"}
    assert "order, check" in shell.ok("workers")


def test_a_scheduler_that_is_away_exits_with_5(shell: Shell) -> None:
    for command in (["instances", "list"], ["instances", "wait", "x"], ["hubs"]):
        away = "http://127.0.0.1:1"
        done = shell.run(*command, ENDPOINT=away, DURAKIT_DASHBOARD=away)

        assert (done.returncode, done.stdout) == (5, "")
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith(f"durakit {' '.join(command[:2])}: No ")


def test_a_reader_that_has_enough_is_no_error(shell: Shell) -> None:
    shell.ok("instances", "start", "order", "--id", "piped", "--input", "-", typed=json.dumps("x" * 300_000))

    command = f"{DURAKIT} instances show piped --full | head -1"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=shell.folder,
        env=environment(**shell.variables),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )

    assert done.stdout.endswith("  order  piped\n")
    assert done.stderr == ""


def on_terminal(shell: Shell, *arguments: str, **variables: str) -> str:
    """Return what a command draws on a terminal."""
    ours, theirs = pty.openpty()
    settings = {**shell.variables, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", **variables}
    with subprocess.Popen(
        [DURAKIT, *arguments],
        cwd=shell.folder,
        env=environment(**settings),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        drawn = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux: the other side is closed
                part = b""
            if not part:
                break
            drawn += part
    os.close(ours)
    return drawn.decode()


def test_on_a_terminal_there_is_a_drawing_in_colour(shell: Shell) -> None:
    shell.run("instances", "start", "order", "--id", "drawn", "--input", '{"amount": -1}', "--wait")

    drawn = on_terminal(shell, "instances", "watch", "drawn")
    assert "check" in drawn
    assert "✗" in drawn
    assert "\x1b[31m" in drawn
    assert "\x1b[31m" not in on_terminal(shell, "instances", "watch", "drawn", NO_COLOR="1")
    assert "\x1b[31mFailed" in on_terminal(shell, "instances", "list", "--id", "drawn")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("durakit instances sus", "plain,suspend"),
        ("durakit instances show tab", "plain,tab-1"),
        ("durakit instances start or", "plain,order"),
        ("durakit compl", "plain,completion"),
    ],
)
def test_tab_completes_commands_ids_and_names(shell: Shell, typed: str, offered: str) -> None:
    shell.run("instances", "start", "order", "--id", "tab-1", "--input", '{"amount": 1}')
    words = typed.split()

    done = shell.run(_DURAKIT_COMPLETE="bash_complete", COMP_WORDS=typed, COMP_CWORD=str(len(words) - 1))

    assert done.stdout.splitlines() == [offered]


def test_tab_offers_nothing_without_a_scheduler(shell: Shell) -> None:
    done = shell.run(
        _DURAKIT_COMPLETE="bash_complete",
        COMP_WORDS="durakit instances show x",
        COMP_CWORD="3",
        ENDPOINT="http://127.0.0.1:1",
    )

    assert (done.stdout.strip(), done.stderr) == ("", "")


def walk() -> list[tuple[str, str]]:
    """Return the commands of docs/cli.md whose output is shown, with that output."""
    blocks = re.findall(r"^```console\n(.*?)^```$", (ROOT / "docs/cli.md").read_text("utf-8"), re.M | re.S)
    steps = [step.partition("\n") for block in blocks for step in re.split(r"^\$ ", block, flags=re.M)[1:]]
    return [(command, shown) for command, _, shown in steps]


def test_the_guide_shows_what_the_commands_print(shell: Shell) -> None:
    variables = {**shell.variables, "PATH": f"{Path(DURAKIT).parent}{os.pathsep}{os.environ['PATH']}"}
    printed = ""

    def prints(command: str, shown: str) -> bool:
        nonlocal printed
        printed = subprocess.run(
            ["bash", "-c", command],
            cwd=shell.folder,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        ).stdout
        pattern = r"[^\n]*".join(map(re.escape, re.sub(r" +", " ", shown).split("…")))
        return re.fullmatch(pattern, re.sub(r" +", " ", printed)) is not None

    steps = walk()
    assert len(steps) >= 6
    for command, shown in steps:
        # What only reads may be asked until the worker has come so far.
        reads = command.startswith(("durakit instances list", "durakit instances show"))
        patience = TIMEOUT_SECONDS if reads else 0
        assert eventually(partial(prints, command, shown), patience), f"{command}\n{printed}"
