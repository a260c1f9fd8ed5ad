"""Workers: filters, hubs, restarts of the scheduler; and the limits of the embedded scheduler."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from .backends import EmbeddedScheduler
from .conftest import Retire
from .peers import Pair
from .stage import Stage, answers, eventually, failure_of, output_of, refused


def test_two_workers_with_filters_share_a_hub(stage: Stage) -> None:
    """Semantics 2.2: each is given only what it registered."""

    def red_step(ctx: Any, _: Any) -> str:
        return "red"

    def red(ctx: Any, _: Any) -> Any:
        result = yield ctx.call_activity(red_step)
        return result

    def blue_step(ctx: Any, _: Any) -> str:
        return "blue"

    def blue(ctx: Any, _: Any) -> Any:
        result = yield ctx.call_activity(blue_step)
        return result

    def filtered(worker: Any) -> None:
        worker.use_work_item_filters()

    stage.work(red, activities=[red_step], configure=filtered)
    stage.work(blue, activities=[blue_step], configure=filtered)

    ids = [stage.start(name) for name in ["red", "blue"] * 5]

    assert [output_of(stage.end(instance_id)) for instance_id in ids] == ["red", "blue"] * 5


def test_what_no_filter_lets_through_waits_for_a_worker_that_takes_it(stage: Stage) -> None:
    def red(ctx: Any, _: Any) -> str:
        return "red"

    def blue(ctx: Any, _: Any) -> str:
        return "blue"

    stage.work(red, configure=lambda worker: worker.use_work_item_filters())
    waiting = stage.start("blue")
    assert stage.output(red) == "red"
    assert stage.status(waiting) == "PENDING"

    stage.work(blue, configure=lambda worker: worker.use_work_item_filters())

    assert output_of(stage.end(waiting)) == "blue"


@pytest.mark.embedded
def test_task_hubs_are_apart(stage: Stage) -> None:
    def quick(ctx: Any, _: Any) -> None:
        return None

    stage.work(quick)
    stage.run(quick, instance_id="mine")
    elsewhere = stage.pair.client.client(stage.address, "elsewhere")

    try:
        assert elsewhere.get_orchestration_state("mine") is None
    finally:
        elsewhere.close()


@pytest.mark.embedded
def test_an_instance_id_over_the_limit_is_refused_with_its_length(stage: Stage) -> None:
    text = "The instance id is 101 characters long; at most 100 are allowed. Pass a shorter instance_id."

    with refused(grpc.StatusCode.INVALID_ARGUMENT, text):
        stage.start("flow", instance_id="x" * 101)


@pytest.mark.embedded
def test_an_instance_id_of_an_entity_is_refused(stage: Stage) -> None:
    text = "Instance id '@x' begins with '@', which is reserved for entities. Choose another first character."

    with refused(grpc.StatusCode.INVALID_ARGUMENT, text):
        stage.start("flow", instance_id="@x")


LIMIT = 1024 * 1024


@pytest.mark.embedded
def test_a_payload_at_the_limit_passes_all_the_way(stage: Stage) -> None:
    def echo(ctx: Any, value: str) -> str:
        return value

    def flow(ctx: Any, value: str) -> Any:
        result = yield ctx.call_activity(echo, input=value)
        return result

    stage.work(flow, activities=[echo])
    payload = "x" * (LIMIT - 2)

    assert stage.output(flow, input=payload) == payload


@pytest.mark.embedded
def test_an_input_over_the_limit_is_refused_with_its_size(stage: Stage) -> None:
    text = "The orchestration input is 1,048,577 bytes; at most 1,048,576 are allowed."

    with refused(grpc.StatusCode.INVALID_ARGUMENT, text):
        stage.start("flow", input="x" * (LIMIT - 1))


@pytest.mark.embedded
def test_an_event_over_the_limit_is_refused_with_its_size(stage: Stage) -> None:
    instance_id = stage.start("flow")

    with refused(grpc.StatusCode.INVALID_ARGUMENT, "The payload of event 'e' is 1,048,577 bytes"):
        stage.client.raise_orchestration_event(instance_id, "e", data="x" * (LIMIT - 1))


@pytest.mark.embedded
def test_a_result_over_the_limit_fails_the_activity_with_its_size(stage: Stage) -> None:
    def huge(ctx: Any, _: Any) -> str:
        return "x" * (LIMIT - 1)

    def flow(ctx: Any, _: Any) -> Any:
        yield ctx.call_activity(huge)

    stage.work(flow, activities=[huge])

    message = failure_of(stage.run(flow)).message
    assert "The result of activity 'huge' is 1,048,577 bytes; at most 1,048,576 are allowed." in message


@pytest.mark.embedded
def test_an_output_over_the_limit_fails_the_orchestration_with_its_size(stage: Stage) -> None:
    def flow(ctx: Any, _: Any) -> str:
        return "x" * (LIMIT - 1)

    stage.work(flow)

    failure = failure_of(stage.run(flow))
    assert failure.error_type == "PayloadTooLarge"
    assert "The orchestration output is 1,048,577 bytes; at most 1,048,576 are allowed." in failure.message


def large(ctx: Any, _: Any) -> str:
    return "x" * 1_000_000


def gather(ctx: Any, rounds: int) -> Any:
    total = 0
    for _ in range(rounds):
        total += len((yield ctx.call_activity(large)))
    return total


@pytest.mark.embedded
def test_a_history_larger_than_a_message_still_replays(stage: Stage) -> None:
    """Semantics 2.7 and 8.14: some eight megabytes of results."""
    stage.work(gather, activities=[large])

    assert stage.output(gather, input=8) == 8_000_000


@pytest.mark.embedded
def test_a_worker_that_receives_larger_messages_is_sent_larger_histories(stage: Stage) -> None:
    options = stage.pair.worker.module("grpc_options").GrpcChannelOptions(
        max_receive_message_length=64 * 1024 * 1024
    )
    stage.work(gather, activities=[large], channel_options=options)

    assert stage.output(gather, input=8) == 8_000_000


@pytest.fixture
def restartable(tmp_path: Path) -> Iterator[EmbeddedScheduler]:
    """A scheduler of its own for one scenario."""
    scheduler = EmbeddedScheduler(tmp_path / "scheduler.db")
    yield scheduler
    scheduler.stop()


@pytest.mark.embedded
def test_worker_and_client_go_on_after_a_restart_of_the_scheduler(
    pair: Pair, restartable: EmbeddedScheduler, retire: Retire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Semantics 2.3 rules 3 to 5; what was accepted before goes on after."""
    if pair.sessions is not None:
        monkeypatch.setenv("DURAKIT_SESSION_CACHE", str(pair.sessions))
    entered, release = threading.Event(), threading.Event()

    def step(ctx: Any, number: int) -> int:
        if number == 1 and not entered.is_set():
            entered.set()
            release.wait(20)
        return number

    def flow(ctx: Any, _: Any) -> Any:
        first = yield ctx.call_activity(step, input=0)
        second = yield ctx.call_activity(step, input=1)
        answer = yield ctx.wait_for_external_event("go")
        return [first, second, answer]

    stage = Stage(pair, restartable.address, "default", retire)
    resiliency = pair.worker.module("grpc_options").GrpcWorkerResiliencyOptions(
        reconnect_backoff_base_seconds=0.05, reconnect_backoff_cap_seconds=0.1
    )
    try:
        stage.work(flow, activities=[step], resiliency_options=resiliency)
        instance_id = stage.start(flow)
        entered.wait(20)

        restartable.restart()
        release.set()
        fresh = stage.new_client()
        # Channels of one process share what they know of an address, here that nobody listened a moment ago.
        eventually(
            lambda: answers(lambda: fresh.get_orchestration_state(instance_id)), "the scheduler answers"
        )
        fresh.raise_orchestration_event(instance_id, "go", data="on")

        state = fresh.wait_for_orchestration_completion(instance_id, timeout=20)
        assert output_of(state) == [0, 1, "on"]
    finally:
        release.set()
        stage.close()
