"""The embedded sample as its users run it: killed, refused, behind HTTP, and with a worker later."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from tests.e2e.fresh_clone import ROOT
from tests.walks.stage import Program, Stage, request, request_until

SAMPLE = ROOT / "samples" / "embedded_app"
NIGHT = "2026-03-02"
RESULT = "120 visits of 41 customers, 30 of them in several branches, 3 bad rows left out: "
IN_USE = "/visits.db is in use by another scheduler. Stop that one, or choose another file."

Start = Callable[..., Program]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


@pytest.fixture
def start(output: Path) -> Iterator[Start]:
    """Return a function that starts a program of the sample on the test's own output."""
    with ExitStack() as stack:

        def begin(script: str, *arguments: str) -> Program:
            command = [sys.executable, script, *arguments, "--output", str(output)]
            program = Program(command, SAMPLE, {})
            stack.callback(program.kill)
            return program

        yield begin


def written(output: Path) -> dict[str, int]:
    """Return when the file of each branch was written, in ns."""
    return {path.stem: path.stat().st_mtime_ns for path in (output / NIGHT).glob("*.csv")}


def numbers(lines: list[str]) -> list[int]:
    """Return which steps were told as done."""
    return [int(found[1]) for line in lines if (found := re.match(r"\[(\d+)/9\] ", line))]


def test_a_killed_import_goes_on_and_repeats_no_finished_step(start: Start, output: Path) -> None:
    killed = start("client.py")
    killed.wait_for("[3/9] ")
    killed.kill()
    before = written(output)

    lines = start("client.py").finish()

    after = written(output)
    told = re.fullmatch(rf"Going on with visits-{NIGHT}; (\d) of 9 steps are done", lines[0])
    assert told is not None
    done = int(told[1])
    assert done >= 3
    assert numbers(lines) == [*range(done + 1, 10)]
    assert lines[-1] == f"{RESULT}{output}/{NIGHT}/all/customers.csv"
    finished = ["berlin", "bremen", "dresden"]
    assert {name: after[name] for name in finished} == {name: before[name] for name in finished}


def test_killed_after_every_step_it_still_ends_with_the_right_table(start: Start, output: Path) -> None:
    told: list[int] = []
    while not told or told[-1] < 8:
        program = start("client.py")
        program.wait_for("[")
        program.kill()
        told += numbers(program.lines)

    assert told == sorted(set(told)), "no step is told twice"
    assert start("client.py").finish()[-1].startswith(RESULT)
    assert len((output / NIGHT / "all" / "customers.csv").read_text().splitlines()) == 1 + 41


def test_ctrl_c_finishes_the_branch_under_way_and_loses_nothing(start: Start, output: Path) -> None:
    program = start("client.py")
    program.wait_for("[2/9] ")
    last = program.interrupt(code=1)[-1]
    before = written(output)

    lines = start("client.py").finish()

    assert last == "client.py: no longer waiting; the same command goes on from here"
    assert lines[0].startswith(f"Going on with visits-{NIGHT}; ")
    after = written(output)
    assert {name: after[name] for name in before} == before


def test_a_failed_import_is_tried_again_when_the_file_is_mended(
    start: Start, output: Path, tmp_path: Path
) -> None:
    inbox = tmp_path / "2026-03-03"
    inbox.mkdir()
    for name in ("berlin", "zurich"):
        lines = (SAMPLE / "data" / NIGHT / f"{name}.csv").read_text().splitlines()[:2]
        (inbox / f"{name}.csv").write_text("\n".join(lines))
    good = (inbox / "zurich.csv").read_text()
    (inbox / "zurich.csv").write_text("who,when\n")

    failed = start("client.py", str(inbox)).finish(code=1)
    (inbox / "zurich.csv").write_text(good)
    again = start("client.py", str(inbox)).finish()
    once_more = start("client.py", str(inbox)).finish()

    assert failed[-1] == (
        "client.py: Orchestration 'visits_import' (visits-2026-03-03) failed with visits.VisitsError: "
        f"{inbox}/zurich.csv begins with 'who,when'; expected 'time,email,amount'"
    )
    assert again[0] == "Trying again where visits-2026-03-03 failed; 1 of 3 steps are done"
    assert again[1] == "[2/3] zurich: 1 visits"
    assert once_more[0] == "visits-2026-03-03 has ended already; 3 of 3 steps are done"


def test_a_folder_of_the_same_name_is_not_taken_for_the_same_night(start: Start, tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "night").mkdir(parents=True)
        (tmp_path / parent / "night" / "graz.csv").write_text("time,email,amount\n")
    start("client.py", str(tmp_path / "a" / "night")).finish()

    lines = start("client.py", str(tmp_path / "b" / "night")).finish(code=1)

    assert lines == [
        f"client.py: visits-night is an import of {tmp_path}/a/night; name this folder otherwise"
    ]


def test_an_output_that_cannot_be_written_is_named(start: Start, output: Path) -> None:
    output.write_text("in the way")

    lines = start("client.py").finish(code=1)

    assert len(lines) == 1
    assert lines[0].startswith(f"client.py: {output}/visits.db cannot be used: ")


