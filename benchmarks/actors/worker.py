"""The worker process of variants whose SDK has durabletask's API; the SDK is named by `--sdk`."""

from __future__ import annotations

import argparse
import importlib
import os

from benchmarks.actors.lifetime import announce, stay_until_parent_ends
from benchmarks.actors.programs import register
from benchmarks.actors.sdk import connection_arguments


def main() -> None:
    """Serves the benchmark's programs until the benchmark ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sdk", required=True, help="import name of the SDK")
    parser.add_argument("--address", required=True, help="host:port of the scheduler")
    parser.add_argument("--async-activities", action="store_true")
    parser.add_argument("--no-link", action="store_true", help="speak the standard protocol only")
    options = parser.parse_args()
    if options.no_link:
        os.environ["DURAKIT_LINK"] = "off"
    module = importlib.import_module(f"{options.sdk}.worker")
    worker = module.TaskHubGrpcWorker(**connection_arguments(options.sdk, options.address))
    register(options.sdk, worker, async_activities=options.async_activities)
    worker.start()
    announce("ready")
    stay_until_parent_ends()


if __name__ == "__main__":
    main()
