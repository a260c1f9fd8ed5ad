"""The head that all tabs of an instance share."""

from __future__ import annotations

from dataclasses import replace

from durakit.dashboard.backend import BackendError
from durakit.dashboard.instances import Instance
from durakit.dashboard.lists import InstanceFilter, InstanceQuery
from durakit.dashboard.site import NoInstance, Site
from durakit.dashboard.views.frame import Frame, instance_path
from durakit.dashboard.views.instance import Head, Tab, act_offers

_DEEP = 20
_ALIKE, _ALIKE_CHARACTERS = 5, 4
_STATES = {"no-worker": "Stuck", "event": "Waiting", "activity": "Running", "retry": "Retrying"}


async def head_of(site: Site, hub: str, instance_id: str, tab: Tab) -> tuple[Frame, Head]:
    """Return frame and head of an instance's page.

    Raises:
        BackendError: not_found.
    """
    frame = await site.frame(instance_id, hub, live=f"instance:{instance_id}")
    try:
        found = await site.backend.instance(hub, instance_id)
    except BackendError as error:
        if error.trouble != "not_found":
            raise
        raise await _missing(site, hub, instance_id) from error
    return await titled(site, frame, hub, found, tab)


async def _missing(site: Site, hub: str, instance_id: str) -> NoInstance:
    """Return what to say of an id that is not there: ids that begin alike, and hubs that have it."""
    links = []
    for other in await site.backend.hub_names():
        if other != hub and await site.backend.rows(other, [instance_id]):
            links.append((f"Found in hub {other}.", instance_path(other, instance_id)))
    prefix = instance_id[: max(1, min(len(instance_id) - 1, _ALIKE_CHARACTERS))]
    query = InstanceQuery(InstanceFilter(id_prefix=prefix), size=25)
    alike = (await site.backend.instances(hub, query)).rows[:_ALIKE]
    links += [(row.id, instance_path(hub, row.id)) for row in alike]
    return NoInstance(
        f"There is no instance {instance_id} in hub {hub}. It may have been purged.", tuple(links)
    )


async def titled(site: Site, frame: Frame, hub: str, instance: Instance, tab: Tab) -> tuple[Frame, Head]:
    """Return the frame with its title, and the head."""
    row = instance.row
    state = row.status.capitalize()
    if row.status == "running" and row.reason is not None:
        state = _STATES.get(row.reason.kind, "Waiting" if row.reason.waiting == "event" else state)
    ancestors: list[tuple[str, str]] = []
    parent_id = row.parent_id
    while parent_id is not None and len(ancestors) < _DEEP:
        found = await site.backend.rows(hub, [parent_id])
        if not found:
            ancestors.insert(0, (row.parent_name or "", parent_id) if not ancestors else ("", parent_id))
            break
        ancestors.insert(0, (found[0].name, found[0].id))
        parent_id = found[0].parent_id
    relations = len(ancestors) + (row.children.total if row.children is not None else 0)
    head = Head(hub, instance, tab, act_offers(hub, row), ancestors, relations)
    return replace(frame, title=f"{state} · {row.id}"), head
