"""A worker of the mixed load; what it has to say from INFO on goes to stderr, a JSON object a line."""

from __future__ import annotations

import argparse
import os

from benchmarks.actors.lifetime import announce, stay_until_parent_ends
from benchmarks.actors.mixed import ACTIVITIES, ORCHESTRATORS


def main() -> None:
    """Serves until the benchmark ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True, help="host:port of the scheduler")
    parser.add_argument("--no-link", action="store_true", help="speak the standard protocol only")
    options = parser.parse_args()
    if options.no_link:
        os.environ["DURAKIT_LINK"] = "off"
    from durakit.program import configure_logging
    from durakit.worker import TaskHubGrpcWorker

    configure_logging("info", "json")
    with TaskHubGrpcWorker(host_address=options.address) as worker:
        for orchestrator in ORCHESTRATORS:
            worker.add_orchestrator(orchestrator)
        for activity in ACTIVITIES:
            worker.add_activity(activity)
        worker.start()
        announce("ready")
        stay_until_parent_ends()


if __name__ == "__main__":
    main()
