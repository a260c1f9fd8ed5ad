"""The cleanup as its users meet it: real processes, a real folder, a worker that is killed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.walks.stage import Program, Stage

DONE = re.compile(r"5 iterations deleted 5 files \(15,000 bytes\): all 5 iterations are done")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage("eternal_orchestrations", tmp_path)


@pytest.fixture(scope="module")
def idle_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A scheduler without a worker, for clients that do not get that far."""
    with Stage("eternal_orchestrations", tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one file in it."""
    path = tmp_path / "inbox"
    path.mkdir()
    (path / "one").write_text("1")
    return path


def id_of(client: Program) -> str:
    return client.wait_for("Started cleanup ").split()[2]


def test_five_iterations_delete_what_expires_and_keep_a_small_history(stage: Stage) -> None:
    with stage:
        stage.worker()
        lines = stage.python("client.py", "--interval", "1").finish()

    seen = [re.fullmatch(r"\[(\d)\] deleted .*; history: (\d+) events", line) for line in lines[1:-1]]
    numbers = [int(match[1]) for match in seen if match]
    # The client looks five times a second; on a machine that stalls for longer it may miss an iteration.
    assert all(seen), lines
    assert numbers == sorted(set(numbers)), lines
    assert numbers[-1] == 5, lines
    # Eight while an iteration waits for the next, which may have just begun; the last one waits for nothing.
    assert max(int(match[2]) for match in seen if match) == 8
    assert DONE.fullmatch(lines[-1]), lines


def test_the_cleanup_goes_on_with_its_counter_when_its_worker_is_killed(stage: Stage, folder: Path) -> None:
    with stage:
        worker = stage.worker()
        client = stage.python("client.py", str(folder), "--max-age", "0", "--interval", "1")
        client.wait_for("[", count=2)
        worker.kill()

        (folder / "two").write_text("two")
        stage.worker()
        lines = client.finish()

    assert lines[-1] == "5 iterations deleted 2 files (4 bytes): all 5 iterations are done"
    assert not list(folder.iterdir())


def test_forever_ends_with_stop(stage: Stage, folder: Path) -> None:
    with stage:
        stage.worker()
        arguments = [str(folder), "--max-age", "0", "--interval", "0.05", "--forever"]
        client = stage.python("client.py", *arguments)
        client.wait_for("[", count=6)  # more than it makes by default

        stopped = stage.python("client.py", "--stop", id_of(client)).finish()
        lines = client.finish()

    assert re.fullmatch(r"\d+ iterations deleted 1 file \(1 bytes\): stopped by client.py", stopped[-1])
    assert lines[-1] == stopped[-1]


def test_a_client_that_no_longer_waits_says_how_to_end_the_cleanup(stage: Stage, folder: Path) -> None:
    with stage:
        stage.worker()
        client = stage.python("client.py", str(folder), "--max-age", "0", "--forever")
        client.wait_for("[")
        lines = client.interrupt(code=1)

    assert lines[-1] == (
        "client.py: no longer waiting; a cleanup that was started goes on without us; "
        "end it with client.py --stop and its id"
    )


def test_a_folder_that_vanishes_ends_the_cleanup_with_a_sentence(stage: Stage, folder: Path) -> None:
    with stage:
        stage.worker()
        client = stage.python("client.py", str(folder), "--max-age", "0", "--interval", "0.1", "--forever")
        client.wait_for("[")
        (folder / "one").unlink(missing_ok=True)
        folder.rmdir()
        lines = client.finish(code=1)

    assert lines[-1].startswith("client.py: Orchestration 'periodic_cleanup' (")
    assert lines[-1].endswith(
        f"gave up after 3 failed sweeps in a row: {folder} does not exist on the worker's machine"
    )
    assert "Traceback" not in "\n".join(lines)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["/nowhere"], 1, "client.py: say with --max-age how many seconds old a file of /nowhere may become"),
        (["/nowhere", "--max-age", "5"], 1, "client.py: /nowhere is not a folder"),
        (["--interval", "soon"], 2, "client.py: error: argument --interval: invalid seconds value: 'soon'"),
        (
            ["--interval", "-1"],
            2,
            "client.py: error: argument --interval: -1 is not a number of seconds from 0 to a billion",
        ),
        (
            ["--iterations", "0"],
            2,
            "client.py: error: argument --iterations: 0 is not a whole number above 0",
        ),
    ],
)
def test_bad_input_is_answered_with_a_sentence(
    idle_stage: Stage, arguments: list[str], code: int, sentence: str
) -> None:
    lines = idle_stage.python("client.py", *arguments).finish(code)

    assert lines[-1] == sentence


def test_an_id_that_nobody_has_cannot_be_stopped(idle_stage: Stage) -> None:
    lines = idle_stage.python("client.py", "--stop", "nobody").finish(code=1)

    assert len(lines) == 1
    assert lines[0].startswith("client.py: ")
    assert "There is no orchestration instance 'nobody'" in lines[0]
