"""`connect`, `connect_async` and `run_worker`; workers run as real processes against a scheduler of the
test.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import durakit
import httpx
import pytest
from durakit.errors import SettingsError
from durakit.settings import SETTINGS

from .fake_scheduler import FakeScheduler, activity_item

SOON_SECONDS = 30.0

WORKER = """
import sys, time
import durakit

def pack(ctx, seconds):
    print("packing", flush=True)
    time.sleep(seconds)
    return "packed"

def ship(ctx, _):
    return (yield ctx.call_activity(pack))

durakit.run_worker(orchestrators=[ship], activities=[pack])
print("cleaned up", flush=True)
"""


@pytest.fixture(autouse=True)
def clean_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that runs the tests, and an empty current folder."""
    for setting in SETTINGS:
        for variable in (setting.variable, *setting.aliases):
            # Set first, so that whatever a test adds is taken away again.
            monkeypatch.setenv(variable, "")
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)


@contextmanager
def worker(program: str = WORKER, **variables: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line_with(text: str, process: subprocess.Popen[str]) -> str:
    """The next line on stderr that contains the text."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"the worker ended without saying {text!r}")


def test_a_client_goes_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeScheduler() as scheduler:
        monkeypatch.setenv("ENDPOINT", scheduler.address)
        monkeypatch.setenv("TASKHUB", "orders")
        monkeypatch.setenv("DURAKIT_TOKEN", "secret")
        with durakit.connect() as client:
            client.get_orchestration_state("x")

        sent = scheduler.next_call("GetInstance").metadata

    assert (sent["taskhub"], sent["authorization"]) == ("orders", "Bearer secret")


def test_arguments_win_and_options_reach_the_client() -> None:
    with FakeScheduler() as scheduler:
        with durakit.connect(endpoint=scheduler.address, taskhub="mine", default_version="3") as client:
            client.schedule_new_orchestration("ship")

        call = scheduler.next_call("StartInstance")

    assert (call.metadata["taskhub"], call.request.version.value) == ("mine", "3")
    assert "authorization" not in call.metadata


def test_the_async_client_is_set_up_alike() -> None:
    async def main(address: str) -> None:
        async with durakit.connect_async(endpoint=address, taskhub="mine", token="secret") as client:
            await client.get_orchestration_state("x")

    with FakeScheduler() as scheduler:
        asyncio.run(main(scheduler.address))
        sent = scheduler.next_call("GetInstance").metadata

    assert (sent["taskhub"], sent["authorization"]) == ("mine", "Bearer secret")


def test_what_the_env_file_sets_is_in_the_environment_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDERS_FOLDER", "from the environment")
    monkeypatch.setenv("AZURE_TENANT_ID", "")
    monkeypatch.delenv("AZURE_TENANT_ID")
    (tmp_path / ".env").write_text("AZURE_TENANT_ID=t\nORDERS_FOLDER=from the file\nTASKHUB=orders\n")

    durakit.connect().close()

    assert os.environ["AZURE_TENANT_ID"] == "t"
    assert os.environ["ORDERS_FOLDER"] == "from the environment"


def test_a_bad_setting_is_an_error_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENDPOINT", "localhost:8080")

    with pytest.raises(SettingsError, match="without a scheme"):
        durakit.connect()


def test_a_worker_says_that_it_is_ready_with_what_it_offers_and_asks_for_nothing_else() -> None:
    with FakeScheduler() as scheduler, worker(ENDPOINT=scheduler.address, TASKHUB="orders") as process:
        said = line_with("worker ready", process)
        stream = scheduler.next_stream()

    assert said == (
        f"worker ready: task hub orders at {scheduler.address}; orchestrators: ship; activities: pack\n"
    )
    assert stream.metadata["taskhub"] == "orders"
    assert [each.name for each in stream.request.workItemFilters.orchestrations] == ["ship"]
    assert [each.name for each in stream.request.workItemFilters.activities] == ["pack"]


def test_a_worker_says_the_same_as_json() -> None:
    with (
        FakeScheduler() as scheduler,
        worker(ENDPOINT=scheduler.address, DURAKIT_LOG_FORMAT="json", DURAKIT_LOG_LEVEL="error") as process,
    ):
        said = json.loads(line_with("ready", process))

    assert said == {
        "event": "ready",
        "endpoint": scheduler.address,
        "taskhub": "default",
        "orchestrators": ["ship"],
        "activities": ["pack"],
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_running_work_finish_and_the_program_end_well(number: signal.Signals) -> None:
    with FakeScheduler() as scheduler, worker(ENDPOINT=scheduler.address) as process:
        scheduler.next_stream().send(activity_item("pack", input={"value": "0.2"}))
        assert process.stdout is not None
        assert process.stdout.readline() == "packing\n"

        process.send_signal(number)

        result = scheduler.next_call("CompleteActivityTask").request.result.value
        output, errors = process.communicate(timeout=SOON_SECONDS)

    assert result == '"packed"'
    assert process.returncode == 0
    assert output == "cleaned up\n"
    assert errors.endswith("worker stopped\n")
    assert "Traceback" not in errors


def test_a_worker_without_a_scheduler_says_so_and_keeps_trying() -> None:
    with FakeScheduler() as scheduler:
        port, address = scheduler.port, scheduler.address
    with worker(ENDPOINT=address) as process:
        said = line_with("No scheduler answers", process)

        with FakeScheduler(port):
            ready = line_with("worker ready", process)

    assert f"WARNING durakit.worker: No scheduler answers at {address} (" in said
    assert "start one with `durakit dev`, or set ENDPOINT to the address of yours. Trying again" in said
    assert ready.startswith("worker ready: ")


def test_a_worker_that_leaves_work_unfinished_says_so_and_ends_with_status_one() -> None:
    impatient = WORKER.replace("activities=[pack]", "activities=[pack], stop_grace=datetime.timedelta(0)")
    with (
        FakeScheduler() as scheduler,
        worker(f"import datetime{impatient}", ENDPOINT=scheduler.address) as process,
    ):
        scheduler.next_stream().send(activity_item("pack", input={"value": "60"}))
        assert process.stdout is not None
        assert process.stdout.readline() == "packing\n"

        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=SOON_SECONDS)

    assert process.returncode == 1
    assert "WARNING durakit.worker: Stopped although some work was still running after 0 s\n" in errors


def test_a_setting_that_cannot_be_used_is_one_line_and_status_two() -> None:
    with worker(ENDPOINT="localhost:8080") as process:
        output, errors = process.communicate(timeout=SOON_SECONDS)

    assert process.returncode == 2
    assert output == ""
    assert errors == (
        "worker: The endpoint is 'localhost:8080', without a scheme; "
        "write http://localhost:8080 (plaintext) or https://localhost:8080 (TLS).\n"
    )


def test_a_worker_tells_the_scheduler_how_much_it_does_at_once() -> None:
    with (
        FakeScheduler() as scheduler,
        worker(
            ENDPOINT=scheduler.address,
            DURAKIT_MAX_ACTIVITIES="7",
            DURAKIT_MAX_ORCHESTRATIONS="3",
        ),
    ):
        request = scheduler.next_call("GetWorkItems").request

    assert request.maxConcurrentActivityWorkItems == 7
    assert request.maxConcurrentOrchestrationWorkItems == 3


def test_a_worker_answers_probes_where_it_is_told_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with FakeScheduler() as scheduler:
        variables = {"ENDPOINT": scheduler.address, "DURAKIT_HEALTH_PORT": str(port)}
        with worker(**variables) as process:
            line_with("worker ready", process)

            assert httpx.get(f"http://127.0.0.1:{port}/livez").status_code == 200
            assert httpx.get(f"http://127.0.0.1:{port}/readyz").json() == {"status": "ok", "awaySeconds": 0.0}


def test_a_health_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("", 0)) as holder:
        port = holder.getsockname()[1]
        with worker(DURAKIT_HEALTH_PORT=str(port)) as process:
            _, errors = process.communicate(timeout=SOON_SECONDS)

    assert process.returncode == 2
    assert errors == (
        f"worker: DURAKIT_HEALTH_PORT is {port}, which cannot be had (Address already in use); "
        "choose a free one.\n"
    )
