"""Orchestrators that never end, clients that vanish, very large messages and runs; restarts.

The first half speaks the bare protocol, the second uses real SDKs.
"""

from __future__ import annotations

import gc
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from durakit.scheduler.waiters import Waiter
from durakit.wire.messages import orchestration_pb2 as pb

from tests.faults.sockets import done, refusal_of, schedule, turn

from .backends import EmbeddedScheduler
from .bare import CALL_SECONDS, Bare
from .conftest import Retire
from .peers import PAIRS
from .stage import Stage, eventually, failure_of, output_of

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
