"""Run the tests, in groups, in an environment of their own making.

`python3 scripts/test.py` runs what needs only Python; `--all` adds what needs other toolchains and turns
every skip into a failure. As in run.py, nothing here may be syntax that Python 3.6 cannot read.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - this line is for those who have an older one
    sys.exit(
        "Durakit needs Python 3.10 or newer, and this is Python %d.%d (%s). "  # noqa: UP031 - may run anywhere
        "Run it with a newer one, for example: python3.12 scripts/test.py"
        % (sys.version_info[0], sys.version_info[1], sys.executable)
    )

import argparse
import os
import signal
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from environment import ROOT, Environment, EnvironmentProblem

SAMPLES = sorted(path.parent for path in (ROOT / "samples").glob("*/test_workflow.py"))

EXAMPLES = """examples:
  python3 scripts/test.py                  all groups that need nothing but Python
  python3 scripts/test.py unit static      these groups
  python3 scripts/test.py --all            everything; a skipped test counts as failed (what CI runs)

exit codes: 0 all passed, 1 something failed, 2 wrong usage, 130 Ctrl-C"""


@dataclass(frozen=True)
class Check:
    """A command of the environment that passes or fails as a whole."""

    arguments: Sequence[str]
    folder: Path = ROOT


@dataclass(frozen=True)
class Tests:
    """A pytest run; counts come from its report."""

    path: str
    folder: Path = ROOT


@dataclass(frozen=True)
class Group:
    """Steps that belong together."""

    name: str
    purpose: str
    steps: Sequence[Check | Tests]
    thorough: bool = False
    """Takes long, or a toolchain besides Python; runs only with --all or when named."""


def types_of(sample: Path) -> Check:
    """Samples are checked one at a time, because their modules have the same names; what they all import
    is read once.
    """
    cache = ROOT / ".mypy_cache" / "samples"
    config = ROOT / "pyproject.toml"
    return Check(["mypy", "--config-file", str(config), "--cache-dir", str(cache), "."], sample)


GROUPS = [
    Group(
        "static",
        "style, types and layering",
        [
            Check(["ruff", "check"]),
            Check(["ruff", "format", "--check"]),
            Check(["mypy"]),
            *[types_of(sample) for sample in SAMPLES],
            Check(["lint-imports"]),
        ],
    ),
    Group("unit", "one module at a time", [Tests("tests/unit")]),
    Group("simulation", "whole orchestrations on the virtual clock", [Tests("tests/simulation")]),
    Group("conformance", "the same scenarios for each pair of SDKs", [Tests("tests/conformance")]),
    Group("faults", "kill -9, power cuts, full disks, and mutants", [Tests("tests/faults")]),
    Group("samples", "each sample's own tests", [Tests("test_workflow.py", sample) for sample in SAMPLES]),
    Group("e2e", "the README's commands as real processes", [Tests("tests/e2e")]),
    Group("walks", "each sample as real processes, with kills", [Tests("tests/walks")], thorough=True),
    Group("infra", "templates and scripts for Azure, without Azure", [Tests("tests/infra")], thorough=True),
    Group("browser", "the dashboard in a real browser", [Tests("tests/browser")], thorough=True),
    Group("foreign", "SDKs in other languages on our scheduler", [Tests("tests/foreign")], thorough=True),
    Group("gate", "what a step costs in CPU time", [Tests("tests/gate")], thorough=True),
]


@dataclass(frozen=True)
class Outcome:
    """What running something came to."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        counts = f"{self.passed} passed, {self.failed} failed"
        return f"{counts}, {self.skipped} skipped" if self.skipped else counts


