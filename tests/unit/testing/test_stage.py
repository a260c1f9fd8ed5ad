"""Activities of the in-process hub: replaced by name, and every run on record."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import Mock

from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy, when_all
from durakit.testing import ActivityCall, InProcessTaskHub
from durakit.testing.task_hub import BEGINNING


@dataclass(frozen=True)
class Parcel:
    to: str
    grams: int


def ship(_: ActivityContext, parcel: Parcel) -> str:
    return f"{parcel.grams} g to {parcel.to}"


def weigh(_: ActivityContext) -> int:
    return 500


async def deliver(ctx: OrchestrationContext, to: str) -> str:
    grams = await ctx.call_activity(weigh)
    await ctx.create_timer(timedelta(days=2))
    return await ctx.call_activity(ship, input=Parcel(to, grams))


def hub_with(**options: Any) -> InProcessTaskHub:
    return InProcessTaskHub(orchestrators=[deliver], activities=[ship, weigh], **options)


def test_run_starts_an_orchestration_and_returns_its_end() -> None:
    with hub_with() as hub:
        state = hub.run(deliver, input="Ada", instance_id="d1", tags={"a": "b"})

    assert (state.instance_id, state.runtime_status.name, state.tags) == ("d1", "COMPLETED", {"a": "b"})
    assert state.get_output() == "500 g to Ada"


def test_the_clock_begins_at_the_very_moment_it_is_given() -> None:
    moment = datetime(2026, 5, 1, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))

    with hub_with(start=moment) as hub:
        assert hub.now == moment
        hub.advance(timedelta(microseconds=1))
        assert hub.now == moment + timedelta(microseconds=1)


def test_each_run_is_on_record_with_input_result_and_virtual_time() -> None:
    with hub_with() as hub:
        hub.run(deliver, input="Ada", instance_id="d1")

    later = BEGINNING + timedelta(days=2)
    assert hub.calls == [
        ActivityCall("weigh", None, 1, 1, "d1", 1, BEGINNING, result=500),
        ActivityCall("ship", Parcel("Ada", 500), 1, 1, "d1", 3, later, result="500 g to Ada"),
    ]
    assert hub.calls_of(ship) == hub.calls_of("ship") == hub.calls[1:]


def test_a_replacement_runs_instead_and_gets_the_input_of_the_real_ones_type() -> None:
    with hub_with() as hub:
        hub.replace_activity("ship", lambda _, parcel: parcel.to.upper())
        hub.replace_activity(weigh, lambda _: 7)

        assert hub.run(deliver, input="Ada").get_output() == "ADA"
        assert [(call.name, call.input) for call in hub.calls] == [
            ("weigh", None),
            ("ship", Parcel("Ada", 7)),
        ]


def test_the_last_replacement_counts() -> None:
    with hub_with() as hub:
        hub.replace_activity(ship, lambda _: "first")
        assert hub.run(deliver, input="Ada").get_output() == "first"
        hub.replace_activity(ship, lambda _: "second")
        assert hub.run(deliver, input="Ada").get_output() == "second"


def test_a_mock_and_a_coroutine_function_stand_in_for_activities_nobody_registered() -> None:
    async def weigh_slowly(_: ActivityContext) -> int:
        return 9

    shipped = Mock(return_value="mocked")
    with InProcessTaskHub(orchestrators=[deliver]) as hub:
        hub.replace_activity("weigh", weigh_slowly)
        hub.replace_activity("ship", shipped)

        assert hub.run(deliver, input="Ada").get_output() == "mocked"

    assert shipped.call_args.args[1] == {"to": "Ada", "grams": 9}
    assert [call.result for call in hub.calls] == [9, "mocked"]


def test_a_failed_run_is_on_record_with_its_error_and_retries_are_calls_of_their_own() -> None:
    error = ValueError("no scales")

    def broken(_: ActivityContext) -> int:
        raise error

    async def patient(ctx: OrchestrationContext) -> int:
        policy = RetryPolicy(first_retry_interval=timedelta(seconds=10), max_number_of_attempts=2)
        return await ctx.call_activity(weigh, retry_policy=policy)

    with InProcessTaskHub(orchestrators=[patient]) as hub:
        hub.replace_activity(weigh, broken)
        hub.run(patient)

    assert [(call.call, call.run, call.error) for call in hub.calls] == [(1, 1, error), (2, 1, error)]


def fan_out(ctx: OrchestrationContext) -> Generator[Any, Any, list[int]]:
    numbers: list[int] = yield when_all([ctx.call_activity(echo, input=number) for number in range(8)])
    return numbers


def echo(_: ActivityContext, number: int) -> int:
    return number


def order_with(seed: int) -> list[int]:
    with InProcessTaskHub(orchestrators=[fan_out], activities=[echo], seed=seed, shuffle=True) as hub:
        assert hub.run(fan_out).get_output() == list(range(8))
        return [call.input for call in hub.calls]


def test_a_shuffled_hub_runs_in_another_order_the_same_for_the_same_seed() -> None:
    orders = [order_with(seed) for seed in range(4)]

    assert orders == [order_with(seed) for seed in range(4)]
    assert len({tuple(order) for order in orders}) == 4


def test_ids_of_instances_follow_from_the_seed() -> None:
    ids = []
    for seed in (1, 1, 2):
        with hub_with(seed=seed) as hub:
            ids.append(hub.run(deliver, input="Ada").instance_id)

    assert ids[0] == ids[1] != ids[2]
