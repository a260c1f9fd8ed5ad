"""Acts on many instances: confirmed once, done in the background in batches, told as they go."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import cast, get_args
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from durakit.dashboard import acts, parameters
from durakit.dashboard.backend import BackendError, BulkAct, BulkProgress
from durakit.dashboard.instances import STATUSES, InstanceRow
from durakit.dashboard.lists import InstanceFilter, InstanceQuery
from durakit.dashboard.routes.paths import get, hub_of, page, post
from durakit.dashboard.site import Site, read_fields
from durakit.dashboard.views.forms import BulkView
from durakit.dashboard.views.frame import hub_path

logger = logging.getLogger(__name__)

_JOBS_KEPT = 50
_MOST_CHOSEN = 5_000
_LABELS = {"terminate": "Terminate", "suspend": "Suspend", "resume": "Resume", "purge": "Purge"}


@dataclass
class _Job:
    """An act on many that is under way, or was."""

    hub: str
    act: BulkAct
    progress: BulkProgress
    running: asyncio.Task[None] | None = None


@dataclass(frozen=True)
class _Choice:
    """What an act is meant for."""

    act: BulkAct
    chosen: Collection[str] | InstanceFilter
    words: str
    fields: tuple[tuple[str, str], ...]


def add(app: FastAPI, site: Site) -> None:
    """Add the paths of this module."""
    jobs: OrderedDict[str, _Job] = OrderedDict()

    async def ask(request: Request) -> Response:
        hub = hub_of(request)
        job = request.query_params.get("job")
        if job is not None:
            return site.answer(request, "bulk.html", await _progress_view(site, hub, job, jobs))
        choice = read_choice(request.query_params.multi_items(), site.now())
        return site.answer(request, "bulk.html", await _confirm_view(site, hub, choice))

    async def do(request: Request) -> Response:
        site.must_be_writable()
        hub, pairs = hub_of(request), await read_fields(request)
        fields = dict(pairs)
        if fields.get("cancel"):
            _cancel(jobs.get(fields.get("job", "")))

            async def leave() -> str:
                return f"{hub_path(hub, 'instances/bulk')}?{urlencode({'job': fields.get('job', '')})}"

            return await site.done(request, "", leave, {"job": fields.get("job", "")})
        choice = read_choice(pairs, site.now())
        result: dict[str, str] = {"act": choice.act}

        async def begin() -> str:
            result["job"] = name = uuid.uuid4().hex
            job = _Job(hub, choice.act, BulkProgress(choice.act))
            jobs[name] = job
            while len(jobs) > _JOBS_KEPT:
                jobs.popitem(last=False)
            job.running = asyncio.create_task(_work(site, job, choice, fields.get("reason") or None))
            return f"{hub_path(hub, 'instances/bulk')}?{urlencode({'job': name})}"

        return await site.done(request, fields.get("nonce", ""), begin, result)

    page(app, "/h/{hub}/instances/bulk", ask)
    post(app, "/h/{hub}/instances/bulk", do)
    # The same, where the list's own path ends.
    get(app, "/h/{hub}/bulk", ask)


def read_choice(pairs: list[tuple[str, str]], now_ns: int) -> _Choice:
    """Return what an act is meant for.

    Raises:
        BackendError: invalid.
    """
    fields = dict(pairs)
    act = fields.get("act", "")
    if act not in get_args(BulkAct):
        known = ", ".join(get_args(BulkAct))
        raise BackendError("invalid", f"{act or 'Nothing'} cannot be done to many. Known are {known}.")
    if fields.get("all") == "1":
        own = ("act", "all", "chosen", "reason", "nonce", "size", "after", "before", "open", "cols", "sort")
        asked = parameters.read([pair for pair in pairs if pair[0] not in own], now_ns)
        if asked.notices:
            raise BackendError("invalid", f"{' '.join(asked.notices)} Nothing was changed.")
        repeated = (("act", act), ("all", "1"), *asked.values)
        said = asked.in_words or "no filter: every instance of this hub"
        # A relative time means what it meant when the list was shown, not some minutes later.
        return _Choice(cast(BulkAct, act), asked.query.filter, said, repeated)
    chosen = list(dict.fromkeys(value for name, value in pairs if name == "chosen" and value))
    if not chosen:
        raise BackendError("invalid", "No instance is selected. Nothing was changed.")
    if len(chosen) > _MOST_CHOSEN:
        raise BackendError("invalid", f"At most {_MOST_CHOSEN:,} can be selected; use a filter instead.")
    repeated = (("act", act), *(("chosen", each) for each in chosen))
    return _Choice(cast(BulkAct, act), chosen, "", repeated)


async def _confirm_view(site: Site, hub: str, choice: _Choice) -> BulkView:
    label = _LABELS[choice.act]
    frame = await site.frame(label, hub)
    if isinstance(choice.chosen, InstanceFilter):
        total, is_exact, left_alone = await _count(site, hub, choice.act, choice.chosen)
        query = InstanceQuery(choice.chosen, size=25)
        first: list[InstanceRow] = (await site.backend.instances(hub, query)).rows[:5]
    else:
        rows = await site.backend.rows(hub, list(choice.chosen))
        total, is_exact, first = len(rows), True, rows[:5]
        left_alone = sum(not acts.can(choice.act, row) for row in rows)
    return BulkView(frame, choice.act, label, total, is_exact, first, choice.words, choice.fields, left_alone)


async def _count(site: Site, hub: str, act: BulkAct, wanted: InstanceFilter) -> tuple[int, bool, int]:
    counted = await site.backend.counts(hub, wanted)
    total = left_alone = 0
    for status in STATUSES:
        if wanted.statuses and status not in wanted.statuses:
            continue
        count = counted.by_status.get(status, 0)
        total += count
        if not acts.can(act, InstanceRow("", "", status, 0, 0)):
            left_alone += count
    return total, counted.is_exact, left_alone


async def _progress_view(site: Site, hub: str, name: str, jobs: OrderedDict[str, _Job]) -> BulkView:
    job = jobs.get(name)
    if job is None or job.hub != hub:
        raise BackendError("not_found", "This act on many is no longer known; it may have finished long ago.")
    label = _LABELS[job.act]
    frame = await site.frame(label, hub)
    total = job.progress.total or job.progress.done
    return BulkView(frame, job.act, label, total, True, (), progress=job.progress, job=name)


async def _work(site: Site, job: _Job, choice: _Choice, reason: str | None) -> None:
    try:
        async for progress in site.backend.bulk(job.hub, choice.act, choice.chosen, reason):
            job.progress = progress
            # Others are served between two batches.
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        job.progress = replace(job.progress, is_cancelled=True)
        raise
    except BackendError as error:
        refused = (*job.progress.refused, ("", error.message))
        job.progress = replace(job.progress, refused=refused, is_finished=True)
    except Exception:
        logger.exception("An act on many instances failed")
        refused = (*job.progress.refused, ("", "It failed; the scheduler's log says why."))
        job.progress = replace(job.progress, refused=refused, is_finished=True)


def _cancel(job: _Job | None) -> None:
    if job is not None and job.running is not None and not job.running.done():
        job.running.cancel()