class Runner:
    """Runs steps with the environment's Python, their output going straight through."""

    def __init__(self, environment: Environment, require_all: bool) -> None:
        self._environment = environment
        self._variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if require_all:
            self._variables["DURAKIT_REQUIRE_ALL"] = "1"
        self._require_all = require_all

    def run(self, group: Group) -> Outcome:
        """Run the group's steps to the end, also when one fails."""
        return sum((self._run_step(step) for step in group.steps), Outcome())

    def _run_step(self, step: Check | Tests) -> Outcome:
        if isinstance(step, Check):
            name, *rest = step.arguments
            succeeded = self._call([str(self._environment.command(name)), *rest], step.folder) == 0
            return Outcome(passed=1) if succeeded else Outcome(failed=1)
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder, "report.xml")
            # `python -m` puts the folder on the path, so that a sample's tests find its workflow.py.
            python = str(self._environment.python)
            code = self._call([python, "-m", "pytest", step.path, f"--junitxml={report}"], step.folder)
            outcome = read_report(report)
        if code != 0 and outcome.failed == 0:  # nothing collected, or pytest itself broke
            outcome += Outcome(failed=1)
        if self._require_all:
            outcome = Outcome(outcome.passed, outcome.failed + outcome.skipped)
        return outcome

    def _call(self, command: Sequence[str], folder: Path) -> int:
        shown = [os.path.relpath(part, folder) if os.path.isabs(part) else part for part in command]
        print("$", *shown, *([] if folder == ROOT else [f"  # in {folder.relative_to(ROOT)}"]), flush=True)
        return subprocess.run(command, cwd=folder, env=self._variables, check=False).returncode


def read_report(report: Path) -> Outcome:
    """Return the counts of a JUnit report; nothing if pytest did not get as far as writing one.

    A test that fails as it is expected to (xfail) has passed; JUnit has no word for it and says skipped.
    """
    if not report.exists():
        return Outcome()
    outcome = Outcome()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        skip = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            outcome += Outcome(failed=1)
        elif skip is not None and skip.get("type") != "pytest.xfail":
            outcome += Outcome(skipped=1)
        else:
            outcome += Outcome(passed=1)
    return outcome


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of the command line, with `groups` as a list of Group."""
    names = {group.name: group for group in GROUPS}
    width = max(map(len, names))
    listing = "\n".join(f"  {group.name:{width}}  {group.purpose}" for group in GROUPS)
    parser = argparse.ArgumentParser(
        prog="test.py",
        description="Run the tests.",
        epilog=f"groups:\n{listing}\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("groups", nargs="*", metavar="group", help="run only these")
    parser.add_argument("--all", action="store_true", help="all groups, and a skip is a failure")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.groups if name not in names]
    if unknown:
        parser.error(f"there is no group {', '.join(unknown)}; there are: {', '.join(names)}")
    chosen = options.groups or [group.name for group in GROUPS if options.all or not group.thorough]
    options.groups = [names[name] for name in chosen]
    return options


def print_summary(rows: "Sequence[tuple[Group, float, Outcome]]") -> Outcome:
    """Print a line per group and the total; return the total."""
    print(f"\n{'group':12}{'seconds':>8}{'passed':>8}{'failed':>8}{'skipped':>8}")
    for group, seconds, outcome in rows:
        counts = f"{outcome.passed:8}{outcome.failed:8}{outcome.skipped:8}"
        print(f"{group.name:12}{seconds:8.1f}{counts}")
    total = sum((outcome for _, _, outcome in rows), Outcome())
    print(f"\n{sum(seconds for _, seconds, _ in rows):.0f} seconds\n{total}", flush=True)
    return total


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    environment = Environment()
    try:
        environment.ensure("dev")
    except EnvironmentProblem as problem:
        print(f"test.py: {problem}", file=sys.stderr)
        return 1
    runner = Runner(environment, options.all)
    rows = []
    for group in options.groups:
        print(f"\n== {group.name}: {group.purpose}", flush=True)
        began = time.monotonic()
        outcome = runner.run(group)
        rows.append((group, time.monotonic() - began, outcome))
        print(f"== {group.name}: {outcome} in {rows[-1][1]:.1f} s", flush=True)
    return 1 if print_summary(rows).failed else 0


if __name__ == "__main__":
    # A shell that starts this in the background has it ignore Ctrl-C, and so would all that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print("test.py: stopped by Ctrl-C.", file=sys.stderr)
        sys.exit(130)
