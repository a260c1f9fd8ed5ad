"""What a container of a durakit program runs: the program that its environment names, and its health check.

    python -m durakit.container [ARGUMENTS]    starts PROGRAM (worker, or client) with PROGRAM_ARGUMENTS
    python -m durakit.container --is livez     exits with 0 while the worker is well (readyz: is connected)

So one image serves as worker and as client, and needs neither a shell nor curl.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from durakit.program import EXIT_FAILED, EXIT_USAGE

DEFAULT_PROGRAM = "worker"
PROBES = ("livez", "readyz")

_PROBE_SECONDS = 3.0


def command(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> list[str]:
    """Return the command line of the program that the environment names.

    PROGRAM_ARGUMENTS is split on blanks, so an argument cannot contain any; `arguments` follow them.

    Raises:
        ValueError: PROGRAM names no program in the folder.
    """
    name = environment.get("PROGRAM", "").strip() or DEFAULT_PROGRAM
    if not name.isidentifier() or not (folder / f"{name}.py").is_file():
        there = sorted(path.stem for path in folder.glob("*.py") if path.stem in ("client", "worker"))
        raise ValueError(
            f"PROGRAM is {name!r}, and {folder} has no {name}.py; expected {' or '.join(there) or 'worker'}."
        )
    return [sys.executable, f"{name}.py", *environment.get("PROGRAM_ARGUMENTS", "").split(), *arguments]


def is_well(probe: str, environment: Mapping[str, str]) -> bool:
    """Return what the worker answers to the probe; True for a program that answers none.

    Clients answer none, nor does a worker without DURAKIT_HEALTH_PORT.
    """
    port = environment.get("DURAKIT_HEALTH_PORT", "").strip()
    if not port or (environment.get("PROGRAM", "").strip() or DEFAULT_PROGRAM) != DEFAULT_PROGRAM:
        return True
    # Never by a proxy: it would ask its own machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/{probe}", timeout=_PROBE_SECONDS):
            return True
    except (urllib.error.URLError, OSError):
        return False


def main(arguments: Sequence[str]) -> int:
    """Become the program, or answer the health check."""
    if arguments[:1] == ["--is"]:
        if len(arguments) != 2 or arguments[1] not in PROBES:
            sys.stderr.write(f"durakit.container: --is wants one of {', '.join(PROBES)}\n")
            return EXIT_USAGE
        return 0 if is_well(arguments[1], os.environ) else EXIT_FAILED
    try:
        program = command(arguments, os.environ, Path.cwd())
    except ValueError as error:
        sys.stderr.write(f"durakit.container: {error}\n")
        return EXIT_USAGE
    # In its place, so that the container's SIGTERM reaches the program and not a parent of it.
    return os.execv(program[0], program)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
