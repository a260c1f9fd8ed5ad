"""Workers and queues."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from durakit.dashboard.routes.paths import hub_of, page
from durakit.dashboard.site import Site
from durakit.dashboard.views.workers import WorkersView


def add(app: FastAPI, site: Site) -> None:
    """Add the paths of this module."""

    async def workers(request: Request) -> Response:
        hub = hub_of(request)
        frame = await site.frame(f"Workers · {hub}", hub, live="workers")
        found = await site.backend.workforce(hub) if site.backend.offers.workers else None
        only_waiting = request.query_params.get("all") != "1"
        return site.answer(request, "workers.html", WorkersView(frame, found, only_waiting))

    page(app, "/h/{hub}/workers", workers)
