"""What docs/testing.md and docs/determinism.md show is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from durakit.check import RULES
from durakit.cli import main

DOCS = Path(__file__).resolve().parents[3] / "docs"


def write_files(page: str, folder: Path) -> None:
    """Write each Python block into the file that its first line names; more of the same file are appended."""
    for code in blocks(page, "python"):
        name = code.partition("\n")[0].removeprefix("# ")
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(code)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def testing_page() -> str:
    return (DOCS / "testing.md").read_text("utf-8")


@pytest.fixture
def determinism_page() -> str:
    return (DOCS / "determinism.md").read_text("utf-8")


def test_the_tests_of_the_testing_page_pass(testing_page: str, tmp_path: Path) -> None:
    write_files(testing_page, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", "utf-8")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert re.search(r"^13 passed", done.stdout, re.MULTILINE), done.stdout
    assert len(blocks(testing_page, "python")) == testing_page.count("```python\n# ")


def test_each_fault_of_the_table_exists(testing_page: str) -> None:
    from durakit.testing import Faults

    methods = re.findall(r"^\| `(\w+)\(", testing_page, re.MULTILINE)

    assert set(methods) == {"fail", "crash_worker", "deliver_twice", "delay", "lose_session"}
    assert [name for name in methods if not hasattr(Faults, name)] == []


def test_durakit_check_says_what_the_page_shows(
    determinism_page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_files(determinism_page, tmp_path)
    monkeypatch.chdir(tmp_path)

    assert [block.strip() for block in blocks(determinism_page, "sh")] == ["durakit check workflow.py"]
    assert main(["check", "workflow.py"]) == 1
    assert [capsys.readouterr().out] == blocks(determinism_page, "text")
    assert main(["check", "debugging.py"]) == 0


def test_the_page_lists_every_rule(determinism_page: str) -> None:
    table = determinism_page.split("### Rules")[1].split("\n\n")[1]

    assert set(re.findall(r"`([a-z-]+)`(?=[^|]*\|)", table.replace("| rule |", ""))) >= RULES.keys()
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])}
    assert named == RULES.keys()
