"""The orchestrations and activities that every benchmark runs, for any SDK with durabletask's API.

One definition serves all such SDKs: `register` takes the SDK's import name (`durabletask` or `durakit`)
and a worker of that SDK.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Generator
from datetime import datetime, timedelta, timezone
from typing import Any

EVENT_NAME = "go"


def noop(_: Any, value: Any) -> Any:
    """Activity: the value it was given."""
    return value


async def noop_async(_: Any, value: Any) -> Any:
    """Activity: as `noop`, on the worker's event loop."""
    return value


def sequence(ctx: Any, steps: int) -> Generator[Any, Any, int]:
    """Orchestration: `steps` activities one after the other; returns how many ran."""
    for step in range(steps):
        yield ctx.call_activity("noop", input=step)
    return steps


def event(ctx: Any, _: Any) -> Generator[Any, Any, Any]:
    """Orchestration: waits for one external event and returns its data."""
    data = yield ctx.wait_for_external_event(EVENT_NAME)
    return data


def echo(ctx: Any, text: str) -> Generator[Any, Any, str]:
    """Orchestration: sends `text` through one activity; returns its result."""
    result: str = yield ctx.call_activity("noop", input=text)
    return result


def timer(ctx: Any, due_us: int) -> Generator[Any, Any, list[float]]:
    """Orchestration: sleeps until `due_us` microseconds after 1970; returns how the timer kept its time.

    The first number is the milliseconds from the timer's due time to the moment at which the code behind it
    runs, both by this machine's clock; the second is how many before it was due the orchestration began.
    """
    due = datetime.fromtimestamp(0, timezone.utc) + timedelta(microseconds=due_us)
    began = ctx.current_utc_datetime.replace(tzinfo=timezone.utc)
    yield ctx.create_timer(due)
    # Not deterministic, and harmless: the turn that reads the clock is the last one.
    late_ms = time.time() * 1000 - due_us / 1000
    return [late_ms, (due - began).total_seconds() * 1000]


def inflate(_: Any, size: int) -> str:
    """Activity: a text of that many characters."""
    return "x" * size


def hoard(ctx: Any, work: list[int]) -> Generator[Any, Any, int]:
    """Orchestration: `[activities, size]`, one after the other; returns how much they gave together."""
    activities, size = work
    total = 0
    for _ in range(activities):
        text = yield ctx.call_activity("inflate", input=size)
        total += len(text)
    return total


def eternal(ctx: Any, rounds: Any) -> int | None:
    """Orchestration: continues as new until `rounds` executions have run; returns how many did."""
    total, done = rounds if isinstance(rounds, list) else (rounds, 0)
    if done + 1 < total:
        ctx.continue_as_new([total, done + 1])
        return None
    finished: int = total
    return finished


def fanout_for(sdk: str) -> Any:
    """Orchestration of the named SDK: `width` activities at once; returns how many results came back."""
    when_all = importlib.import_module(f"{sdk}.task").when_all

    def fanout(ctx: Any, width: int) -> Generator[Any, Any, int]:
        results = yield when_all([ctx.call_activity("noop", input=index) for index in range(width)])
        return len(results)

    return fanout


def register(sdk: str, worker: Any, *, async_activities: bool) -> None:
    """Adds the programs to a worker of the named SDK; the activity is called `noop` in both forms."""
    for orchestrator in (sequence, event, echo, eternal, timer, hoard, fanout_for(sdk)):
        worker.add_orchestrator(orchestrator)
    worker.add_activity(inflate)
    noop_async.__name__ = "noop"
    worker.add_activity(noop_async if async_activities else noop)
