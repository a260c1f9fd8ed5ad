"""Timers of milliseconds and of months, in one piece and in chunks (semantics.md 3.6)."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from durakit import task
from durakit.testing import InProcessTaskHub

from .reading import history, kinds, output, register, status

Steps = Generator[Any, Any, Any]


def sleep(ctx: task.OrchestrationContext, seconds: float) -> Steps:
    yield ctx.create_timer(timedelta(seconds=seconds))
    return str(ctx.current_utc_datetime)


@pytest.mark.parametrize(
    ("seconds", "awake_at"),
    [
        (0, "2026-01-01 00:00:00"),
        (0.001, "2026-01-01 00:00:00.001000"),
        (86_400 * 210, "2026-07-30 00:00:00"),
        (86_400 * 3_650, "2035-12-30 00:00:00"),
    ],
    ids=["now", "a millisecond", "seven months", "ten years"],
)
def test_a_timer_fires_at_its_time(hub: InProcessTaskHub, seconds: float, awake_at: str) -> None:
    register(hub, sleep)
    instance_id = hub.client.schedule_new_orchestration(sleep, input=seconds)

    assert output(hub, instance_id) == awake_at
    assert kinds(hub, instance_id).count("timerFired") == 1


@pytest.mark.parametrize("sessions", [100, 0])
def test_a_long_timer_in_chunks_fires_at_the_same_time(sessions: int) -> None:
    with InProcessTaskHub(sessions=sessions, maximum_timer_interval=timedelta(days=3)) as hub:
        register(hub, sleep)
        instance_id = hub.client.schedule_new_orchestration(sleep, input=86_400 * 210 + 0.5)

        assert output(hub, instance_id) == "2026-07-30 00:00:00.500000"
        created = [event for event in history(hub, instance_id) if event.HasField("timerCreated")]

    assert len(created) == 71
    assert len({event.eventId for event in created}) == 71


def test_timers_due_at_the_same_moment_all_fire(hub: InProcessTaskHub) -> None:
    """Trap 23."""
    due = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield task.when_all([ctx.create_timer(due) for _ in range(3)])
        return str(ctx.current_utc_datetime)

    register(hub, flow)
    instance_id = hub.client.schedule_new_orchestration(flow)

    assert output(hub, instance_id) == "2026-03-01 10:00:00"
    assert kinds(hub, instance_id).count("timerFired") == 3


def test_a_timer_counts_from_orchestration_time_even_when_it_is_replayed_late(hub: InProcessTaskHub) -> None:
    """Trap 21."""

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        timer = ctx.create_timer(timedelta(hours=2))
        yield ctx.wait_for_external_event("late")
        yield timer
        return str(ctx.current_utc_datetime)

    register(hub, flow)
    instance_id = hub.client.schedule_new_orchestration(flow)
    hub.advance(timedelta(hours=1))
    hub.client.raise_orchestration_event(instance_id, "late")

    assert output(hub, instance_id) == "2026-01-01 02:00:00"


def test_the_timer_of_a_wait_that_was_answered_breaks_no_later_wait(hub: InProcessTaskHub) -> None:
    """Trap 24."""

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        first = yield ctx.wait_for_external_event("item", timeout=timedelta(hours=1))
        second = yield ctx.wait_for_external_event("item", timeout=timedelta(hours=5))
        return [first, second]

    register(hub, flow)
    instance_id = hub.client.schedule_new_orchestration(flow)
    hub.client.raise_orchestration_event(instance_id, "item", data=1)
    hub.advance(timedelta(hours=2))
    assert status(hub, instance_id) == "RUNNING"
    hub.client.raise_orchestration_event(instance_id, "item", data=2)

    assert output(hub, instance_id) == [1, 2]


def test_timers_of_a_purged_instance_do_not_fire_into_its_successor(hub: InProcessTaskHub) -> None:
    """Trap 56: same id, same timer id, another life."""

    def first(ctx: task.OrchestrationContext, _: Any) -> str:
        ctx.create_timer(timedelta(hours=1))
        return "ended"

    def cancelled(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield ctx.create_timer(timedelta(hours=1))

    register(hub, first, cancelled, sleep)
    hub.client.schedule_new_orchestration(cancelled, instance_id="one")
    hub.run_until_idle()
    hub.client.terminate_orchestration("one")
    hub.client.purge_orchestration("one")
    hub.client.schedule_new_orchestration(sleep, input=36_000, instance_id="one")

    assert output(hub, "one") == "2026-01-01 10:00:00"


def test_an_activity_may_take_weeks_and_is_run_once(hub: InProcessTaskHub) -> None:
    """Trap 32: the open stream is the lease, there is no lock to renew (semantics 2.5 rule 2)."""
    runs: list[datetime] = []

    def slow(ctx: task.ActivityContext, _: Any) -> int:
        runs.append(hub.now)
        hub.advance(timedelta(days=30))
        return len(runs)

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        result = yield ctx.call_activity(slow)
        return [result, str(ctx.current_utc_datetime)]

    register(hub, flow, activities=(slow,))

    assert output(hub, hub.client.schedule_new_orchestration(flow)) == [1, "2026-01-31 00:00:00"]


def test_everything_in_a_history_has_its_time(hub: InProcessTaskHub) -> None:
    """Trap 47 and semantics 3.1 rules 1 to 3."""

    def child(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield ctx.create_timer(timedelta(hours=1))

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        ctx.send_event(ctx.instance_id, "item")
        yield ctx.wait_for_external_event("item")
        yield ctx.call_activity(nothing)
        yield ctx.call_sub_orchestrator(child)

    def nothing(ctx: task.ActivityContext, _: Any) -> None: ...

    register(hub, flow, child, activities=(nothing,))
    instance_id = hub.client.schedule_new_orchestration(flow)
    output(hub, instance_id)

    events = history(hub, instance_id)
    times = [event.timestamp.ToDatetime(timezone.utc) for event in events]
    started = [event.executionStarted for event in events if event.HasField("executionStarted")]

    assert times == sorted(times)
    assert times[0] == hub.now - timedelta(hours=1)
    assert times[-1] == hub.now
    assert [execution.name for execution in started] == ["flow"]
    assert started[0].orchestrationInstance.executionId.value
    created = next(event for event in events if event.HasField("subOrchestrationInstanceCreated"))
    child_events = history(hub, created.subOrchestrationInstanceCreated.instanceId)
    assert all(event.HasField("timestamp") for event in child_events)
    fired = [event.timerFired.fireAt for event in child_events if event.HasField("timerFired")]
    assert fired == [event.timerCreated.fireAt for event in child_events if event.HasField("timerCreated")]
