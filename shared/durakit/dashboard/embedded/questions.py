"""Questions to the store that take more than one statement, each asked on one connection."""

from __future__ import annotations

from collections.abc import Sequence

from durakit.dashboard.embedded import lists, records
from durakit.dashboard.instances import ChildCounts, InstanceRow, StatusChange, StatusRecord
from durakit.dashboard.lists import InstanceQuery
from durakit.scheduler.machine.status_record import STATUSES_KEPT
from durakit.scheduler.store import statements as sql
from durakit.scheduler.store.store import Connection


def page(
    ask: Connection,
    hub_row: int,
    query: InstanceQuery,
    only: Sequence[int] | None,
    among: Sequence[int] | None = None,
) -> tuple[lists.Found, list[tuple[int, str, InstanceRow]]]:
    found = lists.find(ask, hub_row, query, only, among)
    return found, records.rows_by_number(ask, [number for _, number in found.keys])


def statuses(ask: Connection, hub_row: int, query: InstanceQuery, only: Sequence[int]) -> list[str]:
    _, rows = page(ask, hub_row, query, only)
    return [row.status for _, _, row in rows]


def whole(
    ask: Connection, hub_row: int, instance_id: str
) -> tuple[int, str, InstanceRow, tuple[str | None, str | None, str | None], bytes | None] | None:
    numbers = records.numbers_of(ask, hub_row, [instance_id])
    if not numbers:
        return None
    ((number, execution_id, row),) = records.rows_by_number(ask, numbers)
    given = ask.execute("SELECT payload FROM input WHERE row = ?", (number,)).fetchone()
    output, custom_status, failure = ask.execute(
        "SELECT output, custom_status, failure FROM instance WHERE row = ?", (number,)
    ).fetchone()
    payloads = (None if given is None else given[0], output, custom_status)
    return number, execution_id, row, payloads, failure


def custom_statuses(ask: Connection, number: int) -> StatusRecord:
    found = ask.execute(sql.STATUSES_OF, sql.slots_of(number)).fetchall()
    changes = [StatusChange(at_ns, text, size) for _, at_ns, text, size in found]
    return StatusRecord(changes, dropped=found[-1][0] - 1 if found else 0)


def child_counts(ask: Connection, hub_row: int, ids: Sequence[str]) -> dict[str, ChildCounts]:
    counted: dict[str, ChildCounts] = {}
    for at in range(0, len(ids), 500):
        chunk = ids[at : at + 500]
        found = ask.execute(
            "SELECT parent_id, count(*), sum(completed_ns IS NULL), sum(status = 3) FROM instance "
            f"INDEXED BY instance_parent WHERE hub = ? AND parent_id IN ({','.join('?' * len(chunk))}) "
            "GROUP BY parent_id",
            [hub_row, *chunk],
        ).fetchall()
        counted.update({each[0]: ChildCounts(each[1], each[2], each[3]) for each in found})
    return counted


def size(ask: Connection, hub_row: int) -> tuple[int | None, int | None]:
    """Return an estimate of a hub's bytes, from its newest instances, and when anything happened last."""
    active = ask.execute(
        "SELECT max(updated_ns) FROM (SELECT updated_ns FROM instance INDEXED BY instance_created "
        "WHERE hub = ? ORDER BY created_ns DESC LIMIT 100)",
        (hub_row,),
    ).fetchone()[0]
    count, size = ask.execute(
        "SELECT count(*), coalesce(sum(400 + coalesce(length(output), 0) + "
        "coalesce((SELECT length(payload) FROM input WHERE input.row = i.row), 0) + "
        "coalesce((SELECT sum(length(blob)) FROM history WHERE history.row = i.row), 0) + "
        "coalesce((SELECT sum(length(text)) FROM custom_status "
        f"WHERE slot >= i.row * {STATUSES_KEPT} AND slot < (i.row + 1) * {STATUSES_KEPT}), 0)), 0) FROM "
        "(SELECT row, output FROM instance INDEXED BY instance_created WHERE hub = ? "
        "ORDER BY created_ns DESC LIMIT 500) i",
        (hub_row,),
    ).fetchone()
    if not count:
        return 0, active
    total = ask.execute("SELECT count(*) FROM instance WHERE hub = ?", (hub_row,)).fetchone()[0]
    return size * total // count, active
