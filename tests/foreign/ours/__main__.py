"""Runs all scenarios at once: `python -m tests.foreign.ours generator 127.0.0.1:8080`, or `async`.

Prints one line of JSON for each: {"scenario", "passed", "seconds", "detail"}. Scenarios named after the
address are left out.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.foreign.ours.scenarios import SCENARIOS
from tests.foreign.ours.world import World

ALONE = ("worker-restart",)
"""Scenarios that another worker would disturb on a scheduler with one task hub for all."""


def judge(name: str, world: World) -> str:
    """Run one scenario and return its line."""
    began = time.monotonic()
    detail = ""
    try:
        SCENARIOS[name](world)
    except Exception:
        detail = traceback.format_exc()
    seconds = time.monotonic() - began
    return json.dumps({"scenario": name, "passed": not detail, "seconds": seconds, "detail": detail})


def main(flavour: str, address: str, left_out: Sequence[str]) -> None:
    """Run what is not left out; what needs to be the only one with workers runs when the others are done."""
    logging.basicConfig(level=logging.WARNING)
    world = World(address, awaits=flavour == "async")
    chosen = [name for name in SCENARIOS if name not in left_out]
    together = [name for name in chosen if name not in ALONE]
    with world.worker("default"), ThreadPoolExecutor(len(together)) as threads:
        for line in threads.map(lambda name: judge(name, world), together):
            report(line)
    for name in chosen:
        if name in ALONE:
            report(judge(name, world))


def report(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
    os._exit(0)  # what a failed scenario left open must not hold the process
