"""What a round runs: instances with a known result, and the events that are raised for them.

Everything follows from a seed, so the client process, its successor after a kill, and the checks agree
without talking to each other.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

MODULUS = 1_000_003


@dataclass(frozen=True)
class Job:
    """One instance to start.

    Attributes:
        size: activities, children, timers or events, depending on the orchestrator.
        events: how many external events the client raises for it.
        value: what the result's "value" must be.
        keys: the keys of all activities of the instance, each to be counted once in the result.
    """

    id: str
    orchestrator: str
    size: int
    events: int = 0
    value: Any = None
    keys: tuple[str, ...] = ()
    input: dict[str, Any] = field(default_factory=dict)


def step_value(before: int, key: int) -> int:
    """What activity number `key` makes of the value before it."""
    return (before * 31 + key + 7) % MODULUS


def chain_value(size: int) -> int:
    """The result of a chain of that many activities."""
    value = 1
    for key in range(size):
        value = step_value(value, key)
    return value


def _chain(name: str, size: int) -> Job:
    keys = tuple(f"chain-{key}" for key in range(size))
    return Job(name, "chain", size, value=chain_value(size), keys=keys)


def _fanout(name: str, size: int) -> Job:
    keys = tuple(f"fan-{key}" for key in range(size))
    return Job(name, "fanout", size, value=sum(step_value(1, key) for key in range(size)), keys=keys)


def _family(name: str, size: int) -> Job:
    return Job(name, "family", size, value=[chain_value(2)] * size)


def _timers(name: str, size: int) -> Job:
    return Job(name, "timers", size, value=size)


def _inbox(name: str, size: int) -> Job:
    return Job(name, "inbox", size, events=size, value=list(range(size)))


def _eternal(name: str, size: int) -> Job:
    keys = tuple(f"generation-{key}" for key in range(size))
    return Job(name, "eternal", size, events=size, value=list(range(size)), keys=keys)


def _letters(name: str, size: int) -> Job:
    keys = tuple(f"letter-{key}" for key in range(size))
    return Job(name, "letters", size, value=list(range(size)), keys=keys)


def many(seed: int) -> list[Job]:
    """All kinds at once, in an order and with sizes that the seed chooses."""
    draw = random.Random(seed)
    jobs = [
        _chain("chain", draw.randint(20, 30)),
        _fanout("fanout", draw.randint(20, 40)),
        _family("family", draw.randint(3, 5)),
        _timers("timers", draw.randint(6, 10)),
        _inbox("inbox", draw.randint(6, 10)),
        _eternal("eternal", draw.randint(5, 8)),
        _letters("letters", draw.randint(6, 10)),
    ]
    draw.shuffle(jobs)
    return jobs


SINGLES = {
    job.orchestrator: job
    for job in (
        _chain("chain", 60),
        _fanout("fanout", 80),
        _family("family", 12),
        _timers("timers", 10),
        _inbox("inbox", 60),
        _eternal("eternal", 25),
        _letters("letters", 30),
    )
}
"""Rounds with a single instance, by orchestrator."""


def jobs_of(shape: str, seed: int) -> list[Job]:
    """Return the jobs of a round; `shape` is "many" or a key of SINGLES."""
    return many(seed) if shape == "many" else [SINGLES[shape]]
