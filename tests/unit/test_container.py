"""What a container of a durakit program starts, and what its health check asks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from durakit.container import command, is_well, main
from durakit.health import HealthServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("worker", "client"):
        (tmp_path / f"{name}.py").write_text("import sys\nprint(__file__, sys.argv[1:])\n")
    return tmp_path


def test_the_worker_is_started_unless_the_environment_says_otherwise(folder: Path) -> None:
    assert command([], {}, folder)[1:] == ["worker.py"]
    assert command([], {"PROGRAM": ""}, folder)[1:] == ["worker.py"]
    assert command([], {"PROGRAM": "client"}, folder)[1:] == ["client.py"]


def test_arguments_come_from_the_environment_and_then_from_the_command_line(folder: Path) -> None:
    variables = {"PROGRAM": "client", "PROGRAM_ARGUMENTS": " --host 0.0.0.0  --port 8000 "}

    started = command(["--name", "with blank"], variables, folder)

    assert started[1:] == ["client.py", "--host", "0.0.0.0", "--port", "8000", "--name", "with blank"]


@pytest.mark.parametrize("name", ["clent", "../client", "worker.py"])
def test_a_program_that_is_not_there_is_refused_with_those_that_are(folder: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"PROGRAM is .* has no .*; expected client or worker\."):
        command([], {"PROGRAM": name}, folder)


def test_the_program_takes_the_place_of_the_starter(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "durakit.container", "--fast"],
        cwd=folder,
        env={**os.environ, "PROGRAM": "client"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("client.py ['--fast']\n")


def test_the_health_check_follows_what_the_worker_answers() -> None:
    away = 0.0
    health = HealthServer(0, lambda: away, dead_seconds=300)
    try:
        variables = {"DURAKIT_HEALTH_PORT": str(health.port), "http_proxy": "http://127.0.0.1:9"}
        assert is_well("livez", variables)
        assert is_well("readyz", variables)
        away = 10.0
        assert is_well("livez", variables)
        assert not is_well("readyz", variables)
        away = 301.0
        assert not is_well("livez", variables)
    finally:
        health.close()
    assert not is_well("livez", variables), "nobody answers any more"


def test_who_answers_no_probes_counts_as_well() -> None:
    assert is_well("livez", {})
    assert is_well("livez", {"PROGRAM": "client", "DURAKIT_HEALTH_PORT": "9"})


def test_a_probe_that_does_not_exist_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--is", "fine"]) == 2
    assert "--is wants one of livez, readyz" in capsys.readouterr().err
