"""Runs every peer and writes docs/interoperability.md: `python tests/foreign/report.py`.

It needs Node.js, Java with Maven, and Go; on one that is missing it stops before anything runs. Exits with 1
when a scenario failed, after writing what it found.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.conformance.peers import PAIRS, Pair  # noqa: E402 - found only now
from tests.foreign.catalogue import SCENARIOS  # noqa: E402
from tests.foreign.matrix import Run, run  # noqa: E402
from tests.foreign.peers import OURS, PEERS, Peer  # noqa: E402

PAGE = ROOT / "docs" / "interoperability.md"
DAPR = Path(__file__).with_name("dapr.md")

CONFORMANCE_SECONDS = 240

TOOLS = {
    "Python": [sys.executable, "--version"],
    "Node.js": ["node", "--version"],
    "npm": ["npm", "--version"],
    "Java": ["java", "--version"],
    "Maven": ["mvn", "--version"],
    "Go": ["go", "version"],
}


@dataclass
class Notes:
    """Numbered notes under a table; the same text has one number."""

    texts: list[str] = field(default_factory=list)

    def mark(self, text: str) -> str:
        """Return the superscript that refers to a note."""
        if text not in self.texts:
            self.texts.append(text)
        return f"<sup>{self.texts.index(text) + 1}</sup>"

    def lines(self) -> list[str]:
        """Return the notes as a list."""
        return [f"{number}. {text}" for number, text in enumerate(self.texts, 1)]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def gist(detail: str) -> str:
    """Return what a stack trace is about: its first lines, or its last one if it is Python's."""
    lines = [line.strip() for line in detail.splitlines() if line.strip()] or ["no reason given"]
    told = lines[-1] if lines[0].startswith("Traceback") else " ".join(lines[:3])
    return told[:200].replace("|", "\\|")


def say(text: str) -> None:
    """Tell the user where we are."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


# --- the same scenarios in several languages


def cell(peer: Peer, scenario: str, result: Run, notes: Notes) -> str:
    """Return what the table says about one scenario of one peer."""
    reason = peer.not_offered.get(scenario)
    if reason is not None:
        return "–" + notes.mark(f"{whose(peer)}: {reason}.")
    outcome = result.outcomes.get(scenario)
    if outcome is None or not outcome.passed:
        detail = "the program printed nothing about it" if outcome is None else gist(outcome.detail)
        return "**no**" + notes.mark(f"{whose(peer)}: {detail}")
    remark = peer.remarks.get(scenario)
    return "yes" if remark is None else "yes" + notes.mark(f"{whose(peer)}: {remark}.")


def column(peer: Peer) -> str:
    """Return the heading of a peer's column."""
    if not peer.sdk.startswith("Python"):
        return whose(peer)
    flavour = "async" if peer.name.endswith("async") else "generators"
    return f"Durakit, {flavour}, on {whose(peer)}"


def whose(peer: Peer) -> str:
    """Return whose limits are met with this peer: of a foreign SDK, or of the scheduler under ours."""
    if not peer.sdk.startswith("Python"):
        return peer.sdk.split(":")[0]
    return "Go's sidecar" if peer.scheduler != OURS else "Durakit"


def scenario_section(runs: dict[Peer, Run]) -> list[str]:
    """Return the part about scenarios in several languages."""
    notes = Notes()
    overview = [
        [
            column(peer),
            peer.sdk,
            peer.scheduler,
            f"{sum(outcome.passed for outcome in result.outcomes.values())} of {len(SCENARIOS)}",
            str(len(peer.not_offered)),
            f"{result.run_seconds:.1f} s",
        ]
        for peer, result in runs.items()
    ]
    cells = [
        [f"**{name}**: {text}", *(cell(peer, name, result, notes) for peer, result in runs.items())]
        for name, text in SCENARIOS.items()
    ]
    return [
        "## The same scenarios in every language",
        "",
        "Each peer is a worker and a client in one program that uses nothing but the SDK's public names "
        "(`tests/foreign/`). “–” is what the SDK or the scheduler does not offer.",
        "",
        "Not run: `@microsoft/durabletask-js-azuremanaged`, which the npm registry did not have when the "
        "programs were written; the JavaScript program sends the task hub with the plain package.",
        "",
        *table(["column", "worker and client", "scheduler", "passed", "not offered", "took"], overview),
        "",
        *table(["scenario", *map(column, runs)], cells),
        "",
        *notes.lines(),
        "",
    ]


# --- PyPI's durabletask, whose names are ours


@dataclass
class PairResults:
    """What the tests of tests/conformance came to for one pair."""

    by_scenario: dict[str, str] = field(default_factory=dict)

    def add(self, scenario: str, outcome: str) -> None:
        """Record a test; of several with different parameters the worst counts."""
        worst = ("**no**", "–", "yes")
        known = self.by_scenario.get(scenario, "yes")
        self.by_scenario[scenario] = min(known, outcome, key=lambda text: worst.index(text.split("<")[0]))


