"""The client for threads. What each operation does is in `operations`; here it meets blocking calls."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from durakit._log import logger_for
from durakit.client import operations
from durakit.client.health import ConnectionHealth
from durakit.client.link import answer_in, may_use_link
from durakit.client.operations import Call, Operation, Pause
from durakit.client.state import DEFAULT_DATA_CONVERTER
from durakit.client.sync_link import SyncLink
from durakit.errors import SettingsError
from durakit.grpc_options import GrpcClientResiliencyOptions
from durakit.wire.connection import Connection, address_for
from durakit.wire.methods import BY_NAME
from durakit.wire.status import SchedulerError, named_error

if TYPE_CHECKING:
    import logging
    from datetime import datetime, timedelta

    from durakit import history, task
    from durakit.client.link import Replies
    from durakit.client.operations import Step
    from durakit.client.state import (
        OrchestrationQuery,
        OrchestrationState,
        OrchestrationStatus,
        Page,
        PurgeInstancesResult,
    )
    from durakit.grpc_options import GrpcChannelOptions
    from durakit.serialization import DataConverter
    from durakit.wire.channel import Metadata, MetadataSource
    from durakit.wire.messages import link_pb2 as link
    from durakit.wire.messages import orchestration_pb2 as pb

T = TypeVar("T")
TInput = TypeVar("TInput")


class TaskHubGrpcClient:
    """Starts orchestrations, asks about them and steers them.

    `host_address` is `http://host:port`, `https://host` or `host:port` (then `secure_channel` decides about
    TLS); by default `localhost:4001`. `metadata` goes with every call. All methods raise a `SchedulerError`
    (which is a `grpc.RpcError`) when the scheduler does not answer with OK, and may be called from several
    threads. Use it as a context manager, or call `close()`.
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
        resiliency_options: GrpcClientResiliencyOptions | None = None,
        default_version: str | None = None,
        payload_store: None = None,
        data_converter: DataConverter | None = None,
        emit_trace_spans: bool = True,
    ) -> None:
        refuse_payload_store(payload_store)
        self._logger = logger_for("client", logger, log_handler, log_formatter)
        options = channel_options.to_grpc_options() if channel_options else []
        self._connection = Connection(
            address_for(host_address, channel, secure_channel),
            self._metadata_source(tuple(metadata or ())),
            channel=channel,
            options=options,
            interceptors=interceptors or (),
        )
        is_allowed = may_use_link(channel=channel, interceptors=interceptors, options=options)
        self._link = SyncLink(self._connection, is_allowed, self._logger)
        # A client that nobody closed must not leave a stream behind.
        weakref.finalize(self, self._link.close)
        self._health = ConnectionHealth(resiliency_options or GrpcClientResiliencyOptions())
        self._default_version = default_version
        self._converter = data_converter or DEFAULT_DATA_CONVERTER
        self._emit_trace_spans = emit_trace_spans

    def _metadata_source(self, metadata: Metadata) -> MetadataSource:
        """What to send with each call; a subclass adds its headers here."""
        return lambda: metadata

    @property
    def emit_trace_spans(self) -> bool:
        """Whether this client emits trace spans of its own."""
        return self._emit_trace_spans

    def __enter__(self) -> TaskHubGrpcClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, unless it was made from a channel of the caller's."""
        self._link.close()
        self._connection.close()
        self._link.join()

    def schedule_new_orchestration(
        self,
        orchestrator: Callable[[task.OrchestrationContext, TInput], Any]
        | Callable[[task.OrchestrationContext], Any]
        | str,
        *,
        input: TInput | None = None,
        instance_id: str | None = None,
        start_at: datetime | None = None,
        reuse_id_policy: pb.OrchestrationIdReusePolicy | Collection[OrchestrationStatus] | None = None,
        tags: dict[str, str] | None = None,
        version: str | None = None,
    ) -> str:
        """Start an orchestration and return its instance id.

        `orchestrator` is the function or its registered name. `instance_id` is made here when absent. The
        instance waits until `start_at` (naive: UTC). `reuse_id_policy` names the statuses in which an
        existing instance of that id is replaced; by default `AlreadyExistsError` is raised.
        """
        return self._run(
            operations.schedule_new_orchestration(
                orchestrator,
                input=input,
                instance_id=instance_id,
                start_at=start_at,
                reuse_id_policy=reuse_id_policy,
                tags=tags,
                version=self._default_version if version is None else version,
                converter=self._converter,
            )
        )

    def run_orchestration(
        self,
        orchestrator: Callable[[task.OrchestrationContext, TInput], Any]
        | Callable[[task.OrchestrationContext], Any]
        | str,
        *,
        input: TInput | None = None,
        instance_id: str | None = None,
        reuse_id_policy: pb.OrchestrationIdReusePolicy | Collection[OrchestrationStatus] | None = None,
        tags: dict[str, str] | None = None,
        version: str | None = None,
        fetch_payloads: bool = True,
        timeout: float = 60,
    ) -> OrchestrationState:
        """Start an orchestration, wait until it has completed, failed or been terminated; return its state.

        The arguments are those of `schedule_new_orchestration` and `wait_for_orchestration_completion`, and
        so are the errors; both go to the scheduler of `durakit dev` in one round trip. `timeout` is in
        seconds from now; 0 waits without limit. Raises `WaitTimeoutError` when it is over, the instance goes
        on then: pass an `instance_id` if you want to come back to it. Raises `NoResultError` if somebody has
        purged it.
        """
        return self._run(
            operations.run_orchestration(
                orchestrator,
                input=input,
                instance_id=instance_id,
                reuse_id_policy=reuse_id_policy,
                tags=tags,
                version=self._default_version if version is None else version,
                fetch_payloads=fetch_payloads,
                timeout_seconds=timeout,
                has_answered=self._health.has_answered,
                converter=self._converter,
            )
        )

    def get_orchestration_state(
        self, instance_id: str, *, fetch_payloads: bool = True
    ) -> OrchestrationState | None:
        """The instance's state now, with input, output and custom status if `fetch_payloads`; None when
        missing.
        """
        return self._run(
            operations.get_orchestration_state(
                instance_id, fetch_payloads=fetch_payloads, converter=self._converter
            )
        )

    def get_orchestration_history(
        self,
        instance_id: str,
        *,
        execution_id: str | None = None,
        for_work_item_processing: bool = False,
    ) -> list[history.HistoryEvent]:
        """The instance's history, oldest event first. Raises `NotFoundError` when there is no such
        instance.
        """
        return self._run(
            operations.get_orchestration_history(
                instance_id, execution_id=execution_id, for_work_item_processing=for_work_item_processing
            )
        )

    def list_instance_ids(
        self,
        runtime_status: list[OrchestrationStatus] | None = None,
        completed_time_from: datetime | None = None,
        completed_time_to: datetime | None = None,
        page_size: int | None = None,
        continuation_token: str | None = None,
    ) -> Page[str]:
        """One page of the ids of ended instances, in the order in which they ended; times from ≤ t < to."""
        return self._run(
            operations.list_instance_ids(
                runtime_status, completed_time_from, completed_time_to, page_size, continuation_token
            )
        )

    def get_all_orchestration_states(
        self, orchestration_query: OrchestrationQuery | None = None
    ) -> list[OrchestrationState]:
        """The states of all instances that match the query; of all when there is none."""
        return self._run(
            operations.get_all_orchestration_states(orchestration_query, converter=self._converter)
        )

    def wait_for_orchestration_start(
        self, instance_id: str, *, fetch_payloads: bool = False, timeout: float = 60
    ) -> OrchestrationState | None:
        """The state once the instance has left PENDING; see `wait_for_orchestration_completion`."""
        return self._wait("WaitForInstanceStart", "start", instance_id, fetch_payloads, timeout)

    def wait_for_orchestration_completion(
        self, instance_id: str, *, fetch_payloads: bool = True, timeout: float = 60
    ) -> OrchestrationState | None:
        """The state once the instance has completed, failed or been terminated; None when it does not exist.

        `timeout` is in seconds; 0 waits without limit. Raises `WaitTimeoutError`, a `TimeoutError`, when it
        is over. A scheduler that goes away meanwhile is waited for, too.
        """
        return self._wait("WaitForInstanceCompletion", "complete", instance_id, fetch_payloads, timeout)

    def raise_orchestration_event(
        self, instance_id: str, event_name: str, *, data: Any | None = None
    ) -> None:
        """Send an external event; it is kept until the orchestration waits for `event_name`."""
        self._run(
            operations.raise_orchestration_event(
                instance_id, event_name, data=data, converter=self._converter
            )
        )

    def terminate_orchestration(
        self, instance_id: str, *, output: Any | None = None, recursive: bool = True
    ) -> None:
        """End the instance with `output` as its result, and with `recursive` its sub-orchestrations too."""
        self._run(
            operations.terminate_orchestration(
                instance_id, output=output, recursive=recursive, converter=self._converter
            )
        )

    def suspend_orchestration(self, instance_id: str, *, reason: str | None = None) -> None:
        """Pause the instance; what arrives meanwhile is kept."""
        self._run(operations.suspend_orchestration(instance_id, reason))

    def resume_orchestration(self, instance_id: str, *, reason: str | None = None) -> None:
        """Let a suspended instance go on."""
        self._run(operations.resume_orchestration(instance_id, reason))

    def rewind_orchestration(self, instance_id: str, *, reason: str | None = None) -> None:
        """Let a failed instance try again: what failed is run anew, what succeeded is kept."""
        self._run(operations.rewind_orchestration(instance_id, reason))

    def restart_orchestration(self, instance_id: str, *, restart_with_new_instance_id: bool = False) -> str:
        """Start an ended instance again with the same input; return the id of the new run."""
        return self._run(operations.restart_orchestration(instance_id, restart_with_new_instance_id))

    def purge_orchestration(self, instance_id: str, recursive: bool = True) -> PurgeInstancesResult:
        """Delete one ended instance, and with `recursive` its sub-orchestrations too."""
        return self._run(operations.purge_orchestration(instance_id, recursive))

    def purge_orchestrations_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: list[OrchestrationStatus] | None = None,
        recursive: bool = False,
        timeout: timedelta | None = None,
    ) -> PurgeInstancesResult:
        """Delete the ended instances that match; others are left alone. `timeout` limits the scheduler's
        work.
        """
        return self._run(
            operations.purge_orchestrations_by(
                created_time_from, created_time_to, runtime_status, recursive, timeout
            )
        )

    def _wait(
        self, method: str, event: str, instance_id: str, fetch_payloads: bool, timeout: float
    ) -> OrchestrationState | None:
        return self._run(
            operations.wait_for(
                method,
                event,
                instance_id,
                fetch_payloads=fetch_payloads,
                timeout_seconds=timeout,
                has_answered=self._health.has_answered,
                converter=self._converter,
            )
        )

    def _run(self, operation: Operation[T]) -> T:
        try:
            step = next(operation)
            while True:
                try:
                    answer = self._perform(step)
                except SchedulerError as error:
                    step = operation.throw(error)
                else:
                    step = operation.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _perform(self, step: Step) -> Any:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        if isinstance(step, Call):
            (reply,) = self._exchange(step)
            return self._answer(step, reply)
        begun, ended = self._exchange(step.first, step.second)
        first = self._answer(step.first, begun)
        try:
            return first, self._answer(step.second, ended)
        except SchedulerError as error:
            return first, error

    def _exchange(self, *calls: Call) -> Replies:
        if any(BY_NAME[call.method].streams for call in calls):
            return [None]
        return self._link.exchange(calls)

    def _answer(self, call: Call, reply: link.Reply | None) -> Any:
        """What the link has brought, or else what a call of its own brings."""
        try:
            if reply is not None:
                answer: Any = answer_in(reply, call, str(self._connection.address))
            else:
                answer = getattr(self._connection.stub, call.method)(
                    call.request, timeout=call.timeout_seconds
                )
                if BY_NAME[call.method].streams:
                    answer = list(answer)
        except grpc.RpcError as error:
            named = named_error(error, method=call.method, address=str(self._connection.address))
            if self._health.note_error(call.method, named) and self._connection.replace():
                self._link.drop()
                self._logger.warning("Opened a new channel to %s: %s", self._connection.address, named)
            raise named from (None if named is error else error)
        self._health.note_answer()
        return answer


def refuse_payload_store(payload_store: object | None) -> None:
    """Raise `SettingsError` when a payload store is given: the parameter is there for signatures' sake
    only.
    """
    if payload_store is not None:
        raise SettingsError(
            f"payload_store is {type(payload_store).__name__}; this version of durakit cannot use one, "
            "expected None. Keep payloads below the scheduler's limit, or pass references to large data."
        )
