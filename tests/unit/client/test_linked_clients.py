"""Both clients over a link whose other end does what the test says: every way in which a call can end."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc
import pytest
from durakit.client import AsyncTaskHubGrpcClient, TaskHubGrpcClient, link
from durakit.errors import (
    AlreadyExistsError,
    CallCancelledError,
    NotFoundError,
    SchedulerTimeoutError,
    SchedulerUnavailableError,
    WaitTimeoutError,
)
from durakit.wire.messages import link_pb2
from durakit.wire.messages import orchestration_pb2 as pb

from ..fake_scheduler import DEADLINE_SECONDS, FakeLink, FakeScheduler
from ..leftovers import no_stream_left

COMPLETED = pb.GetInstanceResponse(
    exists=True,
    orchestrationState=pb.OrchestrationState(
        instanceId="i1", orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED
    ),
)


class ThreadedCaller:
    """Calls the client for threads, each call on a thread of its own."""

    def __init__(self, **options: Any) -> None:
        self.client = TaskHubGrpcClient(**options)

    def begin(self, method: str, *args: Any, **kwargs: Any) -> Future[Any]:
        """Make a call; its result is the future's."""
        made: Future[Any] = Future()

        def call() -> None:
            try:
                made.set_result(getattr(self.client, method)(*args, **kwargs))
            except BaseException as error:
                made.set_exception(error)

        threading.Thread(target=call, daemon=True).start()
        return made

    def await_link(self) -> None:
        """Return when a link is open."""
        assert self.client._link.opened.wait(DEADLINE_SECONDS)

    def close(self) -> None:
        """Close the client."""
        self.client.close()


