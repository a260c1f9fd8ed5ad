"""The word count as processes, its worker killed in the middle, and what its client says about bad input."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from .stage import Stage

TEXT, PICTURE = b"three little words", b"\x89PNG"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A thousand files, every hundredth of which is a picture."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number:03}").write_bytes(PICTURE if number % 100 == 50 else TEXT)
    return folder


def test_a_worker_killed_midway_costs_no_file(tmp_path: Path, folder: Path) -> None:
    with Stage("fan_out_fan_in", tmp_path) as stage:
        first = stage.worker()
        client = stage.python("client.py", str(folder), "--output", str(tmp_path / "output"))
        client.wait_for("[")
        first.kill()
        assert client.process.poll() is None, "it was over before the worker was killed"

        stage.worker()
        lines = client.finish()

    assert lines[-2] == "10 not counted: not a text in UTF-8"
    last = re.fullmatch(r"2,970 words in 990 of 1,000 files: (.*\.csv)", lines[-1])
    assert last, lines
    with open(last[1], encoding="utf-8", newline="") as report:
        rows = list(csv.reader(report))
    assert [row[0] for row in rows[1:]] == [f"{number:03}" for number in range(1000)]


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["missing"], 1, r".*missing is not a folder on the worker's machine"),
        (["--parallel", "0"], 2, r"client.py: error: argument --parallel: 0 is not a whole number above 0"),
        (["--files", "many"], 2, r"client.py: error: argument --files: many is not a whole number above 0"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(
    tmp_path: Path, arguments: list[str], code: int, problem: str
) -> None:
    with Stage("fan_out_fan_in", tmp_path) as stage:
        stage.worker()
        lines = stage.python("client.py", *arguments, "--output", str(tmp_path)).finish(code)

    assert re.fullmatch(problem, lines[-1]), lines
    assert "Traceback" not in "\n".join(lines)


def test_an_output_folder_that_is_a_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Stage("fan_out_fan_in", tmp_path) as stage:
        stage.worker()
        demo = stage.python("client.py", "--output", str(tmp_path / "file")).finish(1)
        report = stage.python("client.py", str(tmp_path), "--output", str(tmp_path / "file")).finish(1)

    assert demo == [f"client.py: cannot make a demo folder in {tmp_path / 'file'}: Not a directory"]
    assert "Not a directory" in report[-1]
    assert "Traceback" not in "\n".join(report)
