"""Workers: run orchestrators and activities for a scheduler. The machinery behind them is in
`durakit.runtime`.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from durakit._log import logger_for
from durakit.client.sync import refuse_payload_store
from durakit.errors import SettingsError
from durakit.grpc_options import GrpcWorkerResiliencyOptions
from durakit.registry import Registry
from durakit.replay import ExecutionOptions
from durakit.replay.versioning import VersionFailureStrategy, VersioningOptions, VersionMatchStrategy
from durakit.runtime.activities import ActivityRunner
from durakit.runtime.delivery import Delivery
from durakit.runtime.dispatch import Dispatcher, Limits
from durakit.runtime.filters import filters_of
from durakit.runtime.linked_delivery import LinkedDelivery
from durakit.runtime.sessions import SessionCache, close_session
from durakit.runtime.stream import WorkItemStream
from durakit.runtime.threads import WorkerThreads
from durakit.runtime.turns import TurnRunner
from durakit.serialization import JsonDataConverter
from durakit.settings import session_cache_size, uses_link
from durakit.wire.connection import Connection, address_for
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    import logging

    import grpc

    from durakit.exception_properties import ExceptionPropertiesProvider
    from durakit.grpc_options import GrpcChannelOptions
    from durakit.serialization import DataConverter
    from durakit.wire.channel import Metadata, MetadataSource

__all__ = [
    "ActivityNotRegisteredError",
    "ActivityWorkItemFilter",
    "ConcurrencyOptions",
    "OrchestrationWorkItemFilter",
    "OrchestratorNotRegisteredError",
    "TaskHubGrpcWorker",
    "VersionFailureStrategy",
    "VersionMatchStrategy",
    "VersioningOptions",
    "WorkItemFilters",
]

F = TypeVar("F", bound=Callable[..., Any])

#: Timers longer than this are made of several, because not every scheduler takes them (semantics 3.6 rule 1).
MAXIMUM_TIMER_INTERVAL = timedelta(days=3)
#: How long `stop` waits for what is running.
STOP_GRACE = timedelta(seconds=30)

_MAX_DEFAULT_THREADS = 128
_FROM_REGISTRY: Any = object()


class OrchestratorNotRegisteredError(ValueError):
    """An orchestrator was asked for that this worker does not have."""


class ActivityNotRegisteredError(ValueError):
    """An activity was asked for that this worker does not have."""


class ConcurrencyOptions:
    """How much a worker does at once.

    Activities and orchestrations: 100 per processor by default; schedulers hand out no more. Sync
    activities need a thread each, `maximum_thread_pool_workers` of them at most; threads are started as
    they are needed, and those that mostly end within a tenth of a millisecond run on the thread that brings
    them.
    """

    def __init__(
        self,
        maximum_concurrent_activity_work_items: int | None = None,
        maximum_concurrent_orchestration_work_items: int | None = None,
        maximum_concurrent_entity_work_items: int | None = None,
        maximum_thread_pool_workers: int | None = None,
    ) -> None:
        default = 100 * (os.cpu_count() or 1)
        self.maximum_concurrent_activity_work_items = _positive(
            "maximum_concurrent_activity_work_items", maximum_concurrent_activity_work_items, default
        )
        self.maximum_concurrent_orchestration_work_items = _positive(
            "maximum_concurrent_orchestration_work_items",
            maximum_concurrent_orchestration_work_items,
            default,
        )
        self.maximum_concurrent_entity_work_items = _positive(
            "maximum_concurrent_entity_work_items", maximum_concurrent_entity_work_items, default
        )
        self.maximum_thread_pool_workers = _positive(
            "maximum_thread_pool_workers",
            maximum_thread_pool_workers,
            min(self.maximum_concurrent_activity_work_items, _MAX_DEFAULT_THREADS),
        )


@dataclass(frozen=True)
class OrchestrationWorkItemFilter:
    """Turns of the orchestrator `name`, in the given versions; no versions: in every version."""

    name: str
    versions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ActivityWorkItemFilter:
    """Runs of the activity `name`, in the given versions; no versions: in every version."""

    name: str
    versions: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class WorkItemFilters:
    """Which work items a worker wants; an empty list means none of that kind."""

    orchestrations: list[OrchestrationWorkItemFilter] = field(default_factory=list)
    activities: list[ActivityWorkItemFilter] = field(default_factory=list)


class TaskHubGrpcWorker:
    """Runs the orchestrators and activities registered with it, for the scheduler at `host_address`.

    Addresses as for `TaskHubGrpcClient`. `start` returns at once; the worker then connects, and connects
    again after every loss, until `stop`. As a context manager it stops on exit.
    """

    def __init__(
        self,
        *,
        host_address: str | None = None,
        metadata: list[tuple[str, str]] | None = None,
        log_handler: logging.Handler | None = None,
        log_formatter: logging.Formatter | None = None,
        logger: logging.Logger | None = None,
        channel: grpc.Channel | None = None,
        secure_channel: bool = False,
        interceptors: Sequence[Any] | None = None,
        channel_options: GrpcChannelOptions | None = None,
        resiliency_options: GrpcWorkerResiliencyOptions | None = None,
        concurrency_options: ConcurrencyOptions | None = None,
        maximum_timer_interval: timedelta | None = MAXIMUM_TIMER_INTERVAL,
        payload_store: None = None,
        data_converter: DataConverter | None = None,
        exception_properties_provider: ExceptionPropertiesProvider | None = None,
        emit_trace_spans: bool = True,
    ) -> None:
        refuse_payload_store(payload_store)
        self._logger = logger_for("worker", logger, log_handler, log_formatter)
        self._registry = Registry()
        address = address_for(host_address, channel, secure_channel)
        source = self._metadata_source(tuple(metadata or ()))
        self._connect: Callable[[], Connection] = lambda: Connection(
            address,
            source,
            channel=channel,
            options=channel_options.to_grpc_options() if channel_options else (),
            interceptors=interceptors or (),
        )
        self._resiliency = resiliency_options or GrpcWorkerResiliencyOptions()
        self._concurrency_options = concurrency_options or ConcurrencyOptions()
        self._maximum_timer_interval = maximum_timer_interval
        self._converter = data_converter or JsonDataConverter()
        self._exception_properties_provider = exception_properties_provider
        self._emit_trace_spans = emit_trace_spans
        self._versioning: VersioningOptions | None = None
        self._filters: WorkItemFilters | None = None
        self._capabilities = {int(pb.WORKER_CAPABILITY_HISTORY_STREAMING)}
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def _metadata_source(self, metadata: Metadata) -> MetadataSource:
        """What to send with each call; a subclass adds its headers here."""
        return lambda: metadata

    @property
    def concurrency_options(self) -> ConcurrencyOptions:
        """How much this worker does at once."""
        return self._concurrency_options

    @property
    def maximum_timer_interval(self) -> timedelta | None:
        """Timers longer than this are made of several; None: never."""
        return self._maximum_timer_interval

    @property
    def emit_trace_spans(self) -> bool:
        """Whether this worker emits trace spans of its own."""
        return self._emit_trace_spans

    def __enter__(self) -> TaskHubGrpcWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def add_orchestrator(self, fn: Callable[..., Any]) -> str:
        """Register an orchestrator under its function's name, which is returned.

        Raises `TypeError` for a signature that cannot be called, `ValueError` for a name that is taken.
        """
        self._refuse_while_running("Orchestrators cannot be added")
        return self._registry.add_orchestrator(fn)

    def add_activity(self, fn: Callable[..., Any]) -> str:
        """Register an activity under its function's name, which is returned; raises like
        `add_orchestrator`.
        """
        self._refuse_while_running("Activities cannot be added")
        return self._registry.add_activity(fn)

    @property
    def orchestrator_names(self) -> list[str]:
        """The orchestrators registered so far."""
        return self._registry.orchestrator_names

    @property
    def activity_names(self) -> list[str]:
        """The activities registered so far."""
        return self._registry.activity_names

    def add_capability(self, capability: int) -> None:
        """Tell the scheduler of a capability, a value of the protocol's `WorkerCapability`."""
        self._refuse_while_running("Capabilities cannot be added")
        self._capabilities.add(int(capability))

    def use_versioning(self, version: VersioningOptions) -> None:
        """Run only orchestrations whose version fits."""
        self._refuse_while_running("Versioning cannot be changed")
        self._versioning = version

    def use_work_item_filters(self, filters: WorkItemFilters | None = _FROM_REGISTRY) -> None:
        """Ask the scheduler only for what this worker can do.

        Without an argument that is what is registered when the worker starts; None switches filters off
        again. Items that no worker asks for wait for one that does.
        """
        self._refuse_while_running("Work item filters cannot be changed")
        if filters is not None and filters is not _FROM_REGISTRY and not isinstance(filters, WorkItemFilters):
            raise TypeError(f"filters is {filters!r}; expected WorkItemFilters, None, or nothing.")
        self._filters = filters

    def start(self) -> None:
        """Connect and begin to work, in threads of this worker's own."""
        self._refuse_while_running("The worker cannot be started again")
        with self._lock:
            self._running = _Running(self)

    def stop(self, grace: timedelta = STOP_GRACE) -> bool:
        """Take no more work, finish what is running, give back the rest, disconnect.

        Waits for `grace` at most. True when everything that was running has ended; what has not is handed to
        another worker by the scheduler. Does nothing when the worker is not running.
        """
        with self._lock:
            running, self._running = self._running, None
        return running is None or running.stop(grace.total_seconds())

    def wait_until_connected(self, timeout: timedelta | None = None) -> bool:
        """Wait until the scheduler has accepted this worker; False when that did not happen in time."""
        running = self._running
        if running is None:
            raise SettingsError("The worker is not running; call start() before wait_until_connected().")
        return running.connected.wait(None if timeout is None else timeout.total_seconds())

    @property
    def away_seconds(self) -> float:
        """How long this worker has been without its scheduler; 0 while it is connected or not running."""
        running = self._running
        return 0.0 if running is None else running.away_seconds

    def _refuse_while_running(self, what: str) -> None:
        if self._running is not None:
            raise RuntimeError(f"{what} while the worker is running; call stop() first.")

    def _work_item_filters(self) -> pb.WorkItemFilters | None:
        filters = self._filters
        if filters is None:
            return None
        if filters is _FROM_REGISTRY:
            return filters_of(self._registry, self._versioning)
        return pb.WorkItemFilters(
            orchestrations=[
                pb.OrchestrationFilter(name=f.name, versions=f.versions) for f in filters.orchestrations
            ],
            activities=[pb.ActivityFilter(name=f.name, versions=f.versions) for f in filters.activities],
        )


