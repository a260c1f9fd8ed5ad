"""Workers that answer garbage, orchestrators that never end, clients that vanish; and very large runs.

The first half speaks the bare protocol, as a broken or foreign worker would; the second uses real SDKs.
"""

from __future__ import annotations

import gc
import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from durakit.scheduler.hub import Waiter
from durakit.wire.address import parse_address
from durakit.wire.channel import Stub, open_channel
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.methods import METHODS, Method

from tests.faults.sockets import Stream, complete, done, refusal_of, schedule, stale, turn

from .backends import EmbeddedScheduler
from .conftest import Retire
from .peers import PAIRS
from .stage import Stage, eventually, failure_of, output_of

CALL_SECONDS = 10


class Bare:
    """The bare protocol in a task hub of its own."""

    def __init__(self, address: str) -> None:
        self.task_hub = uuid.uuid4().hex
        self.channel = open_channel(parse_address(f"http://{address}"))
        self.metadata = (("taskhub", self.task_hub),)
        self.call = Stub(self.channel, lambda: self.metadata)
        self._streams: list[Stream] = []

    def connect(self, **request: Any) -> Stream:
        stream = Stream(self.call.GetWorkItems(pb.GetWorkItemsRequest(**request)))
        self._streams.append(stream)
        return stream

    def start(self, *ids: str) -> None:
        for instance_id in ids:
            self.call.StartInstance(pb.CreateInstanceRequest(instanceId=instance_id, name="program"))

    def answer(self, response: pb.OrchestratorResponse) -> None:
        self.call.CompleteOrchestratorTask(response, timeout=CALL_SECONDS)

    def finish(self, item: pb.WorkItem, result: Any = "fine") -> None:
        self.answer(turn(item, complete(1, result)))

    def state(self, instance_id: str) -> pb.OrchestrationState:
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        response: pb.GetInstanceResponse = self.call.GetInstance(request, timeout=CALL_SECONDS)
        return response.orchestrationState

    def output(self, instance_id: str) -> str:
        found = self.state(instance_id)
        assert found.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED, found
        return found.output.value

    def history(self, instance_id: str) -> list[pb.HistoryEvent]:
        request = pb.StreamInstanceHistoryRequest(instanceId=instance_id, forWorkItemProcessing=True)
        chunks = self.call.StreamInstanceHistory(request, timeout=CALL_SECONDS)
        return [event for chunk in chunks for event in chunk.events]

    def close(self) -> None:
        for stream in self._streams:
            stream.drop()
        self.channel.close()


@pytest.fixture
def bare(embedded: EmbeddedScheduler) -> Iterator[Bare]:
    bare = Bare(embedded.address)
    yield bare
    bare.close()


def sub(number: int, child_id: str) -> pb.OrchestratorAction:
    action = pb.CreateSubOrchestrationAction(instanceId=child_id, name="child")
    return pb.OrchestratorAction(id=number, createSubOrchestration=action)


def accepting(*, orchestration: str = "", activity: str = "") -> pb.WorkItemFilters:
    return pb.WorkItemFilters(
        orchestrations=[pb.OrchestrationFilter(name=orchestration)] if orchestration else [],
        activities=[pb.ActivityFilter(name=activity)] if activity else [],
    )


def part(item: pb.WorkItem, number: int, *actions: pb.OrchestratorAction, last: bool = False) -> Any:
    response = turn(item, *actions)
    response.isPartial = not last
    response.chunkIndex.value = number
    return response


# --- answers that are wrong


@pytest.mark.parametrize("method", [m for m in METHODS if m.request.DESCRIPTOR.fields], ids=lambda m: m.name)
def test_bytes_that_do_not_parse_are_refused_and_harm_nobody(bare: Bare, method: Method) -> None:
    bare.start("one")
    stream = bare.connect()
    item = stream.next_turn()
    garbage = b"\xff\xfe no message \x00"
    call: Any
    if method.streams:
        call = bare.channel.unary_stream(method.path, None, method.response.FromString)
        code, _ = refusal_of(lambda: list(call(garbage, metadata=bare.metadata, timeout=CALL_SECONDS)))
    else:
        call = bare.channel.unary_unary(method.path, None, method.response.FromString)
        code, _ = refusal_of(lambda: call(garbage, metadata=bare.metadata, timeout=CALL_SECONDS))

    assert code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
    bare.finish(item)
    assert bare.output("one") == '"fine"'


