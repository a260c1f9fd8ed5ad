"""A dashboard to visit without a network: its data written by the test, its clock told the time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import httpx
from durakit.dashboard.views import PAGE_SIZE
from durakit.dashboard.web import create_app
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.server import InstancePage, InstanceRow

NOW = datetime(2026, 11, 21, 13, 50, 36, tzinfo=timezone.utc)


def row(instance_id: str, **changes: Any) -> InstanceRow:
    """Return an instance that started a minute ago and runs."""
    values: dict[str, Any] = {
        "name": "purchase_order",
        "status": "running",
        "created_at": datetime(2026, 11, 21, 13, 49, 58, 123456, tzinfo=timezone.utc),
        "updated_at": datetime(2026, 11, 21, 13, 50, 0, tzinfo=timezone.utc),
        "parent_id": None,
        "error": None,
    }
    return InstanceRow(id=instance_id, **{**values, **changes})


@dataclass
class Hubs:
    """Task hubs and their instances, newest first; a cursor is the place in the list."""

    rows: dict[str, list[InstanceRow]] = field(default_factory=lambda: {"default": []})

    def hub_names(self) -> list[str]:
        return list(self.rows)

    def list_instances(
        self, hub: str, *, status: str | None = None, limit: int = 50, before: str | None = None
    ) -> InstancePage:
        if hub not in self.rows:
            raise Refusal("NOT_FOUND", f"There is no task hub '{hub}'.")
        if before is not None and not before.isdigit():
            raise Refusal("INVALID_ARGUMENT", f"'{before}' is no cursor.")
        found = [row for row in self.rows[hub] if status in (None, row.status)]
        first = int(before or 0)
        more = len(found) > first + limit
        return InstancePage(found[first : first + limit], str(first + limit) if more else None)


def many(count: int = PAGE_SIZE + 1) -> Hubs:
    """Return one hub with so many instances, i-0 the newest."""
    return Hubs({"default": [row(f"i-{number}") for number in range(count)]})


def request(
    source: Any,
    path: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    data: dict[str, str] | None = None,
    **app: Any,
) -> httpx.Response:
    """Return the answer of a dashboard over `source`; `app` are arguments of `create_app`."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(
            create_app(source, now=lambda: NOW, **app), raise_app_exceptions=False
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8082") as client:
            return await client.request(method, path, headers=headers, data=data)

    return asyncio.run(ask())
