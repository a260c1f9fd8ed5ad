"""Timers, external events, suspend and resume, custom status."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta, timezone
from typing import Any

import grpc
import pytest

from .stage import Stage, eventually, output_of, refused

MOMENT = timedelta(milliseconds=60)


def test_a_timer_fires_and_never_early(stage: Stage) -> None:
    def sleep(ctx: Any, _: Any) -> Any:
        begin = ctx.current_utc_datetime
        yield ctx.create_timer(MOMENT)
        return (ctx.current_utc_datetime - begin).total_seconds()

    stage.work(sleep)

    assert stage.output(sleep) >= MOMENT.total_seconds()


def test_several_timers_fire_in_the_order_in_which_they_are_due(stage: Stage) -> None:
    """Semantics trap 23: timers due at the same moment all fire."""

    def sleep(ctx: Any, _: Any) -> Any:
        due = ctx.current_utc_datetime + MOMENT
        first, second = ctx.create_timer(due), ctx.create_timer(due)
        last = ctx.create_timer(due + MOMENT)
        yield last
        return [first.is_complete, second.is_complete, last.is_complete]

    stage.work(sleep)

    assert stage.output(sleep) == [True, True, True]


def test_a_timer_in_the_past_fires_in_the_next_turn(stage: Stage) -> None:
    def sleep(ctx: Any, _: Any) -> Any:
        yield ctx.create_timer(ctx.current_utc_datetime - timedelta(days=1))
        return "awake"

    stage.work(sleep)

    assert stage.output(sleep) == "awake"


def wait_for_approval(ctx: Any, _: Any) -> Any:
    answer = yield ctx.wait_for_external_event("Approval")
    return answer


@pytest.mark.parametrize("name", ["Approval", "APPROVAL", "approval"])
def test_an_event_wakes_its_waiter_whatever_the_case_of_its_name(stage: Stage, name: str) -> None:
    stage.work(wait_for_approval)
    instance_id = stage.start(wait_for_approval)
    stage.begun(instance_id)

    stage.client.raise_orchestration_event(instance_id, name, data={"by": "Ada"})

    assert output_of(stage.end(instance_id)) == {"by": "Ada"}


def test_an_event_raised_before_anybody_waits_is_kept(stage: Stage) -> None:
    def late(ctx: Any, _: Any) -> Any:
        yield ctx.create_timer(MOMENT)
        answer = yield ctx.wait_for_external_event("approval")
        return answer

    stage.work(late)
    instance_id = stage.start(late)

    stage.client.raise_orchestration_event(instance_id, "Approval", data="early")

    assert output_of(stage.end(instance_id)) == "early"


def test_an_event_raised_before_the_first_turn_is_kept(stage: Stage) -> None:
    """Semantics 1.7 rule 1: no worker is connected yet."""
    instance_id = stage.start("wait_for_approval")
    stage.client.raise_orchestration_event(instance_id, "approval", data=1)

    stage.work(wait_for_approval)

    assert output_of(stage.end(instance_id)) == 1


def test_several_waiters_are_served_in_the_order_in_which_they_wait(stage: Stage) -> None:
    def gather(ctx: Any, _: Any) -> Any:
        waiters = [ctx.wait_for_external_event("item") for _ in range(3)]
        items = yield stage.task.when_all(waiters)
        return items

    stage.work(gather)
    instance_id = stage.start(gather)

    for item in ["a", "b", "c"]:
        stage.client.raise_orchestration_event(instance_id, "item", data=item)

    assert output_of(stage.end(instance_id)) == ["a", "b", "c"]


@pytest.mark.parametrize("data", [None, 0, "", False])
def test_an_event_carries_absent_and_falsy_data_as_they_are(stage: Stage, data: Any) -> None:
    stage.work(wait_for_approval)
    instance_id = stage.start(wait_for_approval)

    stage.client.raise_orchestration_event(instance_id, "Approval", data=data)

    assert output_of(stage.end(instance_id)) == data


@pytest.mark.parametrize("raised", [True, False])
def test_an_event_races_with_a_timer(stage: Stage, raised: bool) -> None:
    def wait_a_moment(ctx: Any, patience: float) -> Any:
        event = ctx.wait_for_external_event("answer")
        deadline = ctx.create_timer(timedelta(seconds=patience))
        winner = yield stage.task.when_any([event, deadline])
        return event.get_result() if winner is event else "too late"

    stage.work(wait_a_moment)
    instance_id = stage.start(wait_a_moment, input=60 if raised else 0.05)
    if raised:
        stage.client.raise_orchestration_event(instance_id, "answer", data="in time")

    assert output_of(stage.end(instance_id)) == ("in time" if raised else "too late")


def test_one_orchestration_sends_an_event_to_another(stage: Stage) -> None:
    def sender(ctx: Any, target: str) -> Any:
        ctx.send_event(target, "approval", data="from a friend")
        ctx.send_event("nobody", "approval", data="lost")
        return "sent"

    stage.work(wait_for_approval, sender)
    waiting = stage.start(wait_for_approval)
    stage.begun(waiting)

    assert stage.output(sender, input=waiting) == "sent"
    assert output_of(stage.end(waiting)) == "from a friend"


def test_events_for_an_instance_that_does_not_exist_are_refused(stage: Stage) -> None:
    with refused(grpc.StatusCode.NOT_FOUND, "nobody"):
        stage.client.raise_orchestration_event("nobody", "approval")


def test_events_for_an_instance_that_has_ended_are_dropped(stage: Stage) -> None:
    def quick(ctx: Any, _: Any) -> str:
        return "done"

    stage.work(quick)
    instance_id = stage.start(quick)
    stage.end(instance_id)

    stage.client.raise_orchestration_event(instance_id, "approval", data=1)

    assert output_of(stage.end(instance_id)) == "done"


def test_a_suspended_instance_keeps_its_events_until_it_is_resumed(stage: Stage) -> None:
    """Semantics 3.10; a second suspend must not hang the peer's worker (rule 2)."""
    stage.work(wait_for_approval)
    instance_id = stage.start(wait_for_approval)
    stage.begun(instance_id)

    stage.client.suspend_orchestration(instance_id, reason="lunch")
    eventually(lambda: stage.status(instance_id) == "SUSPENDED", "suspended")
    stage.client.suspend_orchestration(instance_id)
    stage.client.raise_orchestration_event(instance_id, "approval", data="held")
    suspended = stage.status(instance_id)
    stage.client.resume_orchestration(instance_id, reason="back")

    assert suspended == "SUSPENDED"
    assert output_of(stage.end(instance_id)) == "held"