def test_tokens_nobody_gave_out_change_nothing(bare: Bare) -> None:
    """Semantics 2.4; tokens of other kinds of work and of other hubs are as unknown as invented ones."""
    bare.start("one")
    stream = bare.connect()
    first = stream.next_turn()
    bare.answer(turn(first, schedule(1)))
    activity = stream.next_activity()
    bare.start("two")
    second = stream.next_turn()
    elsewhere = Stub(bare.channel, lambda: (("taskhub", "elsewhere"),))
    call = bare.call

    def spoiled(response: Any, token: str) -> Any:
        response.completionToken = token
        return response

    turn_of_two, work = turn(second, complete(1, "x")), done(activity, "x")
    for token in ("invented", first.completionToken, activity.completionToken):
        wrong = spoiled(turn(second, complete(1, "x")), token)
        assert refusal_of(partial(call.CompleteOrchestratorTask, wrong)) == stale("orchestrator")
    for token in ("invented", second.completionToken):
        wrong = spoiled(done(activity, "x"), token)
        assert refusal_of(partial(call.CompleteActivityTask, wrong)) == stale("activity")
    assert refusal_of(lambda: elsewhere.CompleteOrchestratorTask(turn_of_two)) == stale("orchestrator")
    assert refusal_of(lambda: elsewhere.CompleteActivityTask(work)) == stale("activity")
    for name, kind, request in (
        ("AbandonTaskOrchestratorWorkItem", "orchestrator", pb.AbandonOrchestrationTaskRequest()),
        ("AbandonTaskActivityWorkItem", "activity", pb.AbandonActivityTaskRequest()),
    ):
        request.completionToken = "invented"
        assert refusal_of(partial(getattr(call, name), request)) == stale(kind)

    bare.finish(second)
    assert bare.output("two") == '"fine"'
    assert [event.WhichOneof("eventType") for event in bare.history("one")][2:] == [
        "taskScheduled",
        "orchestratorCompleted",
    ]


def test_an_answer_for_another_instance_than_its_token_is_refused(bare: Bare) -> None:
    bare.start("one")
    bare.start("two")
    stream = bare.connect()
    first, second = stream.next_turn(), stream.next_turn()
    ids = [item.orchestratorRequest.instanceId for item in (first, second)]
    mixed = turn(first, complete(1, "wrong"))
    mixed.instanceId = ids[1]

    code, text = refusal_of(lambda: bare.answer(mixed))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text == (
        f"The answer is for instance '{ids[1]}', but its completion token was given with work of "
        f"'{ids[0]}'. Send back the token that came with the work item."
    )
    bare.finish(first, "first")
    bare.finish(second, "second")
    assert [bare.output(instance_id) for instance_id in ids] == ['"first"', '"second"']


def test_an_activity_answer_that_names_no_instance_counts(bare: Bare) -> None:
    """Trap 19: some SDKs leave it out of failures."""
    bare.start("one")
    stream = bare.connect()
    bare.answer(turn(stream.next_turn(), schedule(1)))
    activity = stream.next_activity()

    response = pb.ActivityResponse(completionToken=activity.completionToken)
    response.failureDetails.SetInParent()
    bare.call.CompleteActivityTask(response)

    # Trap 16: failure details mean failure, even empty ones.
    assert stream.next_turn().orchestratorRequest.newEvents[1].HasField("taskFailed")


def test_a_late_answer_to_an_ended_instance_is_refused_and_its_activity_dropped(bare: Bare) -> None:
    """Semantics 2.5 rule 5."""
    bare.start("one")
    stream = bare.connect()
    bare.answer(turn(stream.next_turn(), schedule(1)))
    activity = stream.next_activity()
    bare.call.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name="go"))
    held = stream.next_turn()
    bare.call.TerminateInstance(pb.TerminateRequest(instanceId="one"))
    before = len(bare.history("one"))

    assert refusal_of(lambda: bare.finish(held)) == stale("orchestrator")
    bare.call.CompleteActivityTask(done(activity, "late"))

    assert bare.state("one").orchestrationStatus == pb.ORCHESTRATION_STATUS_TERMINATED
    assert len(bare.history("one")) == before


