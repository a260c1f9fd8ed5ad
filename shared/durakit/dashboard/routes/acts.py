"""Start an orchestration, and the acts on one instance: forms (GET) and what they do (POST)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import get_args

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from durakit.dashboard import json_text, parameters, same, words
from durakit.dashboard.backend import BackendError, NewInstance
from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.lists import InstanceFilter, InstanceQuery
from durakit.dashboard.phrases import Piece, phrase
from durakit.dashboard.routes.heads import head_of
from durakit.dashboard.routes.paths import get, hub_of, id_of, post
from durakit.dashboard.site import STATUS_OF_TROUBLE, Site, answers_json, read_fields
from durakit.dashboard.views.forms import ActView, EventChoice, StartView
from durakit.dashboard.views.frame import hub_path, instance_path
from durakit.dashboard.views.instance import ACTS, Act, Head, why_not

_RECENT = 10
_TOLD_IN_FORM = ("invalid", "exists", "conflict")


class _Wrong(Exception):
    """Fields that cannot be used, with a sentence for each."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


def add(app: FastAPI, site: Site) -> None:
    """Add the paths of this module."""

    async def ask_start(request: Request) -> Response:
        hub = hub_of(request)
        values = {"name": "", **_given(request)}
        copied = values.pop("from", None)
        if copied:
            values = {**await _values_of(site, hub, copied), **{k: v for k, v in values.items() if v}}
        return site.answer(request, "start.html", await _start_view(site, request, hub, values, {}, copied))

    async def start(request: Request) -> Response:
        hub, pairs = hub_of(request), await read_fields(request)
        values = {name: value for name, value in pairs if name != "tag"}
        tags = [value for name, value in pairs if name == "tag"]
        if tags:
            values["tags"] = "\n".join(filter(None, [values.get("tags", ""), *tags]))
        result: dict[str, str] = {}

        async def act() -> str:
            new = _new_instance(values, site.now())
            result["id"] = await site.backend.start(hub, new)
            return instance_path(hub, result["id"])

        async def again(errors: dict[str, str], status: int) -> Response:
            view = await _start_view(site, request, hub, values, errors, None)
            return site.answer(request, "start.html", view, status)

        return await _send(site, request, values, act, result, again, {"exists": "id", "invalid": ""})

    def form(name: Act) -> Callable[[Request], Awaitable[Response]]:
        async def ask(request: Request) -> Response:
            hub, instance_id = hub_of(request), id_of(request)
            values = _given(request)
            return site.answer(
                request, "act.html", await _act_view(site, request, hub, instance_id, name, values, {})
            )

        return ask

    def doing(name: Act) -> Callable[[Request], Awaitable[Response]]:
        async def do(request: Request) -> Response:
            hub, instance_id = hub_of(request), id_of(request)
            values = dict(await read_fields(request))
            result: dict[str, str] = {"act": name}

            async def act() -> str:
                result["id"] = instance_id
                return await _do(site, hub, instance_id, name, values, result)

            async def again(errors: dict[str, str], status: int) -> Response:
                view = await _act_view(site, request, hub, instance_id, name, values, errors)
                return site.answer(request, "act.html", view, status)

            return await _send(site, request, values, act, result, again, {})

        return do

    get(app, "/h/{hub}/instances/start", ask_start)
    post(app, "/h/{hub}/instances/start", start)
    for name in get_args(Act):
        get(app, f"/h/{{hub}}/i/{{id}}/{name}", form(name))
        post(app, f"/h/{{hub}}/i/{{id}}/{name}", doing(name))


def _given(request: Request) -> dict[str, str]:
    """Return fields that the address fills in; scripts ask so for the texts to copy."""
    return {name: value for name, value in request.query_params.items() if name != "nonce"}


async def _send(
    site: Site,
    request: Request,
    values: dict[str, str],
    act: Callable[[], Awaitable[str]],
    result: dict[str, str],
    again: Callable[[dict[str, str], int], Awaitable[Response]],
    fields: dict[str, str],
) -> Response:
    """Do an act; what the user can mend is told in the form, which keeps what was typed."""
    try:
        return await site.done(request, values.get("nonce", ""), act, result)
    except _Wrong as wrong:
        errors, status = wrong.errors, 400
    except BackendError as error:
        if error.trouble not in _TOLD_IN_FORM or site.is_read_only:
            raise
        errors, status = {fields.get(error.trouble, ""): error.message}, STATUS_OF_TROUBLE[error.trouble]
    if answers_json(request):
        message = " ".join(errors.values())
        return JSONResponse({"error": {"status": status, "message": message, "fields": errors}}, status)
    return await again(errors, status)


