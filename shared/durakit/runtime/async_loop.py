"""One event loop on a thread of its own, for the async activities of a worker."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class AsyncLoop(Generic[T]):
    """Runs `work(item)` for every submitted item, up to `limit` at once. The thread starts with the first
    item.
    """

    def __init__(
        self,
        name: str,
        limit: int,
        work: Callable[[T], Coroutine[Any, Any, None]],
        *,
        logger: logging.Logger,
    ) -> None:
        self._name = name
        self._limit = max(1, limit)
        self._work = work
        self._logger = logger
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._arrivals: deque[T] = deque()
        self._is_woken = False
        self._waiting: deque[T] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False

    def submit(self, item: T) -> None:
        """Have the item worked on as soon as the limit allows; after `stop` it is ignored."""
        self._arrivals.append(item)
        # One wake-up for all that arrives until the loop looks: waking it is a system call.
        if not self._is_woken:
            self._is_woken = True
            with self._lock:
                if not self._stopping:
                    self._started().call_soon_threadsafe(self._take_arrivals)

    def stop(self, grace_seconds: float) -> tuple[list[T], bool]:
        """Begin nothing more, wait for what runs, end the thread.

        Returns the items not begun, and whether everything begun has ended within the grace; what has not is
        cancelled.
        """
        with self._lock:
            self._stopping = True
            loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return [], True
        ending = asyncio.run_coroutine_threadsafe(self._end(grace_seconds), loop)
        result = ending.result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        return result

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=_run_loop, args=(self._loop,), name=self._name, daemon=True
            )
            self._thread.start()
        return self._loop

    def _take_arrivals(self) -> None:
        # First the flag: what is appended from now on wakes the loop again.
        self._is_woken = False
        while self._arrivals:
            item = self._arrivals.popleft()
            if self._stopping or len(self._running) >= self._limit:
                self._waiting.append(item)
            else:
                self._begin(item)

    def _begin(self, item: T) -> None:
        assert self._loop is not None
        task = self._loop.create_task(self._work(item))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._logger.error("%s: an item was lost to an unexpected error", self._name, exc_info=error)
        if self._waiting and not self._stopping:
            self._begin(self._waiting.popleft())

    async def _end(self, grace_seconds: float) -> tuple[list[T], bool]:
        late: set[asyncio.Task[None]] = set()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=grace_seconds)
            for task in late:
                task.cancel()
            if late:
                # One chance to run `finally` blocks; a task that resists goes down with the process.
                await asyncio.wait(late, timeout=1.0)
        return [*self._waiting, *self._arrivals], not late


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
