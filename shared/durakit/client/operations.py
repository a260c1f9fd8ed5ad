"""Every client operation once, for both clients, as a generator that asks for calls and pauses.

An operation yields `Call`s (and `Pause`s before it repeats one) and returns its result; it does no I/O. The
clients drive it, one with blocking calls and one with `await`, and throw the `SchedulerError` of a failed
call into it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from durakit import task
from durakit.client.state import (
    OrchestrationQuery,
    OrchestrationState,
    OrchestrationStatus,
    Page,
    PurgeInstancesResult,
    new_orchestration_state,
    new_purge_instances_result,
    parse_orchestration_state,
)
from durakit.errors import NoResultError, SettingsError, WaitTimeoutError
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.status import (
    AlreadyExistsError,
    CallCancelledError,
    SchedulerError,
    SchedulerTimeoutError,
    SchedulerUnavailableError,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from durakit import history
    from durakit.serialization import DataConverter

T = TypeVar("T")

#: Deadline of a call that has no reason to take long; None elsewhere means that it may.
CALL_TIMEOUT_SECONDS = 60.0
#: Attempts to start an instance under an id made here, and the pause before the second; it doubles.
START_ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.05
#: Longest single wait call. Gateways cut silent calls, so a longer wait is made of several.
WAIT_SLICE_SECONDS = 120.0
#: Longest pause while a scheduler that has answered before is away.
MAX_PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Call:
    """One RPC to make; a streaming method is answered with the list of all its messages."""

    method: str
    request: Message
    timeout_seconds: float | None = CALL_TIMEOUT_SECONDS


@dataclass(frozen=True)
class Pair:
    """Two RPCs, the second to be made when the first was answered with OK; over a link both leave at once.

    Answered with the answer to the first and the answer, or the `SchedulerError`, to the second. If the first
    fails, its error is thrown and the second is not made, or does not count.
    """

    first: Call
    second: Call


@dataclass(frozen=True)
class Pause:
    """Time to let pass."""

    seconds: float


Step = Call | Pair | Pause
Operation = Generator[Step, Any, T]


def schedule_new_orchestration(
    orchestrator: Any,
    *,
    input: Any,
    instance_id: str | None,
    start_at: datetime | None,
    reuse_id_policy: pb.OrchestrationIdReusePolicy | Collection[OrchestrationStatus] | None,
    tags: Mapping[str, str] | None,
    version: str | None,
    converter: DataConverter,
) -> Operation[str]:
    """Start an instance; return its id."""
    request = _start_request(
        orchestrator,
        input=input,
        instance_id=instance_id,
        start_at=start_at,
        reuse_id_policy=reuse_id_policy,
        tags=tags,
        version=version,
        converter=converter,
    )
    response = yield from _start(request, START_ATTEMPTS if not instance_id else 1)
    return request.instanceId if response is None else response.instanceId


def run_orchestration(
    orchestrator: Any,
    *,
    input: Any,
    instance_id: str | None,
    reuse_id_policy: pb.OrchestrationIdReusePolicy | Collection[OrchestrationStatus] | None,
    tags: Mapping[str, str] | None,
    version: str | None,
    fetch_payloads: bool,
    timeout_seconds: float,
    has_answered: Callable[[], bool],
    converter: DataConverter,
) -> Operation[OrchestrationState]:
    """Start an instance and wait until it has ended; both are asked for at once where a link is open.

    Raises what `schedule_new_orchestration` and `wait_for` raise, and `NoResultError` when the instance was
    purged before anybody could see its end.
    """
    request = _start_request(
        orchestrator,
        input=input,
        instance_id=instance_id,
        start_at=None,
        reuse_id_policy=reuse_id_policy,
        tags=tags,
        version=version,
        converter=converter,
    )
    _check_timeout(timeout_seconds)
    begun_at = monotonic()
    wait = Call(
        "WaitForInstanceCompletion",
        pb.GetInstanceRequest(instanceId=request.instanceId, getInputsAndOutputs=fetch_payloads),
        min(timeout_seconds or WAIT_SLICE_SECONDS, WAIT_SLICE_SECONDS),
    )
    answers = yield from _start(request, START_ATTEMPTS if not instance_id else 1, wait)
    state = yield from wait_for(
        wait.method,
        "complete",
        request.instanceId,
        fetch_payloads=fetch_payloads,
        timeout_seconds=timeout_seconds,
        has_answered=has_answered,
        converter=converter,
        begun_at=begun_at,
        first_outcome=None if answers is None else answers[1],
    )
    if state is None:
        raise NoResultError(f"There is no orchestration {request.instanceId} any more; somebody purged it.")
    return state


def _start(request: pb.CreateInstanceRequest, attempts: int, then: Call | None = None) -> Operation[Any]:
    """Start an instance, and make the call `then` if given; return the answer, or both.

    Under an id made here the call is repeated when the connection breaks: a repetition that is told
    "already exists" has met its own first attempt; None is returned then. Under a caller's id nobody could
    tell, so there is one attempt and the rest is left to the caller.
    """
    start = Call("StartInstance", request)
    for attempt in range(1, attempts + 1):
        try:
            return (yield start if then is None else Pair(start, then))
        except SchedulerUnavailableError:
            if attempt == attempts:
                raise
        except AlreadyExistsError:
            if attempt == 1:
                raise
            return None
        yield Pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _start_request(
    orchestrator: Any,
    *,
    input: Any,
    instance_id: str | None,
    start_at: datetime | None,
    reuse_id_policy: pb.OrchestrationIdReusePolicy | Collection[OrchestrationStatus] | None,
    tags: Mapping[str, str] | None,
    version: str | None,
    converter: DataConverter,
) -> pb.CreateInstanceRequest:
    return pb.CreateInstanceRequest(
        instanceId=instance_id or uuid.uuid4().hex,
        name=orchestrator if isinstance(orchestrator, str) else task.get_name(orchestrator),
        version=_text(version),
        input=_text(converter.serialize(input)),
        scheduledStartTimestamp=_timestamp(start_at),
        orchestrationIdReusePolicy=_reuse_policy(reuse_id_policy),
        tags=tags,
    )


def get_orchestration_state(
    instance_id: str, *, fetch_payloads: bool, converter: DataConverter
) -> Operation[OrchestrationState | None]:
    """The instance's state now; None when there is no such instance."""
    request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=fetch_payloads)
    response = yield Call("GetInstance", request)
    return new_orchestration_state(instance_id, response, converter)


