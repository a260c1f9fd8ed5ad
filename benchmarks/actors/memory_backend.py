"""The peer's scheduler process: durabletask's in-memory test backend, its history limit out of the way."""

from __future__ import annotations

import argparse
import logging

from durabletask.testing import create_test_backend

from benchmarks.actors.lifetime import announce, stay_until_parent_ends

UNLIMITED_EVENTS = 10**9


def main() -> None:
    """Serves on the given port until the benchmark ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    create_test_backend(port=options.port, max_history_size=UNLIMITED_EVENTS)
    announce("ready")
    stay_until_parent_ends()


if __name__ == "__main__":
    main()
