"""Today's code against histories recorded before: it follows them, or it is said where it leaves them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from durakit.client import OrchestrationStatus
from durakit.history import HistoryEvent, history_as_json, history_from_json
from durakit.task import (
    ActivityContext,
    OrchestrationContext,
    RetryPolicy,
    TaskFailedError,
    when_all,
    when_any,
)
from durakit.testing import InProcessTaskHub, ReplayDiffers, replay


def price(_: ActivityContext, item: str) -> int:
    return len(item)


def ship(_: ActivityContext, item: str) -> str:
    if item == "lead":
        raise ValueError("too heavy")
    return f"shipped {item}"


async def order(ctx: OrchestrationContext, item: str) -> str:
    await ctx.call_activity(price, input=item)
    await ctx.create_timer(timedelta(days=10))
    return await ctx.call_activity(ship, input=item)


Record = Callable[..., list[HistoryEvent]]


def record(orchestrator: Callable[..., Any], given: Any = None, **options: Any) -> list[HistoryEvent]:
    """Run it to its end and return its history."""
    with InProcessTaskHub(orchestrators=[orchestrator], activities=[price, ship], **options) as hub:
        hub.run(orchestrator, input=given, instance_id="i")
        return hub.client.get_orchestration_history("i")


def test_the_same_code_follows_a_completed_history() -> None:
    result = replay(order, record(order, "tea"))

    assert result
    assert result.follows
    result.raise_if_different()
    assert str(result) == "Orchestrator 'order' and the history of instance 'i' agree in all 4 turns."


def test_a_failed_history_is_followed_by_code_that_fails_alike() -> None:
    assert replay(order, record(order, "lead"))


def test_the_history_may_be_a_file_its_text_an_export_or_events(tmp_path: Path) -> None:
    events = record(order, "tea")
    text = history_as_json(events)
    (tmp_path / "order.json").write_text(text, "utf-8")

    for history in (events, text, text.encode(), history_from_json(text), tmp_path / "order.json"):
        assert replay(order, history)


def test_timers_may_have_been_split_by_the_worker_or_not() -> None:
    split = record(order, "tea", maximum_timer_interval=timedelta(days=3))

    assert len(split) > len(record(order, "tea"))
    assert replay(order, split)


def test_a_running_history_is_followed_as_far_as_it_goes() -> None:
    with InProcessTaskHub(orchestrators=[order], activities=[price, ship]) as hub:
        hub.client.schedule_new_orchestration(order, input="tea", instance_id="i")
        hub.advance(timedelta(days=1))
        events = hub.client.get_orchestration_history("i")

    assert str(replay(order, events)) == (
        "Orchestrator 'order' and the history of instance 'i' agree in all 2 turns."
    )


def test_a_call_that_a_running_history_does_not_have_is_told() -> None:
    result = replay(one_more_beside, record(order, "tea")[:4])

    assert str(result.difference) == (
        "event 4: the history has nothing more in this turn, "
        "but the code also makes call_activity('audit') with id 2."
    )


async def other_activity(ctx: OrchestrationContext, item: str) -> str:
    await ctx.call_activity(price, input=item)
    await ctx.create_timer(timedelta(days=10))
    return str(await ctx.call_activity("mail", input=item))


async def new_call_first(ctx: OrchestrationContext, item: str) -> str:
    await ctx.call_activity("check", input=item)
    return await order(ctx, item)


async def no_timer(ctx: OrchestrationContext, item: str) -> str:
    await ctx.call_activity(price, input=item)
    return await ctx.call_activity(ship, input=item)


async def ends_early(ctx: OrchestrationContext, item: str) -> str:
    await ctx.call_activity(price, input=item)
    return "done"


async def fails_early(ctx: OrchestrationContext, item: str) -> str:
    await ctx.call_activity(price, input=item)
    raise KeyError(item)


async def both_at_once(ctx: OrchestrationContext, item: str) -> str:
    priced = ctx.call_activity(price, input=item)
    timer = ctx.create_timer(timedelta(days=10))
    await when_all([priced, timer])
    return await ctx.call_activity(ship, input=item)


async def one_more_beside(ctx: OrchestrationContext, item: str) -> str:
    await when_all([ctx.call_activity(price, input=item), ctx.call_activity("audit")])
    return ""


async def one_more_at_the_end(ctx: OrchestrationContext, item: str) -> str:
    shipped = await order(ctx, item)
    await ctx.call_activity("thank")
    return shipped


@pytest.mark.parametrize(
    ("today", "sentence"),
    [
        (
            other_activity,
            "differ in turn 3, event 11: the history has call_activity('ship') with id 3, "
            "but the code now makes call_activity('mail') with that id.",
        ),
        (
            new_call_first,
            "differ in turn 1, event 3: the history has call_activity('price') with id 1, "
            "but the code now makes call_activity('check') with that id.",
        ),
        (
            no_timer,
            "differ in turn 2, event 7: the history has create_timer() with id 2, "
            "but the code now makes call_activity('ship') with that id.",
        ),
        (
            ends_early,
            "differ in turn 2, event 7: the history has create_timer() with id 2, "
            'but the code returns "done" without it.',
        ),
        (
            one_more_beside,
            "differ in turn 2, event 7: the history has create_timer() with id 2, "
            "but the code now makes call_activity('audit') with that id.",
        ),
        (
            one_more_at_the_end,
            'differ in turn 4, event 16: the history has its end, COMPLETED with "shipped tea", '
            "but the code also makes call_activity('thank') with id 4.",
        ),
    ],
)
def test_changed_code_is_told_where_it_leaves_the_history(today: Callable[..., Any], sentence: str) -> None:
    result = replay(today, record(order, "tea"))

    assert not result
    assert str(result) == f"Orchestrator 'order' and the history of instance 'i' {sentence}"


def test_calls_made_a_turn_earlier_are_accepted_as_workers_accept_them() -> None:
    assert replay(both_at_once, record(order, "tea"), strict=False)
    assert not replay(order, record(both_at_once, "tea"), strict=False)


def test_the_difference_can_be_raised_and_read() -> None:
    with pytest.raises(ReplayDiffers, match="event 7: the history has create_timer") as caught:
        replay(no_timer, record(order, "tea")).raise_if_different()

    difference = caught.value.result.difference
    assert difference is not None
    assert (difference.event_number, difference.expected) == (7, "create_timer() with id 2")


def test_code_that_raises_shows_its_traceback() -> None:
    result = replay(fails_early, record(order, "tea"))

    assert "the code fails with builtins.KeyError: 'tea' without it" in str(result)
    assert "raise KeyError(item)" in str(result)


async def clocked(ctx: OrchestrationContext, _: None) -> datetime:
    await ctx.call_activity(price, input=str(datetime.now()))  # noqa: DTZ005
    return datetime.now()  # noqa: DTZ005


def test_a_clock_in_the_code_shows_in_an_input_and_only_when_strict() -> None:
    events = record(clocked)

    result = replay(clocked, events)

    assert result.difference is not None
    assert result.difference.expected.startswith("call_activity('price', input=\"20")
    assert result.difference.actual.startswith("now makes call_activity('price', input=\"20")
    assert replay(clocked, events, strict=False)


async def shorter_wait(ctx: OrchestrationContext, item: str) -> str:
    await ctx.call_activity(price, input=item)
    await ctx.create_timer(timedelta(days=1))
    return await ctx.call_activity(ship, input=item)


def test_another_time_of_a_timer_is_told() -> None:
    result = replay(shorter_wait, record(order, "tea"))

    assert str(result.difference) == (
        'event 7: the history has create_timer(fire_at="2026-01-11T00:00:00Z") with id 2, '
        'but the code now makes create_timer(fire_at="2026-01-02T00:00:00Z").'
    )


async def other_result(ctx: OrchestrationContext, item: str) -> str:
    return (await order(ctx, item)).upper()


def test_another_result_is_told_and_only_when_strict() -> None:
    result = replay(other_result, record(order, "tea"))

    assert str(result.difference) == (
        'event 16: the history has its end, COMPLETED with "shipped tea", but the code returns "SHIPPED TEA".'
    )
    assert replay(other_result, record(order, "tea"), strict=False)


async def goes_on(ctx: OrchestrationContext, item: str) -> str:
    shipped = await order(ctx, item)
    await ctx.wait_for_external_event("thanks")
    return shipped


def test_code_that_goes_on_where_the_history_ends_is_told() -> None:
    result = replay(goes_on, record(order, "tea"))

    assert str(result.difference) == (
        'event 16: the history has its end, COMPLETED with "shipped tea", but the code goes on.'
    )


def test_code_that_ends_where_the_history_waits_is_told() -> None:
    async def waits(ctx: OrchestrationContext, _: None) -> None:
        await ctx.wait_for_external_event("go")

    async def returns(ctx: OrchestrationContext, _: None) -> int:
        return 3

    with InProcessTaskHub(orchestrators=[waits]) as hub:
        hub.client.schedule_new_orchestration(waits, instance_id="i")
        hub.run_until_idle()
        events = hub.client.get_orchestration_history("i")

    assert str(replay(returns, events).difference) == (
        "event 3: the history has no end of the orchestration here, but the code returns 3."
    )


def everything(ctx: OrchestrationContext, item: str) -> Generator[Any, Any, list[Any]]:
    policy = RetryPolicy(first_retry_interval=timedelta(minutes=1), max_number_of_attempts=2)
    try:
        yield ctx.call_activity(ship, input="lead", retry_policy=policy)
    except TaskFailedError:
        ctx.set_custom_status("failed")
    go = ctx.wait_for_external_event("go")
    yield when_any([go, ctx.create_timer(timedelta(days=30))])
    child = yield ctx.call_sub_orchestrator(order, input=item)
    ctx.send_event(ctx.instance_id, "own", data=str(ctx.new_uuid()))
    own = yield ctx.wait_for_external_event("own")
    return [child, own, ctx.current_utc_datetime.isoformat(), ctx.version]


@pytest.mark.parametrize("sessions", [100, 0])
def test_a_generator_with_retries_events_children_and_a_version_is_followed(sessions: int) -> None:
    with InProcessTaskHub(
        orchestrators=[everything, order], activities=[price, ship], sessions=sessions
    ) as hub:
        hub.client.schedule_new_orchestration(everything, input="tea", instance_id="i", version="2.1")
        hub.advance(timedelta(days=1))
        hub.client.suspend_orchestration("i")
        hub.advance(timedelta(hours=1))
        hub.client.raise_orchestration_event("i", "go")
        hub.advance(timedelta(hours=1))
        hub.client.resume_orchestration("i")
        state = hub.client.wait_for_orchestration_completion("i")
        events = hub.client.get_orchestration_history("i")

    assert state is not None
    assert state.runtime_status is OrchestrationStatus.COMPLETED
    assert state.get_output()[3] == "2.1"
    assert str(replay(everything, events)).endswith("turns.")
    for length in range(3, len(events)):
        if type(events[length - 1]).__name__ == "OrchestratorCompletedEvent":
            assert length == len(events) - 1 or replay(everything, events[:length]), length


async def eternal(ctx: OrchestrationContext, count: int) -> int:
    await ctx.call_activity(price, input="x" * count)
    await ctx.create_timer(timedelta(hours=1))
    if count < 3:
        ctx.continue_as_new(count + 1)
    return count


def test_executions_one_after_the_other_are_each_followed() -> None:
    events = []
    with InProcessTaskHub(orchestrators=[eternal], activities=[price]) as hub:
        hub.client.schedule_new_orchestration(eternal, input=1, instance_id="i")
        for minutes in (30, 60, 60):
            hub.advance(timedelta(minutes=minutes))
            events += hub.client.get_orchestration_history("i")
        hub.client.wait_for_orchestration_completion("i")
        last = hub.client.get_orchestration_history("i")

    result = replay(eternal, [*events, *last])

    assert result
    assert result.turns == 3 * 2 + 3
    assert replay(order, events).difference is not None


def test_a_terminated_history_is_followed() -> None:
    with InProcessTaskHub(orchestrators=[order], activities=[price, ship]) as hub:
        hub.client.schedule_new_orchestration(order, input="tea", instance_id="i")
        hub.advance(timedelta(days=1))
        hub.client.terminate_orchestration("i", output="stop")
        hub.run_until_idle()
        events = hub.client.get_orchestration_history("i")

    assert str(replay(order, events)).endswith("agree in all 3 turns.")


def test_an_instance_that_was_terminated_before_it_began_is_followed() -> None:
    async def returns(ctx: OrchestrationContext, _: None) -> int:
        return 3

    with InProcessTaskHub(orchestrators=[returns]) as hub:
        hub.client.schedule_new_orchestration(returns, instance_id="i", start_at=hub.now + timedelta(days=1))
        hub.client.terminate_orchestration("i")
        hub.run_until_idle()
        events = hub.client.get_orchestration_history("i")

    assert history_from_json(history_as_json(events)).status == "TERMINATED"
    assert replay(returns, events)


def test_a_rewound_history_is_followed() -> None:
    with InProcessTaskHub(orchestrators=[order], activities=[price, ship]) as hub:
        hub.run(order, input="lead", instance_id="i")
        hub.replace_activity(ship, lambda _: "flown")
        hub.client.rewind_orchestration("i")
        state = hub.client.wait_for_orchestration_completion("i")
        events = hub.client.get_orchestration_history("i")

    assert state is not None
    assert state.get_output() == "flown"
    assert str(replay(order, events)).endswith("turns.")
    assert not replay(other_activity, events)


async def family(ctx: OrchestrationContext, item: str) -> list[str]:
    first = await ctx.call_sub_orchestrator(order, input="tea")
    second = await ctx.call_sub_orchestrator(order, input=item)
    return [first, second]


def test_a_rewound_family_is_followed_although_the_ids_of_children_hold_the_old_execution() -> None:
    with InProcessTaskHub(orchestrators=[family, order], activities=[price, ship]) as hub:
        hub.run(family, input="lead", instance_id="i")
        hub.replace_activity(ship, lambda _: "flown")
        hub.client.rewind_orchestration("i")
        state = hub.client.wait_for_orchestration_completion("i")
        events = hub.client.get_orchestration_history("i")

    assert state is not None
    assert state.get_output() == ["shipped tea", "flown"]
    assert str(replay(family, events)).endswith("turns.")


def test_an_orchestration_that_raised_and_was_rewound_is_followed_by_mended_code() -> None:
    is_mended = False

    async def careless(ctx: OrchestrationContext, item: str) -> str:
        shipped = await ctx.call_activity(ship, input=item)
        if not is_mended:
            raise ZeroDivisionError
        return shipped

    with InProcessTaskHub(orchestrators=[careless], activities=[ship]) as hub:
        hub.run(careless, input="tea", instance_id="i")
        is_mended = True
        hub.client.rewind_orchestration("i")
        state = hub.client.wait_for_orchestration_completion("i")
        events = hub.client.get_orchestration_history("i")

    assert state is not None
    assert state.get_output() == "shipped tea"
    assert str(replay(careless, events)).endswith("turns.")


def test_a_childs_own_id_is_compared() -> None:
    async def named(ctx: OrchestrationContext, name: str) -> str:
        return await ctx.call_sub_orchestrator(order, input="tea", instance_id=name)

    with InProcessTaskHub(orchestrators=[named, order], activities=[price, ship]) as hub:
        hub.run(named, input="ours", instance_id="i")
        events = hub.client.get_orchestration_history("i")

    async def renamed(ctx: OrchestrationContext, name: str) -> str:
        return await ctx.call_sub_orchestrator(order, input="tea", instance_id="theirs")

    assert replay(named, events)
    assert 'instance_id="theirs"' in str(replay(renamed, events))


def test_what_is_no_history_is_refused() -> None:
    with pytest.raises(ValueError, match="This is not an exported history"):
        replay(order, "{}")
    with pytest.raises(ValueError, match="The history has no executionStarted event"):
        replay(order, [])
