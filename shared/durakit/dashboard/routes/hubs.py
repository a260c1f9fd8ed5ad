"""Hubs, help, and the way in."""

from __future__ import annotations

from dataclasses import replace

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from durakit.dashboard.backend import BackendError, Hub, NotOffered, Offers
from durakit.dashboard.routes.paths import get, hub_of, page, post
from durakit.dashboard.site import Site, read_fields
from durakit.dashboard.text import from_segment
from durakit.dashboard.views.frame import hub_path
from durakit.dashboard.views.hubs import HelpView, HubFormView, HubsView


def add(app: FastAPI, site: Site) -> None:
    """Add the paths of this module."""

    async def home(request: Request) -> Response:
        names = await site.backend.hub_names()
        wanted = request.query_params.get("hub")
        chosen = wanted if wanted in names else from_segment(wanted) if wanted else None
        if chosen is None and len(names) == 1:
            chosen = names[0]
        path = "/hubs" if chosen is None else hub_path(chosen)
        return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", status_code=302)

    async def hubs(request: Request) -> Response:
        frame = await site.frame("Hubs", live="hubs")
        return site.answer(request, "hubs.html", HubsView(frame, await site.backend.hubs()))

    async def new(request: Request) -> Response:
        must_manage(site)
        return site.answer(request, "hub_new.html", HubFormView(await site.frame("Create hub")))

    async def create(request: Request) -> Response:
        must_manage(site)
        fields = dict(await read_fields(request))
        name = fields.get("name", "").strip()

        async def act() -> str:
            await site.backend.create_hub(name)
            return hub_path(name)

        try:
            return await site.done(request, fields.get("nonce", ""), act, {"hub": name})
        except BackendError as error:
            if error.trouble not in ("invalid", "exists"):
                raise
            view = HubFormView(await site.frame("Create hub"), None, fields, {"name": error.message})
            return site.answer(request, "hub_new.html", view, 400 if error.trouble == "invalid" else 409)

    async def ask_reset(request: Request) -> Response:
        must_manage(site)
        hub = hub_of(request)
        view = HubFormView(await site.frame(f"Reset {hub}", hub), await _hub(site, hub))
        return site.answer(request, "hub_reset.html", view)

    async def reset(request: Request) -> Response:
        must_manage(site)
        site.must_be_writable()
        hub, fields = hub_of(request), dict(await read_fields(request))
        if fields.get("name") != hub:
            frame = await site.frame(f"Reset {hub}", hub)
            errors = {"name": f"Type {hub} to reset this hub. Nothing was changed."}
            view = HubFormView(frame, await _hub(site, hub), fields, errors)
            return site.answer(request, "hub_reset.html", view, 400)

        async def act() -> str:
            await site.backend.reset_hub(hub)
            return "/hubs"

        return await site.done(request, fields.get("nonce", ""), act, {"hub": hub})

    async def help_page(request: Request) -> Response:
        hub = request.query_params.get("hub")
        frame = await site.frame("Help", hub if hub in await site.backend.hub_names() else None)
        return site.answer(request, "help.html", HelpView(frame, what_it_tells(site.backend.offers)))

    get(app, "/", home)
    page(app, "/hubs", hubs)
    get(app, "/hubs/new", new)
    post(app, "/hubs/new", create)
    get(app, "/hubs/{hub}/reset", ask_reset)
    post(app, "/hubs/{hub}/reset", reset)
    page(app, "/help", help_page)


def must_manage(site: Site) -> None:
    """Raise `NotOffered` when hubs cannot be made or reset through this backend."""
    if not site.backend.offers.manage_hubs:
        raise NotOffered("This endpoint does not let hubs be created or reset from here.")


async def _hub(site: Site, name: str) -> Hub:
    found = [hub for hub in await site.backend.hubs() if hub.name == name]
    return replace(found[0]) if found else Hub(name)


def what_it_tells(offers: Offers) -> list[tuple[str, bool, str]]:
    """Return what this endpoint can tell: (what, whether, how)."""
    all_filters = "tag" in offers.filters
    return [
        ("Instances, histories, acts", True, ""),
        (
            "Filters",
            all_filters,
            "all of them"
            if all_filters
            else "status, start and id; others are applied here to what was fetched",
        ),
        ("Counts and histogram", offers.counts, "exact" if offers.counts else "of the first 1,000"),
        ("Workers and queues", offers.workers, "" if offers.workers else "This endpoint does not tell them."),
        ("Which worker is missing", offers.workers, "" if offers.workers else "It needs queue state."),
        ("Live changes", offers.live, "at once" if offers.live else "looked for every few seconds"),
        (
            "Custom status over time",
            offers.earlier_statuses,
            "" if offers.earlier_statuses else "the present one only",
        ),
        ("Create and reset hubs", offers.manage_hubs, ""),
    ]
