"""The benchmark's programs for Temporal.

They run in an environment of its own, with `temporalio` and the standard library only.
"""

# mypy: allow-untyped-decorators

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

TASK_QUEUE = "benchmark"
EVENT_NAME = "go"
MOST = timedelta(hours=1)  # an activity must have some limit
MICROSECOND = timedelta(microseconds=1)


def noop(value: Any) -> Any:
    """Activity: the value it was given."""
    return value


async def noop_async(value: Any) -> Any:
    """Activity: as `noop`, on the worker's event loop."""
    return value


def inflate(size: int) -> str:
    """Activity: a text of that many characters."""
    return "x" * size


async def inflate_async(size: int) -> str:
    """Activity: as `inflate`, on the worker's event loop."""
    return "x" * size


def activities(*, asynchronous: bool) -> list[Any]:
    """Both activities in the form asked for; they have the same names in both."""
    found = (
        {"noop": noop_async, "inflate": inflate_async} if asynchronous else {"noop": noop, "inflate": inflate}
    )
    return [activity.defn(name=name)(function) for name, function in found.items()]


async def run(name: str, argument: Any) -> Any:
    """Executes an activity from a workflow."""
    return await workflow.execute_activity(name, argument, start_to_close_timeout=MOST)


@workflow.defn(name="sequence")
class Sequence:
    """`steps` activities one after the other; returns how many ran."""

    @workflow.run
    async def run(self, steps: int) -> int:
        """The workflow."""
        for step in range(steps):
            await run("noop", step)
        return steps


@workflow.defn(name="fanout")
class Fanout:
    """`width` activities at once; returns how many results came back."""

    @workflow.run
    async def run(self, width: int) -> int:
        """The workflow."""
        return len(await asyncio.gather(*[run("noop", index) for index in range(width)]))


@workflow.defn(name="event")
class Event:
    """Waits for one signal and returns its data."""

    def __init__(self) -> None:
        self._data: list[Any] = []

    @workflow.run
    async def run(self, _: Any) -> Any:
        """The workflow."""
        await workflow.wait_condition(lambda: bool(self._data))
        return self._data[0]

    @workflow.signal(name=EVENT_NAME)
    def go(self, data: Any) -> None:
        """The signal."""
        self._data.append(data)

    @workflow.query
    def has_begun(self) -> bool:
        """Answered by a worker that has taken the workflow up."""
        return True


@workflow.defn(name="echo")
class Echo:
    """Sends a text through one activity; returns its result."""

    @workflow.run
    async def run(self, text: str) -> Any:
        """The workflow."""
        return await run("noop", text)


@workflow.defn(name="hoard")
class Hoard:
    """`[activities, size]`, one after the other; returns how much they gave together."""

    @workflow.run
    async def run(self, work: list[int]) -> int:
        """The workflow."""
        count, size = work
        total = 0
        for _ in range(count):
            total += len(await run("inflate", size))
        return total


@workflow.defn(name="timer")
class Timer:
    """Sleeps until `due_us` microseconds after 1970; how late it went on, how early it began, in ms."""

    @workflow.run
    async def run(self, due_us: int) -> list[float]:
        """The workflow."""
        spare = due_us * MICROSECOND - timedelta(seconds=workflow.time())
        await workflow.sleep(spare)
        # Not deterministic, and harmless: the turn that reads the clock is the last one.
        with workflow.unsafe.sandbox_unrestricted():
            late_ms = time.time() * 1000 - due_us / 1000
        return [late_ms, spare.total_seconds() * 1000]


@workflow.defn(name="eternal")
class Eternal:
    """Continues as new until `rounds` executions have run; returns how many did."""

    @workflow.run
    async def run(self, rounds: Any) -> int:
        """The workflow."""
        total, done = rounds if isinstance(rounds, list) else (rounds, 0)
        if done + 1 < total:
            workflow.continue_as_new([total, done + 1])
        finished: int = total
        return finished


WORKFLOWS = [Sequence, Fanout, Event, Echo, Hoard, Timer, Eternal]
