"""A hub's instances: the page, its twin, and all pages as lines of JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from durakit.dashboard import parameters
from durakit.dashboard.backend import BackendError
from durakit.dashboard.lists import Counts, Histogram, InstanceFilter, InstancePage, InstanceQuery
from durakit.dashboard.pages import wants_json
from durakit.dashboard.parameters import Parameters
from durakit.dashboard.routes.paths import get, hub_of, page
from durakit.dashboard.site import Site
from durakit.dashboard.views.frame import hub_path, instance_path
from durakit.dashboard.views.listing import Family, InstancesView, Nothing, row_json

_UNFOLDED = 20
_WITHOUT = 3


def add(app: FastAPI, site: Site) -> None:
    """Add the paths of this module."""

    async def instances(request: Request) -> Response:
        hub = hub_of(request)
        if request.query_params.get("goto"):
            return await goto(request)
        frame = await site.frame(f"Instances · {hub}", hub, live="instances")
        asked = parameters.read(request.query_params.multi_items(), frame.now_ns)
        asked, found = await _page(site, hub, asked)
        counts, histogram, families, names = await asyncio.gather(
            _counts(site, hub, asked),
            _histogram(site, hub, asked),
            _families(site, hub, asked, found),
            site.backend.names(hub),
        )
        nothing = None if found.rows else await _nothing(site, hub, asked)
        view = InstancesView(frame, hub_path(hub), asked, found, counts, histogram, families, names, nothing)
        return site.answer(request, "instances.html", view)

    async def lines(request: Request) -> Response:
        hub = hub_of(request)
        await site.frame("Instances", hub)
        asked = parameters.read(request.query_params.multi_items(), site.now())
        return StreamingResponse(_all_pages(site, hub, asked), media_type="application/x-ndjson")

    async def goto(request: Request) -> Response:
        """An exact id opens the instance; other hubs are asked too; else the list of what begins so."""
        hub, wanted = hub_of(request), request.query_params.get("goto", "").strip()
        base = request.scope.get("root_path", "")
        path = hub_path(hub) + (Parameters((), InstanceQuery()).link(id=wanted) if wanted else "")
        names = await site.backend.hub_names()
        for other in [hub, *(name for name in names if name != hub)]:
            if wanted and other in names and await site.backend.rows(other, [wanted]):
                path = instance_path(other, wanted)
                break
        if wants_json(request):
            return Response(json.dumps({"path": path}), media_type="application/json")
        return RedirectResponse(base + path, status_code=302)

    # Before the page, whose path would match.
    get(app, "/h/{hub}/instances.jsonl", lines)
    page(app, "/h/{hub}/instances", instances)
    get(app, "/h/{hub}/goto", goto)


async def _page(site: Site, hub: str, asked: Parameters) -> tuple[Parameters, InstancePage]:
    """Return the page asked for; the first one, with a notice, when the address names a wrong place."""
    try:
        return asked, await site.backend.instances(hub, asked.query)
    except BackendError as error:
        if error.trouble != "invalid" or not (asked.query.after or asked.query.before):
            raise
    notice = "The place in the list that the address names does not exist. Shown is the first page."
    kept = tuple(pair for pair in asked.values if pair[0] not in ("after", "before"))
    query = replace(asked.query, after=None, before=None)
    first = replace(asked, values=kept, query=query, notices=(*asked.notices, notice))
    return first, await site.backend.instances(hub, query)


async def _counts(site: Site, hub: str, asked: Parameters) -> Counts | None:
    return await site.backend.counts(hub, asked.query.filter)


async def _histogram(site: Site, hub: str, asked: Parameters) -> Histogram | None:
    if not site.backend.offers.histogram:
        return None
    return await site.backend.histogram(hub, asked.query.filter)


async def _families(site: Site, hub: str, asked: Parameters, found: InstancePage) -> dict[str, Family]:
    families = {}
    for row in found.rows:
        if row.id in asked.unfolded and row.children is not None:
            query = InstanceQuery(InstanceFilter(parent=row.id), "started", size=_UNFOLDED)
            children = await site.backend.instances(hub, query)
            families[row.id] = Family(children.rows, max(0, row.children.total - len(children.rows)))
    return families


async def _nothing(site: Site, hub: str, asked: Parameters) -> Nothing:
    if not asked.conditions and not asked.query.after and not asked.query.before:
        offered: tuple[str, ...] = ()
        if site.backend.offers.workers:
            workers = (await site.backend.workforce(hub)).workers
            offered = tuple(
                dict.fromkeys(
                    each.name
                    for worker in workers
                    for each in worker.offers or ()
                    if each.kind == "orchestration" and worker.left_ns is None
                )
            )
        return Nothing(True, offered)
    without = []
    for said, rest in asked.conditions:
        query = parameters.read(_pairs(rest), site.now()).query
        counted = await site.backend.counts(hub, query.filter)
        wanted = query.filter.statuses
        total = sum(count for word, count in counted.by_status.items() if not wanted or word in wanted)
        if total:
            without.append((said, rest, total))
    without.sort(key=lambda each: -each[2])
    return Nothing(False, (), tuple(without[:_WITHOUT]))


def _pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query.lstrip("?"))


async def _all_pages(site: Site, hub: str, asked: Parameters) -> AsyncIterator[str]:
    query = replace(asked.query, size=200)
    while True:
        found = await site.backend.instances(hub, query)
        for row in found.rows:
            yield json.dumps(row_json(row), ensure_ascii=False) + "\n"
        further = found.after or (found.searched.further if found.searched is not None else None)
        if further is None:
            return
        query = replace(query, after=further, before=None)