class _Running:
    """Everything that exists between a worker's start and its stop."""

    def __init__(self, worker: TaskHubGrpcWorker) -> None:
        self._logger = worker._logger
        self.connected = threading.Event()
        self._connection = worker._connect()
        # On a thread of their own: user code may run there, and must not hold up a thread of gRPC.
        self._evictions = WorkerThreads("durakit-evictions", 1, close_session, logger=self._logger)
        self._sessions = SessionCache(session_cache_size(), self._evictions.submit)
        self._delivery = LinkedDelivery(
            Delivery(self._connection, logger=self._logger), self._drop_session, logger=self._logger
        )
        self._dispatcher = _dispatcher(worker, self._connection, self._delivery, self._sessions)
        self._delivery.go_ahead = self._dispatcher.go_ahead
        request = _opening_request(worker)
        self._stream = WorkItemStream(
            self._connection,
            lambda: request,
            self._dispatcher.take,
            self._opened,
            worker._resiliency,
            sessions=self._sessions.size,
            delivery=self._delivery if uses_link() else None,
            logger=self._logger,
        )
        self._reader = threading.Thread(target=self._stream.run, name="durakit-worker", daemon=True)
        self._reader.start()

    @property
    def away_seconds(self) -> float:
        return self._stream.away_seconds

    def stop(self, grace_seconds: float) -> bool:
        all_ended = self._dispatcher.drain(grace_seconds)
        if not all_ended:
            self._logger.warning("Stopped although some work was still running after %g s", grace_seconds)
        self._stream.stop()
        self._dispatcher.close()
        # Before the reader is awaited: this ends a greeting that nobody answers.
        self._connection.close()
        self._reader.join()
        for session in self._evictions.stop():
            close_session(session)
        self._sessions.clear()
        return all_ended

    def _drop_session(self, instance_id: str) -> None:
        session = self._sessions.take(instance_id)
        if session is not None:
            self._evictions.submit(session)

    def _opened(self) -> None:
        self._delivery.reconnected()
        self.connected.set()


