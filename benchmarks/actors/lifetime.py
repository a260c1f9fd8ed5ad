"""How an actor tells that it is up, and how it ends: with the benchmark that started it."""

from __future__ import annotations

import sys


def announce(line: str) -> None:
    """Prints the one line on stdout that the benchmark waits for."""
    print(line, flush=True)


def stay_until_parent_ends() -> None:
    """Returns when stdin closes, which it does however the benchmark's own process ended."""
    while sys.stdin.readline():
        pass
