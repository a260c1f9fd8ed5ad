"""The one process of the embedded variant: `durakit.embedded`, driven by its own client."""

from __future__ import annotations

import argparse
from pathlib import Path

import durakit

from benchmarks.actors.client import DurableTaskDriver
from benchmarks.actors.driver import serve
from benchmarks.actors.programs import register


def main() -> None:
    """Runs the workloads that arrive on stdin."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--db", type=Path, required=True, help="file that keeps everything")
    parser.add_argument("--async-activities", action="store_true")
    options = parser.parse_args()
    hub = durakit.embedded(options.db)
    register("durakit", hub, async_activities=options.async_activities)
    with hub:
        serve(DurableTaskDriver("durakit", client=hub.client))


if __name__ == "__main__":
    main()
