"""The worker process of the Temporal variants."""

from __future__ import annotations

import argparse
import asyncio
from concurrent.futures import ThreadPoolExecutor

from temporalio.worker import Worker

from benchmarks.actors.lifetime import announce, stay_until_parent_ends
from benchmarks.actors.temporal_connection import connect
from benchmarks.actors.temporal_programs import TASK_QUEUE, WORKFLOWS, activities

ACTIVITY_THREADS = 100  # as many activities as a worker of Temporal takes at once by default


async def work(address: str, *, async_activities: bool) -> None:
    """Serves the benchmark's programs until the benchmark ends."""
    client = await connect(address)
    with ThreadPoolExecutor(ACTIVITY_THREADS) as threads:
        async with Worker(
            client,
            task_queue=TASK_QUEUE,
            workflows=WORKFLOWS,
            activities=activities(asynchronous=async_activities),
            activity_executor=threads,
        ):
            announce("ready")
            await asyncio.to_thread(stay_until_parent_ends)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True, help="host:port of the server")
    parser.add_argument("--async-activities", action="store_true")
    options = parser.parse_args()
    asyncio.run(work(options.address, async_activities=options.async_activities))


if __name__ == "__main__":
    main()