def run_conformance(folder: Path) -> ElementTree.Element:
    """Run tests/conformance and return its JUnit report."""
    report = folder / "conformance.xml"
    command = [sys.executable, "-m", "pytest", "-q", "tests/conformance", f"--junitxml={report}"]
    # A worker thread of the peer's may keep the process from ending when all is done and reported.
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=CONFORMANCE_SECONDS)
    return ElementTree.parse(report).getroot()


def conformance_section(report: ElementTree.Element) -> tuple[list[str], bool]:
    """Return the part about Python peers, and whether all is well."""
    notes = Notes()
    results = {pair.name: PairResults() for pair in PAIRS}
    scenarios: dict[str, None] = {}
    for case in report.iter("testcase"):
        found = re.fullmatch(r"test_(\w+)\[(.+)\]", case.get("name", ""))
        pair = pair_in(found[2]) if found else None
        if found is None or pair is None:
            continue
        scenarios[found[1]] = None
        results[pair.name].add(found[1], judged(case, notes))
    missing = "–" + notes.mark("It is about Durakit's scheduler itself, or needs task hubs.")
    rows = [
        [name.replace("_", " "), *(results[pair.name].by_scenario.get(name, missing) for pair in PAIRS)]
        for name in scenarios
    ]
    section = [
        "## PyPI's `durabletask` and Durakit, in every combination",
        "",
        f"Both have the same public names, so one text of each scenario serves both (`tests/conformance/`): "
        f"`durabletask` {version('durabletask')}, `durabletask-azuremanaged` "
        f"{version('durabletask-azuremanaged')}, {OURS}. “Managed” are the classes for the Azure scheduler.",
        "",
        *table(
            ["pair", "worker", "client", "scheduler"],
            [
                [str(n), package(p, "worker"), package(p, "client"), backend(p)]
                for n, p in enumerate(PAIRS, 1)
            ],
        ),
        "",
        *table(["scenario", *(str(number) for number in range(1, len(PAIRS) + 1))], rows),
        "",
        *notes.lines(),
        "",
    ]
    failed = any(text.startswith("**no**") for row in rows for text in row)
    return section, bool(rows) and not failed


def pair_in(test_id: str) -> Pair | None:
    """Return the pair that one of a test's parameters names."""
    parameters = test_id.split("-")
    return next((pair for pair in PAIRS if pair.name.replace(" ", "_") in parameters), None)


def judged(case: ElementTree.Element, notes: Notes) -> str:
    """Return what the table says about one test."""
    for problem in (*case.iter("failure"), *case.iter("error")):
        return "**no**" + notes.mark(gist(problem.get("message", "")))
    skipped = case.find("skipped")
    if skipped is None:
        return "yes"
    reason = skipped.get("message", "").removeprefix("[NOTRUN] ")
    return "–" + notes.mark(re.sub(r" \(semantics.*\)$", "", reason) + ".")


def package(pair: Pair, role: str) -> str:
    """Return how a worker or client of a pair is called in the table."""
    sdk = pair.worker if role == "worker" else pair.client
    name = f"`{sdk.package}`" + (" managed" if sdk.managed else "")
    if role == "client":
        return name
    cache = {None: "", 0: ", no sessions", 1: ", one session"}.get(pair.sessions, "")
    return name + (", async" if pair.awaits else "") + cache


def backend(pair: Pair) -> str:
    """Return how the scheduler of a pair is called in the table."""
    return "Durakit" if pair.backend == "durakit" else "in-memory backend of `durabletask`"


# --- the page


def tool_versions() -> str:
    """Return the versions of what ran the peers.

    Raises:
        FileNotFoundError: a tool is not installed.
    """
    found = []
    for name, command in TOOLS.items():
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        number = re.search(r"\d+(\.\d+)+", said)
        found.append(f"{name} {number[0] if number else gist(said)}")
    return ", ".join(found)


def main() -> int:
    """Run everything and write the page; return the exit code."""
    tools = tool_versions()
    began = time.monotonic()
    runs: dict[Peer, Run] = {}
    with tempfile.TemporaryDirectory() as folder:
        for peer in PEERS:
            say(f"{peer.name} …")
            place = Path(folder, peer.name)
            place.mkdir()
            runs[peer] = run(peer, place)
        say("tests/conformance …")
        conformance, conforms = conformance_section(run_conformance(Path(folder)))
    scenarios = scenario_section(runs)
    when = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    page = [
        "# Interoperability",
        "",
        "Which SDKs work with Durakit's scheduler, and with which schedulers Durakit's SDK works. This page "
        "is written by the command that runs them all; change the programs, not the page:",
        "",
        "```",
        "python tests/foreign/report.py",
        "```",
        "",
        f"Last run: {when}, in {time.monotonic() - began:.0f} seconds, on {sys.platform} with {tools}.",
        "",
        *scenarios,
        *conformance,
        *DAPR.read_text().splitlines(),
    ]
    PAGE.write_text("\n".join(page) + "\n")
    say(f"Written to {PAGE.relative_to(ROOT)}.")
    return 0 if conforms and not any("**no**" in line for line in scenarios) else 1


if __name__ == "__main__":
    sys.exit(main())
