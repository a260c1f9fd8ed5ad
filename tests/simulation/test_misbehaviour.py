"""Orchestrators that break the rules: each fails with a clear message, and its neighbour never notices."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.testing import InProcessTaskHub

from .reading import Function, end, failure, output, register, status

Steps = Generator[Any, Any, Any]


class Opaque:
    """Something no JSON text stands for."""

    def __init__(self) -> None:
        self.stream = open  # a function


def neighbour(ctx: task.OrchestrationContext, value: int) -> Steps:
    for _ in range(3):
        value = yield ctx.call_activity(increment, input=value)
        yield ctx.create_timer(timedelta(minutes=1))
    return value


def increment(ctx: task.ActivityContext, value: int) -> int:
    return value + 1


def raises_at_once(ctx: task.OrchestrationContext, _: Any) -> Steps:
    raise LookupError("before the first yield")
    yield


def yields_a_number_first(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield 42


def yields_a_list_later(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.create_timer(timedelta(seconds=1))
    yield [ctx.create_timer(timedelta(seconds=1))]


def returns_an_opaque(ctx: task.OrchestrationContext, _: Any) -> Any:
    return {"a": [Opaque()]}


def status_is_opaque(ctx: task.OrchestrationContext, _: Any) -> None:
    ctx.set_custom_status(Opaque())


def sends_an_opaque(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.call_activity("increment", input=Opaque())


def exits(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.create_timer(timedelta(seconds=1))
    raise SystemExit(3)


def recurses(ctx: task.OrchestrationContext, _: Any) -> Any:
    return recurses(ctx, _)


async def awaits_nothing_durable(ctx: task.OrchestrationContext, _: Any) -> None:
    import asyncio

    await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("orchestrator", "error_type", "message"),
    [
        (raises_at_once, "builtins.LookupError", "before the first yield"),
        (yields_a_number_first, "TypeError", "yielded an int at line"),
        (yields_a_list_later, "TypeError", "yielded a list at line"),
        (returns_an_opaque, "Error", "builtin_function_or_method"),
        (status_is_opaque, "Error", "builtin_function_or_method"),
        (sends_an_opaque, "Error", "builtin_function_or_method"),
        (exits, "SystemExit", "3"),
        (recurses, "builtins.RecursionError", "maximum recursion depth exceeded"),
        (awaits_nothing_durable, "Error", "create_timer"),
    ],
)
def test_it_fails_with_a_message_and_leaves_the_others_alone(
    hub: InProcessTaskHub, orchestrator: Function, error_type: str, message: str
) -> None:
    register(hub, orchestrator, neighbour, activities=(increment,))
    beside = hub.client.schedule_new_orchestration(neighbour, input=0)
    failed = failure(hub, hub.client.schedule_new_orchestration(orchestrator))

    assert failed.error_type.endswith(error_type)
    assert message in failed.message
    assert output(hub, beside) == 3


def test_a_parent_hears_of_the_misbehaviour_of_its_child(hub: InProcessTaskHub) -> None:
    def parent(ctx: task.OrchestrationContext, _: Any) -> Steps:
        try:
            yield ctx.call_sub_orchestrator(yields_a_number_first)
        except task.TaskFailedError as problem:
            return problem.details.error_type

    register(hub, parent, yields_a_number_first)

    assert output(hub, hub.client.schedule_new_orchestration(parent)).endswith("TypeError")


def changed(before: Function, after: Function) -> tuple[Function, Callable[[], None]]:
    """Return an orchestrator that becomes another one, as by a deployment, and what makes it change."""
    current = [before]

    def orchestrator(ctx: task.OrchestrationContext, given: Any) -> Steps:
        result = yield from current[-1](ctx, given)
        return result

    return orchestrator, lambda: current.append(after)


def steps(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.call_activity(increment, input=1)
    yield ctx.wait_for_external_event("go")
    return "before"


def other_name(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.call_activity("decrement", input=1)
    yield ctx.wait_for_external_event("go")


def other_kind(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.create_timer(timedelta(hours=1))
    yield ctx.wait_for_external_event("go")


def nothing(ctx: task.OrchestrationContext, _: Any) -> Steps:
    yield ctx.wait_for_external_event("go")


def longer(ctx: task.OrchestrationContext, _: Any) -> Steps:
    value = yield ctx.call_activity(increment, input=7)
    yield ctx.wait_for_external_event("go")
    value = yield ctx.call_activity(increment, input=value)
    return value


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (
            other_name,
            "call_activity('increment') with id 1, but the code now makes call_activity('decrement')",
        ),
        (other_kind, "call_activity('increment') with id 1, but the code now makes create_timer()"),
        (
            nothing,
            "call_activity('increment') with id 1, but the code makes no call of that id at this point",
        ),
    ],
)
def test_code_that_no_longer_agrees_with_history_fails_and_names_both(after: Function, text: str) -> None:
    """Semantics 3.4; every turn is replayed here, as on another worker."""
    with InProcessTaskHub(sessions=0) as hub:
        orchestrator, deploy = changed(steps, after)
        register(hub, orchestrator, neighbour, activities=(increment,))
        instance_id = hub.client.schedule_new_orchestration(orchestrator)
        beside = hub.client.schedule_new_orchestration(neighbour, input=0)
        hub.run_until_idle()
        deploy()
        hub.client.raise_orchestration_event(instance_id, "go")

        failed = failure(hub, instance_id)

        assert failed.error_type.endswith("NonDeterminismError")
        assert f"is not deterministic: its history has {text}" in failed.message
        assert output(hub, beside) == 3


def test_code_added_at_the_tail_agrees_with_history() -> None:
    """Semantics 3.4 rule 3."""
    with InProcessTaskHub(sessions=0) as hub:
        orchestrator, deploy = changed(steps, longer)
        register(hub, orchestrator, activities=(increment,))
        instance_id = hub.client.schedule_new_orchestration(orchestrator)
        hub.run_until_idle()
        deploy()
        hub.client.raise_orchestration_event(instance_id, "go")

        assert output(hub, instance_id) == 3


def test_what_fails_while_others_wait_for_it_ends_their_wait_too(hub: InProcessTaskHub) -> None:
    """A child whose id is taken by a stranger fails at once instead of leaving its parent waiting (3.7)."""

    def parent(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield ctx.call_sub_orchestrator(nothing, instance_id="stranger")

    register(hub, parent, nothing)
    hub.client.schedule_new_orchestration(nothing, instance_id="stranger")
    failed = failure(hub, hub.client.schedule_new_orchestration(parent))

    assert "An orchestration instance 'stranger' already exists and is RUNNING." in failed.message
    hub.client.raise_orchestration_event("stranger", "go")
    assert end(hub, "stranger").runtime_status.name == "COMPLETED"


def test_what_nobody_registered_fails_and_others_go_on(hub: InProcessTaskHub) -> None:
    register(hub, neighbour, activities=(increment,))
    unknown = hub.client.schedule_new_orchestration("unheard_of")
    beside = hub.client.schedule_new_orchestration(neighbour, input=0)

    assert "unheard_of" in failure(hub, unknown).message
    assert output(hub, beside) == 3


def test_one_that_waits_for_ever_costs_nothing(hub: InProcessTaskHub) -> None:
    register(hub, neighbour, nothing, activities=(increment,))
    waiting = hub.client.schedule_new_orchestration(nothing)
    beside = hub.client.schedule_new_orchestration(neighbour, input=0)

    assert output(hub, beside) == 3
    with pytest.raises(TimeoutError):
        end(hub, waiting)
    assert status(hub, waiting) == "RUNNING"
