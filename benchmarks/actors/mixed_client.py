"""The client of a soak: keeps a number of mixed instances in flight, checks each, tells progress.

Asked once, by a JSON line with `seconds`, `in_flight` and `seed`, it prints a JSON line a second with what is
done so far, and at last one with `ended`, after everything it started has come to its result.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections import Counter
from typing import Any

from durakit.client import AsyncTaskHubGrpcClient, OrchestrationStatus
from durakit.program import configure_logging

from benchmarks.actors.lifetime import announce
from benchmarks.actors.mixed import EVENT, Job, draw_job

RESULT_TIMEOUT = 120  # seconds; no job needs more than one when it is alone
SHOWN_WRONG = 10


class Soak:
    """The state of one run."""

    def __init__(self, client: AsyncTaskHubGrpcClient, seed: int) -> None:
        self._client = client
        self._chance = random.Random(seed)
        self._done: Counter[str] = Counter()
        self._wrong: list[str] = []
        self._over = False

    async def run(self, seconds: float, in_flight: int) -> None:
        """Work for that long; then finish what is begun."""
        lanes = [asyncio.create_task(self._lane()) for _ in range(in_flight)]
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + seconds
        while loop.time() < ends_at:
            await asyncio.sleep(1)
            self._tell(ended=False)
        self._over = True
        await asyncio.gather(*lanes)
        self._tell(ended=True)

    def _tell(self, *, ended: bool) -> None:
        announce(json.dumps({"ended": ended, "done": self._done, "wrong": self._wrong[:SHOWN_WRONG]}))

    async def _lane(self) -> None:
        while not self._over:
            job = draw_job(self._chance)
            try:
                problem = await self._problem_of(job)
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            if problem is not None:
                self._wrong.append(f"{job.orchestrator}({job.size}): {problem}")
            self._done[job.orchestrator] += 1

    async def _problem_of(self, job: Job) -> str | None:
        """Run a job; return what is wrong with its end, None if nothing is."""
        client = self._client
        instance_id = await client.schedule_new_orchestration(job.orchestrator, input=job.size)
        for event in job.events:
            await client.raise_orchestration_event(instance_id, EVENT, data=event)
        state: Any = await client.wait_for_orchestration_completion(instance_id, timeout=RESULT_TIMEOUT)
        if state.runtime_status != OrchestrationStatus.COMPLETED:
            return f"{instance_id} is {state.runtime_status}: {state.failure_details}"
        result = json.loads(state.serialized_output)
        return None if result == job.result else f"{instance_id} returned {result}, not {job.result}"


async def serve(address: str) -> None:
    """Answers one request."""
    async with AsyncTaskHubGrpcClient(host_address=address) as client:
        announce("ready")
        line = await asyncio.to_thread(sys.stdin.readline)
        if line:
            request = json.loads(line)
            await Soak(client, request["seed"]).run(request["seconds"], request["in_flight"])


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True, help="host:port of the scheduler")
    options = parser.parse_args()
    configure_logging("info", "json")
    asyncio.run(serve(options.address))


if __name__ == "__main__":
    main()
