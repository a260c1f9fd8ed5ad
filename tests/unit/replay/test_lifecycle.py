from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import pytest
from durakit import task
from durakit.replay import (
    Execution,
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
    VersionMismatchReject,
)
from durakit.wire.messages import orchestration_pb2 as pb

from .histories import (
    COMPLETED,
    FAILED,
    TERMINATED,
    Run,
    completion,
    event,
    event_raised,
    execution_completed,
    execution_started,
    kinds,
    options,
    registry_of,
    replay,
    resumed,
    suspended,
    task_completed,
    terminated,
    timer_fired,
    timestamp,
    turn_completed,
    turn_started,
)


def wait(ctx: task.OrchestrationContext) -> Any:
    return (yield ctx.wait_for_external_event("go"))


def two_steps(ctx: task.OrchestrationContext) -> Any:
    first = yield ctx.call_activity("a")
    second = yield ctx.call_activity("b")
    return [first, second]


# Time, ids, status, replay.


def test_orchestration_time_is_the_start_of_the_turn_in_naive_utc() -> None:
    def clock(ctx: task.OrchestrationContext) -> Any:
        before = ctx.current_utc_datetime
        assert before.tzinfo is None
        yield ctx.call_activity("work")
        return [str(before), str(ctx.current_utc_datetime)]

    run = Run(clock)
    run.start(at=1.5)

    end = completion(run.turn(task_completed(1), at=60))
    assert end.result.value == '["2026-01-01 00:00:01.500000", "2026-01-01 00:01:00"]'


def test_uuids_are_those_of_durabletask() -> None:
    def ids(ctx: task.OrchestrationContext) -> Any:
        assert ctx.current_utc_datetime == datetime(2026, 1, 1)  # noqa: DTZ001 - naive UTC
        return [ctx.new_uuid(), ctx.new_uuid()]

    assert completion(Run(ids).start()).result.value == (
        '["c86d700d-c2a3-5b78-9db3-4f1cebdc7740", "dc886557-01a8-5c06-bcf0-c1019e9b3d11"]'
    )


def test_new_uuid_takes_no_action_id() -> None:
    def ids(ctx: task.OrchestrationContext) -> Any:
        ctx.new_uuid()
        yield ctx.call_activity("work")

    assert kinds(Run(ids).start()) == ["scheduleTask#1"]


def test_code_is_replaying_until_the_new_events() -> None:
    seen = []

    def watching(ctx: task.OrchestrationContext) -> Any:
        seen.append(ctx.is_replaying)
        yield ctx.call_activity("a")
        seen.append(ctx.is_replaying)
        yield ctx.call_activity("b")
        seen.append(ctx.is_replaying)

    run = Run(watching)
    run.start()
    run.turn(task_completed(1))
    seen.clear()

    replay(run.registry, run.history, [turn_started(), task_completed(2)])

    assert seen == [True, True, False]


def test_a_replay_safe_logger_says_everything_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def talking(ctx: task.OrchestrationContext) -> Any:
        log = ctx.create_replay_safe_logger(logging.getLogger("user"))
        log.info("begins")
        try:
            yield ctx.call_activity("a")
            log.info("ends", extra={"kept": 7})
            yield ctx.call_activity("b")
        finally:
            log.info("is closed")

    run = Run(talking)
    run.start()
    run.turn(task_completed(1))
    caplog.clear()
    execution = Execution("i1", run.registry, options())
    execution.replay(run.history[:-3])
    execution.advance([turn_started(), task_completed(1)])
    execution.close()

    assert caplog.messages == ["ends"]
    assert caplog.records[0].kept == 7  # type: ignore[attr-defined]


def test_custom_status_is_kept_until_it_changes_or_is_cleared() -> None:
    def telling(ctx: task.OrchestrationContext) -> Any:
        ctx.set_custom_status({"step": 1})
        yield ctx.call_activity("a")
        yield ctx.call_activity("b")
        ctx.set_custom_status("")
        yield ctx.call_activity("c")
        ctx.set_custom_status(None)

    run = Run(telling)

    statuses = [run.start(), *(run.turn(task_completed(i)) for i in (1, 2, 3))]

    assert [turn.custom_status for turn in statuses] == ['{"step": 1}', '{"step": 1}', '""', None]


def test_a_custom_status_that_cannot_be_serialised_raises_at_the_call() -> None:
    """Trap 59."""

    def odd(ctx: task.OrchestrationContext) -> str:
        try:
            ctx.set_custom_status({"x": object()})
        except TypeError:
            return "caught"
        return "missed"

    assert completion(Run(odd).start()).result.value == '"caught"'


def test_an_absent_version_is_none_and_a_given_one_is_visible() -> None:
    """Trap 28."""

    def version(ctx: task.OrchestrationContext) -> Any:
        return [ctx.version]

    assert completion(Run(version).start()).result.value == "[null]"
    assert completion(Run(version, version="1.2").start()).result.value == '["1.2"]'