def test_one_process_owns_the_file(start: Start, output: Path) -> None:
    first = start("client.py")
    first.wait_for("Started ")

    assert start("client.py").finish(code=1) == [f"client.py: {output}{IN_USE}"]
    assert start("app.py", "--port", "0").finish(code=1)[-1] == f"app.py: {output}{IN_USE}"
    first.finish()


def test_the_web_application_goes_on_after_a_kill_and_takes_the_answer(start: Start) -> None:
    app = start("app.py", "--port", "0")
    imports = f"{app.wait_for('Serving ').split()[1]}/imports"
    started = request("POST", f"{imports}/{NIGHT}")
    same = request("POST", f"{imports}/{NIGHT}")
    early = request("POST", f"{imports}/{NIGHT}/answer", {"says": "go on"})
    request_until(f"{imports}/{NIGHT}", lambda answer: len(cast("list[str]", answer.json["done"])) >= 2)
    app.kill()

    again = start("app.py", "--port", "0")
    imports = f"{again.wait_for('Serving ').split()[1]}/imports"
    asking = request_until(f"{imports}/{NIGHT}", lambda answer: bool(answer.json["question"]))
    refused = request("POST", f"{imports}/{NIGHT}/answer", {"says": "maybe"})
    taken = request("POST", f"{imports}/{NIGHT}/answer", {"says": "go on"})
    ended = request_until(f"{imports}/{NIGHT}", lambda answer: answer.json["status"] == "completed")
    late = request("POST", f"{imports}/{NIGHT}/answer", {"says": "go on"})
    again.interrupt()

    assert (started.status, started.headers["location"], same.status) == (202, f"/imports/{NIGHT}", 202)
    assert (early.status, early.json) == (409, {"error": f"The import of {NIGHT} asks nothing."})
    assert asking.json["question"] == (
        "3 bad rows in dresden, munich, vienna: go on without them, or read the files again?"
    )
    assert (refused.status, taken.status, late.status) == (422, 202, 409)
    assert cast("dict[str, int]", ended.json["result"])["visits"] == 120


def test_a_failed_import_is_tried_again_when_it_is_asked_for_again(start: Start, tmp_path: Path) -> None:
    inbox = tmp_path / "inboxes" / "night"
    inbox.mkdir(parents=True)
    (inbox / "graz.csv").write_text("who,when\n")
    app = start("app.py", "--port", "0", "--inboxes", str(inbox.parent))
    night = f"{app.wait_for('Serving ').split()[1]}/imports/night"

    request("POST", night)
    failed = request_until(night, lambda answer: answer.json["status"] == "failed")
    (inbox / "graz.csv").write_text("time,email,amount\n09:00,ada@example.com,1.50\n")
    request("POST", night)
    ended = request_until(night, lambda answer: answer.json["status"] == "completed")

    assert failed.json["error"] == f"{inbox}/graz.csv begins with 'who,when'; expected 'time,email,amount'"
    assert ended.json["done"] == ["graz: 1 visits", "1 visits of 1 customers in one table"]


def test_an_import_that_nobody_started_and_a_night_that_is_not_there_are_404(start: Start) -> None:
    app = start("app.py", "--port", "0")
    imports = f"{app.wait_for('Serving ').split()[1]}/imports"

    look, begin = request("GET", f"{imports}/x"), request("POST", f"{imports}/x")

    assert (look.status, look.json) == (404, {"error": "There is no import of x."})
    assert begin.status == 404
    assert str(begin.json["error"]).startswith("There is no folder x in ")


def test_what_was_begun_embedded_goes_on_with_the_worker_that_the_readme_shows(
    start: Start, output: Path, tmp_path: Path
) -> None:
    program = start("client.py")
    program.wait_for("[2/9] ")
    program.process.send_signal(signal.SIGKILL)
    program.finish(code=-signal.SIGKILL)
    project = tmp_path / "project"
    shutil.copytree(SAMPLE, project, ignore=shutil.ignore_patterns("output", ".*", "__pycache__"))
    shown = re.search(r"^```python\n(.*?)^```$", (SAMPLE / "README.md").read_text("utf-8"), re.M | re.S)
    assert shown is not None
    (project / "worker.py").write_text(shown[1])
    for path in output.glob("visits.db*"):  # what a killed process has committed may be in the -wal
        path.rename(tmp_path / path.name.replace("visits", "scheduler"))

    with Stage("embedded_app", tmp_path) as stage:
        worker = stage.start([sys.executable, str(project / "worker.py")], ENDPOINT=stage.endpoint)
        worker.wait_for("worker ready:")
        state = stage.connect().wait_for_orchestration_completion(f"visits-{NIGHT}", timeout=120)
        worker.interrupt()

    assert state is not None
    assert state.runtime_status.name == "COMPLETED"
    assert (output / NIGHT / "all" / "customers.csv").exists()


def test_the_sample_shows_itself_being_killed() -> None:
    program = Program([sys.executable, "crash.py"], SAMPLE, {})
    try:
        lines = program.finish()
    finally:
        program.kill()

    assert re.fullmatch(r"\d of 8 branches were done before the kill, and not again", lines[-1])
    assert [line for line in lines if line.startswith(("Started", "-- killed", "Going on"))][2:]
