"""A task hub inside a program: opened with its file, gone with its process, going on at the next opening."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from durakit.client import AsyncTaskHubGrpcClient, TaskHubGrpcClient
from durakit.embedding.answers import DirectAnswers
from durakit.embedding.channels import AsyncEmbeddedChannel, EmbeddedChannel
from durakit.embedding.core import Core
from durakit.errors import SettingsError
from durakit.registry import Registry
from durakit.replay import ExecutionOptions
from durakit.replay.versioning import VersioningOptions
from durakit.runtime.activities import ActivityRunner
from durakit.runtime.dispatch import Dispatcher
from durakit.runtime.dispatch import Limits as RunLimits
from durakit.runtime.filters import filters_of
from durakit.runtime.sessions import SessionCache, close_session
from durakit.runtime.threads import WorkerThreads
from durakit.runtime.turns import TurnRunner
from durakit.scheduler.limits import AZURE_LIMITS, NO_LIMITS, Limits
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.retention import RetentionPolicy
from durakit.scheduler.store import StoreError
from durakit.scheduler.streams import Offer
from durakit.serialization import DataConverter, JsonDataConverter
from durakit.settings import session_cache_size
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.worker import STOP_GRACE, ConcurrencyOptions

logger = logging.getLogger("durakit.embedded")


class EmbeddedTaskHub:
    """Scheduler, worker and client of one program; made by `durakit.embedded`.

    Use it as a context manager, with `with` or `async with`, or call `open` and `close`.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        task_hub: str,
        limits: Limits,
        retention: RetentionPolicy,
        concurrency: ConcurrencyOptions,
        converter: DataConverter,
        versioning: VersioningOptions | None,
        stop_grace: timedelta,
    ) -> None:
        self._path = path
        self._task_hub = task_hub
        self._limits = limits
        self._retention = retention
        self._concurrency = concurrency
        self._converter = converter
        self._versioning = versioning
        self._stop_grace = stop_grace
        self._registry = Registry()
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def add_orchestrator(self, fn: Callable[..., Any]) -> str:
        """Register an orchestrator under its function's name, which is returned; before `open`."""
        self._refuse_while_open()
        return self._registry.add_orchestrator(fn)

    def add_activity(self, fn: Callable[..., Any]) -> str:
        """Register an activity under its function's name, which is returned; before `open`."""
        self._refuse_while_open()
        return self._registry.add_activity(fn)

    def _refuse_while_open(self) -> None:
        if self._running is not None:
            raise RuntimeError("Register orchestrators and activities before the task hub is opened.")

    def open(self) -> EmbeddedTaskHub:
        """Open the file and begin to work: unfinished orchestrations go on.

        Raises:
            SettingsError: the file is in use by another process, or cannot be used; the message says why.
        """
        with self._lock:
            self._refuse_while_open()
            try:
                self._running = _Running(self)
            except (StoreError, Refusal) as problem:
                raise SettingsError(str(problem).replace(" with --db", "")) from problem
        return self

    def close(self) -> bool:
        """Begin nothing more, let finish what runs, close the file; True when all has finished in time.

        Waits for the grace at most. What has not finished runs again at the next opening. Does nothing when
        the task hub is closed.
        """
        with self._lock:
            running, self._running = self._running, None
        return running is None or running.stop(self._stop_grace.total_seconds())

    def __enter__(self) -> EmbeddedTaskHub:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> EmbeddedTaskHub:
        return await asyncio.to_thread(self.open)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    @property
    def client(self) -> TaskHubGrpcClient:
        """A client of the task hub, for any number of threads."""
        return self._open_now.client

    @property
    def async_client(self) -> AsyncTaskHubGrpcClient:
        """The same for asyncio."""
        return self._open_now.async_client

    @property
    def _open_now(self) -> _Running:
        running = self._running
        if running is None:
            raise SettingsError("The task hub is not open; use `with durakit.embedded(...) as hub:`.")
        return running