# --- answers in parts (semantics.md 2.6 rule 3)


def test_parts_of_an_answer_may_come_out_of_order_and_twice(bare: Bare) -> None:
    """A worker repeats a part whose acknowledgement was lost; its actions must not count twice."""
    bare.start("one")
    stream = bare.connect()
    item = stream.next_turn()

    for number in (1, 0, 1, 0):
        bare.answer(part(item, number, sub(number + 1, f"{bare.task_hub}-{number}")))
    bare.answer(part(item, 2, sub(3, f"{bare.task_hub}-2"), last=True))

    created = [event for event in bare.history("one") if event.HasField("subOrchestrationInstanceCreated")]
    assert [event.eventId for event in created] == [1, 2, 3]
    names = {stream.next_turn().orchestratorRequest.instanceId for _ in range(3)}
    assert names == {f"{bare.task_hub}-{number}" for number in range(3)}


def test_an_answer_with_a_part_missing_is_refused_until_it_is_whole(bare: Bare) -> None:
    bare.start("one")
    stream = bare.connect()
    item = stream.next_turn()
    bare.answer(part(item, 1, schedule(2, "b")))
    last = part(item, 2, complete(3, "whole"), last=True)

    code, text = refusal_of(lambda: bare.answer(last))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text == (
        "The last part of the answer has number 2, so that many were expected before it, but 1 came. "
        "Send all parts again."
    )
    bare.answer(part(item, 0, schedule(1, "a")))
    bare.answer(last)
    assert bare.output("one") == '"whole"'


def test_parts_are_forgotten_with_the_stream_that_sent_them(bare: Bare) -> None:
    bare.start("one")
    lost = bare.connect()
    item = lost.next_turn()
    bare.answer(part(item, 0, schedule(1, "half")))
    lost.drop()

    again = bare.connect().next_turn()
    bare.finish(again)

    assert refusal_of(lambda: bare.answer(part(item, 1, last=True))) == stale("orchestrator")
    assert not any(event.HasField("taskScheduled") for event in bare.history("one"))


# --- answers that are odd but allowed


def test_the_same_id_for_actions_of_several_kinds_is_no_mistake(bare: Bare) -> None:
    """Semantics 3.3 rule 1, trap 15: ids begin with 0 elsewhere, and completions may be -1."""
    bare.start("one")
    stream = bare.connect(workItemFilters=accepting(orchestration="program"))
    stream_of_children = bare.connect(workItemFilters=accepting(orchestration="child"))
    workers = bare.connect(workItemFilters=accepting(activity="work"))
    timer = pb.OrchestratorAction(id=0)
    timer.createTimer.fireAt.GetCurrentTime()
    bare.answer(turn(stream.next_turn(), schedule(0), timer, sub(0, f"{bare.task_hub}-child")))

    bare.call.CompleteActivityTask(done(workers.next_activity(), "work"))
    bare.finish(stream_of_children.next_turn(), "child")
    answered: set[str] = set()
    while len(answered) < 3:
        item = stream.next_turn()
        arrived = item.orchestratorRequest.newEvents[1:]
        answered |= {event.WhichOneof("eventType") or "" for event in arrived}
        bare.answer(turn(item, complete(-1, "all")) if len(answered) == 3 else turn(item))

    assert answered == {"taskCompleted", "timerFired", "subOrchestrationInstanceCompleted"}
    assert bare.output("one") == '"all"'


def test_of_two_activities_with_one_id_the_newest_is_the_one(bare: Bare) -> None:
    """Semantics 3.3 rule 2: a late result of the first attempt is not taken for that of the second."""
    bare.start("one")
    stream = bare.connect()
    bare.answer(turn(stream.next_turn(), schedule(0, "first")))
    old = stream.next_activity()
    bare.call.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name="again"))
    bare.answer(turn(stream.next_turn(), schedule(0, "second")))
    new = stream.next_activity()

    bare.call.CompleteActivityTask(done(old, "old"))
    bare.call.CompleteActivityTask(done(new, "new"))

    arrived = stream.next_turn().orchestratorRequest.newEvents[1:]
    assert [event.taskCompleted.result.value for event in arrived] == ['"new"']


