"""`durakit dashboard` as a process: the pages of a scheduler that runs elsewhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from durakit.azuremanaged.client import DurableTaskSchedulerClient

from .fresh_clone import environment
from .programs import TIMEOUT_SECONDS


@contextmanager
def program(place: Path, *arguments: str, **variables: str) -> Iterator[dict[str, Any]]:
    """Run a `durakit` command that serves; yield its ready line, end it with SIGTERM."""
    command = [sys.executable, "-c", "import sys; from durakit.cli import main; sys.exit(main(sys.argv[1:]))"]
    with subprocess.Popen(
        [*command, *arguments, "--log-format", "json"],
        cwd=place,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 0


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """A scheduler with one instance, `po-1`; its address."""
    with program(tmp_path, "dev", "--in-memory", "--headless", "--grpc-port", "0") as ready:
        with DurableTaskSchedulerClient(
            host_address=ready["grpc"], taskhub="default", token_credential=None, secure_channel=False
        ) as client:
            client.schedule_new_orchestration("purchase_order", instance_id="po-1")
        yield ready["grpc"]


def test_the_pages_of_another_scheduler_are_served(scheduler: str, tmp_path: Path) -> None:
    with program(tmp_path, "dashboard", "--endpoint", scheduler, "--port", "0") as ready:
        pages = ready["dashboard"]
        listed = httpx.get(f"{pages}/h/default/instances.json").json()
        workers = httpx.get(f"{pages}/h/default/workers")
        ended = httpx.post(f"{pages}/h/default/i/po-1/terminate", json={"reason": "wrong file"})
        found = httpx.get(f"{pages}/h/default/i/po-1.json").json()

    assert ready["endpoint"] == scheduler
    assert [row["id"] for row in listed["instances"]] == ["po-1"]
    assert "does not report workers" in workers.text
    assert ended.status_code == 200
    assert (found["status"], found["waiting"]["short"]) == ("terminated", "wrong file")


def test_read_only_below_a_path_it_changes_nothing(scheduler: str, tmp_path: Path) -> None:
    options = ["--endpoint", scheduler, "--port", "0", "--read-only", "--base-path", "/durakit"]
    with program(tmp_path, "dashboard", *options) as ready:
        refused = httpx.post(f"{ready['dashboard']}/h/default/i/po-1/terminate", json={})

    assert ready["dashboard"].endswith("/durakit")
    assert refused.status_code == 403


def test_a_scheduler_that_is_gone_is_told_on_the_page(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    with program(tmp_path, "dashboard", "--endpoint", nowhere, "--port", "0") as ready:
        answer = httpx.get(f"{ready['dashboard']}/h/default/instances.json", timeout=60)

    assert answer.status_code == 503
    assert "127.0.0.1:9" in answer.json()["error"]["message"]


def test_other_machines_are_let_in_only_with_a_token(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from durakit.cli import main; sys.exit(main(sys.argv[1:]))",
            "dashboard",
            "--host",
            "0.0.0.0",
            "--port",
            "0",
        ],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == (
        "durakit dashboard: --host 0.0.0.0 lets other machines in, and there is no token. Set DURAKIT_TOKEN, "
        "or pass --insecure to let everyone in.\n"
    )
