"""What a running `durakit dev` knows beyond the protocol: the event waited for, queues, workers.

Its dashboard tells why instances are where they are. It is believed only about the very instance that the
scheduler told of: same id, same moment of creation to the nanosecond, same status. So a dashboard of another
scheduler, or none, or the emulator's, changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from durakit.cli.access import is_loopback
from durakit.cli.pages import VARIABLE, dashboard_url, read_page
from durakit.cli.refusal import Refused
from durakit.dashboard import parameters, words
from durakit.dashboard.instances import Instance, InstanceRow
from durakit.dashboard.phrases import Phrase, phrase
from durakit.dashboard.reasons import Reason
from durakit.dashboard.remote.backend import RemoteBackend
from durakit.dashboard.views.frame import hub_path, instance_path

if TYPE_CHECKING:
    from durakit.client.aio import AsyncTaskHubGrpcClient

_TIMEOUT_SECONDS = 1.0
_PAUSE_SECONDS = 5.0
"""After no answer, or a strange one; who lists once does not notice, who watches is told later."""
_KEPT_SECONDS = 1.0
_OPEN = "?children=flat&size=200&status=pending&status=running&status=suspended"


def backend_for(client: AsyncTaskHubGrpcClient, hub: str, endpoint: str) -> RemoteBackend:
    """Return the backend of an endpoint, informed by a dashboard where there may be one.

    That is on this machine, or where `DURAKIT_DASHBOARD` says.
    """
    from durakit.settings import read_dotenv

    is_named = VARIABLE in os.environ or VARIABLE in read_dotenv()
    if is_named or is_loopback(urlsplit(endpoint).hostname or ""):
        return InformedBackend({hub: client}, endpoint, dashboard_url(None))
    return RemoteBackend({hub: client}, endpoint)


class InformedBackend(RemoteBackend):
    """A backend that asks a dashboard for reasons.

    Args:
        dashboard: its address.
    """

    def __init__(
        self, clients: Mapping[str, AsyncTaskHubGrpcClient], endpoint: str, dashboard: str, **options: Any
    ) -> None:
        super().__init__(clients, endpoint, **options)
        self._dashboard = dashboard
        self._asks_from = 0.0
        self._open: tuple[float, dict[str, dict[str, Any]]] = (0.0, {})

    async def instance(self, hub: str, instance_id: str) -> Instance:
        """Return the facts of an instance."""
        found = await super().instance(hub, instance_id)
        if not found.row.is_open:
            return found
        told = await self._read(instance_path(hub, instance_id, ".json"))
        return replace(found, row=_informed(found.row, told))

    async def _with_reason(self, hub: str, row: InstanceRow) -> InstanceRow:
        known = await super()._with_reason(hub, row)
        if not known.is_open:
            return known
        return _informed(known, (await self._open_ones(hub)).get(row.id, {}))

    async def _open_ones(self, hub: str) -> dict[str, dict[str, Any]]:
        """Return what the dashboard tells of open instances, by id; read anew once a second."""
        until, told = self._open
        if time.monotonic() >= until:
            page = await self._read(hub_path(hub, "instances.json") + _OPEN)
            told = {each["id"]: each for each in page.get("instances", ())}
            self._open = time.monotonic() + _KEPT_SECONDS, told
        return told

    async def _read(self, path: str) -> dict[str, Any]:
        """Return a page; nothing where there is none."""
        if time.monotonic() < self._asks_from:
            return {}
        try:
            return await asyncio.to_thread(read_page, self._dashboard, path, _TIMEOUT_SECONDS)
        except Refused:
            self._asks_from = time.monotonic() + _PAUSE_SECONDS
            return {}


def _informed(row: InstanceRow, told: dict[str, Any]) -> InstanceRow:
    """Return the row with the reason that a dashboard tells, if it tells of this instance as it is now."""
    reason = told.get("waiting")
    same = told.get("id"), told.get("createdAt"), told.get("status")
    if not reason or same != (row.id, words.rfc3339(row.created_ns), row.status):
        return row
    return replace(row, reason=_reason(reason))


def _reason(told: dict[str, Any]) -> Reason:
    return Reason(
        kind=told["kind"],
        sentence=_phrase(told["text"]),
        short=_phrase(told["short"]),
        detail=_phrase(told["detail"]),
        also=tuple(_phrase(each) for each in told["also"]),
        waiting=told["waitingFor"],
        on=tuple(told["on"]),
        since_ns=_moment(told["since"]),
        due_ns=_moment(told["due"]),
        attention=told["attention"],
    )


def _phrase(text: str | None) -> Phrase:
    return phrase(text) if text else ()


def _moment(text: str | None) -> int | None:
    return parameters.moment(text, 0) if text else None
