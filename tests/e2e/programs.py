"""Programs run as their users run them; what one prints on stdout and stderr comes as one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TIMEOUT_SECONDS = 600.0
"""For anything that has to happen. Making an environment takes longest: minutes on a busy machine."""

Command = Sequence[str | Path]


def output_of(command: Command, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a program to its end and return what it printed; fail, telling that, if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@contextmanager
def running(command: Command, folder: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A program that goes on; asked to stop at the end, if it has not ended by itself."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**variables, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=TIMEOUT_SECONDS)


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Return the lines a process printed up to the one that contains the text; fail if it ends before."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if text in line:
            return lines
    raise AssertionError(f"{text!r} never came:\n" + "\n".join(lines))
