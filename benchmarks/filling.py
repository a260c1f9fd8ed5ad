"""Fills a scheduler's file with instances as the scheduler itself would have left them."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from durakit.scheduler.machine import events
from durakit.scheduler.machine.instance import Status
from durakit.scheduler.store import Store
from durakit.scheduler.store import statements as sql
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

SECOND = 1_000_000_000
NAMES = ("purchase_order", "charge_order", "hash_folder", "process_orders", "book_trip", "monitor_job")
HUGE = "huge"
"""The instance with the long history."""


def fill(path: Path, instances: int, huge_events: int, *, now_ns: int, seed: int = 1) -> None:
    """Write a file with one hub `default`.

    Args:
        instances: how many; one in five is a child, one in 400 runs, one in 60 failed.
        huge_events: length of the history of the instance `HUGE`, which runs.
    """
    Store(path).close()
    chance = random.Random(seed)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    if not connection.execute("SELECT 1 FROM hub WHERE name = 'default'").fetchone():
        connection.execute(sql.INSERT_HUB, (1, "default", now_ns))
    for row in range(1, instances):
        _write(connection, row, chance, now_ns - (instances - row) * 2 * SECOND)
    _write_huge(connection, instances, huge_events, now_ns - 3600 * SECOND)
    connection.execute("COMMIT")
    connection.close()


def _write(connection: sqlite3.Connection, row: int, chance: random.Random, at_ns: int) -> None:
    name = NAMES[chance.randrange(len(NAMES))]
    instance_id = f"{name}-{row:07d}"
    status = Status.COMPLETED
    if row % 60 == 0:
        status = Status.FAILED
    elif row % 400 == 1:
        status = Status.RUNNING
    elif row % 1000 == 2:
        status = Status.TERMINATED
    took_ns = chance.randrange(SECOND // 10, 20 * SECOND)
    order = {"order_id": f"o{row}", "amount": chance.randrange(100_000) / 100, "customer": f"c{row % 977}"}
    failure = None
    if status is Status.FAILED:
        failure = pb.TaskFailureDetails(
            errorType="CardDeclined", errorMessage=f"card of c{row % 977} declined"
        )
    ended = None if status is Status.RUNNING else at_ns + took_ns
    parent = f"{NAMES[0]}-{row - row % 5:07d}" if row % 5 == 1 and row > 5 else None
    tags = json.dumps({"region": ("eu", "us", "asia")[row % 3], "customer": f"c{row % 977}"})
    connection.execute(
        sql.INSERT_INSTANCE,
        (
            row, 1, instance_id, f"e{row}", name, "1.4.0", int(status), at_ns, ended or at_ns, ended, None,
            parent, parent and "e", parent and 1, parent and NAMES[0], None, tags,
            json.dumps({"receipt": f"r{row}"}) if status is Status.COMPLETED else None,
            failure and failure.SerializeToString(),
            '"charging"' if row % 7 == 0 else None, None, int(row % 7 == 0),
        ),
    )  # fmt: skip
    connection.execute(sql.PUT_INPUT, (row, json.dumps(order)))
    if row % 7 == 0:
        connection.execute(sql.PUT_STATUS, (sql.slot_of(row, 1), 1, at_ns, '"charging"', None))
    for turn, batch in enumerate(_turns(name, instance_id, at_ns, ended, status, failure)):
        blob = framing.past(batch)
        connection.execute(sql.INSERT_TURN, (row, turn, at_ns, len(batch), blob))


def _turns(
    name: str,
    instance_id: str,
    at_ns: int,
    ended_ns: int | None,
    status: Status,
    failure: pb.TaskFailureDetails | None,
) -> Iterator[list[bytes]]:
    started = pb.ExecutionStartedEvent(name=name)
    started.orchestrationInstance.instanceId = instance_id
    yield [
        events.orchestrator_started(at_ns),
        events.execution_started(at_ns, started),
        events.task_scheduled(at_ns, 1, pb.ScheduleTaskAction(name="charge_card")),
        events.orchestrator_completed(at_ns),
    ]
    if ended_ns is None:
        timer = pb.CreateTimerAction(fireAt=events.timestamp(at_ns + 90 * 86_400 * SECOND))
        yield [
            events.orchestrator_started(at_ns + SECOND),
            events.task_completed(at_ns + SECOND, 1, None),
            events.timer_created(at_ns + SECOND, 2, timer),
            events.orchestrator_completed(at_ns + SECOND),
        ]
        return
    yield [
        events.orchestrator_started(ended_ns),
        events.task_completed(ended_ns, 1, None),
        events.execution_completed(ended_ns, int(status), None, failure),
        events.orchestrator_completed(ended_ns),
    ]


def _write_huge(connection: sqlite3.Connection, row: int, count: int, at_ns: int) -> None:
    """An orchestration that has called an activity again and again, and still does."""
    connection.execute(
        sql.INSERT_INSTANCE,
        (
            row, 1, HUGE, "eh", "hash_folder", None, int(Status.RUNNING), at_ns, at_ns, None, None,
            None, None, None, None, None, None, None, None, None, None, 0,
        ),
    )  # fmt: skip
    started = pb.ExecutionStartedEvent(name="hash_folder")
    started.orchestrationInstance.instanceId = HUGE
    written, step, turn = 0, 1, 0
    new = [events.execution_started(at_ns, started)]
    while written < count:
        at_ns += SECOND // 100
        batch = [
            events.orchestrator_started(at_ns),
            *new,
            events.task_scheduled(at_ns, step, pb.ScheduleTaskAction(name="hash_file")),
            events.orchestrator_completed(at_ns),
        ]
        connection.execute(sql.INSERT_TURN, (row, turn, at_ns, len(batch), framing.past(batch)))
        new = [events.task_completed(at_ns, step, None)]
        written, step, turn = written + len(batch), step + 1, turn + 1
