from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from durakit import task
from google.protobuf.timestamp_pb2 import Timestamp

from .histories import (
    FAILED,
    START,
    Run,
    completion,
    kinds,
    options,
    timer_fired,
    timestamp,
    turn_started,
)

DAY = 86_400.0


def nap(ctx: task.OrchestrationContext, seconds: float) -> Any:
    yield ctx.create_timer(timedelta(seconds=seconds))
    return "awake"


async def async_nap(ctx: task.OrchestrationContext, seconds: float) -> str:
    await ctx.create_timer(timedelta(seconds=seconds))
    return "awake"


@pytest.mark.parametrize("orchestrator", [nap, async_nap])
def test_a_timer_fires_in_generators_and_in_async_functions(orchestrator: Any) -> None:
    run = Run(orchestrator, "5")

    first, end = run.start(), run.turn(timer_fired(1), at=5)

    assert kinds(first) == ["createTimer#1"]
    assert first.actions[0].createTimer.fireAt == timestamp(5)
    assert completion(end).result.value == '"awake"'


def test_a_duration_counts_from_orchestration_time_to_the_nanosecond() -> None:
    run = Run(nap, "1.5")
    start = run._first
    moment = turn_started()
    moment.timestamp.CopyFrom(Timestamp(seconds=1_000, nanos=123_456_789))

    turn = run.live.advance([moment, start])

    assert turn.actions[0].createTimer.fireAt == Timestamp(seconds=1_001, nanos=623_456_789)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 1, 1, 12, 0, 0, 250_001),  # noqa: DTZ001 - naive means UTC
        datetime(2026, 1, 1, 12, 0, 0, 250_001, tzinfo=timezone.utc),
        datetime(2026, 1, 1, 14, 0, 0, 250_001, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_naive_datetimes_are_utc_and_aware_ones_are_converted(moment: datetime) -> None:
    def alarm(ctx: task.OrchestrationContext) -> Any:
        yield ctx.create_timer(moment)

    fire_at = Run(alarm).start().actions[0].createTimer.fireAt

    assert fire_at == Timestamp(seconds=int(START.timestamp()) + 12 * 3600, nanos=250_001_000)


def test_a_timer_in_the_past_is_sent_as_it_is() -> None:
    assert Run(nap, "-5").start().actions[0].createTimer.fireAt == timestamp(-5)


@pytest.mark.parametrize(
    ("fire_at", "text"),
    [
        (5, "fire_at is 5 (int); expected a datetime or a timedelta, such as timedelta(seconds=30)."),
        ("soon", "fire_at is 'soon' (str); expected a datetime or a timedelta"),
        (timedelta.max, "which ends outside the years 1 to 9999; choose a nearer time."),
    ],
)
def test_a_time_that_is_none_is_refused_at_the_call(fire_at: Any, text: str) -> None:
    def wrong(ctx: task.OrchestrationContext) -> Any:
        yield ctx.create_timer(fire_at)

    end = completion(Run(wrong).start())

    assert end.orchestrationStatus == FAILED
    assert text in end.failureDetails.errorMessage


def test_a_long_timer_is_split_and_each_part_has_its_own_id() -> None:
    run = Run(nap, str(8 * DAY))

    first = run.start()
    second = run.turn(timer_fired(1, 3 * DAY), at=3 * DAY)
    third = run.turn(timer_fired(2, 6 * DAY), at=6 * DAY)
    end = run.turn(timer_fired(3, 8 * DAY), at=8 * DAY)

    fire_times = [turn.actions[0].createTimer.fireAt for turn in (first, second, third)]
    assert fire_times == [timestamp(3 * DAY), timestamp(6 * DAY), timestamp(8 * DAY)]
    assert kinds(third) == ["createTimer#3"]
    assert completion(end).result.value == '"awake"'


def test_a_long_timer_whose_part_fires_after_its_end_is_over() -> None:
    run = Run(nap, str(4 * DAY))
    run.start()

    assert completion(run.turn(timer_fired(1, 3 * DAY), at=5 * DAY)).result.value == '"awake"'


def test_without_a_maximum_interval_timers_are_never_split() -> None:
    run = Run(nap, str(90 * DAY), settings=options(maximum_timer_interval=None))

    assert run.start().actions[0].createTimer.fireAt == timestamp(90 * DAY)
    assert completion(run.turn(timer_fired(1), at=90 * DAY)).result.value == '"awake"'


def test_a_maximum_interval_must_be_positive() -> None:
    with pytest.raises(ValueError, match="maximum_timer_interval is 0:00:00; expected more than zero"):
        options(maximum_timer_interval=timedelta(0))


def test_two_timers_due_at_the_same_moment_both_fire() -> None:
    """Trap 23."""

    def twins(ctx: task.OrchestrationContext) -> Any:
        at = ctx.current_utc_datetime + timedelta(seconds=1)
        yield task.when_all([ctx.create_timer(at), ctx.create_timer(at)])
        return "both"

    run = Run(twins)

    assert kinds(run.start()) == ["createTimer#1", "createTimer#2"]
    assert completion(run.turn(timer_fired(1), timer_fired(2), at=1)).result.value == '"both"'


def test_a_cancelled_timer_fires_unheard() -> None:
    def impatient(ctx: task.OrchestrationContext) -> Any:
        timer = ctx.create_timer(timedelta(hours=1))
        yield ctx.create_timer(timedelta(seconds=1))
        assert timer.cancel()
        assert not timer.cancel()
        yield ctx.call_activity("rest")
        return [timer.is_cancelled, timer.is_complete, timer.is_failed]

    run = Run(impatient)
    run.start()
    assert kinds(run.turn(timer_fired(2), at=1)) == ["scheduleTask#3"]

    assert kinds(run.turn(timer_fired(1), at=3600)) == []


def test_awaiting_a_cancelled_timer_raises() -> None:
    def confused(ctx: task.OrchestrationContext) -> Any:
        timer = ctx.create_timer(timedelta(hours=1))
        timer.cancel()
        try:
            yield timer
        except task.TaskCancelledError as error:
            return str(error)

    end = Run(confused).start()

    assert completion(end).result.value == '"The task was cancelled."'
    assert kinds(end) == ["completeOrchestration#2"]


def test_a_timer_cancelled_in_the_turn_that_made_it_is_never_sent() -> None:
    def brief(ctx: task.OrchestrationContext) -> Any:
        ctx.create_timer(timedelta(hours=1)).cancel()
        yield ctx.call_activity("work")

    assert kinds(Run(brief).start()) == ["scheduleTask#2"]
