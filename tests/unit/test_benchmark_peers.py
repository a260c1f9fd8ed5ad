"""What the benchmark's peers need is got once, anew when it changed; a failure becomes a reason to read."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = str(Path(__file__).resolve().parents[2])
if REPOSITORY not in sys.path:
    sys.path.append(REPOSITORY)

cli = importlib.import_module("benchmarks.cli")
base = importlib.import_module("benchmarks.variants.base")
provisions = importlib.import_module("benchmarks.variants.provisions")
rounds = importlib.import_module("benchmarks.rounds")
variants = importlib.import_module("benchmarks.variants")

WANTED = ("dbos==3.4.0",)


class Recorder:
    """A runner that notes commands, makes what `venv` and `go install` would, and fails if told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.commands: list[list[str]] = []
        self._fails = fails

    def __call__(self, command: Sequence[str], settings: Mapping[str, str]) -> None:
        self.commands.append(list(command))
        if self._fails:
            raise provisions.NotToBeHad("no network")
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True)
        if "GOBIN" in settings:
            Path(settings["GOBIN"]).mkdir(parents=True)
            (Path(settings["GOBIN"]) / "temporal").touch()


@pytest.fixture(autouse=True)
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(provisions, "PEERS", tmp_path)
    return tmp_path


def test_an_environment_is_made_once_for_its_requirements() -> None:
    runner = Recorder()
    provisions.PythonEnvironment("dbos", WANTED).get(runner)
    assert [command[1:3] for command in runner.commands] == [["-m", "venv"], ["-m", "pip"]]
    assert runner.commands[1][-1] == "dbos==3.4.0"

    again = Recorder()
    provisions.PythonEnvironment("dbos", WANTED).get(again)
    assert again.commands == []


def test_an_environment_is_made_anew_when_its_requirements_change(peers: Path) -> None:
    provisions.PythonEnvironment("dbos", WANTED).get(Recorder())
    (peers / "dbos" / "left over").touch()
    runner = Recorder()
    provisions.PythonEnvironment("dbos", ("dbos==3.5.0",)).get(runner)
    assert len(runner.commands) == 2
    assert not (peers / "dbos" / "left over").exists()


def test_an_environment_that_was_left_half_made_is_made_again() -> None:
    with pytest.raises(provisions.NotToBeHad):
        provisions.PythonEnvironment("dbos", WANTED).get(Recorder(fails=True))
    runner = Recorder()
    provisions.PythonEnvironment("dbos", WANTED).get(runner)
    assert len(runner.commands) == 2


def test_a_go_program_is_built_once_a_version() -> None:
    program = provisions.GoProgram("example.org/cli/cmd/temporal", "v1.2.3")
    runner = Recorder()
    program.get(runner)
    program.get(runner)
    assert runner.commands == [["go", "install", "example.org/cli/cmd/temporal@v1.2.3"]]
    assert program.binary.is_file()


def test_a_failure_is_asked_for_once_and_told_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Recorder(fails=True)
    program = provisions.GoProgram("example.org/cli/cmd/never", "v0.0.1")
    monkeypatch.setattr(provisions.GoProgram, "get", lambda self: runner(["go"], {}))
    assert [provisions.why_not(program) for _ in range(2)] == ["no network"] * 2
    assert runner.commands == [["go"]]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("downloading\n\nerror: no such\n   version\n", "error: no such version"),
        ("", "the command said nothing"),
        ("x" * 500, "x" * 159 + "…"),
    ],
)
def test_a_reason_is_one_short_line_from_the_end_of_what_was_said(output: str, expected: str) -> None:
    assert provisions.reason(output) == expected


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(provisions.NotToBeHad, match=r"^no luck$"):
        provisions.run([sys.executable, "-c", "print('no luck'); raise SystemExit(1)"], {})
    with pytest.raises(provisions.NotToBeHad, match="No such file"):
        provisions.run(["no-such-command"], {})


class Absent:
    """A variant of which something is missing, to be seen in its records."""

    key = "absent"

    def __init__(self, missing: str | None = None, prepare: str | None = None, **not_offered: str) -> None:
        self.missing = lambda: missing
        self.prepare = lambda: prepare
        self.not_offered = not_offered


class Anything:
    """A measurement that must not be taken."""

    name, family = "eternal(500)", "eternal"

    def take(self, *_: Any) -> None:
        raise AssertionError("measured although something is missing")


@pytest.mark.parametrize(
    "variant",
    [Absent(missing="why"), Absent(prepare="why"), Absent(eternal="why")],
    ids=["not installed", "not built", "not offered"],
)
def test_what_cannot_be_measured_is_reported_with_its_reason(variant: Absent, tmp_path: Path) -> None:
    record = rounds.run_once(variant, Anything(), 1, tmp_path, None)
    assert (record.status, record.note) == ("missing", "why")


class EchoingClient:
    """A client process that answers with the request it got."""

    def send(self, request: dict[str, Any]) -> None:
        self.got = request

    def read_answer(self, timeout: float) -> dict[str, Any]:
        return {**self.got, "waited": timeout}


def test_a_peer_known_to_be_slow_is_given_more_time(tmp_path: Path) -> None:
    deployment = base.Deployment(tmp_path, patience=4.0)
    deployment.processes["client"] = EchoingClient()
    answer = deployment.request({"workload": "throughput", "timeout": 30})
    assert answer == {"workload": "throughput", "timeout": 120.0, "waited": 120.0 + base.ANSWER_GRACE}


def test_what_must_be_fetched_first_runs_only_when_asked_for() -> None:
    usual = [variant.key for variant in cli.chosen_variants(None)]
    assert {"peer", "durakit", "embedded"} <= set(usual)
    assert not {"sidecar-go", "dbos", "temporal"} & set(usual)
    assert [variant.key for variant in cli.chosen_variants(["all"])] == list(variants.VARIANTS)
    assert [variant.key for variant in cli.chosen_variants(["temporal", "peer"])] == ["temporal", "peer"]


def test_what_dbos_does_not_offer_is_never_prepared_for() -> None:
    assert "eternal" in variants.VARIANTS["dbos"].not_offered
    assert variants.VARIANTS["peer"].not_offered == {}
