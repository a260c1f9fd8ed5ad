"""Events: a page of them, one of them, their payloads, and all for a replay test."""

from __future__ import annotations

import re
from dataclasses import replace

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from durakit.dashboard.backend import BackendError, EventQuery, NumberedEvent
from durakit.dashboard.routes.heads import head_of
from durakit.dashboard.routes.instances import attachment
from durakit.dashboard.routes.paths import get, hub_of, id_of, options_of, page
from durakit.dashboard.site import Site
from durakit.dashboard.views.history import EventView, HistoryView, event_row, history_rows
from durakit.history import history_as_json

PAGE_EVENTS = 200
_EVENTS_AROUND = 20


def add(app: FastAPI, site: Site) -> None:
    """Add the paths of this module."""

    async def history(request: Request) -> Response:
        hub, instance_id = hub_of(request), id_of(request)
        frame, head = await head_of(site, hub, instance_id, "history")
        options = options_of(request, "kind", "q", "turns", "order", "after", "e")
        query = query_of(options)
        found = await site.backend.events(hub, instance_id, query)
        digest = await site.backend.digest(hub, instance_id)
        rows = history_rows(
            found, digest, opened=_number(options.get("e")), by_turn=options.get("turns") != "0"
        )
        view = HistoryView(frame, head, rows, found.total, options)
        if found.next is not None:
            view = replace(view, next=view.link(after=str(found.next), e=None))
        return site.answer(request, "history.html", view)

    async def export(request: Request) -> Response:
        """The whole history, as the replay test reads it."""
        hub, instance_id = hub_of(request), id_of(request)
        found = await site.backend.rows(hub, [instance_id])
        if not found:
            raise BackendError("not_found", f"There is no instance {instance_id} in hub {hub}.")
        events = await site.backend.history(hub, instance_id)
        text = history_as_json(
            events, instance_id=instance_id, name=found[0].name, status=found[0].status.upper()
        )
        headers = {}
        if request.query_params.get("download") == "1":
            name = re.sub(r"[^\w-]", "_", instance_id)[:80]
            headers["Content-Disposition"] = f'attachment; filename="{name}.history.json"'
        return Response(text, media_type="application/json", headers=headers)

    async def event(request: Request) -> Response:
        hub, instance_id = hub_of(request), id_of(request)
        numbered = await _event(site, hub, instance_id, request.path_params["n"])
        frame, head = await head_of(site, hub, instance_id, "history")
        digest = await site.backend.digest(hub, instance_id)
        return site.answer(
            request, "event.html", EventView(frame, head, event_row(numbered, digest, is_opened=True))
        )

    async def payload(request: Request) -> Response:
        numbered = await _event(site, hub_of(request), id_of(request), request.path_params["n"])
        message = getattr(numbered.event, numbered.event.WhichOneof("eventType") or "", None)
        name = request.path_params["which"]
        field = None if message is None else message.DESCRIPTOR.fields_by_name.get(name)
        if (
            message is None
            or field is None
            or field.message_type is None
            or field.message_type.name != "StringValue"
        ):
            raise BackendError("not_found", f"Event #{numbered.number} has no {name}.")
        text = getattr(message, name).value if message.HasField(name) else None
        return attachment(text, f"{numbered.number}-{name}.json")

    base = "/h/{hub}/i/{id}/history"
    get(app, f"{base}.json", export)
    get(app, base, history)
    page(app, f"{base}/{{n:int}}", event)
    get(app, f"{base}/{{n:int}}/{{which}}", payload)


def query_of(options: dict[str, str]) -> EventQuery:
    """Return what the address asks of a history."""
    newest_first = options.get("order") == "newest"
    after, opened = _number(options.get("after")), _number(options.get("e"))
    if after is None and opened is not None and opened > PAGE_EVENTS and not options.get("q"):
        # A link to an event leads to the page that has it, with a few before it.
        after = opened + _EVENTS_AROUND if newest_first else opened - _EVENTS_AROUND
    return EventQuery(
        kinds=frozenset(filter(None, options.get("kind", "").split(","))),
        text=options.get("q"),
        after=after,
        newest_first=newest_first,
        limit=PAGE_EVENTS,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 12 else None


async def _event(site: Site, hub: str, instance_id: str, number: int) -> NumberedEvent:
    found = await site.backend.events(hub, instance_id, EventQuery(after=number - 1, limit=1))
    if not found.events or found.events[0].number != number:
        raise BackendError("not_found", f"{instance_id} has no event #{number}; it has {found.total:,}.")
    return found.events[0]
