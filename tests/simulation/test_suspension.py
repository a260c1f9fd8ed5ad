"""Suspend, resume, events and terminate in every order (semantics.md 1.7, 3.10; traps 2, 3 and 54)."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.testing import InProcessTaskHub

from .reading import history, kinds, output, register, state, status

Steps = Generator[Any, Any, Any]


def collector(ctx: task.OrchestrationContext, _: Any) -> Steps:
    seen: list[int] = []
    while True:
        seen.append((yield ctx.wait_for_external_event("item")))
        ctx.set_custom_status(seen)


@dataclass
class Model:
    """What must be true of a collector after some orders, each handled before the next."""

    begun: bool
    status: str = ""
    seen: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.status = "RUNNING" if self.begun else "PENDING"

    def apply(self, order: str, number: int) -> None:
        if self.status == "TERMINATED":
            return
        if order == "suspend":
            self.status = "SUSPENDED"
        elif order == "terminate":
            self.status = "TERMINATED"
        elif order == "event":
            self.held.append(number)
        elif self.status == "SUSPENDED":
            self.status = "RUNNING" if self.begun else "PENDING"
        if self.status == "RUNNING":
            self.seen, self.held = self.seen + self.held, []


def give(hub: InProcessTaskHub, instance_id: str, order: str, number: int) -> None:
    if order == "suspend":
        hub.client.suspend_orchestration(instance_id)
    elif order == "resume":
        hub.client.resume_orchestration(instance_id)
    elif order == "terminate":
        hub.client.terminate_orchestration(instance_id)
    else:
        hub.client.raise_orchestration_event(instance_id, "item", data=number)


EVERY_ORDER = list(itertools.product(["suspend", "resume", "event", "terminate"], repeat=4))


def test_every_order_does_what_the_rules_say(hub: InProcessTaskHub) -> None:
    """256 orders, each step worked through before the next."""
    register(hub, collector)
    for orders in EVERY_ORDER:
        instance_id = hub.client.schedule_new_orchestration(collector)
        hub.run_until_idle()
        model = Model(begun=True)
        for number, order in enumerate(orders):
            give(hub, instance_id, order, number)
            model.apply(order, number)
            hub.run_until_idle()
            now = state(hub, instance_id)

            assert (now.runtime_status.name, now.get_custom_status() or []) == (model.status, model.seen)
        hub.client.terminate_orchestration(instance_id)


@pytest.mark.parametrize("begun", [True, False], ids=["running", "pending"])
def test_every_order_given_at_once_loses_nothing(hub: InProcessTaskHub, begun: bool) -> None:
    """The same orders in one burst, before a worker sees the first of them."""
    register(hub, collector)
    for orders in EVERY_ORDER:
        instance_id = hub.client.schedule_new_orchestration(collector)
        if begun:
            hub.run_until_idle()
        model = Model(begun=begun)
        for number, order in enumerate(orders):
            give(hub, instance_id, order, number)
            model.apply(order, number)
        assert status(hub, instance_id) == model.status
        hub.client.resume_orchestration(instance_id)
        hub.run_until_idle()

        events = [event.eventRaised for event in history(hub, instance_id) if event.HasField("eventRaised")]
        assert [int(event.input.value) for event in events] == model.seen + model.held
        if model.status != "TERMINATED":
            assert (state(hub, instance_id).get_custom_status() or []) == model.seen + model.held
            hub.client.terminate_orchestration(instance_id)


def test_redundant_suspends_and_resumes_leave_no_trace(hub: InProcessTaskHub) -> None:
    register(hub, collector)
    instance_id = hub.client.schedule_new_orchestration(collector)
    hub.run_until_idle()

    for order in ["resume", "suspend", "suspend", "resume", "resume"]:
        give(hub, instance_id, order, 0)
    hub.run_until_idle()

    assert kinds(hub, instance_id).count("executionSuspended") == 1
    assert kinds(hub, instance_id).count("executionResumed") == 1


def test_timers_and_activities_that_end_while_suspended_count_after_the_resume(
    hub: InProcessTaskHub,
) -> None:
    def work(ctx: task.ActivityContext, _: Any) -> str:
        hub.client.suspend_orchestration(ctx.orchestration_id)
        return "worked"

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        worked, waited = ctx.call_activity(work), ctx.create_timer(timedelta(hours=1))
        yield task.when_all([worked, waited])
        return [worked.get_result(), str(ctx.current_utc_datetime)]

    register(hub, flow, activities=(work,))
    instance_id = hub.client.schedule_new_orchestration(flow)
    hub.advance(timedelta(hours=5))
    assert status(hub, instance_id) == "SUSPENDED"

    hub.client.resume_orchestration(instance_id)

    assert output(hub, instance_id) == ["worked", "2026-01-01 05:00:00"]


def test_an_answer_that_ends_an_instance_wins_over_a_suspension_during_the_turn(
    hub: InProcessTaskHub,
) -> None:
    """Semantics 3.10 rule 5."""

    def last(ctx: task.OrchestrationContext, _: Any) -> str:
        hub.client.suspend_orchestration(ctx.instance_id)
        return "done"

    register(hub, last)

    assert output(hub, hub.client.schedule_new_orchestration(last)) == "done"


def test_an_instance_ended_between_hand_out_and_answer_stays_ended(hub: InProcessTaskHub) -> None:
    """The worker's answer comes too late; nothing of it counts, and the worker goes on."""

    def child(ctx: task.OrchestrationContext, _: Any) -> str:
        return "never"

    def flow(ctx: task.OrchestrationContext, _: Any) -> str:
        hub.client.terminate_orchestration(ctx.instance_id, output="stopped")
        ctx.call_sub_orchestrator(child, instance_id="child")
        return "too late"

    register(hub, flow, child)
    instance_id = hub.client.schedule_new_orchestration(flow)

    ended = hub.client.wait_for_orchestration_completion(instance_id)

    assert ended is not None
    assert ended.get_output() == "stopped"
    assert hub.client.get_orchestration_state("child") is None


def test_terminating_ends_running_descendants_and_leaves_what_has_ended(hub: InProcessTaskHub) -> None:
    """Semantics 3.12 rule 2."""

    def leaf(ctx: task.OrchestrationContext, ends: bool) -> Steps:
        if not ends:
            yield ctx.wait_for_external_event("never")
        return "leaf"

    def branch(ctx: task.OrchestrationContext, name: str) -> Steps:
        ctx.call_sub_orchestrator(leaf, input=True, instance_id=f"{name}-ended")
        yield ctx.call_sub_orchestrator(leaf, input=False, instance_id=f"{name}-open")

    def root(ctx: task.OrchestrationContext, _: Any) -> Steps:
        branches = [ctx.call_sub_orchestrator(branch, input=name, instance_id=name) for name in "ab"]
        yield task.when_all(branches)

    register(hub, root, branch, leaf)
    hub.client.schedule_new_orchestration(root, instance_id="root")
    hub.run_until_idle()
    hub.client.suspend_orchestration("b")

    hub.client.terminate_orchestration("root", output="all of it", recursive=True)

    assert {name: status(hub, name) for name in ("root", "a", "b", "a-open", "b-open", "a-ended")} == {
        "root": "TERMINATED",
        "a": "TERMINATED",
        "b": "TERMINATED",
        "a-open": "TERMINATED",
        "b-open": "TERMINATED",
        "a-ended": "COMPLETED",
    }
