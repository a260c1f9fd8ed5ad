"""Watch the batches of a run come in: of one that is started now, or of one that is under way."""

from __future__ import annotations

import argparse
import sys

import durakit
from durakit.client import TaskHubGrpcClient
from durakit.task import get_name

from orchestrator import GOES_ON, add_arguments, start, summary_of
from workflow import Progress, main_orchestration


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--follow", metavar="RUN", help="start nothing; watch the run of this id")
    add_arguments(parser)
    options = parser.parse_args()
    with durakit.client_program(GOES_ON), durakit.connect() as client:
        instance_id = options.follow or start(client, options)
        follow(client, instance_id)
        print(summary_of(client, instance_id))


def follow(client: TaskHubGrpcClient, instance_id: str) -> None:
    """Print a line whenever further batches are in, until the run has ended."""
    known = False
    for state in durakit.watch(client, instance_id):
        known = state.name == get_name(main_orchestration)
        if not known:
            break
        if progress := state.get_custom_status(Progress):
            counts = f"{progress.processed} orders processed, {progress.failed} failed"
            print(f"[{progress.batches_done}/{progress.batches}] {counts}", flush=True)
    if not known:
        sys.exit(f"client.py: there is no run {instance_id}; orchestrator.py prints the id of each")


if __name__ == "__main__":
    main()