# --- start


def _new_instance(values: dict[str, str], now_ns: int) -> NewInstance:
    errors = {}
    if not values.get("name", "").strip():
        errors["name"] = "An orchestration needs a name, as its worker registered it."
    start_ns = None
    if values.get("start_at", "").strip():
        start_ns = parameters.moment(values["start_at"], now_ns)
        if start_ns is None:
            errors["start_at"] = "This is not a time. Write 2026-11-21T18:00:00Z."
    tags, problem = _tags(values.get("tags", ""))
    if problem:
        errors["tags"] = problem
    text = values.get("input", "")
    problem = json_text.problem(text) if text.strip() else None
    if problem:
        errors["input"] = f"{problem} Nothing has been sent."
    if errors:
        raise _Wrong(errors)
    return NewInstance(
        name=values["name"].strip(),
        id=values.get("id", "").strip() or None,
        input=text if text.strip() else None,
        version=values.get("version", "").strip() or None,
        tags=tags,
        start_ns=start_ns,
    )


def _tags(text: str) -> tuple[dict[str, str], str | None]:
    tags: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, sign, value = line.partition("=")
        if not sign or not key:
            return {}, f"{line} is not a tag. Write key=value, one a line."
        tags[key] = value
    return tags, None


async def _values_of(site: Site, hub: str, instance_id: str) -> dict[str, str]:
    """Return the fields of an earlier run."""
    found = await site.backend.instance(hub, instance_id)
    return {
        "name": found.row.name,
        "version": found.row.version or "",
        "tags": "\n".join(f"{key}={value}" for key, value in found.row.tags.items()),
        "input": found.input or "",
    }


async def _start_view(
    site: Site,
    request: Request,
    hub: str,
    values: dict[str, str],
    errors: dict[str, str],
    copied_from: str | None,
) -> StartView:
    frame = await site.frame("Start orchestration", hub)
    offered: dict[str, list[str]] = {}
    if site.backend.offers.workers:
        for worker in (await site.backend.workforce(hub)).workers:
            for each in worker.offers or ():
                if each.kind == "orchestration" and worker.left_ns is None:
                    offered.setdefault(each.name, []).append(worker.name)
    names = await site.backend.names(hub)
    name = values.get("name", "")
    recent: list[str] = []
    if name:
        query = InstanceQuery(InstanceFilter(names=(name,)), size=25)
        recent = [row.id for row in (await site.backend.instances(hub, query)).rows[:_RECENT]]
    return StartView(
        frame,
        values,
        same.start(site.place(request, hub), values),
        errors,
        sorted(offered),
        [each for each in names if each not in offered],
        list(dict.fromkeys(offered.get(name, ()))),
        copied_from,
        recent,
    )


# --- acts on one instance


async def _do(
    site: Site, hub: str, instance_id: str, name: Act, values: dict[str, str], result: dict[str, str]
) -> str:
    """Do an act; return the path to go to."""
    backend, reason = site.backend, values.get("reason") or None
    recursive = values.get("recursive", "") == "1" or (not _is_form(values) and "recursive" not in values)
    if name == "raise":
        event, payload = _event(values)
        await backend.raise_event(hub, instance_id, event, payload)
    elif name == "suspend":
        await backend.suspend(hub, instance_id, reason)
    elif name == "resume":
        await backend.resume(hub, instance_id, reason)
    elif name == "terminate":
        await backend.terminate(hub, instance_id, reason, recursive=recursive)
    elif name == "rewind":
        await backend.rewind(hub, instance_id, reason)
    elif name == "restart":
        result["id"] = await _restart(site, hub, instance_id, values)
    else:
        deleted = await backend.purge(hub, instance_id, recursive=recursive)
        result["deleted"] = str(deleted)
        return hub_path(hub)
    return instance_path(hub, result["id"])


def _is_form(values: dict[str, str]) -> bool:
    """A form leaves out a box that is not ticked; a program leaves out what it does not care for."""
    return "nonce" in values