def wait_for(
    method: str,
    event: str,
    instance_id: str,
    *,
    fetch_payloads: bool,
    timeout_seconds: float,
    has_answered: Callable[[], bool],
    converter: DataConverter,
    begun_at: float | None = None,
    first_outcome: pb.GetInstanceResponse | SchedulerError | None = None,
) -> Operation[OrchestrationState | None]:
    """Wait until the scheduler answers `method`; 0 seconds: without limit.

    The call is made again when it is cut short, and, if the scheduler has answered this client before,
    while the scheduler is away. Raises `WaitTimeoutError` saying that the instance did not `event`.
    A caller who has begun to wait already says since when, and what the first call came to.
    """
    _check_timeout(timeout_seconds)
    begun_at = monotonic() if begun_at is None else begun_at
    deadline = begun_at + timeout_seconds if timeout_seconds else float("inf")
    request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=fetch_payloads)
    pause_seconds = FIRST_PAUSE_SECONDS
    failure: SchedulerError | None = None
    while (left := deadline - monotonic()) > 0 or first_outcome is not None:
        outcome, first_outcome = first_outcome, None
        try:
            if isinstance(outcome, SchedulerError):
                raise outcome
            response = outcome or (yield Call(method, request, min(left, WAIT_SLICE_SECONDS)))
        except SchedulerTimeoutError:
            failure = None
        except (SchedulerUnavailableError, CallCancelledError) as error:
            if not has_answered():
                raise
            failure = error
            yield Pause(min(pause_seconds, max(0.0, deadline - monotonic())))
            pause_seconds = min(pause_seconds * 2, MAX_PAUSE_SECONDS)
        else:
            return new_orchestration_state(instance_id, response, converter)
    reason = (
        f" The last attempt: {failure}" if failure else " It goes on; wait again or pass a longer timeout."
    )
    raise WaitTimeoutError(
        f"Instance {instance_id!r} did not {event} within {timeout_seconds:g} s.{reason}"
    ) from failure


def _check_timeout(seconds: float) -> None:
    if seconds < 0:
        raise SettingsError(f"timeout is {seconds}; expected seconds above 0, or 0 to wait without limit.")


def get_orchestration_history(
    instance_id: str, *, execution_id: str | None, for_work_item_processing: bool
) -> Operation[list[history.HistoryEvent]]:
    """All events of the instance's history, oldest first."""
    from durakit import history

    request = pb.StreamInstanceHistoryRequest(
        instanceId=instance_id,
        executionId=_text(execution_id),
        forWorkItemProcessing=for_work_item_processing,
    )
    chunks: Sequence[pb.HistoryChunk] = yield Call("StreamInstanceHistory", request, None)
    return [history.from_message(event) for chunk in chunks for event in chunk.events]


def list_instance_ids(
    runtime_status: Collection[OrchestrationStatus] | None,
    completed_time_from: datetime | None,
    completed_time_to: datetime | None,
    page_size: int | None,
    continuation_token: str | None,
) -> Operation[Page[str]]:
    """One page of the ids of ended instances, in the order in which they ended."""
    request = pb.ListInstanceIdsRequest(
        runtimeStatus=_statuses(runtime_status),
        completedTimeFrom=_timestamp(completed_time_from),
        completedTimeTo=_timestamp(completed_time_to),
        pageSize=page_size or 0,
        lastInstanceKey=_text(continuation_token),
    )
    response: pb.ListInstanceIdsResponse = yield Call("ListInstanceIds", request)
    return Page(list(response.instanceIds), response.lastInstanceKey.value or None)


