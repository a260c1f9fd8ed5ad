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
    except ModuleNotFoundError as error:
        from durakit.cli.extras import missing_extra

        # A module of our own that is missing is a bug and keeps its traceback.
        if error.name is None or error.name.partition(".")[0] == "durakit":
            raise
        sys.stderr.write(f"durakit: {missing_extra(error.name)}\n")
        return EXIT_FAILED
    return commands.run(arguments)
