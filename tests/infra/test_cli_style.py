"""The scripts as their linters see them; and PowerShell's, which nothing here can run, held against bash's.

Reading PowerShell with a grammar finds what is not PowerShell. It does not find what goes wrong when it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter
import tree_sitter_powershell

from . import stub_az
from .linters import run_linter

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / "infra" / "cli"
BASH = sorted(ROOT.glob("infra/**/*.sh"))
POWERSHELL = sorted(CLI.rglob("*.ps1"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


# bash


def test_shellcheck_is_content() -> None:
    done = run_linter("shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *BASH)

    assert (done.returncode, done.stdout) == (0, "")


def test_shfmt_has_nothing_to_change() -> None:
    done = run_linter("shfmt", "--indent", "2", "--case-indent", "--diff", *BASH)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_linters_would_complain(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.sh"
    wrong.write_text("#!/bin/sh\nrm   $1/*\n")

    assert run_linter("shellcheck", wrong).returncode == 1
    assert run_linter("shfmt", "--diff", wrong).returncode == 1


@pytest.mark.parametrize("script", [path for path in BASH if path.parent == CLI], ids=name)
def test_a_script_stops_at_its_first_failure(script: Path) -> None:
    text = script.read_text("utf-8")

    assert script.stat().st_mode & 0o111
    assert "set -Eeuo pipefail\n" in text or text.startswith("#!/bin/sh\n")


@pytest.mark.parametrize("script", BASH, ids=name)
def test_nothing_is_needed_that_bash_3_lacks(script: Path) -> None:
    """macOS has bash 3.2 to this day."""
    text = script.read_text("utf-8")

    assert not re.search(r"\bmapfile\b|\breadarray\b|declare -A|local -n|\$\{\w+(\^|,,)|&>>|\|&", text)


# PowerShell


def nodes(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    yield node
    for child in node.children:
        yield from nodes(child)


def syntax_errors(source: bytes) -> list[str]:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    return [
        f"line {node.start_point[0] + 1}: {node.text!r}"
        for node in nodes(parser.parse(source).root_node)
        if node.type == "ERROR" or node.is_missing
    ]


@pytest.mark.parametrize("script", POWERSHELL, ids=name)
def test_powershell_can_be_parsed(script: Path) -> None:
    assert syntax_errors(script.read_bytes()) == []


def test_the_parse_would_find_a_missing_brace() -> None:
    assert syntax_errors(b"function Get-It([string] $Name) {\n    if ($Name) {\n        $Name\n}\n")
    assert syntax_errors(b"$x = @('a', 'b'\n")


def test_every_bash_script_has_its_counterpart() -> None:
    twins = {path.with_suffix("").relative_to(CLI) for path in BASH if CLI in path.parents}

    # lib/deploy.sh is for two scripts; in PowerShell one of them calls the other.
    assert {path.with_suffix("").relative_to(CLI) for path in POWERSHELL} == twins - {Path("lib/deploy")}


def options_of_bash(script: str) -> set[str]:
    text = (CLI / script).read_text("utf-8")
    if "deploy" in script or "what-if" in script:
        text += (CLI / "lib" / "deploy.sh").read_text("utf-8")
    cases = re.findall(r"^\s+((?:-h \| )?--[a-z-]+)\)", text, re.MULTILINE)
    return {case.split("--", 1)[1].replace("-", "") for case in cases}


@pytest.mark.parametrize("script", ["deploy", "env", "teardown", "run-client"])
def test_both_have_the_same_options(script: str) -> None:
    text = (CLI / f"{script}.ps1").read_text("utf-8")
    block = text.partition("\nparam(\n")[2].partition("\n)\n")[0]
    options = {found.lower() for found in re.findall(r"\] \$(\w+)", block)}
    # PowerShell has no `--`, and its what-if calls deploy.
    only_there = {"deploy": {"preview"}, "run-client": {"arguments"}}.get(script, set())

    assert options - only_there == options_of_bash(f"{script}.sh")


def calls_of_powershell() -> Iterator[tuple[Path, list[str], bool]]:
    """Every call of az: its literal words, and whether there is more to it."""
    for script in POWERSHELL:
        text = script.read_text("utf-8")
        for more, words in re.findall(r"(?:Get-Azure|Set-Azure|Get-InSubscription) (\(?)@\(([^)]*)\)", text):
            yield script, re.findall(r"'([^']*)'", words), bool(more)


def command_of(words: list[str]) -> str:
    return next(" ".join(words[:n]) for n in range(len(words), 0, -1) if " ".join(words[:n]) in stub_az.TABLE)


def test_powershell_gives_az_only_flags_that_az_has() -> None:
    calls = list(calls_of_powershell())

    assert len(calls) > 20
    for script, words, has_more in calls:
        command = stub_az.TABLE[command_of(words)]
        flags = {word[2:] for word in words if word.startswith("--")}
        assert flags <= command.allows(), (script.name, words)
        assert has_more or set(command.required.split()) <= flags, (script.name, words)


def test_both_ask_az_for_the_same() -> None:
    bash = set()
    for script in BASH:
        text = script.read_text("utf-8").replace("\\\n", " ")
        for words in re.findall(r"\b(?:ask|must_ask|ask_without|change|az) ((?:[a-z-]+ )+)", text):
            found = [" ".join(words.split()[:n]) for n in range(1, 6)]
            bash.update([each for each in found if each in stub_az.TABLE][-1:])

    assert {command_of(words) for _, words, _ in calls_of_powershell()} | {"version"} == bash


def test_messages_are_the_same_but_for_the_names_of_options() -> None:
    """The longest part of each that is neither a variable, an option nor the name of a script."""
    bash = "\n".join(path.read_text("utf-8") for path in BASH)
    own = re.compile(r"\$\(.*?\)|\$\{?[\w:]+\}?|(?<= )-\w+|\b[\w-]+\.ps1|rg-| \| Out-String.*?,")
    told = [
        (script.name, max(own.split(text), key=len).strip("'\"() `"))
        for script in POWERSHELL
        for text in re.findall(
            r"(?:Add-Problem|Stop-Run|Write-Note) ['\"](.*)['\"]$", script.read_text("utf-8"), re.MULTILINE
        )
    ]

    assert len(told) > 50
    assert [each for each in told if each[1] not in bash] == []
