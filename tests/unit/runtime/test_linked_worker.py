"""A whole worker on a link, over a socket; the other end is scripted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Queue
from typing import Any

import grpc
import pytest
from durakit.grpc_options import GrpcWorkerResiliencyOptions
from durakit.task import ActivityContext, OrchestrationContext
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.methods import LINK_HEADER, LINK_METHOD, LINK_SERVICE
from durakit.worker import TaskHubGrpcWorker, VersioningOptions, VersionMatchStrategy

from ..fake_scheduler import FakeScheduler, first_turn_item
from ..leftovers import no_stream_left

SOON_SECONDS = 20.0
INSTANCE = "i1"


@pytest.fixture(autouse=True)
def wants_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAKIT_LINK", "on")


class Opened:
    """A link that a worker has opened, from the scheduler's side."""

    def __init__(self) -> None:
        self.ups: Queue[link.Up] = Queue()
        self.downs: Queue[link.Down | None] = Queue()

    def next_up(self) -> link.Up:
        return self.ups.get(timeout=SOON_SECONDS)

    def serve(self, ups: Iterator[link.Up], context: grpc.ServicerContext) -> Iterator[link.Down]:
        context.send_initial_metadata(())
        context.add_callback(lambda: self.downs.put(None))
        threading.Thread(target=self._read, args=(ups,), daemon=True).start()
        while (down := self.downs.get(timeout=SOON_SECONDS)) is not None:
            yield down

    def _read(self, ups: Iterator[link.Up]) -> None:
        try:
            for up in ups:
                self.ups.put(up)
        except grpc.RpcError:
            pass


class OffersLinks(grpc.ServerInterceptor):  # type: ignore[misc]
    """Makes a scheduler say in the answer to Hello that it knows links; it serves them unless told not to."""

    def __init__(self, *, serves: bool = True) -> None:
        self._serves = serves
        self.asked = 0
        self.opened: Queue[Opened] = Queue()
        self._all: list[Opened] = []

    def next_link(self) -> Opened:
        return self.opened.get(timeout=SOON_SECONDS)

    def acknowledge_everything(self) -> None:
        """So that workers need not wait when they stop."""
        for opened in self._all:
            opened.downs.put(link.Down(durable_through=1000))

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        if details.method.endswith("/Hello"):
            return self._offering(continuation(details))
        if details.method != f"/{LINK_SERVICE}/{LINK_METHOD}":
            return continuation(details)
        self.asked += 1
        if not self._serves:
            return None
        opened = Opened()
        self._all.append(opened)
        self.opened.put(opened)
        return grpc.stream_stream_rpc_method_handler(
            opened.serve, link.Up.FromString, link.Down.SerializeToString
        )

    def _offering(self, handler: Any) -> Any:
        def hello(request: Any, context: grpc.ServicerContext) -> Any:
            context.send_initial_metadata(((LINK_HEADER, "1"),))
            return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(
            hello, handler.request_deserializer, handler.response_serializer
        )


def add(ctx: ActivityContext, value: int) -> int:
    return value + 1


def count(ctx: OrchestrationContext, steps: int) -> Any:
    total = 0
    for _ in range(steps):
        total = yield ctx.call_activity(add, input=total)
    return total


@contextmanager
def working(
    offers: OffersLinks,
    versioning: VersioningOptions | None = None,
    activities: Sequence[Callable[..., Any]] = (),
) -> Iterator[FakeScheduler]:
    """A scheduler that offers links, and a worker that has it."""
    quick = GrpcWorkerResiliencyOptions(
        reconnect_backoff_base_seconds=0.01, reconnect_backoff_cap_seconds=0.02
    )
    with (
        FakeScheduler(interceptors=[offers]) as scheduler,
        TaskHubGrpcWorker(host_address=scheduler.address, resiliency_options=quick) as worker,
    ):
        worker.add_orchestrator(count)
        for each in (add, *activities):
            worker.add_activity(each)
        if versioning is not None:
            worker.use_versioning(versioning)
        worker.start()
        yield scheduler
        offers.acknowledge_everything()


def test_where_links_are_offered_and_not_served_the_next_stream_is_an_ordinary_one() -> None:
    offers = OffersLinks(serves=False)
    with working(offers) as scheduler:
        assert scheduler.next_stream().request.maxConcurrentActivityWorkItems
        assert offers.asked == 1


def test_a_link_is_not_opened_by_those_who_do_not_want_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAKIT_LINK", "off")
    offers = OffersLinks()
    with working(offers) as scheduler:
        scheduler.next_stream()
        assert offers.asked == 0


