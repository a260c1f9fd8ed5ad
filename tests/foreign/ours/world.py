"""What a scenario of our own SDK works with: clients, workers, and waiting for what nobody announces."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from durakit.client import AsyncTaskHubGrpcClient, OrchestrationState, OrchestrationStatus, TaskHubGrpcClient
from durakit.worker import TaskHubGrpcWorker

from tests.conformance.peers import awaiting
from tests.foreign.ours import orchestrations

LIMIT_SECONDS = 45

_given = itertools.count(1)


class BlockingClient:
    """An async client whose methods block, so that one text of the scenarios serves both clients."""

    _loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, **options: Any) -> None:
        if BlockingClient._loop is None:
            BlockingClient._loop = asyncio.new_event_loop()
            threading.Thread(target=BlockingClient._loop.run_forever, daemon=True).start()

        async def made() -> AsyncTaskHubGrpcClient:
            return AsyncTaskHubGrpcClient(**options)

        self._client = asyncio.run_coroutine_threadsafe(made(), BlockingClient._loop).result()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        assert BlockingClient._loop is not None
        loop = BlockingClient._loop
        return lambda *args, **kwargs: asyncio.run_coroutine_threadsafe(
            method(*args, **kwargs), loop
        ).result()


class World:
    """A client of the hub `default`, and what makes further clients and workers.

    Args:
        address: host:port of the scheduler.
        awaits: orchestrators are `async def` and the client is the async one.
    """

    def __init__(self, address: str, *, awaits: bool) -> None:
        self._address = address
        self._awaits = awaits
        self.client = self.new_client("default")

    def new_client(self, hub: str) -> Any:
        """Return a client of a task hub."""
        make: Callable[..., Any] = BlockingClient if self._awaits else TaskHubGrpcClient
        return make(host_address=self._address, metadata=[("taskhub", hub)])

    @contextlib.contextmanager
    def worker(
        self,
        hub: str,
        functions: Sequence[Callable[..., Any]] | None = None,
        configure: Callable[[TaskHubGrpcWorker], None] = lambda worker: None,
    ) -> Iterator[None]:
        """Run a worker with these functions, or all."""
        worker = TaskHubGrpcWorker(host_address=self._address, metadata=[("taskhub", hub)])
        for function in functions or (*orchestrations.ORCHESTRATORS, *orchestrations.ACTIVITIES):
            if function in orchestrations.ACTIVITIES:
                worker.add_activity(function)
            else:
                worker.add_orchestrator(awaiting(function) if self._awaits else function)
        configure(worker)
        worker.start()
        try:
            yield
        finally:
            worker.stop()

    def start(self, function: Callable[..., Any], input: Any = None, **options: Any) -> str:
        """Start an orchestration in the hub `default`."""
        instance_id: str = self.client.schedule_new_orchestration(function.__name__, input=input, **options)
        return instance_id

    def output(self, function: Callable[..., Any], input: Any = None, **options: Any) -> Any:
        """Run an orchestration that must complete, and return its output."""
        return completed(self.client, self.start(function, input, **options))

    def until_status(self, instance_id: str, wanted: OrchestrationStatus) -> None:
        """Wait until an instance has a status."""

        def reached() -> bool:
            state = self.client.get_orchestration_state(instance_id, fetch_payloads=False)
            return state is not None and state.runtime_status is wanted

        until(f"{instance_id} is {wanted.name}", reached)


def unique(word: str) -> str:
    """Return an instance id that nobody else has."""
    return f"{word}-{os.getpid()}-{next(_given)}"


def ended(client: Any, instance_id: str) -> OrchestrationState:
    """Wait for the end of an instance."""
    state = client.wait_for_orchestration_completion(instance_id, timeout=LIMIT_SECONDS)
    assert state is not None
    return state  # type: ignore[no-any-return]


def completed(client: Any, instance_id: str) -> Any:
    """Wait for the end of an instance that must complete; return its output."""
    state = ended(client, instance_id)
    assert state.runtime_status is OrchestrationStatus.COMPLETED, state.failure_details
    return state.get_output()


def failed(client: Any, instance_id: str, message: str) -> OrchestrationState:
    """Wait for the end of an instance that must fail, for a reason that contains `message`."""
    state = ended(client, instance_id)
    assert state.runtime_status is OrchestrationStatus.FAILED, state
    assert state.failure_details is not None
    assert message in state.failure_details.message, state.failure_details
    return state


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait for what nobody announces."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, f"30 seconds passed without: {what}"
        time.sleep(0.02)