def test_of_two_completions_the_last_wins_and_unknown_actions_are_skipped(bare: Bare) -> None:
    """Semantics 3.8 rule 1, trap 20."""
    bare.start("one")
    item = bare.connect().next_turn()

    bare.answer(turn(item, complete(1, "first"), pb.OrchestratorAction(id=9), complete(2, "last")))

    assert bare.output("one") == '"last"'
    ends = [event for event in bare.history("one") if event.HasField("executionCompleted")]
    assert len(ends) == 1


def test_a_completion_that_is_none_fails_the_instance_and_says_so(bare: Bare) -> None:
    bare.start("one")
    action = pb.OrchestratorAction(id=1)
    action.completeOrchestration.orchestrationStatus = pb.ORCHESTRATION_STATUS_SUSPENDED

    bare.answer(turn(bare.connect().next_turn(), action))

    failure = bare.state("one").failureDetails
    assert failure.errorType == "InvalidCompletion"
    assert failure.errorMessage.startswith("The worker completed the orchestration with status 7; expected")


def test_events_that_were_not_processed_come_again(bare: Bare) -> None:
    """Semantics 2.6 rule 2."""
    bare.start("one")
    for name in "abc":
        bare.call.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name=name))
    stream = bare.connect()
    partly = turn(stream.next_turn())
    partly.numEventsProcessed.value = 3
    bare.answer(partly)

    arrived = stream.next_turn().orchestratorRequest.newEvents

    assert [event.eventRaised.name for event in arrived[1:]] == ["b", "c"]


def test_an_action_our_sdk_does_not_make_is_limited_too(bare: Bare) -> None:
    bare.start("one", "victim")
    action = pb.OrchestratorAction(id=1)
    action.terminateOrchestration.instanceId = "victim"
    action.terminateOrchestration.reason.value = "x" * (1024 * 1024 + 1)
    stream = bare.connect()
    items = {item.orchestratorRequest.instanceId: item for item in (stream.next_turn(), stream.next_turn())}

    bare.answer(turn(items["one"], action))

    message = bare.state("one").failureDetails.errorMessage
    assert message.startswith("The reason for terminating 'victim' is 1,048,577 bytes; at most 1,048,576 are")
    assert bare.state("victim").orchestrationStatus == pb.ORCHESTRATION_STATUS_PENDING


def test_a_span_ends_with_its_execution(bare: Bare) -> None:
    """Trap 13: carried into the next execution, the span of an eternal orchestration would never end."""
    bare.start("one")
    stream = bare.connect()
    traced = turn(stream.next_turn())
    traced.orchestrationTraceContext.spanID.value = "first"
    bare.answer(traced)
    bare.call.RaiseEvent(pb.RaiseEventRequest(instanceId="one", name="go"))
    second = stream.next_turn()
    again = pb.OrchestratorAction(id=1)
    again.completeOrchestration.orchestrationStatus = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    continuing = turn(second, again)
    continuing.orchestrationTraceContext.spanID.value = "first"
    bare.answer(continuing)

    anew = stream.next_turn()

    assert second.orchestratorRequest.orchestrationTraceContext.spanID.value == "first"
    assert not anew.orchestratorRequest.HasField("orchestrationTraceContext")


# --- histories too large for a message


def test_a_large_history_is_streamed_to_those_who_can_and_sent_whole_to_others(bare: Bare) -> None:
    """Semantics 2.1 rule 1 and 2.7 rule 1: the capability belongs to the stream."""
    bare.start("one")
    plain = bare.connect()
    calls = [schedule(number) for number in (1, 2)]
    for call in calls:
        call.scheduleTask.input.value = "x" * 600_000
    bare.answer(turn(plain.next_turn(), *calls))
    plain.next_activity()
    bare.call.CompleteActivityTask(done(plain.next_activity(), "done"))
    whole = plain.next_turn().orchestratorRequest
    plain.drop()

    item = bare.connect(capabilities=[pb.WORKER_CAPABILITY_HISTORY_STREAMING]).next_turn()
    streamed = item.orchestratorRequest

    assert (whole.requiresHistoryStreaming, len(whole.pastEvents)) == (False, 5)
    assert (streamed.requiresHistoryStreaming, len(streamed.pastEvents)) == (True, 0)
    assert bare.history("one") == list(whole.pastEvents)
    bare.finish(item)


