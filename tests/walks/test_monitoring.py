"""The monitor as real processes: a job service, a scheduler, a worker, a client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.walks.stage import Program, Stage, request

QUICK = ("--first-wait", "0.1")


def watch(stage: Stage, *options: str) -> Program:
    """Start a client that looks often; what it leaves is in the stage's folder."""
    return stage.python("client.py", "--output", str(stage.folder / "output"), *QUICK, *options)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage("monitoring", tmp_path_factory.mktemp("stage")) as stage:
        stage.worker()
        yield stage


@pytest.fixture(scope="module")
def service(stage: Stage) -> str:
    """The address of a job service in a process of its own."""
    program = stage.python("job_service.py", "--port", "0")
    return program.wait_for("Serving ").split()[1]


def alerts(service: str) -> list[Any]:
    found = request("GET", f"{service}/alerts").json["alerts"]
    assert isinstance(found, list)
    return found


def test_a_job_is_watched_to_its_end(stage: Stage) -> None:
    lines = watch(stage, "--rows", "5").finish()

    assert lines[0].startswith("Started monitor ")
    assert lines[1].startswith("look ")
    assert lines[-1].startswith("Looked ")
    assert " times; done: 5 rows in " in lines[-1]


def test_a_job_that_breaks_raises_an_alert_in_a_file_and_at_the_webhook(stage: Stage, service: str) -> None:
    lines = watch(stage, "--service", service, "--rows", "50", "--breaks-at", "3").finish(code=1)

    assert ": the job failed: row 4 cannot be read; see " in lines[-1]
    file = Path(lines[-1].rpartition("; see ")[2])
    assert json.loads(file.read_text("utf-8"))["problem"] == "the job failed: row 4 cannot be read"
    assert [alert["problem"] for alert in alerts(service)][-1] == "the job failed: row 4 cannot be read"


def test_a_late_job_raises_an_alert(stage: Stage, service: str) -> None:
    lines = watch(stage, "--service", service, "--rows", "900", "--within", "0.5").finish(code=1)

    assert lines[-1].startswith("client.py: alert after looking ")
    assert ": not done within 0.5 s; the last look: running, " in lines[-1]
    assert alerts(service)[-1]["problem"].startswith("not done within 0.5 s")


def test_the_monitor_goes_on_when_its_worker_is_killed(tmp_path: Path) -> None:
    with Stage("monitoring", tmp_path) as stage:
        worker = stage.worker()
        client = watch(stage, "--rows", "30", "--longest-wait", "0.5")
        client.wait_for("look ", count=2)
        worker.kill()

        stage.worker()

        assert "; done: 30 rows in " in client.finish()[-1]


def test_a_service_that_goes_away_is_unknown_until_the_deadline(stage: Stage) -> None:
    program = stage.python("job_service.py", "--port", "0")
    url = program.wait_for("Serving ").split()[1]
    client = watch(stage, "--service", url, "--rows", "900", "--within", "3", "--longest-wait", "0.5")
    client.wait_for("look ")
    program.kill()

    last = client.finish(code=1)[-1]

    assert ": not done within 3 s; the last look: the service did not answer: " in last


def test_a_service_that_is_none_is_said_in_one_sentence(stage: Stage) -> None:
    lines = stage.python("client.py", "--service", "http://127.0.0.1:9").finish(code=1)

    assert lines == ["client.py: http://127.0.0.1:9/jobs did not take it: [Errno 111] Connection refused"]


def test_a_folder_that_cannot_be_had_is_said_in_one_sentence(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    lines = stage.python("client.py", "--output", str(file)).finish(code=1)

    assert lines == [f"client.py: no job service can be started with the folder {file}: File exists"]


def test_a_server_that_is_no_job_service_is_said_in_one_sentence(stage: Stage, service: str) -> None:
    lines = stage.python("client.py", "--service", f"{service}/elsewhere").finish(code=1)

    assert lines == [f"client.py: {service}/elsewhere/jobs did not take it: Not Found"]


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--service", "9000", "9000 is not an address such as http://127.0.0.1:9000"),
        ("--rows", "none", "none is not a whole number from 1 to 1,000,000"),
        ("--within", "-1", "-1 is not a number of seconds above 0, up to a year"),
        ("--within", "soon", "soon is not a number of seconds above 0, up to a year"),
    ],
)
def test_options_that_are_none_are_refused(stage: Stage, option: str, value: str, problem: str) -> None:
    lines = stage.python("client.py", f"{option}={value}").finish(code=2)

    assert lines[-1].endswith(f"argument {option}: {problem}")


def test_the_job_service_tells_what_it_refuses(stage: Stage, service: str) -> None:
    assert request("POST", f"{service}/jobs", raw=b"{").status == 422
    assert request("POST", f"{service}/jobs", {"rows": 0}).status == 422
    assert request("GET", f"{service}/jobs/none").status == 404
    port = service.rpartition(":")[2]
    lines = stage.python("job_service.py", "--port", port).finish(code=1)
    assert lines[-1].startswith(f"job_service.py: cannot listen on port {port}: ")