# Events that say nothing.


@pytest.mark.parametrize(
    "kind",
    ["genericEvent", "historyState", "continueAsNew", "entityUnlockSent", "entityLockGranted", None],
)
def test_unknown_and_informational_events_are_ignored_with_a_debug_log(
    kind: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Trap 27."""
    caplog.set_level(logging.DEBUG, "durakit.replay")
    odd = event()
    if kind is not None:
        getattr(odd, kind).SetInParent()
    run = Run(wait)
    run.start()

    assert kinds(run.turn(odd)) == []
    assert f"i1: Ignored {kind} in history: it tells an orchestrator nothing" in caplog.messages
    assert completion(run.turn(event_raised("go", "1"))).result.value == "1"


def test_a_second_start_is_ignored() -> None:
    run = Run(wait)
    run.start()

    assert kinds(run.turn(execution_started("wait", "9"))) == []
    assert run.live.execution_id == "e1"


def test_a_history_without_beginning_is_refused() -> None:
    execution = Execution("i1", registry_of(wait), options())

    with pytest.raises(
        task.OrchestrationStateError,
        match="The history of instance 'i1' has no executionStarted event; a work item must carry the whole",
    ):
        execution.advance([turn_started(), task_completed(1)])


def test_history_may_come_in_parts() -> None:
    run = Run(two_steps)
    run.start()
    run.turn(task_completed(1, "1"))
    execution = Execution("i1", run.registry, options())
    execution.replay(run.history[:2])
    execution.replay(iter(run.history[2:]))

    end = execution.advance(iter([turn_started(), task_completed(2, "2")]))

    assert completion(end).result.value == "[1, 2]"
    assert execution.is_finished


# Not registered.


def test_an_orchestrator_nobody_registered_fails_and_says_what_the_worker_offers() -> None:
    settings = options(worker_description="host-1, task hub 'default'")

    turn = replay(registry_of(wait, two_steps), [], [turn_started(), execution_started("wiat")], settings)

    details = completion(turn).failureDetails
    assert details.errorType == "OrchestratorTaskNotFound"
    assert details.isNonRetriable
    assert details.errorMessage == (
        "No orchestrator named 'wiat' is registered with this worker (host-1, task hub 'default'); "
        "it offers the orchestrators 'two_steps', 'wait'. Register it with add_orchestrator, or check the "
        "spelling: names are case-sensitive."
    )


def test_a_worker_without_orchestrators_says_so() -> None:
    turn = replay(registry_of(), [], [turn_started(), execution_started("any")])

    assert (
        "is registered with this worker; it offers no orchestrators."
        in completion(turn).failureDetails.errorMessage
    )


# Versions.


def versioned(strategy: VersionFailureStrategy | None, match: VersionMatchStrategy) -> Run:
    versioning = VersioningOptions("1.9", match_strategy=match, failure_strategy=strategy)
    return Run(wait, settings=options(versioning=versioning), version="1.10")


def test_a_version_that_does_not_match_fails_the_orchestration() -> None:
    run = versioned(VersionFailureStrategy.FAIL, VersionMatchStrategy.STRICT)

    details = completion(run.start()).failureDetails

    assert (details.errorType, details.isNonRetriable) == ("VersionMismatch", True)
    assert details.errorMessage == (
        "The orchestration has version '1.10', the worker has version '1.9' and runs only the same version; "
        "start a worker whose version matches."
    )


@pytest.mark.parametrize("strategy", [VersionFailureStrategy.REJECT, None])
def test_a_version_that_does_not_match_is_left_to_another_worker(
    strategy: VersionFailureStrategy | None,
) -> None:
    run = versioned(strategy, VersionMatchStrategy.CURRENT_OR_OLDER)

    with pytest.raises(VersionMismatchReject, match="and runs only the same or a lower version; "):
        run.start()


def test_without_a_strategy_every_version_runs() -> None:
    assert kinds(versioned(VersionFailureStrategy.FAIL, VersionMatchStrategy.NONE).start()) == []


# Suspension.


def test_nothing_happens_while_suspended_and_all_of_it_on_resume_in_order() -> None:
    run = Run(two_steps)
    run.start()

    assert kinds(run.turn(suspended(), task_completed(1, "1"))) == []
    assert kinds(run.turn(event_raised("unheard"))) == []
    assert kinds(run.turn(resumed())) == ["scheduleTask#2"]
    assert completion(run.turn(task_completed(2, "2"))).result.value == "[1, 2]"


def test_a_second_suspension_with_events_behind_it_does_not_loop() -> None:
    """Trap 2."""
    run = Run(wait)
    run.start()

    assert kinds(run.turn(suspended(), suspended(), event_raised("go", "1"), suspended())) == []
    assert completion(run.turn(resumed())).result.value == "1"


def test_a_resume_without_suspension_changes_nothing() -> None:
    run = Run(wait)
    run.start()

    assert kinds(run.turn(resumed())) == []
    assert completion(run.turn(event_raised("go", "1"), resumed())).result.value == "1"


def test_an_event_raised_while_suspended_is_not_lost() -> None:
    """Trap 3."""
    run = Run(wait)
    run.start()
    run.turn(suspended())
    run.turn(event_raised("go", "1"))

    assert completion(run.turn(resumed())).result.value == "1"


def test_time_goes_on_while_suspended() -> None:
    def clock(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("a")
        return str(ctx.current_utc_datetime)

    run = Run(clock)
    run.start()
    run.turn(suspended(), task_completed(1), at=10)

    assert completion(run.turn(resumed(), at=20)).result.value == '"2026-01-01 00:00:20"'


def test_actions_confirmed_while_suspended_are_not_sent_again() -> None:
    run = Run(two_steps)
    run.start()
    assert kinds(run.turn(task_completed(1), suspended())) == ["scheduleTask#2"]

    assert kinds(run.turn(task_completed(2, "2"))) == []
    assert completion(run.turn(resumed())).orchestrationStatus == COMPLETED


def test_an_instance_can_be_suspended_before_it_starts() -> None:
    registry = registry_of(wait)
    execution = Execution("i1", registry, options())

    assert execution.advance([turn_started(), suspended(), execution_started("wait")]).actions == []
    execution.advance([turn_started(), resumed()])

    assert completion(execution.advance([turn_started(), event_raised("go", "1")])).result.value == "1"


# Termination.


def test_a_terminated_instance_ends_with_the_given_output() -> None:
    run = Run(wait)
    run.start()

    end = completion(run.turn(terminated('{"why": 1}')))

    assert (end.orchestrationStatus, end.result.value) == (TERMINATED, '{"why": 1}')


def test_termination_without_output_has_none() -> None:
    run = Run(wait)
    run.start()

    assert not completion(run.turn(terminated())).HasField("result")


def test_termination_behind_other_events_counts() -> None:
    """Trap 54."""
    run = Run(two_steps)
    run.start()

    turn = run.turn(task_completed(1), event_raised("x"), terminated('"stop"'), task_completed(2))

    assert completion(turn).orchestrationStatus == TERMINATED


def test_termination_while_suspended_counts_at_once() -> None:
    run = Run(wait)
    run.start()
    run.turn(suspended(), event_raised("go"))

    assert completion(run.turn(terminated())).orchestrationStatus == TERMINATED


def test_termination_after_the_end_comes_too_late() -> None:
    run = Run(wait)
    run.start()

    end = completion(run.turn(event_raised("go", "1"), terminated('"stop"')))

    assert (end.orchestrationStatus, end.result.value) == (COMPLETED, "1")


def test_there_is_one_completion_only() -> None:
    """Trap 20."""

    def failing(ctx: task.OrchestrationContext) -> Any:
        yield ctx.call_activity("a")
        raise ValueError("boom")

    run = Run(failing)
    run.start()

    turn = run.turn(task_completed(1), terminated(), terminated(), task_completed(1))

    assert kinds(turn) == ["completeOrchestration#2"]
    assert completion(turn).orchestrationStatus == FAILED


def test_a_turn_without_arrivals_has_no_actions() -> None:
    run = Run(wait)
    run.start()

    assert run.turn().actions == []


def test_the_end_of_an_earlier_run_in_history_is_ignored() -> None:
    past = [
        turn_started(),
        execution_started("wait"),
        turn_completed(),
        execution_completed(FAILED),
    ]

    turn = replay(registry_of(wait), past, [turn_started(), event_raised("go", "1")])

    assert completion(turn).result.value == "1"


def test_events_without_timestamp_are_read_as_1970() -> None:
    def clock(ctx: task.OrchestrationContext) -> str:
        return str(ctx.current_utc_datetime)

    bare = pb.HistoryEvent()
    bare.orchestratorStarted.SetInParent()
    started = execution_started("clock")
    started.ClearField("timestamp")

    turn = replay(registry_of(clock), [], [bare, started])

    assert completion(turn).result.value == '"1970-01-01 00:00:00"'


def test_time_before_the_first_turn_start_is_that_of_the_execution() -> None:
    def nap(ctx: task.OrchestrationContext) -> Any:
        yield ctx.create_timer(timedelta(seconds=1))

    started = execution_started("nap")
    started.timestamp.CopyFrom(timestamp(100))

    turn = replay(registry_of(nap), [], [started, timer_fired(9)])

    assert turn.actions[0].createTimer.fireAt == timestamp(101)