def test_more_events_than_a_message_holds_come_in_several_turns(bare: Bare) -> None:
    """Semantics 8, server rule 14: a worker that receives 4 MiB would lose its stream over the item."""
    bare.start("one")
    event = pb.RaiseEventRequest(instanceId="one", name="item")
    for number in range(6):
        event.input.value = f'"{number}{"x" * 900_000}"'
        bare.call.RaiseEvent(event)
    stream = bare.connect()

    turns = [stream.next_turn()]
    while len(turns) < 3:
        bare.answer(turn(turns[-1]))
        turns.append(stream.next_turn())

    new = [item.orchestratorRequest.newEvents for item in turns]
    raised = [
        [event.eventRaised.input.value[1] for event in events if event.HasField("eventRaised")]
        for events in new
    ]
    assert raised == [["0", "1"], ["2", "3"], ["4", "5"]]


# --- clients that vanish


def test_clients_that_vanish_while_waiting_leave_nothing_behind(bare: Bare) -> None:
    bare.start("one")
    waits = [
        bare.channel.unary_unary(
            f"/TaskHubSidecarService/{name}",
            pb.GetInstanceRequest.SerializeToString,
            pb.GetInstanceResponse.FromString,
        ).future(pb.GetInstanceRequest(instanceId=instance_id), metadata=bare.metadata)
        for name in ("WaitForInstanceStart", "WaitForInstanceCompletion")
        for instance_id in ("one", "nobody")
        for _ in range(20)
    ]
    stays = bare.call.WaitForInstanceCompletion
    results: list[Any] = []
    request = pb.GetInstanceRequest(instanceId="one")
    thread = threading.Thread(target=lambda: results.append(stays(request, timeout=CALL_SECONDS)))
    thread.start()
    eventually(lambda: waiters() == 81, "everybody waits")

    for wait in waits:
        wait.cancel()
    eventually(lambda: waiters() == 1, "those who left are forgotten")
    bare.finish(bare.connect().next_turn())
    thread.join(CALL_SECONDS)

    assert results[0].orchestrationState.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
    eventually(lambda: waiters() == 0, "nobody waits")


def waiters() -> int:
    return sum(isinstance(thing, Waiter) for thing in gc.get_objects())


# --- with real SDKs


@pytest.fixture
def ours(embedded: EmbeddedScheduler, retire: Retire) -> Iterator[Stage]:
    """Our own worker and client, for what need not be shown for every pair."""
    pair = next(pair for pair in PAIRS if pair.name == "durakit on ours")
    stage = Stage(pair, embedded.address, uuid.uuid4().hex, retire)
    yield stage
    stage.close()


@pytest.mark.embedded
def test_an_orchestrator_that_never_ends_holds_up_nobody_else(stage: Stage) -> None:
    """A function that blocks, which no orchestrator should, keeps its own thread only."""
    release, blocked = threading.Event(), threading.Event()

    def blocking(ctx: Any, _: Any) -> str:
        blocked.set()
        release.wait()
        return "at last"

    def echo(ctx: Any, value: int) -> int:
        return value

    def quick(ctx: Any, value: int) -> Any:
        result = yield ctx.call_activity(echo, input=value)
        return result

    stage.work(blocking, quick, activities=[echo])
    try:
        stuck = stage.start(blocking)
        assert blocked.wait(20)

        assert [stage.output(quick, input=number) for number in range(5)] == [*range(5)]
    finally:
        release.set()
    assert output_of(stage.end(stuck)) == "at last"


def test_code_that_changed_between_two_workers_fails_its_instance_only(ours: Stage) -> None:
    def named(name: str, body: Callable[..., Any]) -> Callable[..., Any]:
        body.__name__ = body.__qualname__ = name
        return body

    def before(ctx: Any, _: Any) -> Any:
        yield ctx.wait_for_external_event("one")
        yield ctx.call_activity("step")
        yield ctx.wait_for_external_event("two")

    def after(ctx: Any, _: Any) -> Any:
        yield ctx.wait_for_external_event("one")
        yield ctx.call_activity("leap")
        yield ctx.wait_for_external_event("two")

    def step(ctx: Any, _: Any) -> None:
        return None

    def other(ctx: Any, _: Any) -> str:
        return "fine"

    old = ours.work(named("flow", before), activities=[step])
    instance_id = ours.start("flow")
    ours.client.raise_orchestration_event(instance_id, "one")
    eventually(
        lambda: "TaskCompletedEvent" in {type(event).__name__ for event in ours.history(instance_id)},
        "the step was made",
    )
    old.stop()
    ours.work(named("flow", after), other, activities=[step])
    ours.client.raise_orchestration_event(instance_id, "two")

    failure = failure_of(ours.end(instance_id))
    assert failure.error_type.endswith("NonDeterminismError")
    assert "leap" in failure.message
    assert ours.output(other) == "fine"


