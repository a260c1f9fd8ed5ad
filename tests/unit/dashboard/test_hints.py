"""What only the worker knows reaches the page: from the orchestrator over the link to the reason's words."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from durakit.client import TaskHubGrpcClient
from durakit.dashboard.embedded.backend import EmbeddedBackend
from durakit.dashboard.phrases import plain
from durakit.scheduler.server import SchedulerServer, ServerOptions
from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy
from durakit.worker import TaskHubGrpcWorker

HUB = "default"
DEADLINE_SECONDS = 20.0


def charge(_: ActivityContext, card: str) -> None:
    raise ConnectionError(f"{card}: refused by the bank")


async def stubborn(ctx: OrchestrationContext, card: str) -> None:
    policy = RetryPolicy(first_retry_interval=timedelta(hours=1), max_number_of_attempts=3)
    await ctx.call_activity(charge, input=card, retry_policy=policy)


async def patient(ctx: OrchestrationContext, _: None) -> None:
    await ctx.wait_for_external_event("approval")


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [("stubborn", "Retry 1 of 2 of charge at "), ("patient", "Waiting for event approval")],
)
def test_a_reason_says_what_the_worker_knows(
    monkeypatch: pytest.MonkeyPatch, workflow: str, expected: str
) -> None:
    monkeypatch.setenv("DURAKIT_LINK", "on")

    async def short_reason(backend: EmbeddedBackend) -> str:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            reason = (await backend.instance(HUB, "po-1")).row.reason
            said = "" if reason is None else plain(reason.short)
            if said.startswith(expected) or time.monotonic() > deadline:
                return said
            await asyncio.sleep(0.01)

    def begin(address: str) -> TaskHubGrpcWorker:
        worker = TaskHubGrpcWorker(host_address=address)
        for orchestrator in (stubborn, patient):
            worker.add_orchestrator(orchestrator)
        worker.add_activity(charge)
        worker.start()
        with TaskHubGrpcClient(host_address=address) as client:
            client.schedule_new_orchestration(workflow, input="4711", instance_id="po-1")
        return worker

    async def main() -> None:
        server = SchedulerServer(ServerOptions(grpc_port=0))
        await server.start()
        address = f"http://127.0.0.1:{server.grpc_port}"
        backend = EmbeddedBackend(server, address)
        worker = await asyncio.to_thread(begin, address)
        try:
            assert (await short_reason(backend)).startswith(expected)
        finally:
            await asyncio.to_thread(worker.stop, timedelta(0))
            await backend.close()
            await server.stop(0)

    asyncio.run(main())
