"""Rows of the store as rows of a list. Payloads are cut in SQL, so that a list never loads large ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from durakit.dashboard.embedded.conditions import word_of
from durakit.dashboard.failures import Failure, failure_of
from durakit.dashboard.instances import InstanceRow
from durakit.scheduler.store.store import Connection
from durakit.wire.messages import orchestration_pb2 as pb

PREVIEW = 200
_FAILURE_BYTES = 64 * 1024

COLUMNS = (
    "i.row, i.id, i.name, i.version, i.status, i.created_ns, i.updated_ns, i.completed_ns, i.scheduled_ns, "
    f"i.parent_id, i.parent_name, i.tags, substr(i.custom_status, 1, {PREVIEW}), "
    f"substr(i.output, 1, {PREVIEW}), CASE WHEN length(i.failure) < {_FAILURE_BYTES} THEN i.failure "
    f"ELSE substr(i.failure, 1, 1000) END, i.execution_id"
)
LAST_TURN = "SELECT turn, at_ns FROM history WHERE row = ? ORDER BY turn DESC LIMIT 1"


def rows_by_number(connection: Connection, numbers: Sequence[int]) -> list[tuple[int, str, InstanceRow]]:
    """Return row number, execution id and row of these instances, in the order given."""
    found: dict[int, tuple[int, str, InstanceRow]] = {}
    for at in range(0, len(numbers), 500):
        chunk = numbers[at : at + 500]
        marks = ",".join("?" * len(chunk))
        for values in connection.execute(f"SELECT {COLUMNS} FROM instance i WHERE row IN ({marks})", chunk):
            found[values[0]] = (values[0], values[15], _row(connection, values))
    return [found[number] for number in numbers if number in found]


def numbers_of(connection: Connection, hub_row: int, ids: Sequence[str]) -> list[int]:
    """Return the row numbers of instances, in the order given; missing ones are left out."""
    found: dict[str, int] = {}
    for at in range(0, len(ids), 500):
        chunk = ids[at : at + 500]
        marks = ",".join("?" * len(chunk))
        statement = f"SELECT id, row FROM instance WHERE hub = ? AND id IN ({marks})"
        found.update(connection.execute(statement, [hub_row, *chunk]).fetchall())
    return [found[instance_id] for instance_id in ids if instance_id in found]


def _row(connection: Connection, values: Sequence[Any]) -> InstanceRow:
    row, instance_id, name, version, status, created, updated, completed, scheduled = values[:9]
    parent_id, parent_name, tags, custom_status, output, failure = values[9:15]
    last = connection.execute(LAST_TURN, (row,)).fetchone()
    return InstanceRow(
        id=instance_id,
        name=name,
        status=word_of(status),
        created_ns=created,
        updated_ns=max(updated, last[1]) if last else updated,
        version=version,
        completed_ns=completed,
        scheduled_ns=scheduled,
        parent_id=parent_id,
        parent_name=parent_name,
        tags=json.loads(tags) if tags else {},
        custom_status=custom_status,
        output=output,
        error=first_line(failure),
    )


def first_line(failure: bytes | None) -> str | None:
    """Return `ErrorType: first line of the message` of a stored failure."""
    told = read_failure(failure)
    return None if told is None else told.told.short_line


def read_failure(failure: bytes | None) -> Failure | None:
    """Return a stored failure. One that was cut because it is huge is told by its beginning."""
    if failure is None:
        return None
    try:
        return failure_of(pb.TaskFailureDetails.FromString(failure))
    except DecodeError:
        return Failure("", failure.decode(errors="replace").strip("\x00\n\x0c\x12 ")[:PREVIEW])
