"""The parts of run.py that need no processes; tests/e2e/test_run_script.py runs it as a user does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import run
from processes import Line
from run import Sample, child_variables, client_command, is_worker_ready, parse, readable

SCRIPTS = Path(run.__file__).parent


@pytest.mark.parametrize("script", ["run.py", "test.py"])
def test_an_old_python_can_read_the_script_and_so_reach_the_sentence_for_it(script: str) -> None:
    ast.parse((SCRIPTS / script).read_text("utf-8"), feature_version=(3, 6))


def test_what_follows_two_dashes_goes_to_the_client() -> None:
    options = parse(["function_chaining", "--keep", "--", "--output", "x"])

    assert (options.sample.name, options.keep, options.client_arguments) == (
        "function_chaining",
        True,
        ["--output", "x"],
    )


def test_a_sample_may_be_written_with_hyphens() -> None:
    assert parse(["function-chaining"]).sample.name == "function_chaining"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a sample, or use --list or --all"),
        (["--all", "function_chaining"], "--all runs every sample to its end"),
        (["nothing"], "there is no sample 'nothing'; there are: "),
    ],
)
def test_wrong_usage_is_refused_in_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(arguments)

    assert caught.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_sample_with_its_scheduler_inside_leaves_none_up(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["embedded_app", "--keep"])

    assert capsys.readouterr().err.endswith(
        "embedded_app has no scheduler to leave up; its README tells how to look at what it did\n"
    )


def test_arguments_are_for_the_client_also_where_another_program_shows_the_sample() -> None:
    options = parse(["embedded_app", "--", "data/2026-03-02"])

    assert client_command(options.sample.showing, options) == ["client.py", "data/2026-03-02"]
    assert client_command(options.sample.showing, parse(["embedded_app"])) == ["crash.py"]


def test_the_list_tells_what_each_sample_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["--list"]) == 0

    assert re.search(r"^function_chaining +Five activities", capsys.readouterr().out, re.MULTILINE)


def test_a_hub_has_a_name_that_azure_accepts_too() -> None:
    assert Sample(Path("samples/function_chaining")).hub == "function-chaining"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ('{"level": "INFO", "message": "hub created"}', "hub created"),
        ('{"level": "WARNING", "message": "disk is slow"}', "warning: disk is slow"),
        (
            '{"event": "ready", "grpc": "G", "dashboard": "D", "data": "F"}',
            "ready: gRPC G, dashboard D, data F",
        ),
        ('{"level": "ERROR", "message": "m", "traceback": "Traceback:\\n  T"}', "error: m\nTraceback:\n  T"),
        ("[1]", "[1]"),
        ('{"other": 1}', '{"other": 1}'),
    ],
)
def test_the_schedulers_json_is_shown_as_text(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_children_do_not_inherit_what_would_send_them_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENDPOINT", "https://elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")

    variables = child_variables(TASKHUB="here")

    assert "ENDPOINT" not in variables
    assert "PYTHONPATH" not in variables
    assert variables["TASKHUB"] == "here"


def test_only_a_line_with_which_it_says_so_makes_a_worker_ready() -> None:
    assert is_worker_ready(Line("worker", "stderr", "worker ready: 1 orchestrator"))
    assert not is_worker_ready(Line("worker", "stdout", "worker ready: 1 orchestrator"))
    assert not is_worker_ready(Line("worker", "stderr", "warning: no worker ready: waiting"))
