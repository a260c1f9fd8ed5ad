"""A journal as rows: taken from memory on the loop, written to disk by whichever thread commits."""

from __future__ import annotations

import json
from typing import Any

from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.machine.journal import Journal
from durakit.scheduler.machine.status_record import StatusChange
from durakit.scheduler.store import statements as sql

Rows = list[tuple[Any, ...]]


class Batch:
    """The statements of one transaction, each with all its rows."""

    __slots__ = ("statements",)

    def __init__(self, journal: Journal) -> None:
        gone = journal.deleted
        created = {row: instance for row, instance in journal.created.items() if row not in gone}
        kept_from = journal.history_kept_from
        steps: list[tuple[str, Rows]] = [
            (sql.DELETE_INSTANCE, [(row,) for row in gone]),
            (sql.DELETE_INPUT, [(row,) for row in gone]),
            (sql.DELETE_HISTORY, [(row,) for row in gone]),
            (sql.DELETE_STATUSES, [sql.slots_of(row) for row in gone]),
            (sql.INSERT_HUB, journal.hubs),
            (sql.INSERT_INSTANCE, [_inserted(instance) for instance in created.values()]),
            (
                sql.UPDATE_INSTANCE,
                [
                    _updated(instance)
                    for row, instance in journal.changed.items()
                    if row not in created and row not in gone
                ],
            ),
            (sql.PUT_INPUT, [entry for entry in journal.inputs.items() if entry[0] not in gone]),
            (
                sql.INSERT_TURN,
                [
                    turn
                    for turn in journal.history
                    if turn[0] not in gone and turn[1] >= kept_from.get(turn[0], 0)
                ],
            ),
            (sql.DELETE_TURNS_BEFORE, [entry for entry in kept_from.items() if entry[0] not in gone]),
            (sql.PUT_STATUS, [_status(each) for each in journal.statuses if each.row not in gone]),
            (
                sql.INSERT_ARRIVAL,
                [(key, row, event) for key, (row, event) in journal.arrivals.items() if row not in gone],
            ),
            (sql.DELETE_ARRIVAL, [(key,) for key in journal.taken]),
        ]
        self.statements = [(statement, rows) for statement, rows in steps if rows]
        if journal.pages_to_free:
            self.statements += [(sql.FREE_A_PAGE, [()])] * journal.pages_to_free


def _inserted(instance: Instance) -> tuple[Any, ...]:
    parent = instance.parent
    return (
        instance.row,
        instance.hub_row,
        instance.id,
        instance.execution_id,
        instance.name,
        instance.version,
        int(instance.status),
        instance.created_ns,
        instance.updated_ns,
        instance.completed_ns,
        instance.scheduled_ns,
        parent and parent.instance_id,
        parent and parent.execution_id,
        parent and parent.task_id,
        parent and parent.name,
        parent and parent.version,
        json.dumps(instance.tags) if instance.tags else None,
        instance.output,
        instance.failure,
        instance.custom_status,
        instance.trace or None,
        instance.statuses,
    )


def _updated(instance: Instance) -> tuple[Any, ...]:
    return (
        instance.execution_id,
        instance.version,
        int(instance.status),
        instance.updated_ns,
        instance.completed_ns,
        instance.parent and instance.parent.execution_id,
        instance.output,
        instance.failure,
        instance.custom_status,
        instance.trace or None,
        instance.statuses,
        instance.row,
    )


def _status(change: StatusChange) -> tuple[Any, ...]:
    return sql.slot_of(change.row, change.number), change.number, change.at_ns, change.text, change.bytes
