"""A command that cannot be carried out: one line for the user and an exit code."""

from __future__ import annotations

from durakit.program import EXIT_FAILED, EXIT_USAGE


class Refused(Exception):
    """What was wrong, what was expected, what to do, in one line.

    Attributes:
        exit_code: 1 when it failed, 2 when the command was not used as it can be.
    """

    exit_code = EXIT_FAILED


class WrongUsage(Refused):
    """The options contradict each other or are not safe together."""

    exit_code = EXIT_USAGE