class _Running:
    """Everything that exists between opening and closing."""

    def __init__(self, hub: EmbeddedTaskHub) -> None:
        # On a thread of their own: closing one runs `finally` blocks of user code.
        self._evictions = WorkerThreads("durakit-evictions", 1, close_session, logger=logger)
        self._sessions = SessionCache(session_cache_size(), self._evictions.submit)
        self._answers = DirectAnswers(self._drop_session, logger)
        self._dispatcher = _dispatcher(hub, self._answers, self._sessions)
        self._answers.go_ahead = self._dispatcher.go_ahead
        self._core = Core(
            hub._path,
            hub._task_hub,
            hub._limits,
            hub._retention,
            _offer(hub, self._sessions.size),
            self._dispatcher.take,
        )
        self._answers.core = self._core
        place = f"{hub._path or 'memory'} (embedded)"
        self.client = TaskHubGrpcClient(
            host_address=place, channel=EmbeddedChannel(self._core), data_converter=hub._converter
        )
        self.async_client = AsyncTaskHubGrpcClient(
            host_address=place, channel=AsyncEmbeddedChannel(self._core), data_converter=hub._converter
        )
        self._core.start()

    def stop(self, grace_seconds: float) -> bool:
        self._core.stop_handing_out()
        all_ended = self._dispatcher.drain(grace_seconds)
        if not all_ended:
            logger.warning("Closed although some work was still running after %g s", grace_seconds)
        self._dispatcher.close()
        self._core.close()
        for session in self._evictions.stop():
            close_session(session)
        self._evictions.join(time.monotonic() + 1.0)
        self._sessions.clear()
        return all_ended

    def _drop_session(self, instance_id: str) -> None:
        session = self._sessions.take(instance_id)
        if session is not None:
            self._evictions.submit(session)


def _dispatcher(hub: EmbeddedTaskHub, answers: DirectAnswers, sessions: SessionCache) -> Dispatcher:
    description = f"process {os.getpid()}"
    options = ExecutionOptions(
        converter=hub._converter,
        logger=logger,
        # Our scheduler takes timers of every length.
        maximum_timer_interval=None,
        versioning=hub._versioning,
        worker_description=description,
    )
    limits = RunLimits(
        turns=hub._concurrency.maximum_concurrent_orchestration_work_items,
        activities=hub._concurrency.maximum_concurrent_activity_work_items,
        activity_threads=hub._concurrency.maximum_thread_pool_workers,
    )
    return Dispatcher(
        TurnRunner(hub._registry, options, sessions=sessions, logger=logger),
        ActivityRunner(hub._registry, hub._converter, worker_description=description, logger=logger),
        answers,
        limits,
        # What hands items out may be the clock's thread.
        runs_here=False,
        worker_description=description,
        logger=logger,
    )


def _offer(hub: EmbeddedTaskHub, sessions: int) -> Offer:
    request = pb.GetWorkItemsRequest(
        maxConcurrentOrchestrationWorkItems=hub._concurrency.maximum_concurrent_orchestration_work_items,
        maxConcurrentActivityWorkItems=hub._concurrency.maximum_concurrent_activity_work_items,
        workItemFilters=filters_of(hub._registry, hub._versioning),
    )
    return Offer("embedded worker", "", sessions, request, time.time_ns())


def embedded(
    path: str | os.PathLike[str] | None,
    *,
    orchestrators: Iterable[Callable[..., Any]] = (),
    activities: Iterable[Callable[..., Any]] = (),
    task_hub: str = "default",
    limits: Limits | None = AZURE_LIMITS,
    retention: timedelta | None = None,
    concurrency_options: ConcurrencyOptions | None = None,
    data_converter: DataConverter | None = None,
    versioning: VersioningOptions | None = None,
    stop_grace: timedelta = STOP_GRACE,
) -> EmbeddedTaskHub:
    """Make a task hub inside this program: scheduler, worker and client, without a server.

        with durakit.embedded("orders.db", orchestrators=[ship_order], activities=[pack, post]) as hub:
            state = hub.client.run_orchestration(ship_order, input=order)

    Args:
        path: the SQLite file, made when missing; one process at a time may have it open, and
            `durakit dev --db` takes it, too. None keeps everything in memory.
        task_hub: which task hub of the file.
        limits: what the scheduler enforces, by default Azure's limits; None: nothing.
        retention: how long ended instances are kept before they are purged; None: for ever.
        concurrency_options: how much runs at once.
        stop_grace: how long closing waits for activities that run.
    """
    hub = EmbeddedTaskHub(
        None if path is None else Path(path),
        task_hub=task_hub,
        limits=NO_LIMITS if limits is None else limits,
        retention=RetentionPolicy(None if retention is None else retention / timedelta(days=1)),
        concurrency=concurrency_options or ConcurrencyOptions(),
        converter=data_converter or JsonDataConverter(),
        versioning=versioning,
        stop_grace=stop_grace,
    )
    for orchestrator in orchestrators:
        hub.add_orchestrator(orchestrator)
    for activity in activities:
        hub.add_activity(activity)
    return hub
