"""Our worker and clients against the in-memory backend of Microsoft's `durabletask`, which no one here
wrote.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Generator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from durabletask.testing import create_test_backend
from durakit import task
from durakit.client import AsyncTaskHubGrpcClient, OrchestrationState, OrchestrationStatus, TaskHubGrpcClient
from durakit.task import ActivityContext, OrchestrationContext
from durakit.worker import TaskHubGrpcWorker

Steps = Generator[task.Task[Any], Any, Any]


def double(ctx: ActivityContext, number: int) -> int:
    return 2 * number


async def double_async(ctx: ActivityContext, number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def refuse(ctx: ActivityContext, reason: str) -> None:
    raise ValueError(reason)


def chain(ctx: OrchestrationContext, number: int) -> Steps:
    for _ in range(4):
        number = yield ctx.call_activity(double, input=number)
    return number


async def chain_async(ctx: OrchestrationContext, number: int) -> int:
    for _ in range(2):
        number = await ctx.call_activity(double, input=number)
        number = await ctx.call_activity(double_async, input=number)
    return number


def fan_out(ctx: OrchestrationContext, width: int) -> Steps:
    results = yield task.when_all([ctx.call_activity(double_async, input=number) for number in range(width)])
    return sum(results)


def nap(ctx: OrchestrationContext, _: None) -> Steps:
    yield ctx.create_timer(timedelta(milliseconds=50))
    return "rested"


def listen(ctx: OrchestrationContext, _: None) -> Steps:
    return (yield ctx.wait_for_external_event("word"))


def fail(ctx: OrchestrationContext, reason: str) -> Steps:
    yield ctx.call_activity(refuse, input=reason)


def parent(ctx: OrchestrationContext, number: int) -> Steps:
    return (yield ctx.call_sub_orchestrator(chain, input=number))


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend = create_test_backend(port=port)
    worker = TaskHubGrpcWorker(host_address=f"localhost:{port}")
    for orchestrator in (chain, chain_async, fan_out, nap, listen, fail, parent):
        worker.add_orchestrator(orchestrator)
    for activity in (double, double_async, refuse):
        worker.add_activity(activity)
    with worker:
        worker.start()
        yield f"localhost:{port}"
    backend.stop()


@pytest.fixture
def client(address: str) -> Iterator[TaskHubGrpcClient]:
    with TaskHubGrpcClient(host_address=address) as client:
        yield client


def run(client: TaskHubGrpcClient, orchestrator: Any, value: Any = None) -> OrchestrationState:
    instance_id = client.schedule_new_orchestration(orchestrator, input=value)
    state = client.wait_for_orchestration_completion(instance_id, timeout=30)
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("orchestrator", "value", "result"),
    [
        (chain, 1, 16),
        (chain_async, 1, 16),
        (fan_out, 100, 9900),
        (nap, None, "rested"),
        (parent, 1, 16),
    ],
)
def test_an_orchestration_completes_with_its_result(
    client: TaskHubGrpcClient, orchestrator: Any, value: Any, result: Any
) -> None:
    state = run(client, orchestrator, value)

    assert (state.runtime_status, state.get_output()) == (OrchestrationStatus.COMPLETED, result)


def test_an_event_arrives_with_its_data(client: TaskHubGrpcClient) -> None:
    instance_id = client.schedule_new_orchestration(listen)
    client.raise_orchestration_event(instance_id, "word", data={"go": [1]})

    state = client.wait_for_orchestration_completion(instance_id, timeout=30)

    assert state is not None
    assert state.get_output() == {"go": [1]}


def test_a_failure_tells_its_type_and_text(client: TaskHubGrpcClient) -> None:
    details = run(client, fail, "no stock").failure_details

    assert details is not None
    assert "no stock" in details.message
    assert details.inner_failure is not None
    assert details.inner_failure.is_caused_by(ValueError)


def test_an_instance_can_be_found_read_and_purged(client: TaskHubGrpcClient) -> None:
    instance_id = run(client, chain, 1).instance_id

    history = client.get_orchestration_history(instance_id)
    found = [state.instance_id for state in client.get_all_orchestration_states()]
    listed = client.list_instance_ids(page_size=1000).items
    purged = client.purge_orchestration(instance_id)

    assert type(history[1]).__name__ == "ExecutionStartedEvent"
    assert instance_id in found
    assert instance_id in listed
    assert purged.deleted_instance_count == 1
    assert client.get_orchestration_state(instance_id) is None


def test_a_running_instance_can_be_suspended_resumed_and_terminated(client: TaskHubGrpcClient) -> None:
    instance_id = client.schedule_new_orchestration(listen)
    client.wait_for_orchestration_start(instance_id, timeout=30)
    client.suspend_orchestration(instance_id, reason="lunch")
    client.resume_orchestration(instance_id)
    client.terminate_orchestration(instance_id, output="enough")

    state = client.wait_for_orchestration_completion(instance_id, timeout=30)

    assert state is not None
    assert (state.runtime_status, state.get_output()) == (OrchestrationStatus.TERMINATED, "enough")


def test_the_async_client_sees_the_same(address: str) -> None:
    async def main() -> Any:
        async with AsyncTaskHubGrpcClient(host_address=address) as client:
            instance_id = await client.schedule_new_orchestration(chain, input=3)
            state = await client.wait_for_orchestration_completion(instance_id, timeout=30)
            return state.get_output() if state else None

    assert asyncio.run(main()) == 48
