"""The `durakit` command. Its parts load when a command needs them, so that each starts fast."""

from __future__ import annotations

import sys

from durakit.program import EXIT_FAILED


def main(arguments: list[str] | None = None) -> int:
    """Run the command line, by default the process's own arguments, and return the exit code.

    0: done; 1: failed, with one line on stderr that says why; 2: wrong usage; 130: Ctrl-C.
    """
    try:
        from durakit.cli import commands

        return commands.run(arguments)
    except ModuleNotFoundError as error:
        from durakit.cli.extras import MODULES, missing_extra

        package = (error.name or "").partition(".")[0]
        # Any other module that is missing is a bug and keeps its traceback.
        if package not in MODULES:
            raise
        sys.stderr.write(f"durakit: {missing_extra(package)}\n")
        return EXIT_FAILED
