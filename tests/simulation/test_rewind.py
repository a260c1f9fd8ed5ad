"""Rewinding what failed: activities, retries, children, handled failures, mended code (semantics.md 3.13)."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.errors import InvalidStateError, NotFoundError
from durakit.testing import InProcessTaskHub

from .reading import end, failure, kinds, output, register, status

Steps = Generator[Any, Any, Any]
RETRIES = task.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)


class Service:
    """An activity that fails as long as `down` holds the name it is called with."""

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.calls: list[str] = []

    def activity(self, ctx: task.ActivityContext, name: str) -> str:
        self.calls.append(name)
        if name in self.down:
            raise RuntimeError(f"{name} is down")
        return name


def test_an_exhausted_retry_policy_is_tried_again_once(hub: InProcessTaskHub) -> None:
    """Rule 4: retries that were made stay in history, so the policy allows one more attempt."""
    service = Service("b")

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        first = yield ctx.call_activity(service.activity, input="a", retry_policy=RETRIES)
        second = yield ctx.call_activity(service.activity, input="b", retry_policy=RETRIES)
        return [first, second]

    register(hub, flow, activities=(service.activity,))
    instance_id = hub.client.schedule_new_orchestration(flow)
    failure(hub, instance_id)
    assert service.calls == ["a", "b", "b", "b"]

    hub.client.rewind_orchestration(instance_id)
    failure(hub, instance_id)
    assert service.calls == ["a", "b", "b", "b", "b"]

    service.down.clear()
    hub.client.rewind_orchestration(instance_id)
    assert output(hub, instance_id) == ["a", "b"]


def test_failed_descendants_go_on_and_finished_ones_do_not_run_again(hub: InProcessTaskHub) -> None:
    service = Service("inner-bad")

    def inner(ctx: task.OrchestrationContext, name: str) -> Steps:
        yield ctx.call_activity(service.activity, input=f"before-{name}")
        result = yield ctx.call_activity(service.activity, input=f"inner-{name}")
        return result

    def middle(ctx: task.OrchestrationContext, name: str) -> Steps:
        result = yield ctx.call_sub_orchestrator(inner, input=name)
        return result

    def outer(ctx: task.OrchestrationContext, _: Any) -> Steps:
        names = ["good", "bad"]
        results = yield task.when_all([ctx.call_sub_orchestrator(middle, input=name) for name in names])
        return results

    register(hub, outer, middle, inner, activities=(service.activity,))
    instance_id = hub.client.schedule_new_orchestration(outer)
    failure(hub, instance_id)
    service.down.clear()
    service.calls.clear()

    hub.client.rewind_orchestration(instance_id)

    assert output(hub, instance_id) == ["inner-good", "inner-bad"]
    assert service.calls == ["inner-bad"]


def test_a_child_that_was_purged_is_created_again(hub: InProcessTaskHub) -> None:
    service = Service("work")

    def child(ctx: task.OrchestrationContext, name: str) -> Steps:
        result = yield ctx.call_activity(service.activity, input=name)
        return [result, ctx.parent_instance_id]

    def parent(ctx: task.OrchestrationContext, _: Any) -> Steps:
        result = yield ctx.call_sub_orchestrator(child, input="work", instance_id="child")
        return result

    register(hub, parent, child, activities=(service.activity,))
    instance_id = hub.client.schedule_new_orchestration(parent, instance_id="parent")
    failure(hub, instance_id)
    hub.client.purge_orchestration("child")
    service.down.clear()

    hub.client.rewind_orchestration(instance_id)

    assert output(hub, instance_id) == ["work", "parent"]
    assert status(hub, "child") == "COMPLETED"


def test_failures_that_were_handled_stay_handled(hub: InProcessTaskHub) -> None:
    service = Service("primary", "secondary")

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        try:
            yield ctx.call_activity(service.activity, input="primary")
        except task.TaskFailedError:
            result = yield ctx.call_activity(service.activity, input="secondary")
        return result

    register(hub, flow, activities=(service.activity,))
    instance_id = hub.client.schedule_new_orchestration(flow)
    failure(hub, instance_id)
    service.down.clear()

    hub.client.rewind_orchestration(instance_id)

    assert output(hub, instance_id) == "secondary"
    assert service.calls == ["primary", "secondary", "secondary"]


def test_several_failures_of_one_fan_out_are_all_run_again(hub: InProcessTaskHub) -> None:
    """Trap 4: an early end on the first failure would leave the second in the way."""
    service = Service("b", "d")

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        results = yield task.when_all([ctx.call_activity(service.activity, input=name) for name in "abcd"])
        return results

    register(hub, flow, activities=(service.activity,))
    instance_id = hub.client.schedule_new_orchestration(flow)
    failure(hub, instance_id)
    service.down.clear()
    service.calls.clear()

    hub.client.rewind_orchestration(instance_id)

    assert output(hub, instance_id) == [*"abcd"]
    assert sorted(service.calls) == ["b", "d"]
    assert "taskFailed" not in kinds(hub, instance_id)


def test_an_orchestrator_that_raised_goes_on_once_its_code_is_mended(hub: InProcessTaskHub) -> None:
    """Nothing failed but the orchestrator itself: its steps stay, its code runs again from history."""
    mended = False
    service = Service()

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        result = yield ctx.call_activity(service.activity, input="once")
        if not mended:
            raise KeyError("a slip")
        return result

    register(hub, flow, activities=(service.activity,))
    instance_id = hub.client.schedule_new_orchestration(flow)
    failure(hub, instance_id)
    mended = True

    hub.client.rewind_orchestration(instance_id)

    assert output(hub, instance_id) == "once"
    assert service.calls == ["once"]


def test_an_instance_can_be_rewound_again_and_again(hub: InProcessTaskHub) -> None:
    service = Service("work")

    def flow(ctx: task.OrchestrationContext, _: Any) -> Steps:
        result = yield ctx.call_activity(service.activity, input="work")
        return result

    register(hub, flow, activities=(service.activity,))
    instance_id = hub.client.schedule_new_orchestration(flow)
    for _ in range(3):
        failure(hub, instance_id)
        hub.client.rewind_orchestration(instance_id)
    end(hub, instance_id)
    service.down.clear()
    hub.client.rewind_orchestration(instance_id)

    assert output(hub, instance_id) == "work"
    assert len(service.calls) == 5
    # Failed attempts leave nothing behind but the turns in which they arrived.
    assert kinds(hub, instance_id).count("taskScheduled") == 1
    assert not {"taskFailed", "executionRewound"} & set(kinds(hub, instance_id))


def test_only_what_failed_can_be_rewound(hub: InProcessTaskHub) -> None:
    def waiting(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield ctx.wait_for_external_event("go")

    register(hub, waiting)
    hub.client.schedule_new_orchestration(waiting, instance_id="one")
    steps: list[tuple[str, Callable[[], object]]] = [
        ("PENDING", lambda: None),
        ("RUNNING", hub.run_until_idle),
        ("SUSPENDED", lambda: hub.client.suspend_orchestration("one")),
        ("TERMINATED", lambda: hub.client.terminate_orchestration("one")),
    ]
    for word, step in steps:
        step()
        with pytest.raises(
            InvalidStateError,
            match=f"Orchestration instance 'one' is {word}, not in a failed state; only failed instances can",
        ):
            hub.client.rewind_orchestration("one")
    with pytest.raises(NotFoundError, match="There is no orchestration instance 'nobody' in this"):
        hub.client.rewind_orchestration("nobody")