def _event(values: dict[str, str]) -> tuple[str, str | None]:
    chosen = values.get("event", "")
    event = values.get("event_other", "").strip() if chosen in ("", "other") else chosen
    errors = {}
    if not event:
        errors["event_other"] = "An event needs a name: the one that the orchestration waits for."
    payload = values.get("payload", "")
    problem = json_text.problem(payload) if payload.strip() else None
    if problem:
        errors["payload"] = f"{problem} Nothing has been sent."
    if errors:
        raise _Wrong(errors)
    return event, payload if payload.strip() else None


async def _restart(site: Site, hub: str, instance_id: str, values: dict[str, str]) -> str:
    text = values.get("input")
    before = await site.backend.instance(hub, instance_id)
    if text is not None and text.strip():
        problem = json_text.problem(text)
        # What was there before may go again, JSON or not.
        if problem and text != before.input:
            raise _Wrong({"input": f"{problem} Nothing has been sent."})
    is_same = text is None or text.replace("\r\n", "\n") == (before.input or "").replace("\r\n", "\n")
    return await site.backend.restart(
        hub, instance_id, new_id=bool(values.get("new_id")), input=None if is_same else text
    )


async def _act_view(
    site: Site,
    request: Request,
    hub: str,
    instance_id: str,
    name: Act,
    values: dict[str, str],
    errors: dict[str, str],
) -> ActView:
    frame, head = await head_of(site, hub, instance_id, "timeline")
    offer = next(each for each in head.acts if each.act == name)
    choices: Sequence[EventChoice] = ()
    if name == "raise":
        choices = await _choices(site, hub, head)
        if not values.get("event") and choices:
            values = {**values, "event": choices[0].name}
    if name == "restart" and "input" not in values:
        values = {**values, "input": head.instance.input or ""}
    row = head.row
    return ActView(
        frame=frame,
        head=head,
        act=name,
        label=ACTS[name],
        object=(values.get("event") or "event") if name == "raise" else row.id,
        values=values,
        same=same.act(site.place(request, hub), row.id, name, values),
        consequences=_consequences(name, row),
        errors=errors,
        refusal=None if offer.refusal is None else why_not(name, row),
        choices=choices,
        again=await _again(site, hub, row) if name == "rewind" else (),
    )


async def _choices(site: Site, hub: str, head: Head) -> list[EventChoice]:
    """Return what can be raised: awaited first, then what was raised in earlier runs."""
    reason, now_ns = head.reason, site.now()
    choices = []
    if reason is not None and reason.waiting == "event":
        for name in reason.on:
            said: list[str | Piece] = ["waited for now"]
            if reason.since_ns is not None:
                said = ["waited for since ", words.clock(reason.since_ns, now_ns)]
            if reason.due_ns is not None:
                said.append(f", until {words.clock(reason.due_ns, now_ns)}")
            choices.append(EventChoice(name, phrase(*said), True))
    known = {choice.name for choice in choices}
    for name, count in (await site.backend.raised_before(hub, head.row.name)).items():
        if name not in known:
            runs = words.counted(count, "earlier run")
            note = phrase(f"not known to be waited for; raised in {runs} of {head.row.name}")
            choices.append(EventChoice(name, note))
    return choices


def _consequences(name: Act, row: InstanceRow) -> list[str]:
    children = 0 if row.children is None else row.children.total
    if name == "terminate":
        told = ["Activities that already run are not stopped; their results are dropped."]
        return [f"It has {words.counted(children, 'child', 'children')}.", *told] if children else told
    if name == "purge":
        return ["Removes history and result. The id becomes free."]
    if name == "suspend":
        return ["It gets no turns until it is resumed. Events that arrive meanwhile are kept."]
    if name == "rewind":
        return ["What succeeded is kept; what failed runs again."]
    if name == "raise" and row.status == "suspended":
        return ["It is suspended; the event is kept until it resumes."]
    return []


async def _again(site: Site, hub: str, row: InstanceRow) -> list[str]:
    """Return what runs again after a rewind."""
    digest = await site.backend.digest(hub, row.id)
    failed = [step for step in digest.steps if step.status == "failed"]
    names = list(dict.fromkeys(step.name for step in failed if step.kind == "activity"))
    children = sum(step.kind == "child" for step in failed)
    return [*names, *([words.counted(children, "child", "children")] if children else [])]
