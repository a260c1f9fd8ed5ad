"""States of the protocol as rows of a list."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from durakit.dashboard import words
from durakit.dashboard.failures import Failure, failure_of
from durakit.dashboard.instances import InstanceRow
from durakit.wire.messages import orchestration_pb2 as pb

PREVIEW = 200
_PREFIX = "ORCHESTRATION_STATUS_"


def word_of(status: int) -> str:
    """Return the list's word for a status of the protocol; unknown ones are told by their number."""
    if status == pb.ORCHESTRATION_STATUS_CANCELED:
        return "terminated"
    if status == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
        return "running"
    try:
        return pb.OrchestrationStatus.Name(status).removeprefix(_PREFIX).lower()
    except ValueError:
        return f"status {status}"


def statuses_of(wanted: frozenset[str]) -> list[str]:
    """Return the names of the protocol's statuses that the list's words stand for."""
    return [name for name, value in pb.OrchestrationStatus.items() if word_of(value) in wanted]


def nanoseconds(stamp: Timestamp) -> int:
    """Return a time of the protocol."""
    return stamp.seconds * words.SECOND + stamp.nanos


def timestamp(at_ns: int) -> Timestamp:
    """Return a time for the protocol."""
    seconds, nanos = divmod(at_ns, words.SECOND)
    return Timestamp(seconds=seconds, nanos=nanos)


def failure_in(state: pb.OrchestrationState) -> Failure | None:
    """Return the failure of a failed instance; None when there is none or it was not asked for."""
    if not state.HasField("failureDetails") or word_of(state.orchestrationStatus) != "failed":
        return None
    return failure_of(state.failureDetails)


def row_of(state: pb.OrchestrationState) -> InstanceRow:
    """Return a state as a row; its payloads, if any, become previews."""
    failure = failure_in(state)
    return InstanceRow(
        id=state.instanceId,
        name=state.name,
        status=word_of(state.orchestrationStatus),
        created_ns=nanoseconds(state.createdTimestamp),
        updated_ns=nanoseconds(state.lastUpdatedTimestamp),
        version=state.version.value if state.HasField("version") else None,
        completed_ns=nanoseconds(state.completedTimestamp) if state.HasField("completedTimestamp") else None,
        scheduled_ns=nanoseconds(state.scheduledStartTimestamp)
        if state.HasField("scheduledStartTimestamp")
        else None,
        parent_id=state.parentInstanceId.value or None,
        tags=dict(state.tags),
        custom_status=state.customStatus.value[:PREVIEW] if state.HasField("customStatus") else None,
        output=state.output.value[:PREVIEW] if state.HasField("output") else None,
        error=None if failure is None else failure.told.short_line,
    )
