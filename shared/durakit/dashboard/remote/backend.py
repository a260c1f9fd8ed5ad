"""Any endpoint behind the pages' interface: the embedded scheduler, the emulator, Azure, a sidecar.

The protocol lists instances in an order of its own and knows few filters. So the newest are fetched by
windows of time that grow until a page is full, and the rest is done here, on at most `FETCHED_AT_MOST`.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from durakit.client.operations import Call
from durakit.dashboard import buckets as buckets_
from durakit.dashboard.acts import ProtocolActs
from durakit.dashboard.backend import BackendError, Changed, Hub, NotOffered, Offers
from durakit.dashboard.events import EventPage, EventQuery, NumberedEvent, is_wanted
from durakit.dashboard.facts import ChildFact, Facts, Suspended
from durakit.dashboard.instances import (
    ChildCounts,
    Family,
    Generation,
    Instance,
    InstanceRow,
    Relative,
    StatusRecord,
)
from durakit.dashboard.lists import Counts, Histogram, InstanceFilter, InstancePage, InstanceQuery, Searched
from durakit.dashboard.reasons import explain
from durakit.dashboard.remote import selecting, states
from durakit.dashboard.remote.troubles import trouble_of
from durakit.dashboard.steps import Digest, digest
from durakit.dashboard.words import HOUR
from durakit.dashboard.workforce import Workforce
from durakit.errors import DurakitError
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.client.aio import AsyncTaskHubGrpcClient

FETCHED_AT_MOST = 1_000
"""How many instances are fetched to count, filter and sort them here."""
_WINDOWS = (HOUR, 24 * HOUR, 30 * 24 * HOUR)
_AT_ONCE = 8
_REASONS_AT_MOST = 25
_DIGESTS_KEPT = 200
_POLL_SECONDS = 3.0
_KEPT_SECONDS = 2.0

OFFERS = Offers(
    manage_hubs=False,
    workers=False,
    filters=selecting.KNOWN_TO_PROTOCOL,
    sorts=("-started", "started"),
    counts=False,
    histogram=True,
    live=False,
)


class RemoteBackend(ProtocolActs):
    """Talks to an endpoint with one client per hub.

    Args:
        clients: by name of the hub; closed with this.
        now: the time in nanoseconds since 1970.
    """

    def __init__(
        self,
        clients: Mapping[str, AsyncTaskHubGrpcClient],
        endpoint: str,
        *,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clients = dict(clients)
        self._endpoint = endpoint
        self._now = now
        self._digests: OrderedDict[tuple[str, str], tuple[int, Digest, list[pb.HistoryEvent]]] = OrderedDict()
        self._fetched: dict[tuple[str, Any], tuple[float, list[InstanceRow], bool]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @property
    def offers(self) -> Offers:
        """What the protocol can do."""
        return OFFERS

    @property
    def endpoint(self) -> str:
        """The scheduler's address."""
        return self._endpoint

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.close()

    async def call(self, hub: str, method: str, request: Any) -> Any:
        """Make one call of the protocol."""
        client = self._clients.get(hub)
        if client is None:
            raise BackendError(
                "not_found", f"There is no task hub {hub} among those given to this dashboard."
            )
        if method not in _READING:
            self._fetched.clear()
        try:
            return await client._run(_one(Call(method, request)))
        except DurakitError as error:
            raise BackendError(trouble_of(error), str(error)) from error

    # --- hubs

    async def hub_names(self) -> list[str]:
        """Return the hubs that this dashboard was given."""
        return sorted(self._clients)

    async def hubs(self) -> list[Hub]:
        """Return the hubs by name; the protocol tells no more."""
        return [Hub(name) for name in sorted(self._clients)]

    async def create_hub(self, hub: str) -> None:
        """Not offered."""
        raise NotOffered("This endpoint does not let hubs be created from here.")

    async def reset_hub(self, hub: str) -> None:
        """Not offered."""
        raise NotOffered("This endpoint does not let hubs be reset from here.")

    # --- lists

    async def instances(self, hub: str, query: InstanceQuery) -> InstancePage:
        """Return a page of instances; what the protocol cannot filter is filtered here, with a notice."""
        rows, is_all = await self._fetch(hub, query)
        wanted = query.filter
        found = await self._chosen(hub, rows, wanted)
        if wanted.roots:
            found = selecting.without_children(found, rows)
        notices: tuple[str, ...] = ()
        if not selecting.is_for_protocol(wanted):
            notices = (f"Filtered here; searched {len(rows):,} so far.",)
        oldest = min((row.created_ns for row in rows), default=None)
        searched = None if is_all else Searched(len(rows), None, oldest, None)
        page = selecting.page(found, query, searched, notices)
        shown = await self._told(hub, page.rows)
        return replace(page, rows=selecting.with_children(shown, rows))

    async def _chosen(
        self, hub: str, rows: Sequence[InstanceRow], wanted: InstanceFilter
    ) -> list[InstanceRow]:
        if wanted.text and wanted.text_in - {"id"}:
            texts = await self._texts(hub, rows)
            return [row for row in rows if selecting.fits(row, wanted, texts.get(row.id))]
        found = [row for row in rows if selecting.fits(row, wanted)]
        if selecting.asks_for_reasons(wanted):
            is_open = [row for row in found if row.is_open]
            told = [await self._with_reason(hub, row) for row in is_open[: 4 * _REASONS_AT_MOST]]
            found = [row for row in told if selecting.fits_reason(row, wanted)]
        return found

    async def _texts(self, hub: str, rows: Sequence[InstanceRow]) -> dict[str, dict[str, str]]:
        """Return the payloads of instances, to look for text in."""
        found = await self._states(hub, [row.id for row in rows])
        return {
            state.instanceId: {
                "input": state.input.value,
                "output": state.output.value,
                "error": f"{state.failureDetails.errorType}: {state.failureDetails.errorMessage}",
            }
            for state in found
        }

    async def _fetch(self, hub: str, query: InstanceQuery) -> tuple[list[InstanceRow], bool]:
        """Return instances without payloads, and whether these are all that there are."""
        wanted = query.filter
        key = (hub, (wanted.statuses, wanted.id_prefix, wanted.created_from_ns, wanted.created_to_ns))
        kept = self._fetched.get(key)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1], kept[2]
        now_ns = self._now()
        rows: list[InstanceRow] = []
        is_all = False
        # The protocol answers in an order of its own: the newest are found by looking back in growing steps.
        starts = [now_ns - window for window in _WINDOWS]
        floor = wanted.created_from_ns
        for start in [start for start in starts if floor is None or start > floor]:
            rows, is_cut = await self._query(hub, wanted, start)
            if is_cut:
                break
        else:
            rows, is_cut = await self._query(hub, wanted, floor)
            is_all = not is_cut
        self._fetched[key] = time.monotonic() + _KEPT_SECONDS, rows, is_all
        return rows, is_all

    async def _query(
        self, hub: str, wanted: InstanceFilter, from_ns: int | None
    ) -> tuple[list[InstanceRow], bool]:
        statuses = states.statuses_of(wanted.statuses)
        request = pb.QueryInstancesRequest(
            query=pb.InstanceQuery(runtimeStatus=statuses, maxInstanceCount=FETCHED_AT_MOST)
        )
        asked = request.query
        if wanted.id_prefix:
            asked.instanceIdPrefix.value = wanted.id_prefix
        if from_ns is not None:
            asked.createdTimeFrom.CopyFrom(states.timestamp(from_ns))
        if wanted.created_to_ns is not None:
            asked.createdTimeTo.CopyFrom(states.timestamp(wanted.created_to_ns))
        rows: list[InstanceRow] = []
        while True:
            answer: pb.QueryInstancesResponse = await self.call(hub, "QueryInstances", request)
            rows += [states.row_of(state) for state in answer.orchestrationState]
            token = answer.continuationToken.value
            if token in ("", "0", asked.continuationToken.value):
                return rows, False
            if len(rows) >= FETCHED_AT_MOST:
                return rows, True
            asked.continuationToken.value = token

    async def _told(self, hub: str, rows: Sequence[InstanceRow]) -> list[InstanceRow]:
        """Return rows with previews and reasons; histories are read of some that have not ended."""
        found = {state.instanceId: state for state in await self._states(hub, [row.id for row in rows])}
        looked_at, told = 0, []
        for row in rows:
            newest = states.row_of(found[row.id]) if row.id in found else row
            if newest.is_open and looked_at < _REASONS_AT_MOST:
                looked_at += 1
                told.append(await self._with_reason(hub, newest))
            else:
                told.append(replace(newest, reason=explain(newest, None, Facts(), self._now())))
        return told

    async def _states(self, hub: str, ids: Sequence[str]) -> list[pb.OrchestrationState]:
        """Return the states of instances, payloads included; missing ones are left out."""

        async def read(instance_id: str) -> pb.OrchestrationState | None:
            async with self._slots:
                request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
                answer: pb.GetInstanceResponse = await self.call(hub, "GetInstance", request)
            return answer.orchestrationState if answer.exists else None

        found = await asyncio.gather(*[read(each) for each in ids])
        return [state for state in found if state is not None]

    async def _with_reason(self, hub: str, row: InstanceRow) -> InstanceRow:
        told, _ = await self._history(hub, row)
        return replace(
            row, reason=explain(row, told, self._facts(row, told), self._now()), events=told.events
        )

    def _facts(self, row: InstanceRow, told: Digest) -> Facts:
        if row.status != "suspended":
            return Facts()
        last = told.suspensions[-1] if told.suspensions else None
        if last is None or last.to_ns is not None:
            # Some schedulers write the suspension down only with the next turn.
            return Facts(suspended=Suspended(row.updated_ns, None))
        return Facts(suspended=Suspended(last.from_ns, last.reason))

    async def rows(self, hub: str, ids: Collection[str]) -> list[InstanceRow]:
        """Return these instances, in the order given."""
        found = {state.instanceId: states.row_of(state) for state in await self._states(hub, list(ids))}
        return await self._told(hub, [found[each] for each in ids if each in found])

    async def counts(self, hub: str, filter: InstanceFilter) -> Counts:
        """Return how many of the fetched instances match."""
        every = replace(filter, statuses=frozenset(), roots=False)
        rows, is_all = await self._fetch(hub, InstanceQuery(every))
        counted: dict[str, int] = {}
        for row in await self._chosen(hub, rows, every):
            counted[row.status] = counted.get(row.status, 0) + 1
        return Counts(counted, is_exact=is_all)

    async def histogram(self, hub: str, filter: InstanceFilter, buckets: int = 90) -> Histogram:
        """Return the fetched instances by start."""
        rows, is_all = await self._fetch(hub, InstanceQuery(filter))
        found, now_ns = await self._chosen(hub, rows, filter), self._now()
        oldest = min((row.created_ns for row in found), default=now_ns)
        from_ns = max(filter.created_from_ns or oldest, oldest)
        to_ns = min(filter.created_to_ns or now_ns, now_ns)
        width = buckets_.width_for(from_ns, to_ns, buckets)
        counted: dict[int, dict[str, int]] = {}
        for row in found:
            bucket = counted.setdefault(row.created_ns // width, {})
            bucket[row.status] = bucket.get(row.status, 0) + 1
        return buckets_.histogram(counted, width, from_ns, to_ns, buckets, is_all)

    async def names(self, hub: str) -> list[str]:
        """Return the names of the fetched instances."""
        rows, _ = await self._fetch(hub, InstanceQuery())
        return sorted({row.name for row in rows})[:500]

    # --- one instance

    async def instance(self, hub: str, instance_id: str) -> Instance:
        """Return the facts of an instance."""
        found = await self._states(hub, [instance_id])
        if not found:
            raise BackendError("not_found", f"There is no instance {instance_id} in hub {hub}.")
        state, row = found[0], states.row_of(found[0])
        told, _ = await self._history(hub, row)
        steps = [step for step in told.steps if step.kind == "child"]
        if steps:
            is_open = sum(step.status == "open" for step in steps)
            failed = sum(step.status == "failed" for step in steps)
            row = replace(row, children=ChildCounts(len(steps), is_open, failed))
        failed_children = tuple(
            ChildFact(step.instance_id or "", step.name, "failed", step.last.failure.told.short_line)
            for step in steps
            if step.last.failure is not None and not step.is_retrying
        )
        before = tuple(await self.raised_before(hub, row.name))
        facts = replace(self._facts(row, told), children=failed_children, raised_before=before)
        reason = explain(row, told, facts, self._now())
        last = told.turns[-1] if told.turns else None
        return Instance(
            replace(row, reason=reason, events=told.events, parent_name=told.parent_name),
            state.executionId.value or told.execution_id or None,
            state.input.value if state.HasField("input") else None,
            state.output.value if state.HasField("output") else None,
            state.customStatus.value if state.HasField("customStatus") else None,
            states.failure_in(state),
            len(told.turns),
            None if last is None else last.at_ns,
        )

    async def statuses(self, hub: str, instance_id: str) -> StatusRecord:
        """Not in the protocol."""
        raise NotOffered("This endpoint tells the present custom status of an instance only.")

    async def _row(self, hub: str, instance_id: str) -> InstanceRow:
        request = pb.GetInstanceRequest(instanceId=instance_id)
        answer: pb.GetInstanceResponse = await self.call(hub, "GetInstance", request)
        if not answer.exists:
            raise BackendError("not_found", f"There is no instance {instance_id} in hub {hub}.")
        return states.row_of(answer.orchestrationState)

    async def _history(self, hub: str, row: InstanceRow) -> tuple[Digest, list[pb.HistoryEvent]]:
        """Return digest and events; read again only when the instance has changed."""
        key = hub, row.id
        kept = self._digests.get(key)
        if kept is not None and kept[0] == row.updated_ns:
            self._digests.move_to_end(key)
            return kept[1], kept[2]
        request = pb.StreamInstanceHistoryRequest(instanceId=row.id)
        async with self._slots:
            try:
                chunks: Sequence[pb.HistoryChunk] = await self.call(hub, "StreamInstanceHistory", request)
            except BackendError as error:
                # A scheduler without this method tells states only.
                if error.trouble not in ("not_offered", "not_found"):
                    raise
                chunks = ()
        events = [event for chunk in chunks for event in chunk.events]
        told = digest(events)
        self._digests[key] = row.updated_ns, told, events
        while len(self._digests) > _DIGESTS_KEPT:
            self._digests.popitem(last=False)
        return told, events

    async def digest(self, hub: str, instance_id: str) -> Digest:
        """Return the history in steps."""
        return (await self._history(hub, await self._row(hub, instance_id)))[0]

    async def history(
        self, hub: str, instance_id: str, execution_id: str | None = None
    ) -> list[pb.HistoryEvent]:
        """Return the whole history."""
        return (await self._history(hub, await self._row(hub, instance_id)))[1]

    async def events(self, hub: str, instance_id: str, query: EventQuery) -> EventPage:
        """Return a page of the history."""
        events = await self.history(hub, instance_id)
        numbered = [NumberedEvent(at, event) for at, event in enumerate(events, start=1)]
        if query.newest_first:
            numbered.reverse()
        found = [each for each in numbered if is_wanted(each, query)]
        more = len(found) > query.limit
        found = found[: query.limit]
        return EventPage(found, len(events), found[-1].number if more else None)

    async def family(
        self, hub: str, instance_id: str, *, per_level: int = 50, only_open_and_failed: bool = False
    ) -> Family:
        """Return ancestors, descendants and this generation; children as histories tell them."""
        this = (await self.instance(hub, instance_id)).row
        members = [Relative(this, 0)]
        parent_id, depth = this.parent_id, -1
        while parent_id is not None and depth > -20:
            found = await self.rows(hub, [parent_id])
            if not found:
                break
            members.insert(0, Relative(found[0], depth))
            parent_id, depth = found[0].parent_id, depth - 1
        members += await self._descendants(hub, this, 1, per_level, only_open_and_failed)
        told = await self.digest(hub, instance_id)
        current = Generation(None, told.execution_id or None, told.started_ns, told.ended_ns, True, True)
        return Family(members, [current])

    async def _descendants(
        self, hub: str, of: InstanceRow, depth: int, per_level: int, narrowed: bool
    ) -> list[Relative]:
        if depth > 5:
            return []
        told, _ = await self._history(hub, of)
        steps = [step for step in told.steps if step.kind == "child" and step.instance_id]
        if narrowed:
            steps = [step for step in steps if step.status in ("open", "failed")]
        members: list[Relative] = []
        for row in await self.rows(hub, [step.instance_id or "" for step in steps[:per_level]]):
            members.append(Relative(row, depth))
            members += await self._descendants(hub, row, depth + 1, per_level, narrowed)
        return members

    async def raised_before(self, hub: str, name: str) -> dict[str, int]:
        """Return events in the histories that were read before; none is read for this."""
        counted: dict[str, int] = {}
        for (kept_hub, _), (_, told, _) in list(self._digests.items()):
            if kept_hub == hub and told.name == name:
                for raised in told.raised:
                    counted[raised] = counted.get(raised, 0) + 1
        return counted

    # --- workers, changes

    async def lacks_workers(self, hub: str) -> bool:
        """Nobody can know."""
        return False

    async def workforce(self, hub: str) -> Workforce:
        """Not offered."""
        raise NotOffered("This endpoint does not report workers.")

    def watch(self, hub: str) -> AbstractAsyncContextManager[Polling]:
        """Return what says every few seconds that anything may have changed."""
        return _polling()


class Polling:
    """The protocol tells no changes: anything may have changed, every few seconds."""

    async def next(self, timeout_seconds: float) -> Changed:
        """Return that anything may have changed, after a while."""
        await asyncio.sleep(min(_POLL_SECONDS, timeout_seconds))
        return Changed(None)


@asynccontextmanager
async def _polling() -> AsyncIterator[Polling]:
    yield Polling()


def _one(call: Call) -> Any:
    return (yield call)


_READING = frozenset({"GetInstance", "QueryInstances", "StreamInstanceHistory"})
