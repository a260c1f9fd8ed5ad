"""Changes as Server-Sent Events: what changed, at most four times a second; pages fetch the rest anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from durakit.dashboard.backend import BackendError, Changed
from durakit.dashboard.routes.paths import get, hub_of
from durakit.dashboard.site import Site
from durakit.dashboard.text import from_segment

T = TypeVar("T")

HEARTBEAT_SECONDS = 10.0
PAUSE_SECONDS = 0.25
"""Between two messages about one instance; lists are more to fetch and change all the time."""
LIST_PAUSE_SECONDS = 1.0
RETRY_MS = 1_000
_IDS_TOLD = 500
BEAT = "event: beat\ndata: 0\n\n"
"""An event, not a comment: pages cannot see comments, and notice by this that a connection is dead."""


def add(app: FastAPI, site: Site) -> None:
    """Add the paths of this module."""

    async def live(request: Request) -> Response:
        hub, topic = hub_of(request), request.query_params.get("topic", "instances")
        if hub not in await site.backend.hub_names():
            raise BackendError("not_found", f"There is no task hub {hub}.")
        return StreamingResponse(
            events(site, hub, topic),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    get(app, "/h/{hub}/live", live)


async def events(site: Site, hub: str, topic: str) -> AsyncIterator[str]:
    """Yield the stream of one page.

    A reader that is slow, or comes back after a gap, loses changes in between and never the last one:
    each message says only that something is new.
    """
    yield f"retry: {RETRY_MS}\n\n"
    number = 0
    async with site.backend.watch(hub) as watch:
        # Between the page's making and this watch something may have changed: from now on nothing is lost.
        yield message(number, Changed(None))
        while True:
            changed = await _unless_ending(site, watch.next(HEARTBEAT_SECONDS))
            if changed is None:
                return
            told = concerning(changed, topic)
            if told.is_nothing:
                yield BEAT
            else:
                number += 1
                yield message(number, told)
            if not changed.is_nothing:
                pause = PAUSE_SECONDS if topic.startswith("instance:") else LIST_PAUSE_SECONDS
                await _unless_ending(site, asyncio.sleep(pause))


async def _unless_ending(site: Site, awaited: Coroutine[Any, Any, T]) -> T | None:
    """Return what is awaited; None when the server stops before, or has."""
    asked = asyncio.ensure_future(awaited)
    ending = asyncio.ensure_future(site.ending.wait())
    try:
        await asyncio.wait((asked, ending), return_when=asyncio.FIRST_COMPLETED)
        return None if site.ending.is_set() else asked.result()
    finally:
        asked.cancel()
        ending.cancel()


def concerning(changed: Changed, topic: str) -> Changed:
    """Return what of a change matters to a page."""
    kind, _, instance_id = topic.partition(":")
    if kind == "instance" and changed.ids is not None:
        return Changed(changed.ids & {instance_id})
    if kind == "family" and changed.ids is not None:
        return Changed(changed.ids & {from_segment(each) for each in instance_id.split(".")})
    return changed


def message(number: int, changed: Changed) -> str:
    """Return one event of the stream; `ids` null: anything may have changed."""
    ids = None if changed.ids is None or len(changed.ids) > _IDS_TOLD else sorted(changed.ids)
    data = json.dumps({"ids": ids, "created": changed.created})
    return f"id: {number}\nevent: change\ndata: {data}\n\n"