def test_activities_under_way_when_it_is_suspended_keep_their_results(stage: Stage) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(ctx: Any, _: Any) -> str:
        entered.set()
        release.wait(20)
        return "kept"

    def flow(ctx: Any, _: Any) -> Any:
        result = yield ctx.call_activity(slow)
        return result

    stage.work(flow, activities=[slow])
    instance_id = stage.start(flow)
    entered.wait(20)

    stage.client.suspend_orchestration(instance_id)
    eventually(lambda: stage.status(instance_id) == "SUSPENDED", "suspended")
    release.set()
    stage.client.resume_orchestration(instance_id)

    assert output_of(stage.end(instance_id)) == "kept"


def test_suspending_and_resuming_what_does_not_exist_is_refused(stage: Stage) -> None:
    with refused(grpc.StatusCode.NOT_FOUND, "nobody"):
        stage.client.suspend_orchestration("nobody")
    with refused(grpc.StatusCode.NOT_FOUND, "nobody"):
        stage.client.resume_orchestration("nobody")


def test_a_custom_status_is_seen_while_running_and_after_the_end(stage: Stage) -> None:
    def flow(ctx: Any, _: Any) -> Any:
        ctx.set_custom_status({"step": 1})
        yield ctx.wait_for_external_event("go")
        ctx.set_custom_status("")
        return None

    def seen(instance_id: str) -> Any:
        state = stage.client.get_orchestration_state(instance_id)
        return json.loads(state.serialized_custom_status) if state.serialized_custom_status else None

    stage.work(flow)
    instance_id = stage.start(flow)
    eventually(lambda: seen(instance_id) == {"step": 1}, "custom status of the first turn")
    stage.client.raise_orchestration_event(instance_id, "go")

    assert stage.end(instance_id).serialized_custom_status == '""'


def test_a_start_in_the_future_is_withheld_until_then(stage: Stage) -> None:
    """Semantics 1.3 rule 5."""

    def flow(ctx: Any, _: Any) -> Any:
        return ctx.current_utc_datetime.replace(tzinfo=timezone.utc).isoformat()

    stage.work(flow)
    start_at = datetime.now(timezone.utc) + timedelta(milliseconds=300)

    begun_at = stage.output(flow, start_at=start_at)

    assert datetime.fromisoformat(begun_at) >= start_at
