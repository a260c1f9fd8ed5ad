"""An instance's family: its ancestors, and its descendants as far as a page shows them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Protocol

from durakit.dashboard.backend import BackendError
from durakit.dashboard.instances import OPEN_STATUSES, Family, Generation, InstanceRow, Relative
from durakit.dashboard.lists import InstanceFilter, InstancePage, InstanceQuery
from durakit.dashboard.steps import Digest

_GENERATIONS_DEEP = 20


class Asked(Protocol):
    """What is needed of the backend."""

    async def rows(self, hub: str, ids: Collection[str]) -> list[InstanceRow]: ...
    async def instances(self, hub: str, query: InstanceQuery) -> InstancePage: ...
    async def digest(self, hub: str, instance_id: str) -> Digest: ...


async def of(asked: Asked, hub: str, instance_id: str, per_level: int, narrowed: bool) -> Family:
    """Return the family of an instance; `narrowed`: of its descendants only the open and failed ones.

    Raises:
        BackendError: not_found.
    """
    found = await asked.rows(hub, [instance_id])
    if not found:
        raise BackendError("not_found", f"There is no instance {instance_id} in hub {hub}.")
    this = found[0]
    members = [Relative(this, 0)]
    parent_id, depth = this.parent_id, -1
    while parent_id is not None and depth > -_GENERATIONS_DEEP:
        found = await asked.rows(hub, [parent_id])
        if not found:
            break
        members.insert(0, Relative(found[0], depth))
        parent_id, depth = found[0].parent_id, depth - 1
    below = await _descendants(asked, hub, this, 1, per_level, narrowed)
    members = _with_hidden([*members, *below])
    digest = await asked.digest(hub, instance_id)
    current = Generation(None, digest.execution_id or None, digest.started_ns, digest.ended_ns, True, True)
    return Family(members, [current])


async def _descendants(
    asked: Asked, hub: str, of: InstanceRow, depth: int, per_level: int, narrowed: bool
) -> list[Relative]:
    total = 0 if of.children is None else of.children.total
    if not total or depth > _GENERATIONS_DEEP:
        return []
    wanted = InstanceFilter(parent=of.id)
    urgent = replace(wanted, statuses=frozenset({*OPEN_STATUSES, "failed"}))
    rows = (await asked.instances(hub, InstanceQuery(urgent, "started", size=per_level))).rows
    if not narrowed and len(rows) < per_level:
        query = InstanceQuery(wanted, "started", size=per_level)
        known = {row.id for row in rows}
        rows += [row for row in (await asked.instances(hub, query)).rows if row.id not in known]
        rows = sorted(rows[:per_level], key=lambda row: row.created_ns)
    members = []
    for row in rows:
        members.append(Relative(row, depth))
        members += await _descendants(asked, hub, row, depth + 1, per_level, narrowed)
    return members


def _with_hidden(members: list[Relative]) -> list[Relative]:
    """Say of each member how many of its children are not among the others; of ancestors nothing."""
    shown: dict[str, int] = {}
    for member in members:
        if member.row.parent_id is not None:
            shown[member.row.parent_id] = shown.get(member.row.parent_id, 0) + 1
    told = []
    for member in members:
        total = member.row.children.total if member.row.children is not None else 0
        hidden = max(0, total - shown.get(member.row.id, 0)) if member.depth >= 0 else 0
        told.append(replace(member, hidden=hidden))
    return told