def _dispatcher(
    worker: TaskHubGrpcWorker, connection: Connection, delivery: LinkedDelivery, sessions: SessionCache
) -> Dispatcher:
    description = f"{socket.gethostname()}, process {os.getpid()}"
    options = ExecutionOptions(
        converter=worker._converter,
        logger=worker._logger,
        maximum_timer_interval=worker._maximum_timer_interval,
        versioning=worker._versioning,
        exception_properties_provider=worker._exception_properties_provider,
        worker_description=description,
    )
    concurrency = worker._concurrency_options
    return Dispatcher(
        TurnRunner(
            worker._registry,
            options,
            sessions=sessions,
            read_history=lambda request: _stream_history(connection, request),
            logger=worker._logger,
        ),
        ActivityRunner(
            worker._registry,
            worker._converter,
            exception_properties_provider=worker._exception_properties_provider,
            worker_description=description,
            logger=worker._logger,
        ),
        delivery,
        Limits(
            turns=concurrency.maximum_concurrent_orchestration_work_items,
            activities=concurrency.maximum_concurrent_activity_work_items,
            activity_threads=concurrency.maximum_thread_pool_workers,
        ),
        runs_here=True,
        worker_description=description,
        logger=worker._logger,
    )


def _opening_request(worker: TaskHubGrpcWorker) -> pb.GetWorkItemsRequest:
    concurrency = worker._concurrency_options
    return pb.GetWorkItemsRequest(
        maxConcurrentOrchestrationWorkItems=concurrency.maximum_concurrent_orchestration_work_items,
        maxConcurrentActivityWorkItems=concurrency.maximum_concurrent_activity_work_items,
        capabilities=[cast("pb.WorkerCapability", value) for value in sorted(worker._capabilities)],
        workItemFilters=worker._work_item_filters(),
    )


def _stream_history(connection: Connection, request: pb.OrchestratorRequest) -> list[pb.HistoryEvent]:
    """The committed history of a request that came without it (semantics 1.10 rule 2)."""
    wanted = pb.StreamInstanceHistoryRequest(
        instanceId=request.instanceId,
        executionId=request.executionId if request.HasField("executionId") else None,
        forWorkItemProcessing=True,
    )
    return [event for chunk in connection.stub.StreamInstanceHistory(wanted) for event in chunk.events]


def _positive(name: str, value: int | None, default: int) -> int:
    if value is None:
        return default
    if value < 1:
        raise SettingsError(f"{name} is {value}; expected a number of at least 1.")
    return value
