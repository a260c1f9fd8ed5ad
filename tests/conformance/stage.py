"""What a scenario has at hand: a worker and a client of the pair under test, in a task hub of their own."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import grpc
import pytest

from .peers import Orchestrator, Pair, awaiting

PATIENCE_SECONDS = 60
"""How long a scenario waits for what must happen; only a failing one ever does."""


class Stage:
    """The pair under test.

    Attributes:
        task: the worker SDK's `task` module, for orchestrators.
        client: a client in the task hub of this scenario.
    """

    def __init__(
        self, pair: Pair, address: str, task_hub: str, retire: Callable[[Callable[[], object]], None]
    ) -> None:
        self.pair = pair
        self.address = address
        self.task_hub = task_hub
        self.task: ModuleType = pair.worker.module("task")
        self.worker_module: ModuleType = pair.worker.module("worker")
        self.client_module: ModuleType = pair.client.module("client")
        self._retire = retire
        self._clients: list[Any] = []
        self._workers: list[Any] = []
        self.client: Any = self.new_client()

    def new_client(self, **options: Any) -> Any:
        """Return a further client."""
        client = self.pair.client.client(self.address, self.task_hub, **options)
        self._clients.append(client)
        if self.pair.linked:
            # A client opens one when it has made some calls.
            eventually(
                lambda: (
                    answers(lambda: client.get_orchestration_state("nobody")) and client._link.opened.is_set()
                ),
                "the client has a link",
            )
        elif self.pair.client.package == "durakit":
            client._link.close()
        return client

    def work(
        self,
        *orchestrators: Orchestrator,
        activities: Sequence[Callable[..., Any]] = (),
        configure: Callable[[Any], object] = lambda worker: None,
        **options: Any,
    ) -> Any:
        """Start a worker with these functions; `configure(worker)` is called before it starts."""
        worker = self.pair.worker.worker(self.address, self.task_hub, **options)
        for orchestrator in orchestrators:
            worker.add_orchestrator(awaiting(orchestrator) if self.pair.awaits else orchestrator)
        for activity in activities:
            worker.add_activity(activity)
        configure(worker)
        worker.start()
        self._workers.append(worker)
        return worker

    def close(self) -> None:
        """Close the clients; let the workers be stopped in the background, the peer's takes a second."""
        for client in self._clients:
            client.close()
        for worker in self._workers:
            self._retire(worker.stop)

    # --- what clients do

    def start(self, orchestrator: Orchestrator | str, **options: Any) -> str:
        """Schedule an orchestration."""
        instance_id: str = self.client.schedule_new_orchestration(orchestrator, **options)
        return instance_id

    def end(self, instance_id: str) -> Any:
        """Wait for an instance's end and return its state."""
        return self.client.wait_for_orchestration_completion(instance_id, timeout=PATIENCE_SECONDS)

    def begun(self, instance_id: str) -> Any:
        """Wait for an instance's first turn and return its state."""
        return self.client.wait_for_orchestration_start(instance_id, timeout=PATIENCE_SECONDS)

    def run(self, orchestrator: Orchestrator | str, **options: Any) -> Any:
        """Schedule an orchestration, wait for its end, return its state."""
        return self.end(self.start(orchestrator, **options))

    def output(self, orchestrator: Orchestrator | str, **options: Any) -> Any:
        """Run an orchestration that must complete, and return its output."""
        return output_of(self.run(orchestrator, **options))

    def status(self, instance_id: str) -> str:
        """Return the name of an instance's status."""
        name: str = self.client.get_orchestration_state(instance_id).runtime_status.name
        return name

    def history(self, instance_id: str) -> list[Any]:
        """Return an instance's history."""
        events: list[Any] = self.client.get_orchestration_history(instance_id)
        return events

    def statuses(self, *names: str) -> list[Any]:
        """Return the client SDK's members of these names."""
        return [self.client_module.OrchestrationStatus[name] for name in names]

    def query(self, **criteria: Any) -> list[str]:
        """Return the sorted ids a query finds."""
        query = self.client_module.OrchestrationQuery(**criteria)
        return sorted(state.instance_id for state in self.client.get_all_orchestration_states(query))

    def reuse(self, *statuses: str) -> Any:
        """Return an id reuse policy that lets instances of these statuses be replaced."""
        messages = self.pair.client.messages
        values = [messages.OrchestrationStatus.Value(f"ORCHESTRATION_STATUS_{name}") for name in statuses]
        return messages.OrchestrationIdReusePolicy(replaceableStatus=values)


def output_of(state: Any) -> Any:
    """Return the output of an instance that must have completed."""
    assert state is not None
    assert state.runtime_status.name == "COMPLETED", state.failure_details
    return None if state.serialized_output is None else json.loads(state.serialized_output)


def failure_of(state: Any) -> Any:
    """Return the failure of an instance that must have failed."""
    assert state is not None
    assert state.runtime_status.name == "FAILED", state
    return state.failure_details


@contextlib.contextmanager
def refused(code: grpc.StatusCode, text: str = "") -> Iterator[None]:
    """Expect a call to be refused with this code and a message that contains `text`."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code() is code
    assert text in caught.value.details()


def answers(call: Callable[[], object]) -> bool:
    """Whether a call reaches a scheduler at all."""
    try:
        call()
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return False
        raise
    return True


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until `condition` holds, for what nobody announces."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"Still not: {what}"
        pause.wait(0.005)
