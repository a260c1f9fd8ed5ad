"""Many at once, and races within races (semantics.md 3.14)."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Any

from durakit import task
from durakit.testing import InProcessTaskHub

from .reading import failure, history, kinds, output, register

Steps = Generator[Any, Any, Any]

WIDTH = 5_000


def double(ctx: task.ActivityContext, number: int) -> int:
    return 2 * number


def test_a_fan_out_of_five_thousand_keeps_the_order_of_its_results() -> None:
    def wide(ctx: task.OrchestrationContext, width: int) -> Steps:
        results = yield task.when_all([ctx.call_activity(double, input=n) for n in range(width)])
        return results

    with InProcessTaskHub() as hub:
        register(hub, wide, activities=(double,))
        instance_id = hub.client.schedule_new_orchestration(wide, input=WIDTH)

        assert output(hub, instance_id) == [2 * n for n in range(WIDTH)]
        assert kinds(hub, instance_id).count("taskCompleted") == WIDTH


def test_a_fan_out_of_children_and_timers_collects_all(hub: InProcessTaskHub) -> None:
    def child(ctx: task.OrchestrationContext, number: int) -> Steps:
        doubled = yield ctx.call_activity(double, input=number)
        return doubled

    def wide(ctx: task.OrchestrationContext, width: int) -> Steps:
        children = [ctx.call_sub_orchestrator(child, input=n) for n in range(width)]
        timers = [ctx.create_timer(timedelta(minutes=n)) for n in range(width)]
        yield task.when_all([task.when_all(children), task.when_all(timers)])
        return sum(child.get_result() for child in children)

    register(hub, wide, child, activities=(double,))

    assert output(hub, hub.client.schedule_new_orchestration(wide, input=60)) == 60 * 59


def test_all_finish_before_the_first_failure_surfaces(hub: InProcessTaskHub) -> None:
    """Trap 4: the failure that came first is raised, and no late answer meets an ended instance."""
    ran: list[int] = []

    def work(ctx: task.ActivityContext, number: int) -> None:
        ran.append(number)
        if number in (1, 3):
            raise ValueError(f"number {number}")

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield task.when_all([ctx.call_activity(work, input=n) for n in range(5)])

    register(hub, flow, activities=(work,))
    instance_id = hub.client.schedule_new_orchestration(flow)

    assert "number 1" in failure(hub, instance_id).message
    assert sorted(ran) == [0, 1, 2, 3, 4]
    answered = [
        event
        for event in history(hub, instance_id)
        if event.HasField("taskCompleted") or event.HasField("taskFailed")
    ]
    assert len(answered) == 5


def test_races_nest(hub: InProcessTaskHub) -> None:
    def race(ctx: task.OrchestrationContext, _: Any) -> Steps:
        both = task.when_all([ctx.create_timer(timedelta(hours=n)) for n in (1, 5)])
        early = task.when_any([ctx.create_timer(timedelta(hours=3)), ctx.wait_for_external_event("go")])
        winner = yield task.when_any([both, early, task.when_all([both, early])])
        first = "early" if winner is early else "both"
        yield task.when_all([both, early, task.when_all([])])
        return [first, str(ctx.current_utc_datetime)]

    register(hub, race)

    assert output(hub, hub.client.schedule_new_orchestration(race)) == ["early", "2026-01-01 05:00:00"]


def test_losers_of_a_race_keep_nobody_waiting(hub: InProcessTaskHub) -> None:
    """Semantics 3.6 rule 2: neither a cancelled nor a forgotten timer keeps an instance alive."""

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        forgotten, cancelled = ctx.create_timer(timedelta(days=400)), ctx.create_timer(timedelta(days=300))
        quick = ctx.create_timer(timedelta(seconds=1))
        winner = yield task.when_any([cancelled, forgotten, quick])
        cancelled.cancel()
        return winner is quick

    register(hub, flow)
    before = hub.now

    assert output(hub, hub.client.schedule_new_orchestration(flow)) is True
    assert hub.now - before == timedelta(seconds=1)


def test_results_may_be_taken_as_they_come(hub: InProcessTaskHub) -> None:
    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        open_timers: list[Any] = [ctx.create_timer(timedelta(hours=n)) for n in (3, 1, 2)]
        names = {id(timer): hours for timer, hours in zip(open_timers, (3, 1, 2), strict=True)}
        order = []
        while open_timers:
            winner = yield task.when_any(open_timers)
            open_timers.remove(winner)
            order.append(names[id(winner)])
        return order

    register(hub, flow)

    assert output(hub, hub.client.schedule_new_orchestration(flow)) == [1, 2, 3]
