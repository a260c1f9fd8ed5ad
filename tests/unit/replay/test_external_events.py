from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.wire.messages import orchestration_pb2 as pb

from .histories import (
    FAILED,
    Run,
    completion,
    event_raised,
    kinds,
    task_completed,
    timer_fired,
    timestamp,
)


@dataclass
class Approval:
    approver: str


def wait(ctx: task.OrchestrationContext) -> Any:
    return (yield ctx.wait_for_external_event("approval"))


async def async_wait(ctx: task.OrchestrationContext) -> Any:
    return await ctx.wait_for_external_event("approval")


@pytest.mark.parametrize("orchestrator", [wait, async_wait])
def test_an_event_wakes_its_waiter_in_generators_and_in_async_functions(orchestrator: Any) -> None:
    run = Run(orchestrator)
    assert kinds(run.start()) == []

    assert completion(run.turn(event_raised("approval", '{"ok": true}'))).result.value == '{"ok": true}'


@pytest.mark.parametrize("name", ["APPROVAL", "Approval", "approval"])
def test_case_of_event_names_does_not_matter(name: str) -> None:
    run = Run(wait)
    run.start()

    assert completion(run.turn(event_raised(name, "1"))).result.value == "1"


def test_event_names_are_compared_by_case_folding_not_by_locale() -> None:
    """Trap 25: neither the Turkish i nor the German sharp s depends on where the worker runs."""

    def street(ctx: task.OrchestrationContext) -> Any:
        return (yield ctx.wait_for_external_event("STRASSE IST WEIT"))

    run = Run(street)
    run.start()

    assert completion(run.turn(event_raised("straße ist weit", "1"))).result.value == "1"


def test_events_that_come_early_are_buffered_in_order() -> None:
    def late(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("work")
        first = yield ctx.wait_for_external_event("go")
        second = yield ctx.wait_for_external_event("GO")
        return [first, second]

    run = Run(late)
    run.start(event_raised("Go", "1"))
    run.turn(event_raised("other", "9"), event_raised("go", "2"))

    assert completion(run.turn(task_completed(1))).result.value == "[1, 2]"


def test_several_waiters_are_served_in_order_one_event_each() -> None:
    def two(ctx: task.OrchestrationContext) -> Any:
        first, second = ctx.wait_for_external_event("go"), ctx.wait_for_external_event("go")
        winner = yield task.when_any([first, second])
        return [winner is first, (yield first), (yield second)]

    run = Run(two)
    run.start()
    assert kinds(run.turn(event_raised("go", "1"))) == []

    assert completion(run.turn(event_raised("go", "2"))).result.value == "[true, 1, 2]"


@pytest.mark.parametrize("data", [None, "", "null"])
def test_an_event_without_data_gives_none(data: str | None) -> None:
    run = Run(wait)
    run.start()

    end = completion(run.turn(event_raised("approval", data)))

    assert end.orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED
    assert not end.HasField("result")


def test_data_is_converted_to_the_type_asked_for() -> None:
    async def typed(ctx: task.OrchestrationContext) -> str:
        approval = await ctx.wait_for_external_event("approval", data_type=Approval)
        return f"{type(approval).__name__} by {approval.approver}"

    run = Run(typed)
    run.start()

    end = completion(run.turn(event_raised("approval", '{"approver": "Eve"}')))
    assert end.result.value == '"Approval by Eve"'


def test_data_that_is_no_json_fails_the_task_that_waits() -> None:
    run = Run(wait)
    run.start()

    end = completion(run.turn(event_raised("approval", "yes!")))

    assert end.orchestrationStatus == FAILED
    assert end.failureDetails.errorMessage.startswith("i1: The data of event 'approval' cannot be read: ")


def test_a_cancelled_waiter_swallows_no_event() -> None:
    def picky(ctx: task.OrchestrationContext) -> Any:
        given_up = ctx.wait_for_external_event("go")
        assert given_up.cancel()
        got = yield ctx.wait_for_external_event("go")
        return [given_up.is_cancelled, got]

    run = Run(picky)
    run.start()

    assert completion(run.turn(event_raised("go", "1"))).result.value == "[true, 1]"


def hurried(ctx: task.OrchestrationContext) -> Any:
    try:
        return (yield ctx.wait_for_external_event("go", timeout=timedelta(hours=1)))
    except TimeoutError as error:
        return str(error)


def test_an_event_in_time_ends_the_wait_and_its_timer_is_forgotten() -> None:
    def patient(ctx: task.OrchestrationContext) -> Any:
        got = yield ctx.wait_for_external_event("go", timeout=timedelta(hours=1))
        yield ctx.call_activity("use", input=got)

    run = Run(patient)
    first = run.start()
    assert first.actions[0].createTimer.fireAt == timestamp(3600)

    assert kinds(run.turn(event_raised("go", "1"))) == ["scheduleTask#2"]
    assert kinds(run.turn(timer_fired(1), at=3600)) == []


def test_an_event_that_does_not_come_in_time_raises_timeout_error() -> None:
    run = Run(hurried)
    run.start()

    end = completion(run.turn(timer_fired(1), at=3600))
    assert end.result.value == "\"No event 'go' arrived within 1:00:00.\""


def test_an_event_after_the_timeout_is_for_the_next_waiter() -> None:
    """Trap 24."""

    def again(ctx: task.OrchestrationContext) -> Any:
        for _ in range(2):
            try:
                return (yield ctx.wait_for_external_event("go", timeout=timedelta(hours=1)))
            except TimeoutError:
                pass

    run = Run(again)
    run.start()
    assert kinds(run.turn(timer_fired(1), at=3600)) == ["createTimer#2"]

    assert completion(run.turn(event_raised("go", "1"))).result.value == "1"


def test_a_buffered_event_needs_no_timer() -> None:
    def late(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("work")
        return (yield ctx.wait_for_external_event("go", timeout=timedelta(hours=1)))

    run = Run(late)
    run.start(event_raised("go", "1"))

    assert kinds(run.turn(task_completed(1))) == ["completeOrchestration#2"]


def test_cancelling_a_wait_with_timeout_forgets_the_timer_too() -> None:
    def gives_up(ctx: task.OrchestrationContext) -> Any:
        ctx.wait_for_external_event("go", timeout=timedelta(hours=1)).cancel()
        yield ctx.call_activity("work")

    assert kinds(Run(gives_up).start()) == ["scheduleTask#2"]


def test_an_event_name_must_be_text() -> None:
    def wrong(ctx: task.OrchestrationContext) -> Any:
        yield ctx.wait_for_external_event(7)  # type: ignore[call-overload]

    details = completion(Run(wrong).start()).failureDetails
    assert details.errorMessage == "The name of an event is 7 (int); expected text."


def test_send_event_is_an_action_without_outcome() -> None:
    def notify(ctx: task.OrchestrationContext) -> Any:
        ctx.send_event("other", "Go", data={"n": 0})
        ctx.send_event("other", "bare")
        yield ctx.call_activity("work")

    run = Run(notify)
    first = run.start()

    assert kinds(first) == ["sendEvent#1", "sendEvent#2", "scheduleTask#3"]
    sent = first.actions[0].sendEvent
    assert (sent.instance.instanceId, sent.name, sent.data.value) == ("other", "Go", '{"n": 0}')
    assert not first.actions[1].sendEvent.HasField("data")
    assert kinds(run.turn(task_completed(3))) == ["completeOrchestration#4"]
