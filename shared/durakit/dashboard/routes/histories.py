"""Events: a page of them, one of them, their payloads, and all for a replay test."""

from __future__ import annotations

import re
from dataclasses import replace

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from durakit.dashboard.backend import BackendError
from durakit.dashboard.events import EventQuery, NumberedEvent
from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.routes.heads import head_of
from durakit.dashboard.routes.instances import attachment
from durakit.dashboard.routes.kin import kin_of, merged_events
from durakit.dashboard.routes.paths import get, hub_of, id_of, options_of, page
from durakit.dashboard.site import Site
from durakit.dashboard.views.frame import Frame, following
from durakit.dashboard.views.history import (
    BOOKKEEPING,
    LABELS,
    EventView,
    HistoryView,
    event_row,
    history_rows,
    merged_rows,
)
from durakit.dashboard.views.instance import Head
from durakit.history import history_as_json
from durakit.wire.messages import orchestration_pb2 as pb

PAGE_EVENTS = 200
MERGED_EVENTS = 120
"""Of several instances; each line names its own."""
_EVENTS_AROUND = 20
EXPORTED_EVENTS = 50_000
"""Of descendants in one file; whole histories only."""


def add(app: FastAPI, site: Site) -> None:
    """Add the paths of this module."""

    async def history(request: Request) -> Response:
        hub, instance_id = hub_of(request), id_of(request)
        frame, head = await head_of(site, hub, instance_id, "history")
        options = options_of(request, "kind", "q", "turns", "order", "after", "e", "kids", "of")
        if options.get("kids") == "1":
            return site.answer(request, "history.html", await _of_all(site, frame, head, options))
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
        text = _fixture(found[0], events)
        if request.query_params.get("kids") == "1":
            text = await _with_descendants(site, hub, found[0], text)
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


async def _of_all(site: Site, frame: Frame, head: Head, options: dict[str, str]) -> HistoryView:
    """Return the history with those of all descendants."""
    kin = await kin_of(site, head.hub, head.row)
    frame = following(frame, (member.row.id for member in kin.members))
    query = replace(query_of({**options, "e": "", "after": ""}), after=None, limit=MERGED_EVENTS)
    if not query.kinds and options.get("turns") != "0":
        query = replace(query, kinds=frozenset(LABELS) - BOOKKEEPING)
    found = await merged_events(site, head.hub, kin, query, options.get("after"))
    number = _number(options.get("e"))
    opened = None if number is None else (options.get("of", head.row.id), number)
    view = HistoryView(frame, head, merged_rows(found, kin, opened=opened), found.total, options, kin=kin)
    further = None if found.next is None else view.link(after=found.next, e=None, of=None)
    return replace(view, next=further)


def _fixture(row: InstanceRow, events: list[pb.HistoryEvent]) -> str:
    return history_as_json(events, instance_id=row.id, name=row.name, status=row.status.upper())


async def _with_descendants(site: Site, hub: str, row: InstanceRow, text: str) -> str:
    """Return a fixture with those of the descendants beside it; replay reads it as it reads the one alone."""
    kin = await kin_of(site, hub, row)
    texts, left_out, events_left = [], kin.left_out, EXPORTED_EVENTS
    for member in kin.descendants:
        if member.digest.events > events_left:
            left_out += 1
            continue
        events_left -= member.digest.events
        texts.append(_fixture(member.row, await site.backend.history(hub, member.row.id)).rstrip())
    descendants = ",\n".join(texts)
    return f'{text.rstrip()[:-1].rstrip()},\n  "leftOut": {left_out},\n  "descendants": [{descendants}]\n}}\n'


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
