"""The scheduler's engine in a process with others: one lock, one commit for all who wait for it.

Whoever wants something leaves a job. A thread of the worker that finds the lock free takes it and does all
jobs that have been left, in one commit, so that a step of an orchestration needs no change of threads.
Clients leave theirs to the thread that also minds the clock: no code of the engine runs on a thread of the
user's, where Ctrl-C may strike anywhere. User code never runs under the lock, nor on that thread: a slow
orchestrator holds up nobody's timers.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from durakit.scheduler.engine import Engine
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.limits import Limits
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.requests import Requests
from durakit.scheduler.retention import Retention, RetentionPolicy
from durakit.scheduler.store import Store, StoreError
from durakit.scheduler.streams import Offer, WorkerStream
from durakit.wire.messages import orchestration_pb2 as pb

logger = logging.getLogger(__name__)

LONGEST_SLEEP_SECONDS = 30.0
"""How long the clock's thread sleeps at most, so that a step of the system clock is noticed."""
REOPENING_SECONDS = 1.0
"""After a failed commit: how long until work is handed out again."""

Later = object()
"""Returned by a job's work when the job will be finished by somebody else."""


class Closed(Exception):
    """The task hub has been closed."""

    def __init__(self) -> None:
        super().__init__(
            "The embedded task hub is closed. Unfinished orchestrations go on when it is opened."
        )


class Job:
    """Something to do with the engine; `finished` is told its result once that is on disk.

    Args:
        work: changes the hub, or reads it; may raise `Refusal`.
        finished: called once, with the job, on any thread; must neither block nor raise.

    Attributes:
        value: what `work` returned.
        error: why there is no value: `Refusal`, `StoreError` or `Closed`.
    """

    __slots__ = ("error", "finished", "is_done", "value", "work")

    def __init__(self, work: Callable[[TaskHub], Any], finished: Callable[[Job], None] | None = None) -> None:
        self.work = work
        self.finished = finished
        self.value: Any = None
        self.error: Exception | None = None
        self.is_done = False

    def finish(self) -> None:
        """Tell whoever waits; a second call does nothing."""
        if not self.is_done:
            self.is_done = True
            if self.finished is not None:
                self.finished(self)


