"""Orders in batches as processes: both programs that start a run, one that follows it, and bad input."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .stage import Stage

SUMMARY = r"55 orders processed in 6 batches, 5 failed; 1,977\.48 EUR invoiced: (.*)"


@pytest.mark.parametrize("program", ["orchestrator.py", "client.py"])
def test_a_run_ends_with_its_summary(tmp_path: Path, program: str) -> None:
    with Stage("sub_orchestrations_fan_out", tmp_path) as stage:
        stage.worker()
        lines = stage.python(program, "--output", str(tmp_path)).finish()

    summary = re.fullmatch(SUMMARY, lines[-1])
    assert summary, lines
    assert len(list(Path(summary[1]).iterdir())) == 55
    assert lines[-2] == "order 47 failed: no rate of tax is known for country XX"


def test_two_workers_share_a_run_that_another_client_follows(tmp_path: Path) -> None:
    with Stage("sub_orchestrations_fan_out", tmp_path) as stage:
        starter = stage.python("orchestrator.py", "--output", str(tmp_path))
        run = re.fullmatch(r"Started run (\w+): .*", starter.wait_for("Started run"))
        assert run
        follower = stage.python("client.py", "--follow", run[1])
        for _ in range(2):
            stage.worker()
        lines = follower.finish()

    assert re.fullmatch(SUMMARY, lines[-1])
    assert "[6/6] 55 orders processed, 5 failed" in lines


def test_a_killed_worker_costs_no_order(tmp_path: Path) -> None:
    with Stage("sub_orchestrations_fan_out", tmp_path) as stage:
        first = stage.worker()
        client = stage.python("client.py", "--orders", "900", "--batch-size", "30", "--output", str(tmp_path))
        client.wait_for("[")
        first.kill()
        assert client.process.poll() is None, "it was over before the worker was killed"

        stage.worker()
        lines = client.finish()

    assert lines[-1].startswith("825 orders processed in 30 batches, 75 failed; ")
    (folder,) = tmp_path.glob("run-*")
    assert len(list(folder.glob("invoice-*"))) == 825


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (
            ["--follow", "nobody"],
            1,
            "client.py: there is no run nobody; orchestrator.py prints the id of each",
        ),
        (
            ["--batch-size", "0"],
            2,
            "client.py: error: argument --batch-size: 0 is not a whole number above 0",
        ),
        (
            ["--orders", "50000"],
            1,
            r"client.py: .* The orchestration input is [\d,]+ bytes; at most 1,048,576 are allowed\. .*",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    tmp_path: Path, arguments: list[str], code: int, problem: str
) -> None:
    with Stage("sub_orchestrations_fan_out", tmp_path) as stage:
        lines = stage.python("client.py", *arguments, "--output", str(tmp_path)).finish(code)

    assert re.fullmatch(problem, lines[-1]), lines
    assert "Traceback" not in "\n".join(lines)