def test_a_version_rejected_by_one_worker_runs_on_another(ours: Stage) -> None:
    """Semantics 2.8, 3.15 rule 5: REJECT gives the item back; nothing of it is in history."""
    module = ours.worker_module

    def up_to(version: str) -> Callable[[Any], object]:
        options = module.VersioningOptions(
            version=version,
            match_strategy=module.VersionMatchStrategy.CURRENT_OR_OLDER,
            failure_strategy=module.VersionFailureStrategy.REJECT,
        )
        return lambda worker: worker.use_versioning(options)

    def version_of(ctx: Any, _: Any) -> Any:
        return ctx.version

    ours.work(version_of, configure=up_to("1.5"))
    assert ours.output(version_of, version="1.4.9") == "1.4.9"
    newer = ours.start(version_of, version="2.0")
    ours.work(version_of, configure=up_to("2.0"))

    assert output_of(ours.end(newer)) == "2.0"
    assert len(ours.history(newer)) == 4


def test_a_fan_out_of_five_thousand_over_real_sockets(ours: Stage) -> None:
    def double(ctx: Any, number: int) -> int:
        return 2 * number

    def wide(ctx: Any, width: int) -> Any:
        results = yield ours.task.when_all([ctx.call_activity(double, input=n) for n in range(width)])
        return results

    ours.work(wide, activities=[double])

    assert ours.output(wide, input=5_000) == [2 * n for n in range(5_000)]


@pytest.mark.parametrize("sessions", ["100", "0"])
def test_an_answer_and_a_history_larger_than_a_message_pass(
    ours: Stage, monkeypatch: pytest.MonkeyPatch, sessions: str
) -> None:
    """8 MB of actions go out in parts; 16 MB of history come back in chunks."""
    monkeypatch.setenv("DURAKIT_SESSION_CACHE", sessions)

    def echo(ctx: Any, value: str) -> str:
        return value

    def heavy(ctx: Any, count: int) -> Any:
        calls = [ctx.call_activity(echo, input="x" * 1_000_000) for _ in range(count)]
        results = yield ours.task.when_all(calls)
        yield ctx.create_timer(ctx.current_utc_datetime)
        return [len(result) for result in results]

    ours.work(heavy, activities=[echo])

    assert ours.output(heavy, input=8) == [1_000_000] * 8


def test_an_input_larger_than_a_message_is_refused_with_its_size(ours: Stage) -> None:
    """The limit of the payload speaks, not that of the transport."""
    code, text = refusal_of(lambda: ours.start("flow", input="x" * 5_000_000))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text.startswith("The orchestration input is 5,000,002 bytes; at most 1,048,576 are allowed.")


def test_suspended_and_retried_work_survives_a_restart_of_the_scheduler(
    tmp_path: Path, retire: Retire
) -> None:
    scheduler = EmbeddedScheduler(tmp_path / "scheduler.db")
    pair = next(pair for pair in PAIRS if pair.name == "durakit on ours")
    stage = Stage(pair, scheduler.address, "default", retire)

    def collect(ctx: Any, _: Any) -> Any:
        first = yield ctx.wait_for_external_event("item")
        second = yield ctx.wait_for_external_event("item")
        return [first, second]

    stage.work(collect)
    instance_id = stage.start(collect)
    stage.begun(instance_id)
    stage.client.suspend_orchestration(instance_id)
    stage.client.raise_orchestration_event(instance_id, "item", data=1)

    scheduler.restart()
    stage.client.raise_orchestration_event(instance_id, "item", data=2)
    assert stage.status(instance_id) == "SUSPENDED"
    stage.client.resume_orchestration(instance_id)

    assert output_of(stage.end(instance_id)) == [1, 2]
    stage.close()
    scheduler.stop()
