"""Finding the descendants that a page shows, and a page of events of all of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace

from durakit.dashboard.backend import BackendError
from durakit.dashboard.events import EventPage, EventQuery
from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.site import Site
from durakit.dashboard.steps import Step
from durakit.dashboard.views.kin import Kin, Member, MergedPage, merge, position, read_cursor

MOST = 50
"""Descendants on one page."""
DEEP = 5
_URGENT = ("failed", "open")


async def kin_of(site: Site, hub: str, row: InstanceRow) -> Kin:
    """Return the instance and its descendants, level by level until there are too many.

    Of a level that is too large, failed and open children come first. Purged ones are not there to show.
    """
    top = Member(row, await site.backend.digest(hub, row.id))
    children: dict[str, list[Member]] = defaultdict(list)
    seen, level, count, left_out = {row.id}, [top], 0, 0
    for depth in range(1, DEEP + 2):
        calls = _calls(level, seen)
        chosen = _chosen(calls, MOST - count if depth <= DEEP else 0)
        left_out += len(calls) - len(chosen)
        found = {each.id: each for each in await site.backend.rows(hub, list(chosen))} if chosen else {}
        made = await asyncio.gather(*(_member(site, hub, found[id], depth) for id in chosen if id in found))
        level = [member for member in made if member is not None]
        for member in level:
            children[chosen[member.row.id]].append(member)
        count += len(level)
    return Kin(_in_order(top, children), left_out)


def _calls(level: list[Member], seen: set[str]) -> list[tuple[str, Step]]:
    """Return the ids of parents with their calls of children that were not met before."""
    calls = []
    for member in level:
        for step in member.digest.steps:
            if step.kind == "child" and step.instance_id and step.instance_id not in seen:
                seen.add(step.instance_id)
                calls.append((member.row.id, step))
    return calls


def _chosen(calls: list[tuple[str, Step]], room: int) -> dict[str, str]:
    """Return ids of children and of their parents, in the order of the calls."""
    wanted = calls
    if len(calls) > room:
        by_need = sorted(calls, key=lambda call: call[1].status not in _URGENT)
        kept = {call[1].instance_id for call in by_need[:room]}
        wanted = [call for call in calls if call[1].instance_id in kept]
    return {step.instance_id or "": parent for parent, step in wanted}


async def _member(site: Site, hub: str, row: InstanceRow, depth: int) -> Member | None:
    try:
        return Member(row, await site.backend.digest(hub, row.id), depth)
    except BackendError as error:
        if error.trouble != "not_found":
            raise
        return None  # purged a moment ago


def _in_order(top: Member, children: dict[str, list[Member]]) -> list[Member]:
    below = [each for child in children[top.row.id] for each in _in_order(child, children)]
    return [top, *below]


async def merged_events(site: Site, hub: str, kin: Kin, query: EventQuery, after: str | None) -> MergedPage:
    """Return a page of the events of all members; `after` is the cursor of the page before."""
    cursor = read_cursor(after)

    async def events(member: Member) -> EventPage:
        own = replace(query, after=position(cursor, member.row.id))
        try:
            return await site.backend.events(hub, member.row.id, own)
        except BackendError as error:
            if error.trouble != "not_found":
                raise
            return EventPage([], 0)

    pages = await asyncio.gather(*map(events, kin.members))
    told = list(zip(kin.members, pages, strict=True))
    return merge(told, cursor, limit=query.limit, newest_first=query.newest_first)
