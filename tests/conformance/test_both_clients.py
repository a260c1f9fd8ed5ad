"""The async client does what the sync one does, method by method, against the real scheduler."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from durakit import task
from durakit.client import (
    AsyncTaskHubGrpcClient,
    OrchestrationQuery,
    OrchestrationStatus,
    TaskHubGrpcClient,
    link,
)
from durakit.worker import TaskHubGrpcWorker

from .backends import EmbeddedScheduler
from .conftest import Retire
from .peers import QUIET


@dataclass
class Order:
    """A type of the program, so that accessors have something to make."""

    item: str
    due: datetime | None = None


def flow(ctx: task.OrchestrationContext, order: Order) -> Any:
    ctx.set_custom_status(Order(f"{order.item} noted"))
    if order.item == "none":
        raise LookupError("sold out")
    go = yield ctx.wait_for_external_event("go")
    return Order(f"{order.item} {go}", order.due)


class Both:
    """Makes each call with one client or the other and returns what it answered."""

    def __init__(self, address: str, task_hub: str, *, asynchronous: bool, linked: bool) -> None:
        options: dict[str, Any] = {"host_address": address, "metadata": [("taskhub", task_hub)]}
        self.called: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._client: Any = (
            AsyncTaskHubGrpcClient(**options) if asynchronous else TaskHubGrpcClient(**options)
        )
        self._asynchronous = asynchronous
        if linked:
            self.get_orchestration_state("nobody")
            opened: Any = self._client._link.opened.wait()
            assert self._loop.run_until_complete(opened) if asynchronous else opened

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.called.add(name)
            answer = getattr(self._client, name)(*args, **kwargs)
            return self._loop.run_until_complete(answer) if self._asynchronous else answer

        return call

    def end(self) -> None:
        self.close()
        self._loop.close()


@pytest.fixture(params=["sync", "async", "sync over a link", "async over a link"])
def client(
    request: pytest.FixtureRequest,
    embedded: EmbeddedScheduler,
    retire: Retire,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Both]:
    linked = "link" in request.param
    monkeypatch.setattr(link, "CALLS_BEFORE_LINK", 1 if linked else 1000)
    task_hub = uuid.uuid4().hex
    worker = TaskHubGrpcWorker(host_address=embedded.address, metadata=[("taskhub", task_hub)], logger=QUIET)
    worker.add_orchestrator(flow)
    worker.start()
    client = Both(embedded.address, task_hub, asynchronous="async" in request.param, linked=linked)
    yield client
    client.end()
    retire(worker.stop)


def test_every_method_does_the_same_in_both(client: Both) -> None:
    due = datetime(2030, 5, 17)  # noqa: DTZ001  # naive is UTC, as everywhere in the API
    order = Order("tea", due)

    assert client.schedule_new_orchestration(flow, input=order, instance_id="one", tags={"k": "v"}) == "one"
    assert client.wait_for_orchestration_start("one").runtime_status is OrchestrationStatus.RUNNING
    client.suspend_orchestration("one", reason="wait")
    assert client.get_orchestration_state("one").runtime_status is OrchestrationStatus.SUSPENDED
    client.raise_orchestration_event("one", "go", data="now")
    client.resume_orchestration("one")
    ended = client.wait_for_orchestration_completion("one")
    assert ended.get_input(Order) == order
    assert ended.get_output(Order) == Order("tea now", due)
    assert ended.get_custom_status(Order) == Order("tea noted")
    assert ended.get_output()["item"] == "tea now"
    assert len(client.get_orchestration_history("one")) > 6

    client.schedule_new_orchestration(flow, input=Order("none"), instance_id="two")
    assert "sold out" in client.wait_for_orchestration_completion("two").failure_details.message
    client.rewind_orchestration("two", reason="again")
    assert client.wait_for_orchestration_completion("two").failure_details is not None
    again = client.restart_orchestration("two", restart_with_new_instance_id=True)
    client.wait_for_orchestration_completion(again)
    ran = client.run_orchestration(flow, input=Order("none"), instance_id="four", timeout=20)
    assert "sold out" in ran.failure_details.message
    client.schedule_new_orchestration(flow, input=order, instance_id="three", start_at=due)
    client.terminate_orchestration("three", output=[1])
    assert client.get_orchestration_state("three").get_output() == [1]

    failed = OrchestrationQuery(runtime_status=[OrchestrationStatus.FAILED], fetch_inputs_and_outputs=True)
    found = client.get_all_orchestration_states(failed)
    assert {state.instance_id for state in found} == {"two", again, "four"}
    assert {state.get_input(Order).item for state in found} == {"none"}
    assert set(client.list_instance_ids().items) == {"one", "two", "three", "four", again}
    assert client.purge_orchestration("one").deleted_instance_count == 1
    purged = client.purge_orchestrations_by(
        runtime_status=[OrchestrationStatus.FAILED], timeout=timedelta(seconds=10)
    )
    assert purged.deleted_instance_count == 3
    assert client.get_orchestration_state("one") is None

    public = {name for name in vars(TaskHubGrpcClient) if not name.startswith("_")}
    methods = {name for name in public if callable(getattr(TaskHubGrpcClient, name))}
    assert methods - client.called == {"close"}, "each public method is called above"
