"""One typed context per page. HTML is rendered from it and JSON is made from it, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from durakit.dashboard import text
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.server import InstancePage, InstanceRow

STATUSES = ("pending", "running", "suspended", "completed", "failed", "terminated")
"""What the list can be narrowed to, in the order of a life."""

PAGE_SIZE = 50

PARAMETERS = ("status", "before")
"""What the list's address may carry."""


class Source(Protocol):
    """Where the pages get their data; `SchedulerServer` is one."""

    def hub_names(self) -> list[str]:
        """Return the names of all task hubs."""
        ...

    def list_instances(
        self, hub: str, *, status: str | None = None, limit: int = 50, before: str | None = None
    ) -> InstancePage:
        """Return a page of instances, newest first; raise Refusal for what is unknown."""
        ...


@dataclass(frozen=True)
class HubsView:
    """All task hubs."""

    hubs: list[str]
    """Their names, in alphabetical order."""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        return {"hubs": [{"name": name, "instances": text.instances_path(name)} for name in self.hubs]}


@dataclass(frozen=True)
class InstancesView:
    """A page of one hub's instances."""

    hub: str
    hubs: list[str]
    """All task hubs, for the switcher."""
    status: str | None
    """The status that the list is narrowed to."""
    before: str | None
    """The place in the list where this page begins; None: at the newest instance."""
    items: list[InstanceRow]
    """Newest first."""
    next: str | None
    """Path of the page with older instances."""
    notices: list[str]
    """What of the address was ignored, and why."""

    @property
    def is_newest(self) -> bool:
        """Whether this is the first page."""
        return self.before is None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin; times are RFC 3339 in UTC."""
        older = None if self.next is None else self.next.replace("/instances?", "/instances.json?", 1)
        return {
            "hub": self.hub,
            "status": self.status,
            "instances": [_instance_as_json(item) for item in self.items],
            "next": older,
            "notices": self.notices,
        }


@dataclass(frozen=True)
class ProblemView:
    """Why there is no page, or none for this visitor."""

    status: int
    """The HTTP status code."""
    title: str
    message: str
    """What happened and what to do."""

    def as_json(self) -> dict[str, Any]:
        """Return the one shape of every JSON error."""
        return {"error": {"status": self.status, "message": self.message}}


def hubs_view(source: Source) -> HubsView:
    """Return the context of the page of hubs."""
    return HubsView(sorted(source.hub_names()))


def instances_view(source: Source, hub: str, parameters: Iterable[tuple[str, str]]) -> InstancesView:
    """Return the context of a hub's list. What cannot be used of the address is ignored, with a notice.

    Raises:
        Refusal: NOT_FOUND, there is no such hub.
    """
    hubs = sorted(source.hub_names())
    given, notices = _read(parameters)
    status, before = given.get("status"), given.get("before")
    try:
        page = source.list_instances(hub, status=status, limit=PAGE_SIZE, before=before)
    except Refusal as refusal:
        if refusal.status != "INVALID_ARGUMENT" or before is None:
            raise
        notices.append(
            "The place in the list that the address names does not exist. Shown is the newest page."
        )
        before = None
        page = source.list_instances(hub, status=status, limit=PAGE_SIZE)
    return InstancesView(
        hub=hub,
        hubs=hubs,
        status=status,
        before=before,
        items=page.items,
        next=None if page.next is None else text.instances_path(hub, status=status, before=page.next),
        notices=notices,
    )


def _read(parameters: Iterable[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    """Return what can be used of the address, and notices about the rest."""
    given: dict[str, str] = {}
    notices: list[str] = []
    for name, value in parameters:
        if name not in PARAMETERS:
            known = " and ".join(PARAMETERS)
            notices.append(f"Ignored: {name} is nothing this page can be asked for. Known are {known}.")
        elif name == "status" and value.lower() not in STATUSES:
            notices.append(f"Ignored: {value} is not a status. Known are {', '.join(STATUSES)}.")
        elif value:
            given[name] = value.lower() if name == "status" else value
    return given, notices


def _instance_as_json(row: InstanceRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "createdAt": text.rfc3339(row.created_at),
        "updatedAt": text.rfc3339(row.updated_at),
        "parentId": row.parent_id,
        "error": row.error,
        "waiting": row.waiting,
    }
