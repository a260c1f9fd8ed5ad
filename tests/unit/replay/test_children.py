from __future__ import annotations

from typing import Any

import pytest
from durakit import task
from durakit.replay import VersioningOptions
from durakit.replay.children import LONGEST_INSTANCE_ID, derived_id

from .histories import FAILED, Run, child_completed, child_failed, completion, failure, kinds, options


async def child(ctx: task.OrchestrationContext, x: int) -> set[int]:
    return {x}


def generator_child(ctx: task.OrchestrationContext, x: int) -> Any:
    yield ctx.call_activity("work")


def parent(ctx: task.OrchestrationContext) -> Any:
    return (yield ctx.call_sub_orchestrator("child", input=0))


async def async_parent(ctx: task.OrchestrationContext) -> Any:
    return await ctx.call_sub_orchestrator("child", input=0)


@pytest.mark.parametrize("orchestrator", [parent, async_parent])
def test_the_result_of_a_child_comes_back_in_generators_and_in_async_functions(orchestrator: Any) -> None:
    run = Run(orchestrator)

    action = run.start().actions[0].createSubOrchestration
    end = run.turn(child_completed(1, "7"))

    assert (action.name, action.input.value) == ("child", "0")
    assert not action.HasField("version")
    assert completion(end).result.value == "7"


def test_a_child_can_be_given_an_id_a_version_and_tags() -> None:
    def chosen(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_sub_orchestrator("child", instance_id="c7", version="2.0", tags={"a": "b"})

    action = Run(chosen).start().actions[0].createSubOrchestration

    assert (action.instanceId, action.version.value, dict(action.tags)) == ("c7", "2.0", {"a": "b"})
    assert not action.HasField("input")


def test_a_child_without_version_gets_the_default_version_of_the_worker() -> None:
    settings = options(versioning=VersioningOptions(default_version="1.5"))

    assert Run(parent, settings=settings).start().actions[0].createSubOrchestration.version.value == "1.5"


def test_a_child_result_arrives_as_the_function_annotates_it() -> None:
    async def typed(ctx: task.OrchestrationContext) -> str:
        return type(await ctx.call_sub_orchestrator(child, input=1)).__name__

    run = Run(typed)
    assert run.start().actions[0].createSubOrchestration.name == "child"

    assert completion(run.turn(child_completed(1, "[1]"))).result.value == '"set"'


def test_the_failure_of_a_child_is_raised_where_it_is_awaited() -> None:
    run = Run(parent)
    run.start()

    end = completion(run.turn(child_failed(1, failure("boom", "app.Broken"))))

    assert end.orchestrationStatus == FAILED
    assert end.failureDetails.errorMessage == "Sub-orchestration task #1 failed: boom"
    assert end.failureDetails.innerFailure == failure("boom", "app.Broken")


def test_completions_of_children_nobody_waits_for_are_ignored() -> None:
    def waiting(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_sub_orchestrator("child")
        yield ctx.call_activity("work")

    run = Run(waiting)
    run.start()
    run.turn(child_completed(1))

    assert kinds(run.turn(child_completed(1), child_failed(1, failure()))) == []


def test_a_child_that_was_terminated_without_details_fails_with_a_text() -> None:
    run = Run(parent)
    run.start()

    details = completion(run.turn(child_failed(1))).failureDetails
    assert details.errorMessage == "Sub-orchestration task #1 failed: no details were given"


def test_children_without_an_id_get_different_ones() -> None:
    def two(ctx: task.OrchestrationContext) -> Any:
        yield task.when_all([ctx.call_sub_orchestrator("c"), ctx.call_sub_orchestrator("c")])

    turn = Run(two, execution_id="e1").start()

    ids = [action.createSubOrchestration.instanceId for action in turn.actions]
    assert ids == [derived_id("i1", "e1", 1), derived_id("i1", "e1", 2)]
    assert len(set(ids)) == 2
    assert all(one.startswith("i1:") for one in ids)


def test_a_derived_id_differs_after_continue_as_new() -> None:
    """Trap 38: the second execution makes its children anew."""
    first, second = (Run(parent, execution_id=e).start().actions[0] for e in ("e1", "e2"))

    assert first.createSubOrchestration.instanceId != second.createSubOrchestration.instanceId


def test_a_derived_id_without_execution_id_has_the_form_other_sdks_use() -> None:
    assert derived_id("parent", None, 10) == "parent:000a"


def test_derived_ids_stay_short_and_different_however_deep_children_nest() -> None:
    ids = ["a"]
    for _ in range(30):
        ids.append(derived_id(ids[-1], "e1", 1))

    assert max(map(len, ids)) <= LONGEST_INSTANCE_ID == 100
    assert len(set(ids)) == len(ids)
    assert derived_id("p" * 100, "e1", 1) != derived_id("p" * 100, "e2", 1)


def test_the_parent_is_visible_to_the_child() -> None:
    def visible(ctx: task.OrchestrationContext) -> Any:
        return [ctx.parent_instance_id, ctx.instance_id]

    assert completion(Run(visible, parent="p1").start()).result.value == '["p1", "i1"]'
    assert completion(Run(visible).start()).result.value == '[null, "i1"]'


def test_children_of_a_completing_turn_are_started() -> None:
    def fire_and_forget(ctx: task.OrchestrationContext) -> None:
        ctx.call_sub_orchestrator("child")

    assert kinds(Run(fire_and_forget).start()) == ["createSubOrchestration#1", "completeOrchestration#2"]
