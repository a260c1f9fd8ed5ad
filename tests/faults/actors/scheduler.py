"""A scheduler process: `durakit dev` on a file, with an optional fault built in (see mutants).

Usage: python -m tests.faults.actors.scheduler <file> <port> <activity grace in seconds> [mutant]
With FAULTS_CRASH=before:17 it kills itself just before its 17th commit, with after:17 just after it; commits
are counted from the moment at which it serves.
"""

from __future__ import annotations

import os
import signal
import sys

from durakit.cli import main as durakit
from durakit.scheduler.server import SchedulerServer
from durakit.scheduler.store import Batch, Store


def crash_at(point: str) -> None:
    """Have this process kill itself at a commit."""
    when, _, last = point.partition(":")
    commit, left = Store.commit, int(last)

    def counted(store: Store, batch: Batch) -> None:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        commit(store, batch)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(Store, "commit", counted)  # noqa: B010 - a plain assignment is no method for mypy


def crash_when_serving(point: str) -> None:
    """The same, counted from the moment at which the scheduler serves."""
    start = SchedulerServer.start

    async def counted(server: SchedulerServer) -> None:
        await start(server)
        crash_at(point)

    setattr(SchedulerServer, "start", counted)  # noqa: B010


def main() -> None:
    db, port, grace_seconds, *mutant = sys.argv[1:]
    if mutant:
        from tests.faults import mutants

        mutants.apply(mutant[0])
    if os.environ.get("FAULTS_CRASH"):
        crash_when_serving(os.environ["FAULTS_CRASH"])
    options = ["--headless", "--db", db, "--grpc-port", port, "--activity-grace", grace_seconds]
    sys.exit(durakit(["dev", *options]))


if __name__ == "__main__":
    main()
