"""Sub-orchestrations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from .stage import Stage, eventually, failure_of


def test_a_child_returns_its_result_and_knows_its_parent(stage: Stage) -> None:
    def child(ctx: Any, number: int) -> Any:
        return [number + 1, ctx.parent_instance_id]

    def parent(ctx: Any, number: int) -> Any:
        result = yield ctx.call_sub_orchestrator(child, input=number)
        return result

    stage.work(parent, child)
    instance_id = stage.start(parent, input=1)

    assert stage.end(instance_id).get_output() == [2, instance_id]


def test_children_have_the_ids_they_were_given_or_one_of_their_own(stage: Stage) -> None:
    def child(ctx: Any, _: Any) -> str:
        return str(ctx.instance_id)

    def parent(ctx: Any, chosen: str) -> Any:
        named = ctx.call_sub_orchestrator(child, instance_id=chosen)
        unnamed = ctx.call_sub_orchestrator("child")
        ids = yield stage.task.when_all([named, unnamed])
        return ids

    stage.work(parent, child)

    named, unnamed = stage.output(parent, input="chosen-child")

    assert named == "chosen-child"
    assert unnamed not in ("", named)


def test_a_fan_out_of_children_collects_all_results(stage: Stage) -> None:
    def child(ctx: Any, number: int) -> int:
        return number * 2

    def parent(ctx: Any, width: int) -> Any:
        results = yield stage.task.when_all([ctx.call_sub_orchestrator(child, input=n) for n in range(width)])
        return sum(results)

    stage.work(parent, child)

    assert stage.output(parent, input=10) == 90


def test_a_failed_child_can_be_caught(stage: Stage) -> None:
    def child(ctx: Any, _: Any) -> Any:
        raise ValueError("child broke")

    def parent(ctx: Any, _: Any) -> Any:
        try:
            yield ctx.call_sub_orchestrator(child)
        except stage.task.TaskFailedError as error:
            return error.details.message
        return None

    stage.work(parent, child)

    assert "child broke" in stage.output(parent)


def test_an_uncaught_failure_of_a_child_fails_its_parent(stage: Stage) -> None:
    def child(ctx: Any, _: Any) -> Any:
        raise ValueError("child broke")

    def parent(ctx: Any, _: Any) -> Any:
        yield ctx.call_sub_orchestrator(child)

    stage.work(parent, child)

    assert "child broke" in failure_of(stage.run(parent)).message


def test_a_child_is_retried_under_its_own_id(stage: Stage) -> None:
    """Semantics 3.7 rule 3: the peer creates a child of the same id again."""
    runs: list[str] = []

    def count(ctx: Any, instance_id: str) -> int:
        runs.append(instance_id)
        return len(runs)

    def child(ctx: Any, _: Any) -> Any:
        run = yield ctx.call_activity(count, input=ctx.instance_id)
        if run < 2:
            raise RuntimeError("once more")
        return run

    def parent(ctx: Any, _: Any) -> Any:
        policy = stage.task.RetryPolicy(
            first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=3
        )
        result = yield ctx.call_sub_orchestrator(child, instance_id="again", retry_policy=policy)
        return result

    stage.work(parent, child, activities=[count])

    assert stage.output(parent) == 2
    assert runs == ["again", "again"]


def test_a_child_whose_id_is_in_use_fails_instead_of_waiting_for_ever(stage: Stage) -> None:
    """Semantics 3.7 rule 3, trap 38."""

    def sleeper(ctx: Any, _: Any) -> Any:
        yield ctx.wait_for_external_event("never")

    def parent(ctx: Any, taken: str) -> Any:
        try:
            yield ctx.call_sub_orchestrator(sleeper, instance_id=taken)
        except stage.task.TaskFailedError as error:
            return error.details.message
        return None

    stage.work(parent, sleeper)
    taken = stage.start(sleeper)
    stage.begun(taken)

    assert taken in stage.output(parent, input=taken)
    assert stage.status(taken) == "RUNNING"


def test_terminating_a_parent_recursively_terminates_its_children(stage: Stage) -> None:
    def leaf(ctx: Any, _: Any) -> Any:
        yield ctx.wait_for_external_event("never")

    def branch(ctx: Any, _: Any) -> Any:
        yield ctx.call_sub_orchestrator(leaf, instance_id="leaf")

    def root(ctx: Any, _: Any) -> Any:
        yield ctx.call_sub_orchestrator(branch, instance_id="branch")

    stage.work(root, branch, leaf)
    instance_id = stage.start(root)
    eventually(lambda: stage.client.get_orchestration_state("leaf"), "the leaf exists")

    stage.client.terminate_orchestration(instance_id, output="enough", recursive=True)

    assert stage.end(instance_id).runtime_status.name == "TERMINATED"
    assert stage.end("branch").runtime_status.name == "TERMINATED"
    assert stage.end("leaf").runtime_status.name == "TERMINATED"


def test_terminating_a_parent_alone_leaves_its_children_running(stage: Stage) -> None:
    def leaf(ctx: Any, _: Any) -> Any:
        answer = yield ctx.wait_for_external_event("go")
        return answer

    def root(ctx: Any, _: Any) -> Any:
        yield ctx.call_sub_orchestrator(leaf, instance_id="leaf")

    stage.work(root, leaf)
    instance_id = stage.start(root)
    eventually(lambda: stage.client.get_orchestration_state("leaf"), "the leaf exists")

    stage.client.terminate_orchestration(instance_id, recursive=False)
    stage.end(instance_id)
    stage.client.raise_orchestration_event("leaf", "go", data="on my own")

    assert stage.end("leaf").get_output() == "on my own"


def test_purging_a_parent_recursively_purges_its_children(stage: Stage) -> None:
    def child(ctx: Any, _: Any) -> None:
        return None

    def parent(ctx: Any, _: Any) -> Any:
        yield stage.task.when_all(
            [ctx.call_sub_orchestrator(child, instance_id=f"child-{n}") for n in range(3)]
        )

    stage.work(parent, child)
    instance_id = stage.start(parent)
    stage.end(instance_id)

    assert stage.client.purge_orchestration(instance_id, recursive=True).deleted_instance_count == 4
    assert stage.client.get_orchestration_state("child-1") is None
