"""Orchestrations that continue as new for ever (semantics.md 3.9)."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

from durakit import task
from durakit.testing import InProcessTaskHub
from durakit.wire.messages import orchestration_pb2 as pb

from .reading import end, history, kinds, output, register, state, status

Steps = Generator[Any, Any, Any]


def bytes_on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_five_thousand_iterations_keep_history_memory_and_file_flat(tmp_path: Path) -> None:
    figures: list[tuple[int, int]] = []

    def eternal(ctx: task.OrchestrationContext, iteration: int) -> Steps:
        if iteration in (1_000, 5_000):
            gc.collect()
            figures.append((sys.getallocatedblocks(), bytes_on_disk(tmp_path)))
        ctx.set_custom_status(iteration)
        item = yield ctx.wait_for_external_event("item")
        assert item == {"payload": "x" * 200}
        if iteration < 5_000:
            ctx.send_event(ctx.instance_id, "item", data=item)
            ctx.continue_as_new(iteration + 1)
            return None
        yield ctx.create_timer(timedelta(days=1))
        return iteration

    with InProcessTaskHub(db=tmp_path / "scheduler.db") as hub:
        register(hub, eternal)
        instance_id = hub.client.schedule_new_orchestration(eternal, input=1)
        hub.client.raise_orchestration_event(instance_id, "item", data={"payload": "x" * 200})
        hub.run_until_idle()
        events = len(history(hub, instance_id))
        created_at = state(hub, instance_id).created_at

        assert output(hub, instance_id) == 5_000
        assert state(hub, instance_id).created_at == created_at

    (blocks_early, size_early), (blocks_late, size_late) = figures
    assert events == 5
    assert blocks_late - blocks_early < 2_000, "a thousandth of what 4,000 kept iterations would hold"
    assert size_late == size_early


def test_stale_completions_of_an_earlier_execution_are_dropped(hub: InProcessTaskHub) -> None:
    """Semantics 3.9 rule 5: ids begin with 1 in each, so only the execution tells them apart."""
    told: list[str] = []

    def tell(ctx: task.ActivityContext, what: str) -> str:
        told.append(what)
        return what

    def child(ctx: task.OrchestrationContext, what: str) -> Steps:
        yield ctx.create_timer(timedelta(hours=1))
        return what

    def twice(ctx: task.OrchestrationContext, round_number: int) -> Steps:
        word = ["old", "new"][round_number]
        results = [
            ctx.call_activity(tell, input=word),
            ctx.call_sub_orchestrator(child, input=word, instance_id=f"child-{word}"),
            ctx.create_timer(timedelta(minutes=1 + 600 * round_number)),
        ]
        if round_number == 0:
            yield ctx.wait_for_external_event("go")
            ctx.continue_as_new(1)
            return None
        yield task.when_all(results)
        return [results[0].get_result(), results[1].get_result(), str(ctx.current_utc_datetime)]

    register(hub, twice, child, activities=(tell,))
    instance_id = hub.client.schedule_new_orchestration(twice, input=0)
    hub.client.raise_orchestration_event(instance_id, "go")

    assert output(hub, instance_id) == ["new", "new", "2026-01-01 10:01:00"]
    assert status(hub, "child-old") == "COMPLETED"
    assert kinds(hub, instance_id).count("timerFired") == 1


def test_fire_and_forget_of_the_last_turn_still_happens(hub: InProcessTaskHub) -> None:
    """Semantics 3.9 rule 3, trap 7."""

    def listener(ctx: task.OrchestrationContext, _: Any) -> Steps:
        heard = yield ctx.wait_for_external_event("news")
        return heard

    def child(ctx: task.OrchestrationContext, _: Any) -> str:
        return "ran"

    def loop(ctx: task.OrchestrationContext, round_number: int) -> str | None:
        if round_number == 0:
            ctx.send_event("listener", "news", data="sent while continuing")
            ctx.call_sub_orchestrator(child, instance_id="forgotten")
            ctx.continue_as_new(1)
            return None
        return "done"

    register(hub, loop, listener, child)
    hub.client.schedule_new_orchestration(listener, instance_id="listener")
    hub.client.schedule_new_orchestration(loop, input=0, instance_id="loop")

    assert output(hub, "listener") == "sent while continuing"
    assert output(hub, "loop") == "done"
    assert output(hub, "forgotten") == "ran"


def test_a_custom_status_ends_with_its_execution(hub: InProcessTaskHub) -> None:
    """Semantics 3.9 rule 3, trap 12."""

    def loop(ctx: task.OrchestrationContext, round_number: int) -> Steps:
        if round_number == 0:
            ctx.set_custom_status("first round")
            yield ctx.create_timer(timedelta(minutes=1))
            ctx.continue_as_new(1)
            return None
        yield ctx.wait_for_external_event("never")

    register(hub, loop)
    instance_id = hub.client.schedule_new_orchestration(loop, input=0)
    hub.run_until_idle()
    assert state(hub, instance_id).get_custom_status() == "first round"

    hub.advance(timedelta(minutes=1))

    assert state(hub, instance_id).get_custom_status() is None


def test_the_parent_hears_of_the_last_execution_only(hub: InProcessTaskHub) -> None:
    """Semantics 3.9 rule 4."""

    def child(ctx: task.OrchestrationContext, number: int) -> Any:
        if number < 10:
            ctx.continue_as_new(number + 1)
            return None
        return [number, ctx.parent_instance_id]

    def parent(ctx: task.OrchestrationContext, _: Any) -> Steps:
        result = yield ctx.call_sub_orchestrator(child, input=0)
        return result

    register(hub, parent, child)
    instance_id = hub.client.schedule_new_orchestration(parent)

    assert output(hub, instance_id) == [10, instance_id]
    assert kinds(hub, instance_id).count("subOrchestrationInstanceCompleted") == 1


def test_children_without_an_id_get_new_ones_in_every_execution(hub: InProcessTaskHub) -> None:
    """Trap 38: an id made of the parent's id and a counter would be taken by the last execution's child."""

    def child(ctx: task.OrchestrationContext, _: Any) -> Steps:
        yield ctx.wait_for_external_event("never")

    def parent(ctx: task.OrchestrationContext, number: int) -> Steps:
        ctx.call_sub_orchestrator(child)
        yield ctx.create_timer(timedelta(seconds=1))
        if number < 2:
            ctx.continue_as_new(number + 1)

    register(hub, parent, child)
    end(hub, hub.client.schedule_new_orchestration(parent, input=0))

    children = [found for found in hub.client.get_all_orchestration_states() if found.name == "child"]

    assert len({found.instance_id for found in children}) == 3
    assert {found.runtime_status.name for found in children} == {"RUNNING"}


def test_termination_of_a_turn_that_continues_as_new_wins_only_if_it_came_first(
    hub: InProcessTaskHub,
) -> None:
    """Trap 11."""

    def loop(ctx: task.OrchestrationContext, number: int) -> Steps:
        yield ctx.wait_for_external_event("go")
        ctx.continue_as_new(number + 1, save_events=True)

    register(hub, loop)
    instance_id = hub.client.schedule_new_orchestration(loop, input=0)
    hub.client.raise_orchestration_event(instance_id, "go")
    hub.client.terminate_orchestration(instance_id, output="enough")
    hub.run_until_idle()

    ended = state(hub, instance_id)

    assert (ended.runtime_status.name, ended.get_output()) == ("TERMINATED", "enough")


def test_suspension_outlives_continuing_as_new(hub: InProcessTaskHub) -> None:
    """What arrives during the turn is kept, the suspension too; resumed, it is running as before."""

    def loop(ctx: task.OrchestrationContext, items: list[int]) -> Steps:
        items = [*items, (yield ctx.wait_for_external_event("item"))]
        if len(items) == 1:
            # Arrives while the turn is in the worker's hands.
            hub.client.suspend_orchestration(ctx.instance_id)
            hub.client.raise_orchestration_event(ctx.instance_id, "item", data=2)
            ctx.continue_as_new(items)
            return None
        if len(items) == 3:
            return items
        ctx.continue_as_new(items, save_events=True)

    register(hub, loop)
    instance_id = hub.client.schedule_new_orchestration(loop, input=[])
    hub.client.raise_orchestration_event(instance_id, "item", data=1)
    hub.run_until_idle()
    assert status(hub, instance_id) == "SUSPENDED"

    hub.client.resume_orchestration(instance_id)
    assert status(hub, instance_id) == "RUNNING"
    hub.client.raise_orchestration_event(instance_id, "item", data=3)

    assert output(hub, instance_id) == [1, 2, 3]


def test_an_endless_loop_leaves_the_others_to_their_work(hub: InProcessTaskHub) -> None:
    def spinning(ctx: task.OrchestrationContext, number: int) -> None:
        ctx.continue_as_new(number + 1)

    def echo(ctx: task.ActivityContext, value: int) -> int:
        return value

    def quick(ctx: task.OrchestrationContext, value: int) -> Steps:
        value = yield ctx.call_activity(echo, input=value)
        yield ctx.create_timer(timedelta(0))
        return value

    register(hub, spinning, quick, activities=(echo,))
    spinner = hub.client.schedule_new_orchestration(spinning, input=0)

    assert [output(hub, hub.client.schedule_new_orchestration(quick, input=n)) for n in range(5)] == [
        *range(5)
    ]
    assert status(hub, spinner) == "RUNNING"
    hub.client.terminate_orchestration(spinner)
    assert status(hub, spinner) == "TERMINATED"


def test_every_execution_knows_the_span_of_whoever_started_the_first(hub: InProcessTaskHub) -> None:
    """Semantics 3.9 rule 3: the trace parent stays; the executions' own spans do not (trap 13)."""

    def loop(ctx: task.OrchestrationContext, iteration: int) -> Steps:
        yield ctx.create_timer(timedelta(seconds=1))
        if iteration < 3:
            ctx.continue_as_new(iteration + 1)

    register(hub, loop)
    request = pb.CreateInstanceRequest(instanceId="traced", name="loop")
    request.input.value = "1"
    request.parentTraceContext.traceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    hub.requests.by_method["StartInstance"](request, hub.hub)

    end(hub, "traced")

    first = history(hub, "traced")[1].executionStarted
    assert first.parentTraceContext == request.parentTraceContext
