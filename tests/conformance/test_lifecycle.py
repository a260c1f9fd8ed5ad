"""Starting, replacing, ending, restarting, rewinding, continuing as new, versions and tags."""

from __future__ import annotations

import threading
from typing import Any

import grpc

from .stage import Stage, eventually, failure_of, output_of, refused


def sleeper(ctx: Any, _: Any) -> Any:
    answer = yield ctx.wait_for_external_event("go")
    return answer


def quick(ctx: Any, value: Any) -> Any:
    return value


def test_an_id_is_made_when_none_is_given(stage: Stage) -> None:
    stage.work(quick)

    first, second = stage.start(quick), stage.start(quick)

    assert first
    assert first != second


def test_a_taken_id_is_refused(stage: Stage) -> None:
    stage.work(sleeper)
    stage.start(sleeper, instance_id="taken")

    with refused(grpc.StatusCode.ALREADY_EXISTS, "taken"):
        stage.start(sleeper, instance_id="taken")


def test_a_reuse_policy_replaces_an_instance_of_the_named_status(stage: Stage) -> None:
    """Semantics 1.3 rule 8."""
    stage.work(quick)
    stage.start(quick, instance_id="again", input=1)
    stage.end("again")

    with refused(grpc.StatusCode.ALREADY_EXISTS, "again"):
        stage.start(quick, instance_id="again", reuse_id_policy=stage.reuse("FAILED"))
    stage.start(quick, instance_id="again", input=2, reuse_id_policy=stage.reuse("COMPLETED"))

    assert output_of(stage.end("again")) == 2


def test_replacing_a_running_instance_ends_it_first(stage: Stage) -> None:
    stage.work(sleeper, quick)
    stage.start(sleeper, instance_id="again")
    stage.begun("again")

    policy = stage.reuse("RUNNING", "PENDING", "TERMINATED")
    stage.start(quick, instance_id="again", input="new", reuse_id_policy=policy)

    assert output_of(stage.end("again")) == "new"


def test_a_terminated_instance_reports_the_output_it_was_given(stage: Stage) -> None:
    stage.work(sleeper)
    instance_id = stage.start(sleeper)
    stage.begun(instance_id)

    stage.client.terminate_orchestration(instance_id, output={"why": "enough"})
    state = stage.end(instance_id)

    assert state.runtime_status.name == "TERMINATED"
    assert state.get_output() == {"why": "enough"}
    assert state.failure_details is None


def test_a_pending_instance_can_be_terminated_without_any_worker(stage: Stage) -> None:
    instance_id = stage.start("sleeper")

    stage.client.terminate_orchestration(instance_id, output="early")

    assert stage.end(instance_id).runtime_status.name == "TERMINATED"


def test_a_suspended_instance_can_be_terminated(stage: Stage) -> None:
    stage.work(sleeper)
    instance_id = stage.start(sleeper)
    stage.begun(instance_id)
    stage.client.suspend_orchestration(instance_id)
    eventually(lambda: stage.status(instance_id) == "SUSPENDED", "suspended")

    stage.client.terminate_orchestration(instance_id)

    assert stage.end(instance_id).runtime_status.name == "TERMINATED"


def test_continuing_as_new_keeps_the_id_and_starts_history_afresh(stage: Stage) -> None:
    def count(ctx: Any, number: int) -> int:
        return number + 1

    def loop(ctx: Any, number: int) -> Any:
        number = yield ctx.call_activity(count, input=number)
        if number < 5:
            ctx.continue_as_new(number)
            return None
        return number

    stage.work(loop, activities=[count])
    instance_id = stage.start(loop, input=0)

    assert output_of(stage.end(instance_id)) == 5
    started = [
        event for event in stage.history(instance_id) if type(event).__name__ == "ExecutionStartedEvent"
    ]
    assert [event.input for event in started] == ["4"]


def test_continuing_as_new_carries_unread_events_along(stage: Stage) -> None:
    """Semantics 3.9 rules 2 and 3, traps 8 and 10."""

    def collect(ctx: Any, items: Any) -> Any:
        items = [*(items or []), (yield ctx.wait_for_external_event("item"))]
        if len(items) == 4:
            return items
        ctx.continue_as_new(items, save_events=True)
        return None

    stage.work(collect)
    instance_id = stage.start(collect)
    for item in range(4):
        stage.client.raise_orchestration_event(instance_id, "item", data=item)

    assert output_of(stage.end(instance_id)) == [0, 1, 2, 3]


def test_continuing_as_new_can_move_to_another_version(stage: Stage) -> None:
    def loop(ctx: Any, round_number: int) -> Any:
        if round_number == 0:
            ctx.continue_as_new(1, new_version="2.0")
            return None
        return ctx.version

    stage.work(loop)

    assert stage.output(loop, input=0, version="1.0") == "2.0"


def test_an_ended_instance_restarts_under_the_same_id(stage: Stage) -> None:
    stage.work(quick)
    instance_id = stage.start(quick, input="same")
    first = stage.end(instance_id)

    restarted = stage.client.restart_orchestration(instance_id)
    second = stage.end(restarted)

    assert restarted == instance_id
    assert output_of(second) == "same"
    assert second.created_at > first.created_at


def test_an_ended_instance_restarts_under_a_new_id(stage: Stage) -> None:
    stage.work(quick)
    instance_id = stage.start(quick, input="same")
    stage.end(instance_id)

    restarted = stage.client.restart_orchestration(instance_id, restart_with_new_instance_id=True)

    assert restarted != instance_id
    assert output_of(stage.end(restarted)) == "same"
    assert stage.status(instance_id) == "COMPLETED"