def begin(opened: Opened, token: str = "t1") -> link.Up:
    """Greet the worker and have it run the first turn of an instance of `count`."""
    opening = opened.next_up()
    assert opening.opening.work.maxConcurrentActivityWorkItems
    first = first_turn_item("count", INSTANCE, token=token)
    first.orchestratorRequest.newEvents[1].executionStarted.input.value = "3"
    opened.downs.put(link.Down(durable_through=1, items=[first.SerializeToString()]))
    return opened.next_up()


def activity(token: str, name: str = "add") -> bytes:
    asked = pb.ActivityRequest(name=name, taskId=1)
    asked.input.value = "0"
    asked.orchestrationInstance.instanceId = INSTANCE
    return pb.WorkItem(completionToken=token, activityRequest=asked).SerializeToString()


def run_activity(opened: Opened, through: int, token: str) -> link.Up:
    opened.downs.put(link.Down(durable_through=through, items=[activity(token)]))
    return opened.next_up()


def test_a_stopped_worker_leaves_no_stream() -> None:
    offers = OffersLinks()
    with no_stream_left(), working(offers):
        begin(offers.next_link())


def test_a_worker_runs_the_next_turn_ahead_and_gives_back_the_item_that_asks_for_it() -> None:
    offers = OffersLinks()
    with working(offers):
        opened = offers.next_link()
        (first,) = begin(opened).turns
        assert first.completionToken == "t1"

        (turn,) = run_activity(opened, 2, "a1").eager_turns

        assert (turn.session, turn.execution_id) == ("t1", "e1")
        # orchestratorStarted, executionStarted, taskScheduled, orchestratorCompleted
        assert turn.committed_events == 4
        assert turn.response.actions[0].HasField("scheduleTask")

        late = pb.OrchestratorRequest(instanceId=INSTANCE)
        late.executionId.value = "e1"
        late.properties["IncludeState"].bool_value = False
        late.properties["durakit.committedEvents"].number_value = 4
        item = pb.WorkItem(completionToken="t2", orchestratorRequest=late)
        opened.downs.put(link.Down(items=[item.SerializeToString()]))

        assert opened.next_up() == link.Up(returned_turns=["t2"])


def test_after_a_refusal_a_worker_runs_the_turn_from_the_history() -> None:
    offers = OffersLinks()
    with working(offers):
        opened = offers.next_link()
        begin(opened)
        run_activity(opened, 2, "a1")

        without_history = pb.OrchestratorRequest(instanceId=INSTANCE)
        without_history.executionId.value = "e1"
        without_history.properties["IncludeState"].bool_value = False
        without_history.properties["durakit.committedEvents"].number_value = 4
        item = pb.WorkItem(completionToken="t2", orchestratorRequest=without_history)
        opened.downs.put(
            link.Down(
                durable_through=3,
                refused=[link.Refused(instance_id=INSTANCE, status="FAILED_PRECONDITION")],
                items=[item.SerializeToString()],
            )
        )

        (answer,) = opened.next_up().turns
        assert answer.requiresHistory


def test_an_activity_that_was_quick_and_then_blocks_holds_up_nobody() -> None:
    offers = OffersLinks()
    go_on = threading.Event()
    waits = threading.Event()
    ran_by: dict[str, str] = {}

    def moody(ctx: ActivityContext, _: int) -> None:
        ran_by["moody"] = threading.current_thread().name
        if waits.is_set():
            go_on.wait(SOON_SECONDS)

    with working(offers, activities=[moody]):
        opened = offers.next_link()
        opened.next_up()
        for _ in range(1000):
            opened.downs.put(link.Down(items=[activity("quick", "moody")]))
            opened.next_up()
            if "reader" in ran_by["moody"]:
                break
        assert "reader" in ran_by["moody"]
        waits.set()

        opened.downs.put(link.Down(items=[activity("held up", "moody"), activity("next")]))

        assert [result.completionToken for result in opened.next_up().tasks] == ["next"]
        go_on.set()
        assert [result.completionToken for result in opened.next_up().tasks] == ["held up"]


def test_an_item_of_another_version_is_given_back_over_the_link() -> None:
    offers = OffersLinks()
    strict = VersioningOptions(version="2", match_strategy=VersionMatchStrategy.STRICT)
    with working(offers, strict):
        assert begin(offers.next_link()) == link.Up(returned_turns=["t1"])


def test_what_was_not_acknowledged_when_the_link_ended_arrives_by_a_call() -> None:
    offers = OffersLinks()
    with working(offers) as scheduler:
        opened = offers.next_link()
        begin(opened)
        run_activity(opened, 2, "a1")

        opened.downs.put(None)

        assert scheduler.next_call("CompleteActivityTask").request.completionToken == "a1"
        assert offers.next_link().next_up().HasField("opening")
