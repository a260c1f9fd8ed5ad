"""What a worker asks the scheduler for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from durakit.task import ActivityContext, OrchestrationContext
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.worker import (
    ActivityWorkItemFilter,
    OrchestrationWorkItemFilter,
    TaskHubGrpcWorker,
    VersioningOptions,
    VersionMatchStrategy,
    WorkItemFilters,
)

from .fake_scheduler import FakeScheduler


def greet(ctx: OrchestrationContext, _: Any) -> str:
    return "hello"


def echo(ctx: ActivityContext, value: Any) -> Any:
    return value


def filters_sent(prepare: Callable[[TaskHubGrpcWorker], None]) -> pb.WorkItemFilters | None:
    with FakeScheduler() as scheduler:
        worker = TaskHubGrpcWorker(host_address=scheduler.address)
        worker.add_orchestrator(greet)
        worker.add_activity(echo)
        prepare(worker)
        with worker:
            worker.start()
            request = scheduler.next_stream().request
    return request.workItemFilters if request.HasField("workItemFilters") else None


def test_filters_are_off_unless_asked_for() -> None:
    assert filters_sent(lambda worker: None) is None


def test_filters_come_from_what_is_registered() -> None:
    assert filters_sent(lambda worker: worker.use_work_item_filters()) == pb.WorkItemFilters(
        orchestrations=[pb.OrchestrationFilter(name="greet")], activities=[pb.ActivityFilter(name="echo")]
    )


def test_filters_name_the_version_when_only_that_one_is_run() -> None:
    def prepare(worker: TaskHubGrpcWorker) -> None:
        worker.use_versioning(VersioningOptions("2.0", match_strategy=VersionMatchStrategy.STRICT))
        worker.use_work_item_filters()

    sent = filters_sent(prepare)

    assert sent is not None
    assert list(sent.orchestrations[0].versions) == ["2.0"]


def test_filters_can_be_given_and_taken_back() -> None:
    given = WorkItemFilters(
        [OrchestrationWorkItemFilter("greet", ["1"])], [ActivityWorkItemFilter("echo", ["2"])]
    )

    def take_back(worker: TaskHubGrpcWorker) -> None:
        worker.use_work_item_filters()
        worker.use_work_item_filters(None)

    assert filters_sent(lambda worker: worker.use_work_item_filters(given)) == pb.WorkItemFilters(
        orchestrations=[pb.OrchestrationFilter(name="greet", versions=["1"])],
        activities=[pb.ActivityFilter(name="echo", versions=["2"])],
    )
    assert filters_sent(take_back) is None


def test_filters_of_another_kind_are_refused() -> None:
    with pytest.raises(TypeError) as refusal:
        TaskHubGrpcWorker(host_address="localhost:1").use_work_item_filters(["greet"])  # type: ignore[arg-type]  # what is tested

    assert str(refusal.value) == "filters is ['greet']; expected WorkItemFilters, None, or nothing."
