"""What type checkers must make of a user's program: checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from durakit import task
from typing_extensions import assert_type


@dataclass
class Order:
    id: int


@dataclass
class Receipt:
    text: str


def charge(ctx: task.ActivityContext, order: Order) -> Receipt: ...  # type: ignore[empty-body]
async def charge_async(ctx: task.ActivityContext, order: Order) -> Receipt: ...  # type: ignore[empty-body]
def now(ctx: task.ActivityContext) -> str: ...  # type: ignore[empty-body]
async def now_async(ctx: task.ActivityContext) -> str: ...  # type: ignore[empty-body]


def ship(ctx: task.OrchestrationContext, order: Order) -> Generator[task.Task[Any], Any, int]:
    result = yield ctx.call_activity(charge, input=order)
    yield task.when_any([ctx.create_timer(timedelta(seconds=1)), ctx.call_activity(now)])
    return len(result.text)


ExactSteps = Generator[task.Task[object], object, int]


def ship_exactly(ctx: task.OrchestrationContext, order: Order) -> ExactSteps: ...  # type: ignore[empty-body]
async def ship_async(ctx: task.OrchestrationContext, order: Order) -> int: ...  # type: ignore[empty-body]
def ship_plain(ctx: task.OrchestrationContext, order: Order) -> int: ...  # type: ignore[empty-body]
async def tidy(ctx: task.OrchestrationContext) -> list[str]: ...  # type: ignore[empty-body]


async def everything(ctx: task.OrchestrationContext, order: Order) -> None:
    retry = task.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)

    assert_type(ctx.call_activity(charge, input=order), task.CompletableTask[Receipt])
    assert_type(await ctx.call_activity(charge, input=order, retry_policy=retry), Receipt)
    assert_type(await ctx.call_activity(charge_async, input=order, tags={"a": "b"}), Receipt)
    assert_type(await ctx.call_activity(now), str)
    assert_type(await ctx.call_activity(now_async), str)
    assert_type(await ctx.call_activity("charge", input=order, return_type=Receipt), Receipt)
    assert_type(await ctx.call_activity("charge", input=order, return_type=list[Receipt]), list[Receipt])
    assert_type(await ctx.call_activity("charge", input=order), Any)
    ctx.call_activity(charge, input=7)  # type: ignore[arg-type]  # an int is no Order
    ctx.call_activity(ship)  # type: ignore[arg-type]  # an orchestrator is no activity

    # With an Any in the generator's type mypy (not pyright) finds two overloads and answers Any.
    assert_type(await ctx.call_sub_orchestrator(ship_exactly, input=order), int)
    assert_type(await ctx.call_sub_orchestrator(ship_async, input=order, instance_id="c"), int)
    assert_type(await ctx.call_sub_orchestrator(ship_plain, input=order, version="2"), int)
    assert_type(await ctx.call_sub_orchestrator(tidy), list[str])
    assert_type(await ctx.call_sub_orchestrator("ship", return_type=int), int)
    assert_type(await ctx.call_sub_orchestrator("ship"), Any)

    assert_type(await ctx.wait_for_external_event("paid", data_type=Receipt), Receipt)
    assert_type(await ctx.wait_for_external_event("paid", timeout=timedelta(hours=1)), Any)
    assert_type(await ctx.create_timer(timedelta(seconds=1)), None)

    receipts = await task.when_all([ctx.call_activity(charge, input=order) for _ in range(3)])
    assert_type(receipts, list[Receipt])
    event, timer = ctx.wait_for_external_event("paid", data_type=int), ctx.create_timer(timedelta(days=1))
    winner = await task.when_any([event, timer])
    if winner == event:
        timer.cancel()
        assert_type(event.get_result(), int)