class Core:
    """One task hub in one file, and the worker it gives work to.

    Args:
        path: the file; None keeps everything in memory.
        task_hub: the hub's name.
        retention: for how long ended instances are kept.
        offer: what the worker in this process can do.
        take: called with each work item; must not block, nor run user code.

    Raises:
        StoreError: the file cannot be used.
    """

    def __init__(
        self,
        path: Path | None,
        task_hub: str,
        limits: Limits,
        retention: RetentionPolicy,
        offer: Offer,
        take: Callable[[pb.WorkItem], None],
    ) -> None:
        self._name = task_hub
        self._offer = offer
        self._take = take
        self._lock = threading.Lock()
        self._jobs: deque[Job] = deque()
        self._store = Store(path)
        try:
            self.engine = Engine(
                self._store, new_id=lambda: uuid.uuid4().hex, now=time.time_ns, limits=limits
            )
            self.requests = Requests(self.engine)
            self.engine.hub(task_hub)
            Retention(self.engine, retention)
        except BaseException:
            self._store.close()
            raise
        self.stream: WorkerStream | None = None
        self._items: deque[bytes] = deque()
        self._is_handing_out = True
        self._is_closed = False
        self._reopen_at = 0.0
        self._planned_ns = 0
        self._alarm = threading.Lock()
        self._alarm.acquire()
        self._clock = threading.Thread(target=self._mind_the_clock, name="durakit-clock", daemon=True)

    def start(self) -> None:
        """Let work begin: what is in the file goes on."""
        self._clock.start()

    # --- jobs

    def do(self, job: Job) -> None:
        """Have the job done: here and now, or by the thread that is at it. For threads of the worker only."""
        self._jobs.append(job)
        # Whoever has the lock looks for jobs again after giving it back.
        while self._jobs and self._lock.acquire(blocking=False):
            try:
                self._round()
            finally:
                self._lock.release()
            self._hand_out()

    def submit(self, job: Job) -> None:
        """Have the job done, without waiting. For any thread."""
        self._jobs.append(job)
        if self._is_closed:
            self._fail(self._take_jobs(), Closed())
        else:
            self._ring()

    def _round(self) -> None:
        """Do what is due and all jobs, commit once, and tell everyone; needs the lock."""
        jobs = self._take_jobs()
        if self._is_closed:
            self._fail(jobs, Closed())
            return
        engine = self.engine
        try:
            hub = engine.hub(self._name)
            engine.run_due()
            if self.stream is None and self._is_handing_out and time.monotonic() >= self._reopen_at:
                self._open_stream(hub)
            for job in jobs:
                try:
                    job.value = job.work(hub)
                except Refusal as refusal:
                    job.error = refusal
            engine.commit()
        except StoreError as error:
            self._start_over(jobs, error)
        except Exception as error:
            # Whatever it is, memory must not run ahead of the disk.
            logger.exception("The embedded scheduler failed for a reason nobody foresaw")
            self._start_over(
                jobs, StoreError(f"The change could not be made: {error!r}. Nothing of it happened.")
            )
        for job in jobs:
            if job.value is not Later:
                job.finish()
        self._plan()

    def _take_jobs(self) -> list[Job]:
        jobs: list[Job] = []
        # At the end another thread may do the same.
        with contextlib.suppress(IndexError):
            while True:
                jobs.append(self._jobs.popleft())
        return jobs

    def _fail(self, jobs: list[Job], error: Exception) -> None:
        for job in jobs:
            if not job.is_done:
                job.value, job.error = None, error
                job.finish()

    def _start_over(self, jobs: list[Job], error: StoreError) -> None:
        """Nothing of the round happened: tell everyone, forget what is in memory, go on from the file."""
        logger.error("%s", error)
        self.stream = None
        self._items = deque()
        self._reopen_at = time.monotonic() + REOPENING_SECONDS
        # Those who wait already are told by the hub.
        self.engine.reload(error)
        self._fail(jobs, error)

    # --- work items

    def _open_stream(self, hub: TaskHub) -> None:
        self.stream = hub.open_stream(self._offer, lambda: None)
        self._items = self.stream.outbox

    def _hand_out(self) -> None:
        """Give the worker what is ready; any thread may."""
        items = self._items
        while self._is_handing_out:
            try:
                item = items.popleft()
            except IndexError:
                return
            self._take(pb.WorkItem.FromString(item))

    # --- time

    def _mind_the_clock(self) -> None:
        while not self._is_closed:
            with self._lock:
                if not self._is_closed:
                    self._round()
                seconds = self._seconds_to_sleep()
            self._hand_out()
            if not self._jobs:
                self._alarm.acquire(timeout=seconds)

    def _seconds_to_sleep(self) -> float:
        seconds = LONGEST_SLEEP_SECONDS
        if self._planned_ns:
            seconds = min(seconds, max(0.0, (self._planned_ns - self.engine.now()) / 1e9))
        if self.stream is None:
            seconds = min(seconds, REOPENING_SECONDS)
        return seconds

    def _plan(self) -> None:
        """See to it that somebody is awake when the next thing is due."""
        due_ns = self.engine.agenda.next_due_ns or 0
        is_earlier = due_ns and (not self._planned_ns or due_ns < self._planned_ns)
        self._planned_ns = due_ns
        if is_earlier and threading.current_thread() is not self._clock:
            self._ring()

    def _ring(self) -> None:
        # Rung already: it will be heard.
        with contextlib.suppress(RuntimeError):
            self._alarm.release()

    # --- the end

    def stop_handing_out(self) -> None:
        """Give the worker nothing more."""
        self._is_handing_out = False

    def close(self) -> None:
        """Put everything on disk, tell everyone who waits, close the file."""
        with self._lock:
            if self._is_closed:
                return
            self._is_handing_out = False
            self._round()
            self._is_closed = True
            for hub in self.engine.hubs():
                hub.waiters.fail(Closed())
            self._store.close()
            self._fail(self._take_jobs(), Closed())
        self._ring()
        if self._clock.is_alive():
            self._clock.join()
        # Left by those who did not see yet that this is closed.
        self._fail(self._take_jobs(), Closed())
