"""The mixed load of a soak: one orchestrator for each thing they can wait for, and results known beforehand.

`draw_job` makes the next job of a seed: what to start, what to raise for it, what it must return.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from durakit import task

TIMER = timedelta(milliseconds=50)
MODULUS = 1_000_003
EVENT = "tick"

Steps = Generator[Any, Any, Any]


@dataclass(frozen=True)
class Job:
    """One instance: `size` is the input, `events` are raised for it in this order once it is started."""

    orchestrator: str
    size: int
    result: Any
    events: tuple[int, ...] = ()


def step_value(before: int) -> int:
    """What an activity makes of a number."""
    return (before * 31 + 7) % MODULUS


def chain_value(size: int) -> int:
    """What a chain of `size` activities returns."""
    value = size
    for _ in range(size):
        value = step_value(value)
    return value


def draw_job(chance: random.Random) -> Job:
    """Return the next job."""
    kind = chance.choices(list(MAKERS), weights=[weight for weight, _ in MAKERS.values()])[0]
    return MAKERS[kind][1](chance)


def _chain(chance: random.Random) -> Job:
    size = chance.randint(1, 10)
    return Job("chain", size, chain_value(size))


def _fanout(chance: random.Random) -> Job:
    size = chance.randint(2, 30)
    return Job("fanout", size, sum(step_value(number) for number in range(size)))


def _family(chance: random.Random) -> Job:
    size = chance.randint(1, 4)
    return Job("family", size, [chain_value(number) for number in range(1, size + 1)])


def _timers(chance: random.Random) -> Job:
    size = chance.randint(1, 5)
    return Job("timers", size, size)


def _inbox(chance: random.Random) -> Job:
    events = tuple(chance.randrange(1000) for _ in range(chance.randint(1, 6)))
    return Job("inbox", len(events), list(events), events)


def _eternal(chance: random.Random) -> Job:
    size = chance.randint(1, 8)
    return Job("eternal", size, chain_value(size))


MAKERS: dict[str, tuple[int, Callable[[random.Random], Job]]] = {
    "chain": (8, _chain),
    "fanout": (3, _fanout),
    "family": (2, _family),
    "timers": (4, _timers),
    "inbox": (4, _inbox),
    "eternal": (3, _eternal),
}
"""How often each kind is drawn, and what draws it."""


def step(_: task.ActivityContext, value: int) -> int:
    """Activity: the next number."""
    return step_value(value)


def chain(ctx: task.OrchestrationContext, size: int) -> Steps:
    """Activities one after the other, each on the value of the one before."""
    value = size
    for _ in range(size):
        value = yield ctx.call_activity(step, input=value)
    return value


def fanout(ctx: task.OrchestrationContext, size: int) -> Steps:
    """Activities all at once; the sum of what they return."""
    values = yield task.when_all([ctx.call_activity(step, input=number) for number in range(size)])
    return sum(values)


def family(ctx: task.OrchestrationContext, size: int) -> Steps:
    """Chains as children, all at once."""
    return (
        yield task.when_all([ctx.call_sub_orchestrator(chain, input=number) for number in range(1, size + 1)])
    )


def timers(ctx: task.OrchestrationContext, size: int) -> Steps:
    """Timers one after the other, beside a long one that nobody waits for in the end."""
    ctx.create_timer(timedelta(hours=1))
    for _ in range(size):
        yield ctx.create_timer(TIMER)
    return size


def inbox(ctx: task.OrchestrationContext, size: int) -> Steps:
    """External events, in the order in which they were raised."""
    read: list[int] = []
    for _ in range(size):
        read.append((yield ctx.wait_for_external_event(EVENT)))
    return read


def eternal(ctx: task.OrchestrationContext, state: Any) -> Steps:
    """A chain in which every step is an execution of its own: it continues as new after each."""
    left, value = state if isinstance(state, list) else (state, state)
    value = yield ctx.call_activity(step, input=value)
    if left == 1:
        return value
    ctx.continue_as_new([left - 1, value])
    return None


ORCHESTRATORS = (chain, fanout, family, timers, inbox, eternal)
ACTIVITIES = (step,)
