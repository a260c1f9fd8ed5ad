from __future__ import annotations

import json
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import durakit.cli
import pytest
from durakit.cli import extras, main
from durakit.cli.commands import _settle_place, dev


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return exit code and what was said on stderr; stdout must stay empty."""
    code = main(list(arguments))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return code, said.err.rstrip("\n")


def test_version_names_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"durakit {durakit.__version__}\n"


@pytest.mark.parametrize("command", ["dev", "wait-ready"])
def test_help_ends_in_worked_examples_and_exit_codes(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "--help"]) == 0

    text = capsys.readouterr().out
    examples, _, codes = text.partition("Examples:")[2].partition("Exit codes:")
    assert f"  durakit {command} " in examples
    assert codes.startswith(" 0 done, 1 failed (one line on stderr says why), 2 wrong usage")


def test_a_missing_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys) == (2, "durakit: Missing command. See durakit --help.")


def test_an_unknown_command_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "serve") == (2, "durakit: No such command 'serve'. See durakit --help.")


def test_an_unknown_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = refusal(capsys, "dev", "--port", "1")

    assert code == 2
    assert line.startswith("durakit dev: No such option")
    assert line.endswith(" See durakit dev --help.")


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--grpc-port", "many", "'many' is not a valid integer range."),
        ("--grpc-port", "70000", "70000 is not in the range 0<=x<=65535."),
        ("--dashboard-port", "-1", "-1 is not in the range 0<=x<=65535."),
        ("--limits", "no", "'no' is not one of 'azure', 'off'."),
        ("--log-level", "loud", "'loud' is not one of 'debug', 'info', 'warning', 'error'."),
        ("--log-format", "xml", "'xml' is not one of 'text', 'json'."),
        ("--activity-grace", "-1", "-1.0 is not in the range 0<=x<=86400."),
        ("--retention", "a month", "'a month' is neither days, such as 30, nor off, nor 30,failed=90."),
        ("--task-hub", "bücher", "'bücher' is not a name of printable ASCII characters."),
        ("--task-hub", " ", "' ' is not a name of printable ASCII characters."),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line(
    capsys: pytest.CaptureFixture[str], option: str, value: str, reason: str
) -> None:
    code, line = refusal(capsys, "dev", option, value)

    assert code == 2
    assert line.startswith(f"durakit dev: Invalid value for '{option}'")
    assert line.endswith(f"{reason} See durakit dev --help.")


def test_a_refusal_of_dev_is_one_line_and_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = refusal(capsys, "dev", "--host", "0.0.0.0")

    assert code == 2
    assert line.startswith("durakit dev: --host 0.0.0.0 lets other machines in, and there is no token.")


def test_a_refusal_is_json_where_logs_are(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = refusal(capsys, "dev", "--host", "0.0.0.0", "--log-format", "json")

    record = json.loads(line)
    assert code == 2
    assert record["level"] == "error"
    assert record["message"].startswith("--host 0.0.0.0 lets other machines in")


def test_the_two_ports_must_differ(capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "dev", "--grpc-port", "8082") == (
        2,
        "durakit dev: --grpc-port and --dashboard-port are both 8082. Give each its own.",
    )


@pytest.mark.parametrize("source", ["arguments", "variables"])
def test_a_file_and_memory_exclude_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    arguments = ["--db", "x.db", "--in-memory"] if source == "arguments" else []
    if source == "variables":
        monkeypatch.setenv("DURAKIT_DB", "x.db")
        monkeypatch.setenv("DURAKIT_IN_MEMORY", "1")

    assert refusal(capsys, "dev", *arguments) == (
        2,
        "durakit dev: --db keeps the data in a file and --in-memory keeps none. Give one of them.",
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "in_memory"),
    [
        ([], {}, False),
        (["--in-memory"], {}, True),
        (["--in-memory"], {"DURAKIT_DB": "x.db"}, True),
        (["--db", "x.db"], {"DURAKIT_IN_MEMORY": "1"}, False),
        ([], {"DURAKIT_IN_MEMORY": "1"}, True),
    ],
)
def test_the_command_line_decides_between_file_and_memory(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], variables: dict[str, str], in_memory: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with dev.make_context("dev", arguments) as context:
        _settle_place(context, context.params)

    assert context.params["in_memory"] is in_memory


def test_a_dashboard_without_its_packages_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name == "uvicorn" else ModuleSpec(name, None)

    monkeypatch.setattr(extras, "find_spec", find)

    assert refusal(capsys, "dev", "--grpc-port", "0") == (
        1,
        "durakit dev: The module uvicorn is not installed; this command needs the extra scheduler. "
        'Install it: pip install "durakit[scheduler]"',
    )


def test_a_command_line_without_its_packages_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(durakit.cli, "commands")
    for name in ("durakit.cli.commands", "durakit.cli.options"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "click", None)

    assert refusal(capsys, "--version") == (
        1,
        "durakit: The module click is not installed; this command needs the extra scheduler. "
        'Install it: pip install "durakit[scheduler]"',
    )


@pytest.mark.parametrize("arguments", [["--help"], ["instances"], ["instances", "list"]])
def test_with_the_packages_of_the_web_alone_a_command_says_what_else_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    # Uvicorn brings click, so that the command line itself loads.
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("durakit.cli.instances")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)

    assert refusal(capsys, *arguments) == (
        1,
        "durakit: The module rich is not installed; this command needs the extra scheduler. "
        'Install it: pip install "durakit[scheduler]"',
    )


def test_nothing_is_written_by_a_command_that_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refusal(capsys, "dev", "--host", "0.0.0.0")

    assert list(tmp_path.iterdir()) == []
