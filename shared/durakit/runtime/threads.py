"""Threads that take items off one queue: no futures, no hop back, started only when there is need.

A few threads start as soon as nobody is idle. More of them, up to the limit, start only while those that
run are blocked in their work: short items are done fastest by few threads, long waits need many. Whoever
brings an item may work on it too, as one of those whom the limit counts.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

#: How many threads start without looking whether they help.
EAGER_THREADS = 8
#: How often, while items wait, the progress is looked at.
GROWTH_CHECK_SECONDS = 0.005


class WorkerThreads(Generic[T]):
    """Runs `work(item)` for every submitted item, in up to `limit` daemon threads."""

    def __init__(self, name: str, limit: int, work: Callable[[T], None], *, logger: logging.Logger) -> None:
        self._name = name
        self._limit = max(1, limit)
        self._work = work
        self._logger = logger
        self._queue: SimpleQueue[T | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        # Items being worked on, by threads and by callers of `run_here`; how many of those are callers.
        self._at_work = 0
        self._guests = 0
        self._has_room = threading.Condition(self._lock)
        self._guests_gone = threading.Condition(self._lock)
        self._in_user_code: set[int] = set()
        self._grower: threading.Thread | None = None
        self._stopping = False

    def submit(self, item: T) -> None:
        """Have the item worked on as soon as a thread is free; after `stop` it is ignored."""
        with self._lock:
            self._unfinished += 1
            if self._unfinished > len(self._threads):
                self._grow()
        self._queue.put(item)

    def run_here(self, item: T) -> bool:
        """Work on the item on the calling thread; False, with nothing done, if `limit` items are being worked
        on already.

        Like `submit`, but without a hand-over. After `stop` the item is ignored.
        """
        with self._lock:
            if self._stopping:
                return True
            if self._at_work >= self._limit:
                return False
            self._at_work += 1
            self._guests += 1
        try:
            self._work_on(item)
        finally:
            with self._lock:
                self._guests -= 1
                self._ended()
                if not self._guests:
                    self._guests_gone.notify_all()
        return True

    @contextmanager
    def user_code(self) -> Iterator[None]:
        """To be entered by `work` around what may take any time; tells a thread at work from one held up."""
        thread = threading.get_ident()
        self._in_user_code.add(thread)
        try:
            yield
        finally:
            self._in_user_code.discard(thread)

    def stop(self) -> list[T]:
        """Begin nothing more; return the items not begun, in order."""
        with self._lock:
            self._stopping = True
        waiting = self._drain()
        for _ in self._threads:
            self._queue.put(None)
        return waiting

    def join(self, deadline: float) -> bool:
        """Wait until what runs has ended, but not longer than `time.monotonic()` < `deadline`; True if so."""
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._lock:
            left = max(0.0, deadline - time.monotonic())
            guests_gone = self._guests_gone.wait_for(lambda: not self._guests, left)
        return guests_gone and not any(thread.is_alive() for thread in self._threads)

    def _drain(self) -> list[T]:
        items: list[T] = []
        try:
            while True:
                item = self._queue.get_nowait()
                if item is not None:
                    items.append(item)
        except Empty:
            return items

    def _grow(self) -> None:
        """Start a thread, or somebody who sees whether more threads help; called with the lock."""
        count = len(self._threads)
        if self._stopping or count >= self._limit:
            return
        if count < EAGER_THREADS:
            self._start_one()
        elif self._grower is None:
            self._grower = threading.Thread(target=self._watch, name=f"{self._name}-growth", daemon=True)
            self._grower.start()

    def _start_one(self) -> None:
        thread = threading.Thread(target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _watch(self) -> None:
        """Add threads while items wait and most threads are in user code at two looks; end with the queue."""
        was_held_up = False
        while True:
            time.sleep(GROWTH_CHECK_SECONDS)
            with self._lock:
                waiting = self._queue.qsize()
                count = len(self._threads)
                if self._stopping or not waiting or count >= self._limit:
                    self._grower = None
                    return
                is_held_up = len(self._in_user_code) > count * 3 // 4
                if is_held_up and was_held_up:
                    for _ in range(min(waiting, self._limit - count, count)):
                        self._start_one()
                was_held_up = is_held_up

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            with self._lock:
                if self._at_work >= self._limit:
                    # Only callers can be more than the threads themselves.
                    self._has_room.wait_for(lambda: self._at_work < self._limit)
                self._at_work += 1
            self._work_on(item)
            with self._lock:
                self._unfinished -= 1
                self._ended()

    def _ended(self) -> None:
        """An item has been worked on; called with the lock."""
        self._at_work -= 1
        self._has_room.notify()

    def _work_on(self, item: T) -> None:
        try:
            self._work(item)
        except Exception:
            self._logger.exception("%s: an item was lost to an unexpected error", self._name)
