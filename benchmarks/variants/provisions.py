"""What a peer needs beyond the development environment, got on demand and kept below `.durakit/peers`.

Each provision is got at most once for what it is made of; a failure is remembered for the length of the run
and becomes the reason in the report.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.processes import DIE_WITH_PARENT, REPOSITORY

PEERS = REPOSITORY / ".durakit" / "peers"
GIVE_UP_AFTER = 1800.0  # seconds; a large Go program on a small machine takes many minutes
REASON_LENGTH = 160

Runner = Callable[[Sequence[str], Mapping[str, str]], None]


class NotToBeHad(Exception):
    """Something could not be got or built; the text says in one line why."""


def run(command: Sequence[str], settings: Mapping[str, str]) -> None:
    """Runs a command with `settings` added to the environment; raises NotToBeHad if it fails."""
    print(f"getting what is measured: {' '.join(command)}", file=sys.stderr, flush=True)
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=GIVE_UP_AFTER,
            check=False,
            preexec_fn=DIE_WITH_PARENT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotToBeHad(str(error)) from None
    if done.returncode != 0:
        raise NotToBeHad(reason(done.stdout + done.stderr))


def reason(output: str) -> str:
    """What a failed command said, in one line fit for a table: its last paragraph, shortened."""
    paragraph = output.strip().split("\n\n")[-1]
    text = " ".join(paragraph.split()) or "the command said nothing"
    return text if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 1] + "…"


@dataclass(frozen=True)
class PythonEnvironment:
    """A virtual environment of its own for a peer whose requirements are none of ours."""

    name: str
    requirements: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where it is."""
        return PEERS / self.name

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))

    def get(self, runner: Runner = run) -> None:
        """Makes it unless it is there with just these requirements; raises NotToBeHad."""
        stamp = self.folder / "requirements.got"
        wanted = "\n".join((sys.version, *self.requirements))
        if stamp.is_file() and stamp.read_text() == wanted:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        runner([sys.executable, "-m", "venv", str(self.folder)], {})
        runner([self.python, "-m", "pip", "install", "--quiet", *self.requirements], {})
        stamp.write_text(wanted)


@dataclass(frozen=True)
class GoProgram:
    """A program built from its Go module; `package` is its import path, `version` the module's."""

    package: str
    version: str

    @property
    def binary(self) -> Path:
        """The program."""
        return PEERS / f"go-{self.version}" / self.package.rsplit("/", 1)[1]

    def get(self, runner: Runner = run) -> None:
        """Builds it unless that version is there; raises NotToBeHad."""
        if not self.binary.is_file():
            runner(["go", "install", f"{self.package}@{self.version}"], {"GOBIN": str(self.binary.parent)})


Provision = PythonEnvironment | GoProgram


@cache
def why_not(provision: Provision) -> str | None:
    """Gets the provision, once a run; why that failed, or None."""
    try:
        provision.get()
    except NotToBeHad as problem:
        return str(problem)
    return None
