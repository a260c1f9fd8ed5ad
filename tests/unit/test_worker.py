"""Workers against a real gRPC server that plays the scheduler."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from queue import Queue
from typing import Any

import grpc
import pytest
from durakit.errors import SettingsError
from durakit.grpc_options import GrpcWorkerResiliencyOptions
from durakit.task import ActivityContext, OrchestrationContext
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.worker import (
    ConcurrencyOptions,
    TaskHubGrpcWorker,
    VersioningOptions,
    VersionMatchStrategy,
)

from .fake_scheduler import FakeScheduler, activity_item, first_turn_item

SOON_SECONDS = 20.0
QUICK = GrpcWorkerResiliencyOptions(reconnect_backoff_base_seconds=0.01, reconnect_backoff_cap_seconds=0.02)


def greet(ctx: OrchestrationContext, _: Any) -> str:
    return "hello"


def echo(ctx: ActivityContext, value: Any) -> Any:
    return value


async def echo_async(ctx: ActivityContext, value: Any) -> Any:
    await asyncio.sleep(0)
    return value


@contextmanager
def working(
    scheduler: FakeScheduler, *activities: Callable[..., Any], **options: Any
) -> Iterator[TaskHubGrpcWorker]:
    worker = TaskHubGrpcWorker(host_address=scheduler.address, resiliency_options=QUICK, **options)
    worker.add_orchestrator(greet)
    for activity in activities or (echo, echo_async):
        worker.add_activity(activity)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


@pytest.mark.parametrize("name", ["echo", "echo_async"])
def test_an_activity_is_run_and_answered_under_its_token(name: str) -> None:
    with FakeScheduler() as scheduler, working(scheduler):
        scheduler.next_stream().send(activity_item(name, "i7", token="t7", input={"value": "[1]"}))

        answer = scheduler.next_call("CompleteActivityTask").request

    expected = pb.ActivityResponse(instanceId="i7", taskId=1, completionToken="t7", result={"value": "[1]"})
    assert answer == expected


def test_a_turn_is_run_and_answered_under_its_token() -> None:
    with FakeScheduler() as scheduler, working(scheduler):
        scheduler.next_stream().send(first_turn_item("greet", "i7", token="t7"))

        answer = scheduler.next_call("CompleteOrchestratorTask").request

    assert (answer.instanceId, answer.completionToken) == ("i7", "t7")
    assert answer.actions[0].completeOrchestration.result.value == '"hello"'


def test_a_stale_completion_harms_nobody() -> None:
    with FakeScheduler() as scheduler, working(scheduler):
        scheduler.answer(
            "CompleteActivityTask", (grpc.StatusCode.NOT_FOUND, "stale"), pb.CompleteTaskResponse()
        )
        stream = scheduler.next_stream()
        stream.send(activity_item("echo", "i1"))
        assert scheduler.next_call("CompleteActivityTask").request.instanceId == "i1"

        stream.send(activity_item("echo", "i2"))

        assert scheduler.next_call("CompleteActivityTask").request.instanceId == "i2"
        assert scheduler.calls("AbandonTaskActivityWorkItem") == []


def step(ctx: OrchestrationContext, _: Any) -> Generator[Any, Any, str]:
    yield ctx.call_activity("echo")
    return "done"


def second_turn_without_history(token: str) -> pb.WorkItem:
    """What a scheduler with sessions sends after the first turn of `step`."""
    request = pb.OrchestratorRequest(instanceId="i1")
    request.executionId.value = "e1"
    request.properties["IsExtendedSession"].bool_value = True
    request.properties["IncludeState"].bool_value = False
    request.properties["durakit.committedEvents"].number_value = 4
    started = request.newEvents.add(eventId=-1)
    started.timestamp.FromSeconds(1_700_000_001)
    started.orchestratorStarted.SetInParent()
    request.newEvents.add(eventId=-1).taskCompleted.taskScheduledId = 1
    return pb.WorkItem(orchestratorRequest=request, completionToken=token)


@contextmanager
def stepping(scheduler: FakeScheduler) -> Iterator[TaskHubGrpcWorker]:
    with TaskHubGrpcWorker(host_address=scheduler.address, resiliency_options=QUICK) as worker:
        worker.add_orchestrator(step)
        worker.add_activity(echo)
        worker.start()
        yield worker


def test_the_next_turn_needs_no_history_once_the_last_one_was_accepted() -> None:
    with FakeScheduler() as scheduler, stepping(scheduler):
        stream = scheduler.next_stream()
        stream.send(first_turn_item("step", token="t1"))
        scheduler.next_call("CompleteOrchestratorTask")
        stream.send(second_turn_without_history("t2"))

        answer = scheduler.next_call("CompleteOrchestratorTask").request

    assert answer.actions[0].completeOrchestration.result.value == '"done"'


def test_the_next_turn_needs_the_history_when_the_last_one_was_not_accepted() -> None:
    with FakeScheduler() as scheduler, stepping(scheduler):
        scheduler.answer(
            "CompleteOrchestratorTask", (grpc.StatusCode.NOT_FOUND, "stale"), pb.CompleteTaskResponse()
        )
        stream = scheduler.next_stream()
        stream.send(first_turn_item("step", token="t1"))
        scheduler.next_call("CompleteOrchestratorTask")
        stream.send(second_turn_without_history("t2"))

        answer = scheduler.next_call("CompleteOrchestratorTask").request

    assert answer == pb.OrchestratorResponse(instanceId="i1", completionToken="t2", requiresHistory=True)


def test_the_next_turn_waits_for_the_answer_to_the_last_one() -> None:
    with FakeScheduler() as scheduler, stepping(scheduler):
        stream = scheduler.next_stream()
        go_on = scheduler.hold("CompleteOrchestratorTask")
        stream.send(first_turn_item("step", token="t1"))
        scheduler.next_call("CompleteOrchestratorTask")
        stream.send(second_turn_without_history("t2"))
        stream.send(activity_item("echo"))
        # Items are taken in order, so the worker has the second turn too; without the answer to the first it
        # has no session to run it with.
        scheduler.next_call("CompleteActivityTask")
        go_on.set()

        answer = scheduler.next_call("CompleteOrchestratorTask").request

    assert answer.actions[0].completeOrchestration.result.value == '"done"'


def test_an_orchestrator_that_resists_its_eviction_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAKIT_SESSION_CACHE", "1")
    closing, go_on = threading.Event(), threading.Event()

    def stubborn(ctx: OrchestrationContext, _: Any) -> Generator[Any, Any, None]:
        try:
            yield ctx.call_activity("echo")
        finally:
            closing.set()
            go_on.wait(SOON_SECONDS)

    with FakeScheduler() as scheduler:
        worker = TaskHubGrpcWorker(host_address=scheduler.address, resiliency_options=QUICK)
        worker.add_orchestrator(stubborn)
        worker.add_orchestrator(step)
        with worker:
            worker.start()
            stream = scheduler.next_stream()
            for number, name in enumerate(("stubborn", "step", "step")):
                stream.send(first_turn_item(name, f"i{number}"))
                scheduler.next_call("CompleteOrchestratorTask")
            closing.wait(SOON_SECONDS)
            stream.send(first_turn_item("step", "i4"))

            assert scheduler.next_call("CompleteOrchestratorTask").request.instanceId == "i4"
            go_on.set()


def test_the_scheduler_is_told_what_the_worker_can_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAKIT_SESSION_CACHE", "7")
    options = ConcurrencyOptions(
        maximum_concurrent_activity_work_items=3, maximum_concurrent_orchestration_work_items=4
    )
    with (
        FakeScheduler() as scheduler,
        working(scheduler, concurrency_options=options, metadata=[("team", "a")]),
    ):
        stream = scheduler.next_stream()

    assert stream.request == pb.GetWorkItemsRequest(
        maxConcurrentActivityWorkItems=3,
        maxConcurrentOrchestrationWorkItems=4,
        capabilities=[pb.WORKER_CAPABILITY_HISTORY_STREAMING],
    )
    assert (stream.metadata["durakit-sessions"], stream.metadata["team"]) == ("7", "a")


def test_a_worker_without_a_cache_asks_for_no_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAKIT_SESSION_CACHE", "0")
    with FakeScheduler() as scheduler, working(scheduler):
        assert "durakit-sessions" not in scheduler.next_stream().metadata


def test_a_cache_size_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAKIT_SESSION_CACHE", "many")

    with pytest.raises(SettingsError) as refusal:
        TaskHubGrpcWorker(host_address="localhost:1").start()

    assert str(refusal.value) == (
        "DURAKIT_SESSION_CACHE is 'many'; expected how many orchestrations to keep in memory, 0 or more."
    )


def test_stopping_finishes_what_runs_and_gives_back_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durakit.runtime.dispatch.REJECTION_PAUSE_SECONDS", 0.01)
    begun, go_on = threading.Event(), threading.Event()

    def slow(ctx: ActivityContext, _: Any) -> str:
        begun.set()
        go_on.wait(SOON_SECONDS)
        return "done"

    options = ConcurrencyOptions(maximum_concurrent_activity_work_items=1)
    with FakeScheduler() as scheduler, working(scheduler, slow, concurrency_options=options) as worker:
        stream = scheduler.next_stream()
        stream.send(activity_item("slow", "running", token="t1"))
        stream.send(activity_item("slow", "waiting", token="t2"))
        begun.wait(SOON_SECONDS)
        stopping = threading.Thread(target=worker.stop)
        stopping.start()

        given_back = scheduler.next_call("AbandonTaskActivityWorkItem").request
        go_on.set()
        finished = scheduler.next_call("CompleteActivityTask").request
        stopping.join(SOON_SECONDS)

    assert given_back.completionToken == "t2"
    assert (finished.instanceId, finished.result.value) == ("running", '"done"')
    assert not stopping.is_alive()


def test_what_arrives_while_the_worker_stops_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durakit.runtime.dispatch.REJECTION_PAUSE_SECONDS", 0.01)
    begun, go_on = threading.Event(), threading.Event()

    def slow(ctx: ActivityContext, _: Any) -> None:
        begun.set()
        go_on.wait(SOON_SECONDS)

    options = ConcurrencyOptions(maximum_concurrent_activity_work_items=1)
    with FakeScheduler() as scheduler, working(scheduler, slow, concurrency_options=options) as worker:
        stream = scheduler.next_stream()
        stream.send(activity_item("slow", "running", token="t1"))
        stream.send(activity_item("slow", "waiting", token="t2"))
        begun.wait(SOON_SECONDS)
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        scheduler.next_call("AbandonTaskActivityWorkItem")
        stream.send(activity_item("slow", "late", token="t3"))

        given_back = scheduler.next_call("AbandonTaskActivityWorkItem").request
        go_on.set()
        stopping.join(SOON_SECONDS)
        completed = [call.request.instanceId for call in scheduler.calls("CompleteActivityTask")]

    assert given_back.completionToken == "t3"
    assert completed == ["running"]


def test_stopping_does_not_wait_longer_than_its_grace() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(ctx: ActivityContext, _: Any) -> None:
        begun.set()
        go_on.wait(SOON_SECONDS)

    with FakeScheduler() as scheduler, working(scheduler, slow) as worker:
        scheduler.next_stream().send(activity_item("slow"))
        begun.wait(SOON_SECONDS)

        assert worker.stop(timedelta(0)) is False
        go_on.set()


def test_stopping_waits_for_answers_under_way() -> None:
    with FakeScheduler() as scheduler, working(scheduler) as worker:
        go_on = scheduler.hold("CompleteActivityTask")
        scheduler.next_stream().send(activity_item("echo"))
        scheduler.next_call("CompleteActivityTask")
        ended: Queue[bool] = Queue()
        stopping = threading.Thread(target=lambda: ended.put(worker.stop()))
        stopping.start()
        assert ended.empty()
        go_on.set()
        stopping.join(SOON_SECONDS)

        assert ended.get_nowait() is True


def test_answers_that_do_not_arrive_within_the_grace_are_given_up() -> None:
    with FakeScheduler() as scheduler, working(scheduler) as worker:
        go_on = scheduler.hold("CompleteActivityTask")
        scheduler.next_stream().send(activity_item("echo"))
        scheduler.next_call("CompleteActivityTask")

        assert worker.stop(timedelta(0)) is False
        go_on.set()


def test_what_waits_behind_an_answer_under_way_is_given_back() -> None:
    with FakeScheduler() as scheduler, stepping(scheduler) as worker:
        go_on = scheduler.hold("CompleteOrchestratorTask")
        stream = scheduler.next_stream()
        stream.send(first_turn_item("step", token="t1"))
        scheduler.next_call("CompleteOrchestratorTask")
        stream.send(second_turn_without_history("t2"))
        stream.send(first_turn_item("step", "other", token="t3"))
        scheduler.next_call("CompleteOrchestratorTask")
        stopping = threading.Thread(target=worker.stop)
        stopping.start()

        given_back = scheduler.next_call("AbandonTaskOrchestratorWorkItem").request
        go_on.set()
        stopping.join(SOON_SECONDS)

    assert given_back.completionToken == "t2"


@pytest.mark.parametrize("blocked", [1, 6])
def test_orchestrators_that_wait_for_what_they_must_not_hold_up_no_activity(blocked: int) -> None:
    go_on = threading.Event()

    def waiting(ctx: OrchestrationContext, _: Any) -> str:
        go_on.wait(SOON_SECONDS)
        return "done"

    with FakeScheduler() as scheduler:
        worker = TaskHubGrpcWorker(host_address=scheduler.address)
        worker.add_orchestrator(waiting)
        worker.add_activity(echo)
        with worker:
            worker.start()
            stream = scheduler.next_stream()
            for number in range(blocked):
                stream.send(first_turn_item("waiting", f"i{number}"))
            stream.send(activity_item("echo"))

            scheduler.next_call("CompleteActivityTask")
            go_on.set()
            ended = {
                scheduler.next_call("CompleteOrchestratorTask").request.instanceId for _ in range(blocked)
            }

    assert ended == {f"i{number}" for number in range(blocked)}


def test_stopping_does_not_wait_for_an_orchestrator_longer_than_its_grace() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def waiting(ctx: OrchestrationContext, _: Any) -> None:
        begun.set()
        go_on.wait(SOON_SECONDS)

    with FakeScheduler() as scheduler:
        worker = TaskHubGrpcWorker(host_address=scheduler.address)
        worker.add_orchestrator(waiting)
        worker.start()
        scheduler.next_stream().send(first_turn_item("waiting"))
        begun.wait(SOON_SECONDS)

        assert worker.stop(timedelta(0)) is False
        go_on.set()


def test_a_stopped_worker_may_be_started_again() -> None:
    with FakeScheduler() as scheduler, working(scheduler) as worker:
        scheduler.next_stream()
        assert worker.stop() is True
        assert worker.stop() is True

        worker.start()

        assert worker.wait_until_connected(timedelta(seconds=SOON_SECONDS))
        scheduler.next_stream()


def test_a_running_worker_cannot_be_changed() -> None:
    with FakeScheduler() as scheduler, working(scheduler) as worker:
        for change in (
            lambda: worker.add_activity(echo),
            lambda: worker.add_orchestrator(greet),
            lambda: worker.use_versioning(VersioningOptions()),
            worker.use_work_item_filters,
            worker.start,
        ):
            with pytest.raises(RuntimeError, match=r"while the worker is running; call stop\(\) first\.$"):
                change()


def test_waiting_for_a_connection_before_the_start_is_refused() -> None:
    with pytest.raises(SettingsError) as refusal:
        TaskHubGrpcWorker(host_address="localhost:1").wait_until_connected()

    assert str(refusal.value) == ("The worker is not running; call start() before wait_until_connected().")


def test_a_concurrency_below_one_is_refused() -> None:
    with pytest.raises(SettingsError) as refusal:
        ConcurrencyOptions(maximum_thread_pool_workers=0)

    assert str(refusal.value) == "maximum_thread_pool_workers is 0; expected a number of at least 1."


def test_a_version_left_to_others_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durakit.runtime.dispatch.REJECTION_PAUSE_SECONDS", 0.01)
    with FakeScheduler() as scheduler:
        worker = TaskHubGrpcWorker(host_address=scheduler.address)
        worker.add_orchestrator(greet)
        worker.use_versioning(VersioningOptions("2.0", match_strategy=VersionMatchStrategy.STRICT))
        with worker:
            worker.start()
            scheduler.next_stream().send(first_turn_item("greet", token="t9"))

            given_back = scheduler.next_call("AbandonTaskOrchestratorWorkItem").request

    assert given_back.completionToken == "t9"


def test_an_entity_item_is_answered_with_failures() -> None:
    with FakeScheduler() as scheduler, working(scheduler):
        request = pb.EntityRequest(
            instanceId="@counter@a",
            operationRequests=[pb.HistoryEvent(eventId=-1, entityOperationSignaled={"requestId": "r1"})],
        )
        scheduler.next_stream().send(pb.WorkItem(entityRequestV2=request, completionToken="t"))

        result = scheduler.next_call("CompleteEntityTask").request

    assert result.results[0].failure.failureDetails.errorType == "EntityTaskNotFound"


def test_a_history_that_is_too_long_is_fetched() -> None:
    item = first_turn_item("greet")
    past = list(item.orchestratorRequest.newEvents)
    del item.orchestratorRequest.newEvents[1:]
    item.orchestratorRequest.requiresHistoryStreaming = True
    with FakeScheduler() as scheduler, working(scheduler):
        scheduler.answer("StreamInstanceHistory", pb.HistoryChunk(events=past))
        scheduler.next_stream().send(item)

        asked = scheduler.next_call("StreamInstanceHistory").request
        scheduler.next_call("CompleteOrchestratorTask")

    assert (asked.instanceId, asked.executionId.value, asked.forWorkItemProcessing) == ("i1", "e1", True)


def test_a_history_that_cannot_be_fetched_gives_the_item_back() -> None:
    item = first_turn_item("greet", token="t5")
    item.orchestratorRequest.requiresHistoryStreaming = True
    with FakeScheduler() as scheduler, working(scheduler):
        scheduler.answer("StreamInstanceHistory", (grpc.StatusCode.INTERNAL, "broken"))
        scheduler.next_stream().send(item)

        assert scheduler.next_call("AbandonTaskOrchestratorWorkItem").request.completionToken == "t5"
