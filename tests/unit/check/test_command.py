"""`durakit check` as a command: output, exit codes, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from durakit.check import RULES
from durakit.cli import main

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = sorted(ROOT.glob("samples/*/workflow.py"))
BAD = "import time\ndef flow(ctx: OrchestrationContext):\n    return time.time()\n"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_findings_are_lines_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flow.py").write_text(BAD, "utf-8")

    assert main(["check"]) == 1
    assert capsys.readouterr().out == (
        "flow.py:3:12: clock: time.time() reads the clock, which has gone on when the orchestrator is "
        "replayed. Use ctx.current_utc_datetime. (orchestrator flow)\n"
        "1 finding; 1 orchestrator in 1 file checked.\n"
    )


def test_no_findings_are_exit_code_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flow.py").write_text("def flow(ctx: OrchestrationContext):\n    return 1\n", "utf-8")

    assert main(["check", "flow.py"]) == 0
    assert capsys.readouterr() == ("No findings; 1 orchestrator in 1 file checked.\n", "")


def test_json_tells_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flow.py").write_text(BAD, "utf-8")

    assert main(["check", ".", "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "version": 1,
        "files": 1,
        "orchestrators": 1,
        "findings": [
            {
                "path": "flow.py",
                "line": 3,
                "column": 12,
                "rule": "clock",
                "message": "time.time() reads the clock, which has gone on when the orchestrator is replayed",
                "instead": "Use ctx.current_utc_datetime.",
                "orchestrator": "flow",
                "helper": None,
            }
        ],
        "unreadable": [],
    }


def test_a_file_that_is_no_python_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flow.py").write_text(BAD + "def (\n", "utf-8")

    assert main(["check"]) == 2
    assert "flow.py:4: not checked: " in capsys.readouterr().out


def test_files_without_orchestrators_are_said_to_be_unchecked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "flow.py").write_text("def flow(c, x):\n    print(x)\n", "utf-8")

    assert main(["check"]) == 0
    assert capsys.readouterr().err.startswith(
        "durakit check: No orchestrator was found, so nothing was checked."
    )
    assert main(["check", "--orchestrator", "flow"]) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gone.py"], "durakit check: gone.py does not exist. See durakit check --help.\n"),
        ([], "durakit check: No Python files in this folder. See durakit check --help.\n"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    assert capsys.readouterr() == ("", sentence)


def test_help_lists_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--help"]) == 0
    page = capsys.readouterr().out
    assert [name for name in RULES if f"\n    {name} " not in page] == []


def test_checking_imports_neither_grpc_nor_the_code_it_checks(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text("raise SystemExit('imported')\n", "utf-8")
    program = (
        "import sys, durakit.cli; code = durakit.cli.main(['check']); "
        "sys.exit(code or ' '.join({'grpc', 'google.protobuf', 'flow'} & set(sys.modules)) or None)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.parent.name)
def test_a_samples_orchestrators_have_no_findings(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", str(sample.parent)])

    out, err = capsys.readouterr()
    assert (code, err) == (0, ""), out
