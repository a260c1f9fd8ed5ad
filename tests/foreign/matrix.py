"""Runs a peer's program against its scheduler and judges what it printed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.foreign.catalogue import SCENARIOS
from tests.foreign.peers import ROOT, Peer

PROGRAM_SECONDS = 100
"""All scenarios run at once; each gives up after 60 seconds by itself."""


@dataclass(frozen=True)
class Outcome:
    """How one scenario went; `detail` says why it failed."""

    passed: bool
    detail: str


@dataclass(frozen=True)
class Run:
    """What a peer's program printed, and how long getting and running it took."""

    outcomes: dict[str, Outcome]
    prepare_seconds: float
    run_seconds: float
    stderr: str

    def check(self, scenario: str) -> None:
        """Raise AssertionError unless the scenario passed."""
        outcome = self.outcomes.get(scenario)
        assert outcome is not None, f"the program printed nothing about {scenario}; it wrote:\n{self.stderr}"
        assert outcome.passed, outcome.detail


def offered(peer: Peer) -> list[str]:
    """Return the scenarios the peer is expected to pass."""
    return [scenario for scenario in SCENARIOS if scenario not in peer.not_offered]


def run(peer: Peer, folder: Path) -> Run:
    """Get and build what the peer needs, start its scheduler in `folder`, run all scenarios.

    Raises:
        RuntimeError: something could not be built or started; the text has the tool's output.
    """
    began = time.monotonic()
    peer.prepare()
    prepared = time.monotonic()
    with peer.serve(folder) as address:
        stdout, stderr = _finish([*peer.command, address, *peer.not_offered])
    return Run(_outcomes(stdout), prepared - began, time.monotonic() - prepared, stderr)


def _finish(command: Sequence[str]) -> tuple[str, str]:
    """Run a program to its end, or kill it when its time is over; return what it wrote until then."""
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            return program.communicate(timeout=PROGRAM_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            stdout, stderr = program.communicate()
            return stdout, f"{stderr}\nIt was killed after {PROGRAM_SECONDS} seconds."


def _outcomes(stdout: str) -> dict[str, Outcome]:
    verdicts = [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
    return {verdict["scenario"]: Outcome(verdict["passed"], verdict["detail"]) for verdict in verdicts}
