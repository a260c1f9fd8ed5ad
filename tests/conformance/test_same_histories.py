"""A link, with turns run ahead, leaves the same history behind as the standard protocol, event for event."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.client import TaskHubGrpcClient
from durakit.worker import TaskHubGrpcWorker

from .backends import EmbeddedScheduler
from .peers import QUIET
from .stage import eventually

Scenario = Callable[[task.OrchestrationContext, Any], Any]

INSTANCE = "the-instance"
MODES = {
    "standard, whole history": ("off", "0"),
    "standard": ("off", "100"),
    "link, whole history": ("on", "0"),
    "link": ("on", "100"),
}


def add(ctx: task.ActivityContext, value: int) -> int:
    return value + 1


async def add_async(ctx: task.ActivityContext, value: int) -> int:
    return value + 1


def fail_at_two(ctx: task.ActivityContext, value: int) -> int:
    if value == 2:
        raise ValueError("two")
    return value


def chain(ctx: task.OrchestrationContext, _: Any) -> Any:
    total = 0
    for number in range(12):
        ctx.set_custom_status(f"step {number}")
        total = yield ctx.call_activity(add if number % 2 else add_async, input=total)
    return total


def chain_with_a_failure(ctx: task.OrchestrationContext, _: Any) -> Any:
    caught = []
    for number in range(5):
        try:
            yield ctx.call_activity(fail_at_two, input=number)
        except task.TaskFailedError as failure:
            caught.append(str(failure.details.message))
    return caught


def chain_that_fails(ctx: task.OrchestrationContext, _: Any) -> Any:
    for number in range(5):
        yield ctx.call_activity(fail_at_two, input=number)


def retries(ctx: task.OrchestrationContext, _: Any) -> Any:
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=3)
    try:
        yield ctx.call_activity(fail_at_two, input=2, retry_policy=policy)
    except task.TaskFailedError:
        return (yield ctx.call_activity(add, input=1))


def child(ctx: task.OrchestrationContext, start: int) -> Any:
    for _ in range(3):
        start = yield ctx.call_activity(add, input=start)
    return start


def children(ctx: task.OrchestrationContext, _: Any) -> Any:
    total = 0
    for number in range(3):
        total = yield ctx.call_sub_orchestrator(child, input=total, instance_id=f"{ctx.instance_id}-{number}")
    return total


def timers(ctx: task.OrchestrationContext, _: Any) -> Any:
    total = 0
    for _ in range(3):
        total = yield ctx.call_activity(add, input=total)
        yield ctx.create_timer(timedelta(milliseconds=5))
    return total


def generations(ctx: task.OrchestrationContext, number: int | None) -> Any:
    number = yield ctx.call_activity(add, input=number or 0)
    number = yield ctx.call_activity(add, input=number)
    if number < 8:
        ctx.continue_as_new(number)
    return number


def events(ctx: task.OrchestrationContext, _: Any) -> Any:
    words = []
    for number in range(3):
        yield ctx.call_activity(add, input=number)
        ctx.set_custom_status(f"waiting for {number}")
        words.append((yield ctx.wait_for_external_event("word")))
    return words


def fan_out(ctx: task.OrchestrationContext, _: Any) -> Any:
    numbers = yield task.when_all([ctx.call_activity(add, input=number) for number in range(20)])
    return (yield ctx.call_activity(add, input=sum(numbers)))


ALL = (
    chain,
    chain_with_a_failure,
    chain_that_fails,
    retries,
    child,
    children,
    timers,
    generations,
    events,
    fan_out,
)


def run(address: str, scenario: Scenario) -> list[dict[str, Any]]:
    """Run a scenario in a task hub of its own, to its end; return its history without times and ids."""
    hub = [("taskhub", uuid.uuid4().hex)]
    with (
        TaskHubGrpcWorker(host_address=address, metadata=hub, logger=QUIET) as worker,
        TaskHubGrpcClient(host_address=address, metadata=hub) as client,
    ):
        for orchestrator in ALL:
            worker.add_orchestrator(orchestrator)
        for activity in (add, add_async, fail_at_two):
            worker.add_activity(activity)
        worker.start()
        client.schedule_new_orchestration(scenario, instance_id=INSTANCE)
        if scenario is events:
            raise_events(client)
        state = client.wait_for_orchestration_completion(INSTANCE, timeout=20)
        assert state is not None
        return [told(event) for event in client.get_orchestration_history(INSTANCE)]


def raise_events(client: TaskHubGrpcClient) -> None:
    for number in range(3):

        def waits(expected: str = f'"waiting for {number}"') -> bool:
            state = client.get_orchestration_state(INSTANCE)
            return state is not None and state.serialized_custom_status == expected

        eventually(waits, f"it waits for event {number}")
        client.raise_orchestration_event(INSTANCE, "word", data=f"word {number}")


def told(event: Any) -> dict[str, Any]:
    """What an event says, without what is different at every run."""
    return {"kind": type(event).__name__, **plain(dataclasses.asdict(event))}


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = ("timestamp", "execution_id", "fire_at", "stack_trace", "parent_trace_context")
        return {key: plain(one) for key, one in value.items() if key not in dropped}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


@pytest.mark.parametrize("scenario", ALL[:-1], ids=lambda scenario: scenario.__name__)
def test_histories_are_the_same_in_every_mode(
    scenario: Scenario, embedded: EmbeddedScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    histories = {}
    for mode, (link, sessions) in MODES.items():
        monkeypatch.setenv("DURAKIT_LINK", link)
        monkeypatch.setenv("DURAKIT_SESSION_CACHE", sessions)
        histories[mode] = run(embedded.address, scenario)

    expected = histories.pop("standard, whole history")
    assert len(expected) > 5
    for mode, history in histories.items():
        assert history == expected, mode


def test_histories_of_a_fan_out_differ_in_order_and_turns_only(
    embedded: EmbeddedScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results arrive in any order, and how many of them share a turn depends on the moment."""
    histories = []
    for link, sessions in MODES.values():
        monkeypatch.setenv("DURAKIT_LINK", link)
        monkeypatch.setenv("DURAKIT_SESSION_CACHE", sessions)
        events_of_one = run(embedded.address, fan_out)
        kept = [one for one in events_of_one if not one["kind"].startswith("Orchestrator")]
        histories.append(sorted(kept, key=repr))

    assert all(history == histories[0] for history in histories)
