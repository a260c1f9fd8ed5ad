"""One instance: timeline, sequence, input and output, relations; the drawings as files too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from durakit.dashboard import mermaid, parameters, sequence, sequence_svg, timeline, timeline_svg, words
from durakit.dashboard.backend import BackendError
from durakit.dashboard.instances import InstanceRow, StatusRecord
from durakit.dashboard.pages import wants_json
from durakit.dashboard.routes.heads import head_of
from durakit.dashboard.routes.kin import kin_of
from durakit.dashboard.routes.paths import get, hub_of, id_of, options_of, page
from durakit.dashboard.scene import Scene
from durakit.dashboard.site import Site
from durakit.dashboard.views.data import DataView, data_view
from durakit.dashboard.views.frame import following
from durakit.dashboard.views.instance import Head, RelationsView, StepsView, act_offers
from durakit.dashboard.views.kin import Kin, Member

_DRAWN_AT_ONCE = 300
"""Steps; drawing more takes longer than a scheduler should wait."""

T = TypeVar("T")


def add(app: FastAPI, site: Site) -> None:
    """Add the paths of this module."""

    async def instance(request: Request) -> Response:
        if wants_json(request):
            _, head = await head_of(site, hub_of(request), id_of(request), "timeline")
            return JSONResponse(head.as_json())
        found = await site.backend.rows(hub_of(request), [id_of(request)])
        if found and found[0].status == "failed":
            return await data(request)
        return await timeline_page(request)

    async def timeline_view(request: Request) -> StepsView:
        hub, instance_id = hub_of(request), id_of(request)
        frame, head = await head_of(site, hub, instance_id, "timeline")
        options = options_of(request, "from", "to", "idle", "group", "kids", "step", "slow", "e")
        scene, notices = await scene_of(site, hub, head.row, deep=options.get("kids") == "1")
        drawn = await _draw(
            timeline.build,
            scene,
            frame.now_ns,
            from_ns=parameters.moment(options.get("from", ""), frame.now_ns),
            to_ns=parameters.moment(options.get("to", ""), frame.now_ns),
            leave_out_idle=options.get("idle") != "0",
            group=options.get("group") != "0",
            chosen=options.get("step"),
            slow=options.get("slow"),
        )
        if scene.children:
            frame = following(frame, (each.row.id for each in scene.all()))
        return StepsView(frame, head, scene.digest, options, scene.taken, notices=notices, drawing=drawn)

    async def timeline_page(request: Request) -> Response:
        return site.answer(request, "timeline.html", await timeline_view(request))

    async def timeline_file(request: Request) -> Response:
        view = await timeline_view(request)
        return _svg(timeline_svg.document(view.drawing, f"{view.head.row.name} {view.head.row.id}"))

    async def sequence_view(request: Request) -> StepsView:
        hub, instance_id = hub_of(request), id_of(request)
        frame, head = await head_of(site, hub, instance_id, "sequence")
        options = options_of(request, "join", "kids", "columns")
        scene, notices = await scene_of(site, hub, head.row, deep=options.get("kids") == "1")
        most = {} if options.get("columns") != "all" else {"most_columns": 1000}
        drawn = await _draw(sequence.build, scene, frame.now_ns, join=options.get("join") != "0", **most)
        if scene.children:
            frame = following(frame, (each.row.id for each in scene.all()))
        return StepsView(frame, head, scene.digest, options, notices=notices, drawing=drawn)

    async def sequence_page(request: Request) -> Response:
        return site.answer(request, "sequence.html", await sequence_view(request))

    async def sequence_file(request: Request) -> Response:
        return _svg(sequence_svg.document((await sequence_view(request)).drawing))

    async def sequence_text(request: Request) -> Response:
        return PlainTextResponse(mermaid.text((await sequence_view(request)).drawing))

    async def data(request: Request) -> Response:
        hub, instance_id = hub_of(request), id_of(request)
        # Before the rest: a custom status that comes meanwhile is then told without its time, for a moment.
        record = await _record_of(site, hub, instance_id)
        frame, head = await head_of(site, hub, instance_id, "data")
        digest = await site.backend.digest(hub, instance_id)
        view = data_view(frame, head, head.instance, digest, record)
        if view.failures:
            drawn = await _draw(timeline.build, Scene(head.row, digest), frame.now_ns, only_failed=True)
            view = replace(view, drawing=drawn)
        options = options_of(request, "kids", "open")
        if options.get("kids") == "1":
            view = await _with_descendants(site, replace(view, options=options))
        return site.answer(request, "data.html", view)

    async def raw(request: Request) -> Response:
        found = await site.backend.instance(hub_of(request), id_of(request))
        which = request.path_params["which"]
        texts = {"input": found.input, "output": found.output, "customStatus": found.custom_status}
        return attachment(texts.get(which), f"{which}.json")

    async def relations(request: Request) -> Response:
        hub, instance_id = hub_of(request), id_of(request)
        frame, head = await head_of(site, hub, instance_id, "relations")
        narrowed = request.query_params.get("only") == "open"
        per_level = 1_000 if request.query_params.get("all") == "1" else 50
        family = await site.backend.family(
            hub, instance_id, per_level=per_level, only_open_and_failed=narrowed
        )
        return site.answer(request, "relations.html", RelationsView(frame, head, family, narrowed))

    base = "/h/{hub}/i/{id}"
    get(app, f"{base}/timeline.svg", timeline_file)
    get(app, f"{base}/sequence.svg", sequence_file)
    get(app, f"{base}/sequence.mmd", sequence_text)
    get(app, f"{base}/data/{{which}}", raw)
    page(app, f"{base}/timeline", timeline_page)
    page(app, f"{base}/sequence", sequence_page)
    page(app, f"{base}/data", data)
    page(app, f"{base}/relations", relations)
    page(app, base, instance)


async def _record_of(site: Site, hub: str, instance_id: str) -> StatusRecord | None:
    """Return the custom statuses over time; None when the endpoint does not tell them."""
    if not site.backend.offers.earlier_statuses:
        return None
    try:
        return await site.backend.statuses(hub, instance_id)
    except BackendError as error:
        if error.trouble != "not_found":
            raise
        return None  # the page says so


async def _with_descendants(site: Site, view: DataView) -> DataView:
    """Return the view with what went in and out of all descendants."""
    hub = view.head.hub
    kin = await kin_of(site, hub, view.head.row)

    async def part(member: Member) -> tuple[Member, DataView] | None:
        try:
            found = await site.backend.instance(hub, member.row.id)
        except BackendError as error:
            if error.trouble != "not_found":
                raise
            return None  # purged a moment ago
        head = Head(hub, found, "data", act_offers(hub, found.row))
        return member, data_view(view.frame, head, found, member.digest, is_brief=True)

    parts = [each for each in await asyncio.gather(*map(part, kin.descendants)) if each is not None]
    kin = Kin([kin.members[0], *(member for member, _ in parts)], kin.left_out)
    frame = following(view.frame, (member.row.id for member in kin.members))
    return replace(view, frame=frame, kin=kin, descendants=[each for _, each in parts])


async def _draw(build: Callable[..., T], scene: Scene, now_ns: int, **options: Any) -> T:
    """Draw; a long history in a thread, because the scheduler may run on this event loop."""
    if len(scene.digest.steps) <= _DRAWN_AT_ONCE:
        return build(scene, now_ns, **options)
    return await asyncio.to_thread(build, scene, now_ns, **options)


async def scene_of(site: Site, hub: str, row: InstanceRow, *, deep: bool) -> tuple[Scene, tuple[str, ...]]:
    """Return what drawings are made from, and notices; with the steps of descendants when `deep`."""
    if not deep:
        return Scene(row, await site.backend.digest(hub, row.id)), ()
    kin = await kin_of(site, hub, row)
    notices: tuple[str, ...] = ()
    if kin.left_out:
        more = words.counted(kin.left_out, "more descendant")
        notices = (f"Steps of {more} are left out, and what is below. Relations has the tree.",)
    return _scene(kin.members[0], {member.row.id: member for member in kin.members}), notices


def _scene(member: Member, members: dict[str, Member]) -> Scene:
    children = {}
    for step in member.digest.steps:
        child = members.get(step.instance_id or "") if step.kind == "child" else None
        if child is not None and child.depth == member.depth + 1:
            children[step.number] = _scene(child, members)
    return Scene(member.row, member.digest, children=children)


def attachment(text: str | None, name: str) -> Response:
    """Return a payload exactly as it was recorded, to be kept as a file.

    Raises:
        BackendError: not_found, there is none.
    """
    if text is None:
        raise BackendError("not_found", "There is no such payload.")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(text, headers=headers)


def _svg(document: str) -> Response:
    return Response(document, media_type="image/svg+xml")
