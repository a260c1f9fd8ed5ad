from __future__ import annotations

import asyncio
import logging
import threading
from queue import Queue

import pytest
from durakit.runtime.async_loop import AsyncLoop

LOGGER = logging.getLogger("test.async_loop")
SOON_SECONDS = 20.0


def test_items_run_side_by_side_on_one_loop() -> None:
    done: Queue[str] = Queue()
    gathered = asyncio.Event()
    arrived: list[int] = []

    async def work(number: int) -> None:
        arrived.append(number)
        if len(arrived) == 3:
            gathered.set()
        await gathered.wait()
        done.put(threading.current_thread().name)

    loop: AsyncLoop[int] = AsyncLoop("the-loop", 10, work, logger=LOGGER)
    for number in range(3):
        loop.submit(number)

    assert [done.get(timeout=SOON_SECONDS) for _ in range(3)] == ["the-loop"] * 3
    assert loop.stop(SOON_SECONDS) == ([], True)


def test_no_more_items_run_at_once_than_the_limit_and_the_others_come_back() -> None:
    begun: Queue[int] = Queue()
    go_on = asyncio.Event()

    async def work(number: int) -> None:
        begun.put(number)
        if number == 0:
            await go_on.wait()

    loop: AsyncLoop[int] = AsyncLoop("loop", 1, work, logger=LOGGER)
    for number in range(3):
        loop.submit(number)
    begun.get(timeout=SOON_SECONDS)

    waiting, all_ended = loop.stop(0.0)

    assert waiting == [1, 2]
    assert not all_ended, "the running item was cancelled"
    assert begun.empty()


def test_a_loop_that_never_had_work_stops_at_once() -> None:
    async def work(_: int) -> None: ...

    assert AsyncLoop("loop", 1, work, logger=LOGGER).stop(SOON_SECONDS) == ([], True)


def test_an_item_after_the_stop_is_ignored() -> None:
    done: Queue[int] = Queue()

    async def work(number: int) -> None:
        done.put(number)

    loop: AsyncLoop[int] = AsyncLoop("loop", 1, work, logger=LOGGER)
    loop.submit(1)
    assert done.get(timeout=SOON_SECONDS) == 1
    loop.stop(SOON_SECONDS)

    loop.submit(2)

    assert done.empty()


def test_an_unexpected_error_costs_its_item_only(caplog: pytest.LogCaptureFixture) -> None:
    done: Queue[int] = Queue()

    async def work(number: int) -> None:
        if number == 0:
            raise KeyError(number)
        done.put(number)

    loop: AsyncLoop[int] = AsyncLoop("loop", 1, work, logger=LOGGER)
    loop.submit(0)
    loop.submit(1)

    assert done.get(timeout=SOON_SECONDS) == 1
    loop.stop(SOON_SECONDS)
    assert caplog.messages == ["loop: an item was lost to an unexpected error"]
