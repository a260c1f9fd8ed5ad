"""A scheduler process: what `durakit dev` runs, with an optional fault built in (see mutants).

Usage: python -m tests.faults.actors.scheduler <file> <port> <activity grace in seconds> [mutant]
With FAULTS_CRASH=before:17 it kills itself just before its 17th commit, with after:17 just after it; commits
are counted from the moment at which it is ready.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path


async def serve(db: Path, port: int, grace_seconds: float) -> None:
    """Serve until SIGTERM."""
    from durakit.scheduler.server import SchedulerServer, ServerOptions

    server = SchedulerServer(ServerOptions(db=db, grpc_port=port, activity_grace_seconds=grace_seconds))
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if os.environ.get("FAULTS_CRASH"):
        crash_at(os.environ["FAULTS_CRASH"])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stop.wait()
    await server.stop(grace_seconds=1.0)


def crash_at(point: str) -> None:
    """Have this process kill itself at a commit."""
    from durakit.scheduler.store import Batch, Store

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


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    db, port, grace_seconds, *mutant = sys.argv[1:]
    if mutant:
        from tests.faults import mutants

        mutants.apply(mutant[0])
    asyncio.run(serve(Path(db), int(port), float(grace_seconds)))


if __name__ == "__main__":
    main()
