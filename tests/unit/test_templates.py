"""Projects made from patterns; tests/e2e/test_templates.py installs and runs them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
from pathlib import Path

import pytest
from durakit.templates import CannotMake, find_templates, make_project
from durakit.templates.readme import rewritten
from durakit.templates.wheel import write_wheel
from showings import SHOWINGS, Showing

PATTERNS = sorted(find_templates())

README = """# Function chaining

One after the other.

## Run it

From the top of the repository:

```bash
python3 scripts/run.py function_chaining
```

### In three terminals

Each begins here.
<!-- only in the repository -->
Like [the others](../README.md).
<!-- end -->

## When things go wrong

They go on.
"""


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_project_has_no_path_back_into_the_repository(tmp_path: Path, pattern: str) -> None:
    make_project(pattern, tmp_path / "mine")

    texts = {
        path: path.read_text("utf-8")
        for path in (tmp_path / "mine").rglob("*")
        if path.suffix in (".md", ".txt")
    }
    back = re.compile(r"(?<![./\w])\.\./|scripts/run\.py|/work/")
    assert {path.name: back.findall(text) for path, text in texts.items() if back.search(text)} == {}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_project_has_what_a_project_needs(tmp_path: Path, pattern: str) -> None:
    make_project(pattern, tmp_path / "mine")

    names = {path.name for path in (tmp_path / "mine").iterdir()}
    assert names >= {
        "client.py",
        "workflow.py",
        "test_workflow.py",
        "README.md",
        "requirements.txt",
        ".gitignore",
        "vendor",
    }


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_project_with_a_worker_has_its_settings_and_its_image(tmp_path: Path, pattern: str) -> None:
    make_project(pattern, tmp_path / "mine")

    names = {path.name for path in (tmp_path / "mine").iterdir()}
    for_workers = {"worker.py", ".env.example", "Dockerfile", ".dockerignore"}
    is_embedded = not SHOWINGS.get(pattern, Showing()).workers
    assert names & for_workers == (set() if is_embedded else for_workers)
    readme = (tmp_path / "mine" / "README.md").read_text("utf-8")
    assert ("docker build -t mine ." in readme) == (not is_embedded)


def test_the_requirements_name_the_wheel_beside_them_and_never_a_bare_durakit(tmp_path: Path) -> None:
    make_project("function_chaining", tmp_path)

    wheel = next((tmp_path / "vendor").iterdir())
    lines = (tmp_path / "requirements.txt").read_text("utf-8").splitlines()
    assert f"./vendor/{wheel.name}[scheduler]" in lines
    assert not [line for line in lines if line.startswith("durakit")]


def test_what_running_the_sample_left_behind_stays_behind(tmp_path: Path) -> None:
    make_project("function_chaining", tmp_path / "mine")

    assert not {"output", "__pycache__", ".mypy_cache", ".env"} & {
        path.name for path in (tmp_path / "mine").rglob("*")
    }


def test_a_readme_keeps_the_pattern_and_loses_the_repository() -> None:
    text = rewritten(README, project="Reports", pattern="function_chaining")

    assert text.startswith(
        "# Reports\n\nMade with `durakit new function_chaining`.\n\nOne after the other.\n"
    )
    assert "scripts/run.py" not in text
    assert "the others" not in text
    assert "### In three terminals\n\nEach begins here.\n\n## When things go wrong\n" in text
    assert "docker build -t reports ." in text


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(CannotMake, match=r"is not empty, it has thesis.txt\. Name a new folder"):
        make_project("function_chaining", tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("mine")

    with pytest.raises(CannotMake, match="thesis is a file"):
        make_project("function_chaining", tmp_path / "thesis")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotMake, match=r"file/mine cannot be written: Not a directory"):
        make_project("function_chaining", tmp_path / "file" / "mine")


def test_an_unknown_pattern_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(
        CannotMake, match=r"There is no pattern 'choreography'; there are: .*function_chaining"
    ):
        make_project("choreography", tmp_path)


def test_the_wheel_lists_every_file_with_its_hash(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_wheel(tmp_path)) as wheel:
        names = wheel.namelist()
        info = next(name.partition("/")[0] for name in names if ".dist-info/" in name)
        rows = list(csv.reader(io.StringIO(wheel.read(f"{info}/RECORD").decode())))
        hashes = {
            name: "sha256="
            + base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).decode().rstrip("=")
            for name in names
            if name != f"{info}/RECORD"
        }

    assert {name: digest for name, digest, _ in rows if digest} == hashes
    assert {"durakit/py.typed", f"{info}/METADATA", f"{info}/entry_points.txt"} <= set(names)
    assert "durakit/_samples/function_chaining/workflow.py" in names


def test_the_same_package_gives_the_same_wheel(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()

    assert write_wheel(tmp_path).read_bytes() == write_wheel(tmp_path / "again").read_bytes()
