"""Group commit on an event loop: one transaction for everything that is waiting.

While next to no work was just handed out and the disk answers fast, each request is committed right where it
was handled, which saves two thread hand-offs and a turn of the loop a step. When more was, answers will come
many at once; then, or when the disk is slow, a writer thread commits while the loop collects the next group.
There is no timer: a group is whatever came while the last one was being written, and, as long as answers are
expected, in the next turns of the loop.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable

from durakit.scheduler.engine import Engine, Group
from durakit.scheduler.store import StoreError

logger = logging.getLogger(__name__)

INLINE_ITEMS = 2
"""Work items just handed out and not answered, up to which a request is committed where it was handled.

How closely requests follow one another would not tell: commits on the loop space them out."""
PATIENT_TURNS = 120
"""Turns of the loop for which a group stays open to answers that are expected. A unary call takes ten.

For each commit the writer thread wants the interpreter some fifty times, so few large groups are far cheaper
than many small ones: sixteen orchestrations at once run 1.4 times as fast over unary calls."""
INLINE_SECONDS = 0.0006
"""Average time a commit may take to be done on the loop."""
LONGEST_SLEEP_SECONDS = 30.0
"""How long the timer sleeps at most, so that a step of the system clock is noticed."""
_SMOOTHING = 0.1

Told = Callable[["StoreError | None"], None]
"""Told that a group is on disk, or why it never will be."""


class _Awaited:
    """Who waits for a group: those who await one of `futures`, and those in `first`, told before its effects
    leave.
    """

    __slots__ = ("first", "futures")

    def __init__(self) -> None:
        self.futures: list[asyncio.Future[None]] = []
        self.first: list[Told] = []

    def succeed(self) -> None:
        for future in self.futures:
            if not future.done():
                future.set_result(None)

    def fail(self, error: StoreError) -> None:
        for told in self.first:
            told(error)
        for future in self.futures:
            if not future.done():
                future.set_exception(error)
                future.exception()  # nobody may be waiting; that is no reason for a warning


class GroupCommit:
    """Drives an engine from an event loop. Call everything from that loop's thread."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop
        self._flush_planned = False
        self._turns_waited = 0
        self._is_closed = False
        self._writing: _Awaited | None = None
        self._collecting: _Awaited | None = None
        self._in_request = False
        self._spoiled: StoreError | None = None
        self._average_seconds = 0.0002
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_ns: int | None = None
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        engine.on_touched = self._touched
        self._touched()

    def durable(self) -> asyncio.Future[None] | None:
        """Return what to await before answering a request, None when there is nothing to wait for.

        It is the caller's own, who may be cancelled while waiting.
        Covers reads too: what the caller saw in memory may be in a group that is still being written.

        Raises (at once, or when awaited):
            StoreError: the group could not be written; nothing of it happened.
        """
        awaited = self._awaited()
        if awaited is None:
            return None
        future = self._loop.create_future()
        awaited.futures.append(future)
        return future

    def tell(self, told: Told) -> None:
        """Like `durable`, but `told` is called: at once, or before anything leaves that comes of the group.

        So whoever hears of both, of the commit and of what follows from it, hears of the commit first.
        """
        awaited = self._awaited()
        if awaited is None:
            told(None)
        else:
            awaited.first.append(told)

    def _awaited(self) -> _Awaited | None:
        self._in_request = False
        if self._spoiled is not None:
            raise self._spoiled
        if self._engine.is_idle:
            return self._writing
        if self._writing is None and self._collecting is None and self._inline:
            error = self._flush()
            if error is None:
                return None
            raise error
        if self._collecting is None:
            self._collecting = _Awaited()
        self._engine.hand_out()
        self._touched()
        return self._collecting

    def begin_request(self) -> None:
        """A request is being handled, without awaiting: `durable` or `end_request` will follow at once.

        Until then nothing needs to be planned for what it changes, which saves a turn of the loop.
        """
        self._in_request = True

    def end_request(self) -> None:
        """The request was refused; what it changed all the same is committed by itself."""
        self._in_request = False
        if not self._engine.is_idle:
            self._touched()

    @property
    def _inline(self) -> bool:
        return (
            self._average_seconds < INLINE_SECONDS
            and self._engine.answers_expected(INLINE_ITEMS + 1) <= INLINE_ITEMS
        )

    def fail_request(self, error: BaseException) -> None:
        """A request ended with an error that is no refusal; what it left half done must never be written.

        All that is not on disk fails with it, and memory is built anew from what is.
        """
        self.end_request()
        told = StoreError(
            f"The scheduler failed in the middle of a request ({type(error).__name__}: {error}) and went "
            f"back to what is on disk. Nothing that was acknowledged is lost."
        )
        if self._writing is None:
            self._start_over(told)
        else:
            # The group being written is sound; what is on disk afterwards is what memory starts from.
            self._spoiled = told

    def close(self) -> None:
        """Stop the timer and the writer thread. What is still planned is not written any more."""
        self._is_closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()

    async def drained(self) -> None:
        """Wait until everything collected so far is on disk."""
        while (pending := self.durable()) is not None:
            await pending

    # --- groups

    def _touched(self) -> None:
        if not self._flush_planned and self._writing is None and not self._in_request:
            self._flush_planned = True
            self._loop.call_soon(self._flush_as_planned)

    def _flush_as_planned(self) -> None:
        if self._is_closed:
            return
        may_wait = self._turns_waited < PATIENT_TURNS and not self._inline
        if may_wait and self._engine.answers_expected(1):
            self._turns_waited += 1
            self._loop.call_soon(self._flush_as_planned)
            return
        self._flush_planned, self._turns_waited = False, 0
        self._flush()

    def _flush(self) -> StoreError | None:
        """Commit what was collected, here or on the writer thread; return why that failed here."""
        engine = self._engine
        error = None
        if self._writing is None and not engine.is_idle:
            group = engine.cut()
            awaited, self._collecting = self._collecting, None
            if group.batch is None or self._inline:
                error = self._write(group) if group.batch is not None else None
                self._finish(group, awaited, error)
            else:
                self._writing = awaited or _Awaited()
                self._hand_over(group, self._writing)
        self._set_alarm()
        return error

    def _write(self, group: Group) -> StoreError | None:
        started = time.perf_counter()
        try:
            assert group.batch is not None
            self._engine.store.commit(group.batch)
        except StoreError as error:
            return error
        except Exception as error:
            # Whatever it is, memory must not run ahead of the disk.
            logger.exception("A commit failed for a reason nobody foresaw.")
            return StoreError(f"The change could not be written: {error!r}. Nothing of it happened.")
        self._average_seconds += _SMOOTHING * (time.perf_counter() - started - self._average_seconds)
        return None

    def _hand_over(self, group: Group, awaited: _Awaited) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run_writer, name="durakit-writer", daemon=True)
            self._thread.start()

        def job() -> None:
            error = self._write(group)
            self._loop.call_soon_threadsafe(self._written, group, awaited, error)

        self._jobs.put(job)

    def _run_writer(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _written(self, group: Group, awaited: _Awaited, error: StoreError | None) -> None:
        self._writing = None
        self._finish(group, awaited, error)
        self._set_alarm()
        if not self._engine.is_idle:
            self._touched()

    def _finish(self, group: Group, awaited: _Awaited | None, error: StoreError | None) -> None:
        spoiled, self._spoiled = self._spoiled, None
        if error is not None:
            self._start_over(error, awaited)
            return
        for told in awaited.first if awaited is not None else ():
            told(None)
        if spoiled is None:
            self._engine.release(group)
        if awaited is not None:
            awaited.succeed()
        if spoiled is not None:
            self._start_over(spoiled)

    def _start_over(self, error: StoreError, failed: _Awaited | None = None) -> None:
        logger.error("%s", error)
        # What was collected meanwhile built on what is lost, so it fails with it.
        later, self._collecting = self._collecting, None
        self._engine.reload(error)
        for awaited in (failed, later):
            if awaited is not None:
                awaited.fail(error)

    # --- time

    def _set_alarm(self) -> None:
        due_ns = self._engine.agenda.next_due_ns
        if due_ns == self._alarm_ns and (self._alarm is not None or due_ns is None):
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._alarm_ns = due_ns
        if due_ns is not None:
            seconds = max(0.0, (due_ns - self._engine.now()) / 1e9)
            self._alarm = self._loop.call_later(min(seconds, LONGEST_SLEEP_SECONDS), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._engine.run_due()
        self._set_alarm()
