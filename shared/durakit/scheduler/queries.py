"""Questions about many instances: query, list of ids, filter purge, newest first (semantics.md 1.5, 1.6).

All read what is committed, a page at a time, by keys that later inserts cannot shift. An instance that is
resident is newer in memory than its row, so the resident one is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from durakit.scheduler.engine import Engine
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.machine import ending
from durakit.scheduler.machine.events import nanoseconds, storable
from durakit.scheduler.machine.instance import TERMINAL, Instance
from durakit.scheduler.refusal import invalid
from durakit.scheduler.states import state_of
from durakit.wire.messages import orchestration_pb2 as pb

LARGEST_PAGE = 1000
LARGEST_PAGE_WITH_PAYLOADS = 100
LARGEST_PAGE_BYTES = 3 * 1024 * 1024
"""A page ends before it is larger: clients receive 4 MiB unless told otherwise."""
DEFAULT_PAGE = 100
LARGEST_BATCH = 500


@dataclass
class _Where:
    """Conditions joined by AND, with their parameters."""

    conditions: list[str]
    parameters: list[Any] = field(default_factory=list)

    def add(self, condition: str, *parameters: Any) -> None:
        self.conditions.append(condition)
        self.parameters.extend(parameters)

    def status_in(self, statuses: list[int]) -> None:
        if statuses:
            self.add(f"status IN ({','.join('?' * len(statuses))})", *statuses)

    def range(self, column: str, bounds: Any, start: str, end: str) -> None:
        """Inclusive from, exclusive to."""
        if bounds.HasField(start):
            self.add(f"{column} >= ?", storable(nanoseconds(getattr(bounds, start))))
        if bounds.HasField(end):
            self.add(f"{column} < ?", storable(nanoseconds(getattr(bounds, end))))

    def sql(self, rest: str) -> str:
        return f"WHERE {' AND '.join(self.conditions)} {rest}"


def _in_hub(hub: TaskHub) -> _Where:
    return _Where(["hub = ?"], [hub.machine.hub_row])


def _page_size(wanted: int) -> int:
    return min(wanted, LARGEST_PAGE) if wanted > 0 else DEFAULT_PAGE


def query(engine: Engine, hub: TaskHub, request: pb.QueryInstancesRequest) -> pb.QueryInstancesResponse:
    """Answer QueryInstances: oldest first, by creation.

    Raises:
        Refusal: INVALID_ARGUMENT for a continuation token that is not ours.
    """
    asked = request.query
    where = _in_hub(hub)
    statuses = [int(status) for status in asked.runtimeStatus]
    where.status_in(statuses)
    where.range("created_ns", asked, "createdTimeFrom", "createdTimeTo")
    if asked.HasField("instanceIdPrefix") and asked.instanceIdPrefix.value:
        prefix = asked.instanceIdPrefix.value
        where.add("substr(id, 1, ?) = ?", len(prefix), prefix)
    if asked.HasField("continuationToken") and asked.continuationToken.value:
        created, row = _numbers(asked.continuationToken.value)
        where.add("(created_ns, row) > (?, ?)", created, row)
    size = _page_size(asked.maxInstanceCount)
    if asked.fetchInputsAndOutputs:
        size = min(size, LARGEST_PAGE_WITH_PAYLOADS)
    found = engine.store.select(
        where.sql("ORDER BY created_ns, row LIMIT ?"),
        [*where.parameters, size + 1],
        inputs=asked.fetchInputsAndOutputs,
    )
    response = pb.QueryInstancesResponse()
    room = LARGEST_PAGE_BYTES
    for at, instance in enumerate(found):
        newest = _newest(hub, instance)
        state = state_of(newest, payloads=asked.fetchInputsAndOutputs)
        room -= state.ByteSize()
        if at == size or (room < 0 and at > 0):
            last = found[at - 1]
            response.continuationToken.value = f"{last.created_ns}|{last.row}"
            break
        if not statuses or newest.status in statuses:
            response.orchestrationState.append(state)
    return response


def _newest(hub: TaskHub, instance: Instance) -> Instance:
    resident = hub.machine.resident.get(instance.id)
    return resident if resident is not None and resident.row == instance.row else instance


def _numbers(token: str) -> tuple[int, int]:
    try:
        first, second = token.split("|")
        return int(first), int(second)
    except ValueError:
        raise invalid(
            f"'{token}' is not a continuation token of this scheduler. Pass the token of the last page "
            f"unchanged, or none for the first page."
        ) from None


def list_ids(engine: Engine, hub: TaskHub, request: pb.ListInstanceIdsRequest) -> pb.ListInstanceIdsResponse:
    """Answer ListInstanceIds: instances that have ended, in order of their end.

    Raises:
        Refusal: INVALID_ARGUMENT for a key that is not ours.
    """
    where = _in_hub(hub)
    where.add("completed_ns IS NOT NULL")
    where.status_in([int(status) for status in request.runtimeStatus])
    where.range("completed_ns", request, "completedTimeFrom", "completedTimeTo")
    if request.lastInstanceKey.value:
        completed, _, last_id = request.lastInstanceKey.value.partition("|")
        if not completed.isdigit():
            raise invalid(
                f"'{request.lastInstanceKey.value}' is not an instance key of this scheduler. Pass the key "
                f"of the last page unchanged, or none for the first page."
            )
        where.add("(completed_ns, id) > (?, ?)", int(completed), last_id)
    size = _page_size(request.pageSize)
    found = engine.store.select(
        where.sql("ORDER BY completed_ns, id LIMIT ?"), [*where.parameters, size + 1], inputs=False
    )
    response = pb.ListInstanceIdsResponse(instanceIds=[instance.id for instance in found[:size]])
    if len(found) > size:
        last = found[size - 1]
        response.lastInstanceKey.value = f"{last.completed_ns}|{last.id}"
    return response


def purge(engine: Engine, hub: TaskHub, request: pb.PurgeInstancesRequest) -> pb.PurgeInstancesResponse:
    """Answer PurgeInstances: one id, a batch of ids, or a filter.

    Raises:
        Refusal: INVALID_ARGUMENT, or FAILED_PRECONDITION when the one instance still runs.
    """
    kind = request.WhichOneof("request")
    if kind == "instanceId":
        deleted = hub.purge(request.instanceId, recursive=request.recursive)
    elif kind == "instanceBatch":
        ids = list(request.instanceBatch.instanceIds)
        if len(ids) > LARGEST_BATCH:
            raise invalid(f"The batch has {len(ids)} ids; at most {LARGEST_BATCH} are allowed. Split it.")
        deleted = sum(_purge_if_ended(hub, instance_id, request.recursive) for instance_id in ids)
    elif kind == "purgeInstanceFilter":
        deleted = _purge_by(engine, hub, request.purgeInstanceFilter, request.recursive)
    else:
        raise invalid("Nothing to purge was named. Pass an instance id, a batch of ids, or a filter.")
    response = pb.PurgeInstancesResponse(deletedInstanceCount=deleted)
    response.isComplete.value = True
    return response


def _purge_if_ended(hub: TaskHub, instance_id: str, recursive: bool) -> int:
    instance = hub.machine.find(instance_id)
    if instance is None or not instance.is_terminal:
        return 0
    return hub.purge(instance_id, recursive=recursive)


def _purge_by(engine: Engine, hub: TaskHub, asked: pb.PurgeInstanceFilter, recursive: bool) -> int:
    where = _in_hub(hub)
    where.add("completed_ns IS NOT NULL")
    ended = [status for status in map(int, asked.runtimeStatus) if status in TERMINAL]
    if asked.runtimeStatus and not ended:
        return 0
    where.status_in(ended)
    where.range("created_ns", asked, "createdTimeFrom", "createdTimeTo")
    found = engine.store.select(where.sql(""), where.parameters, inputs=False)
    deleted = 0
    for instance in found:
        current = hub.machine.find(instance.id)
        # A recursive purge may have deleted it just now, or somebody has replaced it since.
        if current is not None and current.row == instance.row:
            deleted += ending.purge(hub.machine, current, recursive=recursive)
    hub.changed()
    return deleted
