"""Clients whose calls go over a link, while the scheduler is killed under them.

Nobody who waits may be lost or told a lie: each caller ends with the result of its own instance, and what
was started under an id made by the client exists once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from durakit.client import AsyncTaskHubGrpcClient, OrchestrationState, TaskHubGrpcClient, link
from durakit.errors import SchedulerUnavailableError
from durakit.grpc_options import GrpcWorkerResiliencyOptions
from durakit.task import OrchestrationContext
from durakit.worker import TaskHubGrpcWorker

from tests.faults.sockets import RunningScheduler

CALLERS = 25
KILLS = 2
PATIENCE_SECONDS = 40


async def approved(ctx: OrchestrationContext, number: int) -> int:
    factor: int = await ctx.wait_for_external_event("go")
    return number * factor


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[RunningScheduler]:
    running = RunningScheduler(tmp_path)
    yield running
    running.close()


@pytest.fixture
def address(scheduler: RunningScheduler, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a worker is that knows `approved`."""
    monkeypatch.setattr(link, "CALLS_BEFORE_LINK", 1)
    found = f"http://127.0.0.1:{scheduler.port}"
    soon = GrpcWorkerResiliencyOptions(reconnect_backoff_base_seconds=0.05, reconnect_backoff_cap_seconds=0.2)
    with TaskHubGrpcWorker(host_address=found, resiliency_options=soon) as worker:
        worker.add_orchestrator(approved)
        worker.start()
        yield found


def eventually(condition: Callable[[], object], what: str) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE_SECONDS * 100):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError(f"Still not: {what}")


def answering(client: TaskHubGrpcClient) -> bool:
    try:
        client.get_orchestration_state("nobody")
    except SchedulerUnavailableError:
        return False
    return True


def running(client: TaskHubGrpcClient) -> list[OrchestrationState]:
    return [
        state for state in client.get_all_orchestration_states() if state.runtime_status.name == "RUNNING"
    ]


def kill_and_approve(scheduler: RunningScheduler, client: TaskHubGrpcClient, count: int) -> None:
    """Once all callers wait: kill the scheduler some times, then let all instances end."""
    eventually(lambda: len(running(client)) == count, "every caller has started its instance")
    for _ in range(KILLS):
        scheduler.restart()
        eventually(lambda: answering(client), "the scheduler answers")
    for state in running(client):
        client.raise_orchestration_event(state.instance_id, "go", data=10)


def test_callers_on_threads_get_their_results_although_the_scheduler_was_killed(
    scheduler: RunningScheduler, address: str
) -> None:
    with TaskHubGrpcClient(host_address=address) as client, ThreadPoolExecutor(CALLERS) as threads:
        client.get_orchestration_state("nobody")
        assert client._link.opened.wait(PATIENCE_SECONDS)
        ended = [
            threads.submit(client.run_orchestration, approved, input=number, timeout=PATIENCE_SECONDS)
            for number in range(CALLERS)
        ]

        kill_and_approve(scheduler, client, CALLERS)

        results = [state.result(PATIENCE_SECONDS).get_output() for state in ended]
        assert results == [number * 10 for number in range(CALLERS)]
        assert len(client.get_all_orchestration_states()) == CALLERS
        eventually(lambda: answering(client) and client._link.opened.is_set(), "there is a new link")


def test_callers_on_a_loop_get_their_results_although_the_scheduler_was_killed(
    scheduler: RunningScheduler, address: str
) -> None:
    async def main() -> list[Any]:
        async with AsyncTaskHubGrpcClient(host_address=address) as client:
            await client.get_orchestration_state("nobody")
            await client._link.opened.wait()
            ended = [
                client.run_orchestration(approved, input=number, timeout=PATIENCE_SECONDS)
                for number in range(CALLERS)
            ]
            return [state.get_output() for state in await asyncio.gather(*ended)]

    # The scheduler's process belongs to this thread, so the loop gets another.
    with TaskHubGrpcClient(host_address=address) as threaded, ThreadPoolExecutor(1) as thread:
        ended = thread.submit(asyncio.run, main())
        kill_and_approve(scheduler, threaded, CALLERS)

        assert ended.result(PATIENCE_SECONDS) == [number * 10 for number in range(CALLERS)]
        assert len(threaded.get_all_orchestration_states()) == CALLERS