class AsyncCaller:
    """Calls the client for asyncio, all on one loop."""

    def __init__(self, **options: Any) -> None:
        self.client = AsyncTaskHubGrpcClient(**options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def begin(self, method: str, *args: Any, **kwargs: Any) -> Future[Any]:
        """Make a call; its result is the future's."""
        return asyncio.run_coroutine_threadsafe(getattr(self.client, method)(*args, **kwargs), self._loop)

    def await_link(self) -> None:
        """Return when a link is open."""
        opened = asyncio.run_coroutine_threadsafe(self.client._link.opened.wait(), self._loop)
        opened.result(DEADLINE_SECONDS)

    def close(self) -> None:
        """Close the client and its loop."""
        asyncio.run_coroutine_threadsafe(self.client.close(), self._loop).result(DEADLINE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE_SECONDS)
        self._loop.close()


Caller = ThreadedCaller | AsyncCaller


@pytest.fixture(autouse=True)
def a_link_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call opens a link, and after one is lost there is next to no pause."""
    monkeypatch.setattr(link, "CALLS_BEFORE_LINK", 1)
    monkeypatch.setattr(link, "FIRST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def scheduler() -> Iterator[FakeScheduler]:
    with FakeScheduler(offers_links=True) as scheduler:
        yield scheduler


@pytest.fixture(params=[ThreadedCaller, AsyncCaller], ids=["sync", "async"])
def new_caller(request: pytest.FixtureRequest, scheduler: FakeScheduler) -> Iterator[Callable[..., Caller]]:
    callers: list[Caller] = []

    def make(**options: Any) -> Caller:
        caller: Caller = request.param(**{"host_address": scheduler.address, **options})
        callers.append(caller)
        return caller

    yield make
    for caller in callers:
        caller.close()


@pytest.fixture
def caller(new_caller: Callable[..., Caller]) -> Caller:
    return new_caller()


def open_link(caller: Caller, scheduler: FakeScheduler) -> FakeLink:
    """Make the caller open a link, by a first call."""
    caller.begin("get_orchestration_state", "nobody").result(DEADLINE_SECONDS)
    opened = scheduler.next_link()
    caller.await_link()
    scheduler.calls("GetInstance")
    return opened


def outcome(made: Future[Any]) -> Any:
    return made.result(DEADLINE_SECONDS)


def test_a_call_goes_over_the_link_and_its_answer_comes_back(
    caller: Caller, scheduler: FakeScheduler
) -> None:
    opened = open_link(caller, scheduler)

    made = caller.begin("schedule_new_orchestration", "greet", input="Ada", instance_id="x")
    (call,) = opened.next_calls()
    opened.reply(call, pb.CreateInstanceResponse(instanceId="x"))

    assert outcome(made) == "x"
    assert call.method == "StartInstance"
    assert pb.CreateInstanceRequest.FromString(call.request).input.value == '"Ada"'
    assert scheduler.calls("StartInstance") == []


def test_the_link_carries_the_metadata_of_the_client(
    new_caller: Callable[..., Caller], scheduler: FakeScheduler
) -> None:
    opened = open_link(new_caller(metadata=[("taskhub", "mine")]), scheduler)

    assert opened.metadata["taskhub"] == "mine"


def test_answers_come_in_any_order_and_many_at_once(caller: Caller, scheduler: FakeScheduler) -> None:
    opened = open_link(caller, scheduler)

    made = [caller.begin("schedule_new_orchestration", "greet", instance_id=f"i{n}") for n in range(20)]
    replies = []
    for call in opened.next_calls(20):
        request = pb.CreateInstanceRequest.FromString(call.request)
        response = pb.CreateInstanceResponse(instanceId=f"is {request.instanceId}")
        replies.append(link_pb2.Reply(id=call.id, response=response.SerializeToString()))
    opened.send(link_pb2.Down(replies=reversed(replies)))

    assert [outcome(one) for one in made] == [f"is i{n}" for n in range(20)]


def test_a_refusal_is_the_same_error_as_of_a_unary_call(
    new_caller: Callable[..., Caller], scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = new_caller()
    opened = open_link(caller, scheduler)
    monkeypatch.setenv("DURAKIT_LINK", "off")
    unary = new_caller()
    scheduler.answer("RaiseEvent", (grpc.StatusCode.NOT_FOUND, "no 'x'"))

    over_link = caller.begin("raise_orchestration_event", "x", "go")
    opened.refuse(opened.next_calls()[0], grpc.StatusCode.NOT_FOUND, "no 'x'")
    with pytest.raises(NotFoundError) as of_link:
        outcome(over_link)
    with pytest.raises(NotFoundError) as of_call:
        outcome(unary.begin("raise_orchestration_event", "x", "go"))

    assert str(of_link.value) == str(of_call.value)
    assert of_link.value.args == of_call.value.args


def test_start_and_wait_are_one_message(caller: Caller, scheduler: FakeScheduler) -> None:
    opened = open_link(caller, scheduler)

    made = caller.begin("run_orchestration", "greet", instance_id="i1")
    up = opened.next_message()
    start, wait = up.calls
    opened.reply(start, pb.CreateInstanceResponse(instanceId="i1"))
    opened.reply(wait, COMPLETED)

    assert outcome(made).instance_id == "i1"
    assert (start.method, wait.method) == ("StartInstance", "WaitForInstanceCompletion")


def test_a_start_that_is_refused_ends_the_wait_with_it(caller: Caller, scheduler: FakeScheduler) -> None:
    opened = open_link(caller, scheduler)

    made = caller.begin("run_orchestration", "greet", instance_id="i1")
    start, wait = opened.next_calls(2)
    opened.refuse(start, grpc.StatusCode.ALREADY_EXISTS, "There is one.")

    with pytest.raises(AlreadyExistsError):
        outcome(made)
    caller.begin("get_orchestration_state", "other")
    assert wait.id in opened.next_message().cancelled


def test_without_a_link_start_and_wait_are_two_calls(
    new_caller: Callable[..., Caller], scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DURAKIT_LINK", "off")
    scheduler.answer("StartInstance", pb.CreateInstanceResponse(instanceId="i1"))
    scheduler.answer("WaitForInstanceCompletion", COMPLETED)

    state = outcome(new_caller().begin("run_orchestration", "greet", instance_id="i1"))

    assert state.instance_id == "i1"
    assert scheduler.next_call("StartInstance").request.name == "greet"
    assert scheduler.next_call("WaitForInstanceCompletion").request.instanceId == "i1"
    assert scheduler.links.empty()


def test_a_wait_whose_time_is_over_is_forgotten_by_the_scheduler(
    caller: Caller, scheduler: FakeScheduler
) -> None:
    opened = open_link(caller, scheduler)

    made = caller.begin("wait_for_orchestration_completion", "i1", timeout=0.05)
    (call,) = opened.next_calls()
    with pytest.raises(WaitTimeoutError, match=r"'i1' did not complete within 0\.05 s\. It goes on"):
        outcome(made)

    assert opened.next_message().cancelled == [call.id]


def test_a_call_without_an_answer_is_late(
    caller: Caller, scheduler: FakeScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_link(caller, scheduler)
    monkeypatch.setattr("durakit.client.operations.Call.__init__.__defaults__", (0.05,))

    made = caller.begin("raise_orchestration_event", "i1", "go")
    (call,) = opened.next_calls()
    with pytest.raises(SchedulerTimeoutError) as caught:
        outcome(made)

    assert caught.value.details() == "Deadline Exceeded"
    assert opened.next_message().cancelled == [call.id]


def test_who_runs_out_of_time_before_the_start_is_answered_still_learns_that_it_was(
    caller: Caller, scheduler: FakeScheduler
) -> None:
    opened = open_link(caller, scheduler)

    made = caller.begin("run_orchestration", "greet", instance_id="i1", timeout=0.05)
    start, wait = opened.next_calls(2)
    assert opened.next_message().cancelled == [wait.id]
    opened.reply(start, pb.CreateInstanceResponse(instanceId="i1"))

    with pytest.raises(WaitTimeoutError, match="'i1' did not complete"):
        outcome(made)


def test_an_answer_that_is_too_long_for_the_link_is_asked_for_by_a_unary_call(
    caller: Caller, scheduler: FakeScheduler
) -> None:
    opened = open_link(caller, scheduler)
    scheduler.answer("WaitForInstanceCompletion", COMPLETED)

    made = caller.begin("wait_for_orchestration_completion", "i1")
    opened.refuse(opened.next_calls()[0], grpc.StatusCode.UNIMPLEMENTED, "too long")

    assert outcome(made).instance_id == "i1"


def test_a_long_request_is_made_as_a_unary_call(caller: Caller, scheduler: FakeScheduler) -> None:
    opened = open_link(caller, scheduler)
    scheduler.answer("StartInstance", pb.CreateInstanceResponse(instanceId="x"))

    assert outcome(caller.begin("schedule_new_orchestration", "greet", input="x" * link.MOST_BYTES)) == "x"
    caller.begin("schedule_new_orchestration", "small")

    assert [call.method for call in opened.next_calls()] == ["StartInstance"]


# --- the link breaks


def test_when_the_link_breaks_reads_are_repeated_and_others_told(
    caller: Caller, scheduler: FakeScheduler
) -> None:
    opened = open_link(caller, scheduler)
    read = caller.begin("get_orchestration_state", "i1")
    opened.next_calls()
    raised = caller.begin("raise_orchestration_event", "i1", "go")
    opened.next_calls()

    opened.end(grpc.StatusCode.UNAVAILABLE)

    assert outcome(read) is None
    with pytest.raises(SchedulerUnavailableError) as caught:
        outcome(raised)
    assert caught.value.details() == "ended by the test with UNAVAILABLE"
    assert scheduler.next_call("GetInstance").request.instanceId == "i1"
    assert scheduler.calls("RaiseEvent") == []


def test_a_wait_goes_on_when_the_link_breaks(caller: Caller, scheduler: FakeScheduler) -> None:
    opened = open_link(caller, scheduler)
    scheduler.answer("WaitForInstanceCompletion", COMPLETED)
    made = caller.begin("wait_for_orchestration_completion", "i1")
    opened.next_calls()

    opened.end(grpc.StatusCode.UNAVAILABLE)

    assert outcome(made).instance_id == "i1"


def test_a_start_under_an_id_made_here_is_repeated_when_the_link_breaks(
    caller: Caller, scheduler: FakeScheduler
) -> None:
    opened = open_link(caller, scheduler)
    scheduler.answer("StartInstance", (grpc.StatusCode.ALREADY_EXISTS, "There is one."))
    made = caller.begin("schedule_new_orchestration", "greet")
    (call,) = opened.next_calls()

    opened.end(grpc.StatusCode.UNAVAILABLE)

    assert outcome(made) == pb.CreateInstanceRequest.FromString(call.request).instanceId
    assert scheduler.next_call("StartInstance").request.SerializeToString() == call.request


@pytest.mark.parametrize("code", [None, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE])
def test_after_a_break_calls_are_unary_until_the_next_link_is_open(
    caller: Caller, scheduler: FakeScheduler, code: grpc.StatusCode | None
) -> None:
    opened = open_link(caller, scheduler)
    opened.end(code)
    pause = threading.Event()
    while scheduler.links.empty():
        made = caller.begin("get_orchestration_state", "i1")
        while scheduler.links.empty() and not made.done():
            pause.wait(0.001)
        # Over the link that has ended or by a unary call; one over the next link still waits.
        assert not made.done() or outcome(made) is None
    again = scheduler.next_link()
    caller.await_link()

    made = caller.begin("get_orchestration_state", "last")
    asked_for = ""
    while asked_for != "last":
        for call in again.next_calls():
            again.reply(call, COMPLETED)
            asked_for = pb.GetInstanceRequest.FromString(call.request).instanceId

    assert outcome(made).instance_id == "last"


def let_the_attempt_end(caller: Caller) -> None:
    pause = threading.Event()
    while caller.client._link._occasion._is_taken:
        pause.wait(0.001)


def test_where_links_are_refused_in_the_end_nobody_tries_again(
    caller: Caller, scheduler: FakeScheduler
) -> None:
    open_link(caller, scheduler).end(grpc.StatusCode.UNIMPLEMENTED)
    let_the_attempt_end(caller)
    outcome(caller.begin("get_orchestration_state", "i1"))
    let_the_attempt_end(caller)

    assert scheduler.links.empty()


def test_where_none_is_offered_calls_are_unary_and_nobody_asks_again(
    new_caller: Callable[..., Caller],
) -> None:
    with FakeScheduler() as plain:
        caller = new_caller(host_address=plain.address)
        for _ in range(3):
            assert outcome(caller.begin("get_orchestration_state", "i1")) is None
            let_the_attempt_end(caller)

        assert len(plain.calls("Hello")) == 1
        assert plain.links.empty()


def test_closing_cancels_calls_as_closing_the_channel_does(
    new_caller: Callable[..., Caller], scheduler: FakeScheduler
) -> None:
    caller = new_caller()
    opened = open_link(caller, scheduler)
    made = caller.begin("raise_orchestration_event", "i1", "go")
    opened.next_calls()

    if isinstance(caller, ThreadedCaller):
        caller.client.close()
    else:
        asyncio.run_coroutine_threadsafe(caller.client.close(), caller._loop).result(DEADLINE_SECONDS)

    with pytest.raises(CallCancelledError) as caught:
        outcome(made)
    assert caught.value.details() == "Channel closed!"
    assert opened.has_ended.wait(DEADLINE_SECONDS)


ENDS: list[Callable[[FakeLink], None]] = [
    lambda _: None,
    lambda opened: opened.end(),
    lambda opened: opened.end(grpc.StatusCode.UNAVAILABLE),
]


@pytest.mark.parametrize("end", ENDS, ids=["here", "ended-there", "broken"])
def test_a_closed_client_leaves_no_thread_and_no_stream(
    end: Callable[[FakeLink], None], scheduler: FakeScheduler
) -> None:
    with no_stream_left():
        with TaskHubGrpcClient(host_address=scheduler.address) as client:
            client.get_orchestration_state("nobody")
            opened = scheduler.next_link()
            assert client._link.opened.wait(DEADLINE_SECONDS)
            end(opened)

        assert "durakit-client-link" not in {thread.name for thread in threading.enumerate()}


def test_a_client_that_nobody_closed_leaves_no_link_behind(scheduler: FakeScheduler) -> None:
    client = TaskHubGrpcClient(host_address=scheduler.address)
    client.get_orchestration_state("nobody")
    opened = scheduler.next_link()
    assert client._link.opened.wait(DEADLINE_SECONDS)

    del client
    gc.collect()

    assert opened.has_ended.wait(DEADLINE_SECONDS)


def test_a_loop_that_ends_takes_the_link_with_it(scheduler: FakeScheduler) -> None:
    async def main() -> None:
        client = AsyncTaskHubGrpcClient(host_address=scheduler.address)
        await client.get_orchestration_state("nobody")
        await client._link.opened.wait()

    asyncio.run(main())

    assert scheduler.links.get(timeout=DEADLINE_SECONDS).has_ended.wait(DEADLINE_SECONDS)


def test_a_client_may_go_on_in_another_loop_when_its_first_one_has_ended(scheduler: FakeScheduler) -> None:
    client = AsyncTaskHubGrpcClient(host_address=scheduler.address)

    async def main() -> None:
        await client._connection.replace()
        await client.get_orchestration_state("nobody")
        await client._link.opened.wait()

    async def end() -> None:
        await asyncio.wait_for(client.close(), DEADLINE_SECONDS)

    asyncio.run(main())
    asyncio.run(end())

    assert scheduler.links.get(timeout=DEADLINE_SECONDS).has_ended.wait(DEADLINE_SECONDS)


def test_a_link_that_broke_leaves_no_task_behind(scheduler: FakeScheduler) -> None:
    async def main() -> None:
        async with AsyncTaskHubGrpcClient(host_address=scheduler.address) as client:
            await client.get_orchestration_state("nobody")
            await client._link.opened.wait()
            scheduler.next_link().end(grpc.StatusCode.UNAVAILABLE)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            _, pending = await asyncio.wait(left, timeout=DEADLINE_SECONDS)
            assert not pending

    asyncio.run(main())


def test_an_async_caller_who_is_cancelled_waits_no_more_in_the_scheduler_either(
    scheduler: FakeScheduler,
) -> None:
    async def main() -> tuple[int, list[int]]:
        async with AsyncTaskHubGrpcClient(host_address=scheduler.address) as client:
            await client.get_orchestration_state("nobody")
            await client._link.opened.wait()
            opened = scheduler.next_link()
            waiting = asyncio.create_task(client.wait_for_orchestration_completion("i1"))
            (call,) = await asyncio.to_thread(opened.next_calls)
            waiting.cancel()
            up = await asyncio.to_thread(opened.next_message)
            return call.id, list(up.cancelled)

    number, cancelled = asyncio.run(main())

    assert cancelled == [number]
