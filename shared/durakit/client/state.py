"""What a client reads about orchestrations, and the queries it asks: plain values, no calls.

Times are naive and in UTC, as in `durabletask`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from durakit.errors import OrchestrationFailedError
from durakit.serialization import JsonDataConverter
from durakit.task.failures import FailureDetails, failure_from_wire
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.serialization import DataConverter

T = TypeVar("T")
TItem = TypeVar("TItem")

DEFAULT_DATA_CONVERTER: DataConverter = JsonDataConverter()
#: The largest page size the protocol can name; schedulers clamp it to their own.
_NO_LIMIT = 2**31 - 1


class OrchestrationStatus(Enum):
    """Where an orchestration instance stands."""

    RUNNING = pb.ORCHESTRATION_STATUS_RUNNING
    COMPLETED = pb.ORCHESTRATION_STATUS_COMPLETED
    FAILED = pb.ORCHESTRATION_STATUS_FAILED
    TERMINATED = pb.ORCHESTRATION_STATUS_TERMINATED
    CONTINUED_AS_NEW = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
    PENDING = pb.ORCHESTRATION_STATUS_PENDING
    SUSPENDED = pb.ORCHESTRATION_STATUS_SUSPENDED

    def __str__(self) -> str:
        return self.name

    @property
    def is_terminal(self) -> bool:
        """Whether the instance has ended and will do nothing more by itself."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {OrchestrationStatus.COMPLETED, OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED}
)


@dataclass
class OrchestrationState:
    """One instance as the scheduler knew it when asked; `get_…` turn its payloads into values."""

    instance_id: str
    name: str
    runtime_status: OrchestrationStatus
    created_at: datetime
    last_updated_at: datetime
    serialized_input: str | None
    """JSON text; None when there is none or it was not asked for (`fetch_payloads=False`)."""
    serialized_output: str | None
    serialized_custom_status: str | None
    failure_details: FailureDetails | None
    _data_converter: DataConverter = field(default=DEFAULT_DATA_CONVERTER, compare=False, repr=False)
    version: str | None = field(default=None, kw_only=True)
    tags: dict[str, str] = field(default_factory=dict, kw_only=True)
    parent_instance_id: str | None = field(default=None, kw_only=True)
    """The instance that called this one as its sub-orchestration."""
    scheduled_start_at: datetime | None = field(default=None, kw_only=True)
    completed_at: datetime | None = field(default=None, kw_only=True)

    @overload
    def get_input(self, expected_type: type[T]) -> T | None: ...
    @overload
    def get_input(self, expected_type: None = None) -> Any: ...
    def get_input(self, expected_type: type | None = None) -> Any:
        """The input, as `expected_type` if given, else as plain JSON data; None when there is none."""
        return self._read(self.serialized_input, expected_type)

    @overload
    def get_output(self, expected_type: type[T]) -> T | None: ...
    @overload
    def get_output(self, expected_type: None = None) -> Any: ...
    def get_output(self, expected_type: type | None = None) -> Any:
        """The result, read like the input."""
        return self._read(self.serialized_output, expected_type)

    @overload
    def get_custom_status(self, expected_type: type[T]) -> T | None: ...
    @overload
    def get_custom_status(self, expected_type: None = None) -> Any: ...
    def get_custom_status(self, expected_type: type | None = None) -> Any:
        """What the orchestrator last gave to `set_custom_status`, read like the input."""
        return self._read(self.serialized_custom_status, expected_type)

    def raise_if_failed(self) -> None:
        """Raise `OrchestrationFailedError` when the instance has failed; do nothing otherwise."""
        if self.failure_details is not None:
            details = self.failure_details
            raise OrchestrationFailedError(
                f"Orchestration {self.name!r} ({self.instance_id}) failed with "
                f"{details.error_type}: {details.message}",
                details,
            )

    def _read(self, text: str | None, expected_type: type | None) -> Any:
        return None if text is None else self._data_converter.deserialize(text, expected_type)


@dataclass
class OrchestrationQuery:
    """Which instances `get_all_orchestration_states` shall return; what is None does not restrict."""

    created_time_from: datetime | None = None
    """Inclusive; naive times are UTC."""
    created_time_to: datetime | None = None
    """Exclusive."""
    runtime_status: list[OrchestrationStatus] | None = None
    max_instance_count: int | None = _NO_LIMIT
    """How many instances one page may hold; all pages are read."""
    fetch_inputs_and_outputs: bool = False
    instance_id_prefix: str | None = None


@dataclass
class PurgeInstancesResult:
    """What a purge removed."""

    deleted_instance_count: int
    is_complete: bool | None
    """False when a time limit ended it early; None when the scheduler does not say."""


@dataclass
class Page(Generic[TItem]):
    """One page of a longer list; pass `continuation_token` to get the next one. None: this was the last."""

    items: list[TItem]
    continuation_token: str | None


def new_orchestration_state(
    instance_id: str, res: pb.GetInstanceResponse, data_converter: DataConverter | None = None
) -> OrchestrationState | None:
    """The state in a scheduler's answer about `instance_id`; None when there is no such instance."""
    if not res.exists:
        return None
    state = parse_orchestration_state(res.orchestrationState, data_converter)
    state.instance_id = instance_id
    return state


def parse_orchestration_state(
    state: pb.OrchestrationState, data_converter: DataConverter | None = None
) -> OrchestrationState:
    """The value of one state message."""
    return OrchestrationState(
        state.instanceId,
        state.name,
        _status(state.orchestrationStatus),
        state.createdTimestamp.ToDatetime(),
        state.lastUpdatedTimestamp.ToDatetime(),
        state.input.value or None,
        state.output.value or None,
        state.customStatus.value or None,
        _failure(state),
        data_converter or DEFAULT_DATA_CONVERTER,
        version=state.version.value if state.HasField("version") else None,
        tags=dict(state.tags),
        parent_instance_id=state.parentInstanceId.value or None,
        scheduled_start_at=_time(state, "scheduledStartTimestamp"),
        completed_at=_time(state, "completedTimestamp"),
    )


def new_purge_instances_result(response: pb.PurgeInstancesResponse) -> PurgeInstancesResult:
    """The value of a purge's answer."""
    is_complete = response.isComplete.value if response.HasField("isComplete") else None
    return PurgeInstancesResult(response.deletedInstanceCount, is_complete)


def _status(value: int) -> OrchestrationStatus:
    # No SDK produces CANCELED, but a scheduler may; for a reader it is an end that was ordered from outside.
    if value == pb.ORCHESTRATION_STATUS_CANCELED:
        return OrchestrationStatus.TERMINATED
    return OrchestrationStatus(value)


def _failure(state: pb.OrchestrationState) -> FailureDetails | None:
    """Presence decides, not text: an exception without a message is a failure too (semantics 7, trap 16)."""
    if not state.HasField("failureDetails"):
        return None
    details = state.failureDetails
    if not (
        details.errorType
        or details.errorMessage
        or state.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
    ):
        return None
    return failure_from_wire(details)


def _time(state: pb.OrchestrationState, field_name: str) -> datetime | None:
    return getattr(state, field_name).ToDatetime() if state.HasField(field_name) else None
