"""The client side of every workload, over a four-method `Driver` that each product implements.

`serve` is the whole life of a client process: it reads one JSON request a line from stdin, runs that workload
and answers with one JSON line: `{"seconds": ..., "samples_ms": [...]}` or `{"error": "..."}`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from benchmarks.actors.lifetime import announce

# The peer's backend serves ten calls at a time and hangs when waiting clients take them all.
CLIENT_THREADS = 4
STEPS_PER_ORCHESTRATION = 5
CLOCK_GRAIN_MS = 1.0  # some products keep due times in whole milliseconds
QUIET_AFTER_TIMERS = 1.0  # seconds after the last timer is due

Request = dict[str, Any]
Reply = dict[str, Any]


class WrongResult(Exception):
    """An orchestration ended, but not with the result it should have."""


class Driver(Protocol):
    """What a product offers to its client; instances are named by the string that `start` returns."""

    def start(self, workflow: str, argument: object) -> str:
        """Starts one of the programs; returns when it is accepted."""

    def wait_until_running(self, instance: str, timeout: float) -> None:
        """Returns when the instance has begun; `timeout` in seconds."""

    def wait(self, instance: str, timeout: float) -> object:
        """The instance's result; raises if it failed or took longer than `timeout` seconds."""

    def raise_event(self, instance: str, data: object) -> None:
        """Raises the programs' one event."""


def serve(driver: Driver) -> None:
    """Answers requests until stdin closes."""
    announce("ready")
    for line in sys.stdin:
        request: Request = json.loads(line)
        try:
            reply = WORKLOADS[request["workload"]](driver, request)
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        announce(json.dumps(reply))


def run_one(driver: Driver, workflow: str, argument: object, expected: object, timeout: float) -> float:
    """Starts one orchestration, waits for it, checks its result; seconds from first call to result."""
    began = time.perf_counter()
    result = driver.wait(driver.start(workflow, argument), timeout)
    seconds = time.perf_counter() - began
    if result != expected:
        raise WrongResult(f"{workflow} should have returned {str(expected)[:40]!r}, got {str(result)[:40]!r}")
    return seconds


def one_by_one(driver: Driver, request: Request) -> Reply:
    """`repeats` orchestrations one after the other, `gap_ms` of idleness before each."""
    argument = "x" * request["bytes"] if "bytes" in request else request["size"]
    gap = request.get("gap_ms", 0) / 1000
    samples = []
    for _ in range(request["repeats"]):
        time.sleep(gap)
        samples.append(run_one(driver, request["workflow"], argument, argument, request["timeout"]))
    return reply_of(samples)


def throughput(driver: Driver, request: Request) -> Reply:
    """`size` orchestrations of five steps, by some threads; all started before the first is waited for."""
    expected = STEPS_PER_ORCHESTRATION
    with ThreadPoolExecutor(request.get("threads", CLIENT_THREADS)) as threads:
        began = time.perf_counter()
        instances = list(threads.map(lambda _: driver.start("sequence", expected), range(request["size"])))
        results = list(threads.map(lambda instance: driver.wait(instance, request["timeout"]), instances))
        seconds = time.perf_counter() - began
    wrong = sum(result != expected for result in results)
    if wrong:
        raise WrongResult(
            f"{wrong} of {len(results)} orchestrations should have returned {expected}, did not"
        )
    return {"seconds": seconds, "samples_ms": []}


def timers(driver: Driver, request: Request) -> Reply:
    """How late `size` timers fire, all due within `spread_ms` that begin `delay_ms` from now.

    Lateness is what the program itself sees: see `programs.timer`. So it is measured alike for every product,
    by one clock, and without the way of the result to a client.
    """
    first_us = time.time_ns() // 1000 + request["delay_ms"] * 1000
    size, spread_us = request["size"], request["spread_ms"] * 1000
    due = [first_us + spread_us * number // size for number in range(size)]
    with ThreadPoolExecutor(CLIENT_THREADS) as threads:
        instances = list(threads.map(lambda at_us: driver.start("timer", at_us), due))
        # Nobody asks for results while the timers fire: what is measured is the timers.
        time.sleep(max(0.0, (due[-1] - time.time_ns() // 1000) / 1_000_000) + QUIET_AFTER_TIMERS)
        results = list(threads.map(lambda instance: driver.wait(instance, request["timeout"]), instances))
    return {"seconds": spread_us / 1_000_000, "samples_ms": lateness_ms(results)}


def lateness_ms(results: Sequence[Any]) -> list[float]:
    """The lateness in results of the timer program; raises WrongResult if one shows no real wait."""
    late = sum(spare_ms <= 0 for _, spare_ms in results)
    if late:
        raise WrongResult(f"{late} of {len(results)} timers were only set when they were already due")
    early = [ms for ms, _ in results if ms < -CLOCK_GRAIN_MS]
    if early:
        raise WrongResult(f"{len(early)} of {len(results)} timers fired early, by up to {-min(early):.1f} ms")
    return [ms for ms, _ in results]


def hoard(driver: Driver, request: Request) -> Reply:
    """One orchestration whose `size` activities return `bytes` characters each, one after the other."""
    size, length = request["size"], request["bytes"]
    return reply_of([run_one(driver, "hoard", [size, length], size * length, request["timeout"])])


def event(driver: Driver, request: Request) -> Reply:
    """Time from raising an event to the result of its instance, for `repeats` instances that wait."""
    timeout = request["timeout"]
    gap = request.get("gap_ms", 0) / 1000
    instances = [driver.start("event", None) for _ in range(request["repeats"])]
    for instance in instances:
        driver.wait_until_running(instance, timeout)
    samples = []
    for index, instance in enumerate(instances):
        time.sleep(gap)
        began = time.perf_counter()
        driver.raise_event(instance, index)
        result = driver.wait(instance, timeout)
        samples.append(time.perf_counter() - began)
        if result != index:
            raise WrongResult(f"event should have returned {index}, got {result!r}")
    return reply_of(samples)


def first_result(driver: Driver, request: Request) -> Reply:
    """Starts one orchestration, says so with an extra line, then waits: the worker is started meanwhile."""
    instance = driver.start("sequence", request["size"])
    announce(json.dumps({"started": instance}))
    driver.wait(instance, request["timeout"])
    return {"seconds": 0.0, "samples_ms": []}


def reply_of(samples: list[float]) -> Reply:
    """The reply for samples taken one after the other, in seconds."""
    return {"seconds": sum(samples), "samples_ms": [sample * 1000 for sample in samples]}


WORKLOADS: dict[str, Callable[[Driver, Request], Reply]] = {
    "one_by_one": one_by_one,
    "throughput": throughput,
    "event": event,
    "timers": timers,
    "hoard": hoard,
    "first_result": first_result,
}