def test_what_runs_or_does_not_exist_cannot_be_restarted(stage: Stage) -> None:
    stage.work(sleeper)
    instance_id = stage.start(sleeper)
    stage.begun(instance_id)

    with refused(grpc.StatusCode.FAILED_PRECONDITION, instance_id):
        stage.client.restart_orchestration(instance_id)
    with refused(grpc.StatusCode.NOT_FOUND, "nobody"):
        stage.client.restart_orchestration("nobody")


def test_a_rewound_instance_goes_on_from_its_last_good_point(stage: Stage) -> None:
    """Semantics 3.13."""
    calls: list[str] = []

    def step(ctx: Any, name: str) -> str:
        calls.append(name)
        if calls.count("second") == 1 and name == "second":
            raise RuntimeError("down")
        return name

    def flow(ctx: Any, _: Any) -> Any:
        first = yield ctx.call_activity(step, input="first")
        second = yield ctx.call_activity(step, input="second")
        return [first, second]

    stage.work(flow, activities=[step])
    instance_id = stage.start(flow)
    failure_of(stage.end(instance_id))

    stage.client.rewind_orchestration(instance_id, reason="it is up again")

    assert output_of(stage.end(instance_id)) == ["first", "second"]
    assert calls == ["first", "second", "second"]


def test_rewinding_what_has_not_failed_is_refused(stage: Stage) -> None:
    stage.work(quick)
    instance_id = stage.start(quick)
    stage.end(instance_id)

    with refused(grpc.StatusCode.FAILED_PRECONDITION, instance_id):
        stage.client.rewind_orchestration(instance_id)
    with refused(grpc.StatusCode.NOT_FOUND, "nobody"):
        stage.client.rewind_orchestration("nobody")


def test_a_version_reaches_the_orchestrator(stage: Stage) -> None:
    def version_of(ctx: Any, _: Any) -> Any:
        return ctx.version

    stage.work(version_of)

    assert stage.output(version_of, version="1.2.3") == "1.2.3"
    assert stage.output(version_of) is None


def test_a_strict_worker_fails_other_versions(stage: Stage) -> None:
    """Semantics 3.15 rule 5."""
    module = stage.worker_module
    options = module.VersioningOptions(
        version="1.0.0",
        match_strategy=module.VersionMatchStrategy.STRICT,
        failure_strategy=module.VersionFailureStrategy.FAIL,
    )
    stage.work(quick, configure=lambda worker: worker.use_versioning(options))

    assert failure_of(stage.run(quick, version="2.0.0")).error_type == "VersionMismatch"
    assert stage.output(quick, input=1, version="1.0.0") == 1


def test_tags_are_recorded_in_history(stage: Stage) -> None:
    def activity(ctx: Any, _: Any) -> None:
        return None

    def flow(ctx: Any, _: Any) -> Any:
        yield ctx.call_activity(activity, tags={"kind": "noop"})

    stage.work(flow, activities=[activity])
    instance_id = stage.start(flow, tags={"team": "blue"})
    stage.end(instance_id)

    by_kind = {type(event).__name__: event for event in stage.history(instance_id)}

    assert by_kind["ExecutionStartedEvent"].tags == {"team": "blue"}
    assert by_kind["TaskScheduledEvent"].tags == {"kind": "noop"}


def test_history_tells_the_whole_story_in_order(stage: Stage) -> None:
    """Semantics 3.1."""

    def activity(ctx: Any, _: Any) -> str:
        return "result"

    def flow(ctx: Any, _: Any) -> Any:
        result = yield ctx.call_activity(activity)
        return result

    stage.work(flow, activities=[activity])
    instance_id = stage.start(flow)
    stage.end(instance_id)

    assert [type(event).__name__ for event in stage.history(instance_id)] == [
        "OrchestratorStartedEvent",
        "ExecutionStartedEvent",
        "TaskScheduledEvent",
        "OrchestratorCompletedEvent",
        "OrchestratorStartedEvent",
        "TaskCompletedEvent",
        "OrchestratorCompletedEvent",
        "ExecutionCompletedEvent",
    ]


def test_a_long_history_streams_whole(stage: Stage) -> None:
    def fan_out(ctx: Any, width: int) -> Any:
        yield stage.task.when_all([ctx.call_activity(echo, input="x" * 5000) for _ in range(width)])

    def echo(ctx: Any, value: str) -> str:
        return value

    stage.work(fan_out, activities=[echo])
    instance_id = stage.start(fan_out, input=100)
    stage.end(instance_id)

    results = [e for e in stage.history(instance_id) if type(e).__name__ == "TaskCompletedEvent"]

    assert len(results) == 100
    assert {len(event.result) for event in results} == {5002}


def test_the_history_of_nobody_is_refused(stage: Stage) -> None:
    with refused(grpc.StatusCode.NOT_FOUND, "nobody"):
        stage.client.get_orchestration_history("nobody")


def test_a_waiter_sees_an_instance_that_is_created_later(stage: Stage) -> None:
    """Semantics 1.4 rule 7."""
    seen: list[Any] = []
    waiting = threading.Thread(target=lambda: seen.append(stage.end("later")))
    waiting.start()

    stage.work(quick)
    stage.start(quick, instance_id="later", input="here")
    waiting.join(20)

    assert output_of(seen[0]) == "here"


def test_what_does_not_exist_has_no_state(stage: Stage) -> None:
    assert stage.client.get_orchestration_state("nobody") is None


def test_payloads_are_left_out_when_not_asked_for(stage: Stage) -> None:
    stage.work(quick)
    instance_id = stage.start(quick, input="large")
    stage.end(instance_id)

    state = stage.client.get_orchestration_state(instance_id, fetch_payloads=False)

    assert (state.serialized_input, state.serialized_output) == (None, None)
    assert state.name == "quick"