def get_all_orchestration_states(
    query: OrchestrationQuery | None, *, converter: DataConverter
) -> Operation[list[OrchestrationState]]:
    """The states of all instances that match, all pages."""
    query = query or OrchestrationQuery()
    request = pb.QueryInstancesRequest(
        query=pb.InstanceQuery(
            runtimeStatus=_statuses(query.runtime_status),
            createdTimeFrom=_timestamp(query.created_time_from),
            createdTimeTo=_timestamp(query.created_time_to),
            maxInstanceCount=query.max_instance_count or 0,
            instanceIdPrefix=_text(query.instance_id_prefix),
            fetchInputsAndOutputs=query.fetch_inputs_and_outputs,
        )
    )
    states: list[OrchestrationState] = []
    while True:
        response: pb.QueryInstancesResponse = yield Call("QueryInstances", request, None)
        states += [parse_orchestration_state(state, converter) for state in response.orchestrationState]
        token = response.continuationToken.value
        # Absent, empty, "0" and the token just sent all mean the end (semantics 1.5 rule 3).
        if token in ("", "0", request.query.continuationToken.value):
            return states
        request.query.continuationToken.value = token


def raise_orchestration_event(
    instance_id: str, event_name: str, *, data: Any, converter: DataConverter
) -> Operation[None]:
    """Put an event into the instance's inbox."""
    if not event_name:
        raise SettingsError("event_name is empty; expected the name that wait_for_external_event waits for.")
    payload = _text(converter.serialize(data))
    yield Call("RaiseEvent", pb.RaiseEventRequest(instanceId=instance_id, name=event_name, input=payload))


def terminate_orchestration(
    instance_id: str, *, output: Any, recursive: bool, converter: DataConverter
) -> Operation[None]:
    """Order the instance to end, with `output` as its result."""
    payload = _text(converter.serialize(output))
    yield Call(
        "TerminateInstance", pb.TerminateRequest(instanceId=instance_id, output=payload, recursive=recursive)
    )


def suspend_orchestration(instance_id: str, reason: str | None) -> Operation[None]:
    """Order the instance to pause."""
    yield Call("SuspendInstance", pb.SuspendRequest(instanceId=instance_id, reason=_text(reason)))


def resume_orchestration(instance_id: str, reason: str | None) -> Operation[None]:
    """Order the instance to go on."""
    yield Call("ResumeInstance", pb.ResumeRequest(instanceId=instance_id, reason=_text(reason)))


def rewind_orchestration(instance_id: str, reason: str | None) -> Operation[None]:
    """Order a failed instance to try again from its last good point."""
    yield Call("RewindInstance", pb.RewindInstanceRequest(instanceId=instance_id, reason=_text(reason)))


def restart_orchestration(instance_id: str, restart_with_new_instance_id: bool) -> Operation[str]:
    """Start the instance again from the beginning; return the id it then has."""
    request = pb.RestartInstanceRequest(
        instanceId=instance_id, restartWithNewInstanceId=restart_with_new_instance_id
    )
    response: pb.RestartInstanceResponse = yield Call("RestartInstance", request)
    return response.instanceId


def purge_orchestration(instance_id: str, recursive: bool) -> Operation[PurgeInstancesResult]:
    """Delete one ended instance."""
    request = pb.PurgeInstancesRequest(instanceId=instance_id, recursive=recursive, isOrchestration=True)
    return new_purge_instances_result((yield Call("PurgeInstances", request, None)))


def purge_orchestrations_by(
    created_time_from: datetime | None,
    created_time_to: datetime | None,
    runtime_status: Collection[OrchestrationStatus] | None,
    recursive: bool,
    timeout: timedelta | None,
) -> Operation[PurgeInstancesResult]:
    """Delete the ended instances that match."""
    if timeout is not None and timeout <= timedelta():
        raise SettingsError(f"timeout is {timeout}; expected a duration above zero, or None for no limit.")
    criteria = pb.PurgeInstanceFilter(
        createdTimeFrom=_timestamp(created_time_from),
        createdTimeTo=_timestamp(created_time_to),
        runtimeStatus=_statuses(runtime_status),
        timeout=_duration(timeout),
    )
    request = pb.PurgeInstancesRequest(
        purgeInstanceFilter=criteria, recursive=recursive, isOrchestration=True
    )
    return new_purge_instances_result((yield Call("PurgeInstances", request, None)))


def _text(value: str | None) -> StringValue | None:
    return None if value is None else StringValue(value=value)


def _timestamp(moment: datetime | None) -> Timestamp | None:
    """Naive times are UTC, as everywhere in the API."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(timezone.utc) if moment.tzinfo else moment)
    return stamp


def _duration(length: timedelta | None) -> Duration | None:
    if length is None:
        return None
    duration = Duration()
    duration.FromTimedelta(length)
    return duration


def _statuses(statuses: Collection[OrchestrationStatus] | None) -> list[pb.OrchestrationStatus]:
    return [status.value for status in statuses or ()]


def _reuse_policy(
    policy: pb.OrchestrationIdReusePolicy | Collection[OrchestrationStatus] | None,
) -> pb.OrchestrationIdReusePolicy | None:
    if policy is None or isinstance(policy, pb.OrchestrationIdReusePolicy):
        return policy
    return pb.OrchestrationIdReusePolicy(replaceableStatus=_statuses(policy))
