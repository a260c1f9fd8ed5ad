"""The embedded scheduler behind the pages' interface.

Pages may be made on another event loop than the scheduler's: nothing here touches the scheduler's memory but
in functions given to `Home`, and in `find_hub`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from durakit.dashboard.acts import ProtocolActs
from durakit.dashboard.backend import BackendError, Hub, Offers, Trouble
from durakit.dashboard.embedded import family, histories, lists, questions, records, snapshots, workload
from durakit.dashboard.embedded.home import Home
from durakit.dashboard.embedded.search import SUFFIX, Search
from durakit.dashboard.embedded.watching import EmbeddedWatch, Watching
from durakit.dashboard.events import EventPage, EventQuery
from durakit.dashboard.facts import ChildFact
from durakit.dashboard.instances import OPEN_STATUSES, Family, Instance, InstanceRow, StatusRecord
from durakit.dashboard.lists import SORTS, Counts, Histogram, InstanceFilter, InstancePage, InstanceQuery
from durakit.dashboard.phrases import plain
from durakit.dashboard.reasons import Reason, explain
from durakit.dashboard.steps import Digest
from durakit.dashboard.workforce import Workforce
from durakit.scheduler.engine import Engine
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.store import StoreError
from durakit.scheduler.store.reader import Reader
from durakit.scheduler.store.store import Connection
from durakit.wire.messages import orchestration_pb2 as pb

T = TypeVar("T")

OFFERS = Offers(
    manage_hubs=True,
    workers=True,
    filters=frozenset(
        {"status", "name", "version", "id", "from", "to", "tag", "q", "waiting", "on", "attention", "parent"}
    ),
    sorts=SORTS,
    counts=True,
    histogram=True,
    live=True,
    earlier_statuses=True,
)
_TROUBLE: dict[str, Trouble] = {
    "NOT_FOUND": "not_found",
    "INVALID_ARGUMENT": "invalid",
    "FAILED_PRECONDITION": "conflict",
    "ALREADY_EXISTS": "exists",
    "UNAUTHENTICATED": "denied",
}
_KEPT_SECONDS = 2.0
"""How long counts and histograms of a filter are good enough."""
_REASONS_WITH_HISTORY = 200
_CHILDREN_LOOKED_AT = 200


class Scheduler(Protocol):
    """What is needed of the scheduler; `SchedulerServer` is one."""

    @property
    def engine(self) -> Engine:
        """Its hubs and their store."""
        ...

    async def call(self, hub: str, method: str, request: Any) -> Any:
        """Answer a unary request once it is on disk; raise Refusal or StoreError."""
        ...


class EmbeddedBackend(ProtocolActs):
    """Reads by connections of its own, asks memory on the loop, acts through the scheduler's front desk.

    Args:
        now: the time in nanoseconds since 1970.
        loop: the scheduler's event loop, when it is not the one that makes the pages.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        endpoint: str,
        *,
        now: Callable[[], int] = time.time_ns,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._home = Home(loop)
        self._scheduler = scheduler
        self._engine = scheduler.engine
        self._endpoint = endpoint
        self._now = now
        self._reader = Reader(self._engine.store)
        self._digests = histories.Digests()
        self._search = Search(self._engine.store.path)
        self._watching = Watching(self._engine, self._home)
        self._samplers: dict[str, workload.Sampler] = {}
        self._sampling: asyncio.Task[None] | None = None
        self._kept: dict[tuple[Any, ...], tuple[float, Any]] = {}

    @property
    def offers(self) -> Offers:
        """Everything."""
        return OFFERS

    @property
    def endpoint(self) -> str:
        """The scheduler's address."""
        return self._endpoint

    async def _sample_for_ever(self) -> None:
        """Look at the queues once a minute."""

        def sample() -> None:
            for hub in self._engine.hubs():
                self._samplers.setdefault(hub.name, workload.Sampler()).sample(hub)

        while True:
            await self._home.ask(sample)
            await asyncio.sleep(workload.SAMPLE_SECONDS)

    async def close(self) -> None:
        """Stop looking on."""
        if self._sampling is not None:
            self._sampling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sampling
        self._search.close()
        self._reader.close()

    async def call(self, hub: str, method: str, request: Any) -> Any:
        """Make one call of the protocol."""
        await self._hub(hub)
        try:
            return await self._home.do(lambda: self._scheduler.call(hub, method, request))
        except Refusal as refusal:
            raise BackendError(_TROUBLE.get(refusal.status, "invalid"), refusal.message) from refusal
        except StoreError as error:
            raise BackendError("unavailable", str(error)) from error

    async def _hub(self, name: str) -> TaskHub:
        # While memory is built anew no hub is known; the scheduler's loop answers when that is done.
        find = functools.partial(self._engine.find_hub, name)
        hub = find() or await self._home.ask(find)
        if hub is None:
            raise BackendError("not_found", f"There is no task hub {name}.")
        return hub

    async def _hub_row(self, hub: str) -> int:
        return (await self._hub(hub)).machine.hub_row

    async def _ask(self, question: Callable[[Connection], T]) -> T:
        try:
            if self._reader.is_in_memory:
                # The scheduler's own connection answers; it may be used by one thread at a time.
                return await self._home.do(lambda: self._reader.ask(question))
            return await self._reader.ask(question)
        except StoreError as error:
            raise BackendError("unavailable", str(error)) from error

    async def _kept_for_a_while(self, key: tuple[Any, ...], question: Callable[[Connection], T]) -> T:
        now = time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and kept[0] > now:
            known: T = kept[1]  # the key tells the type
            return known
        began = now
        answer = await self._ask(question)
        now = time.monotonic()
        if len(self._kept) > 200:
            self._kept = {each: value for each, value in self._kept.items() if value[0] > now}
        # What was dear is kept longer, so that it never takes more than a twentieth of the time.
        self._kept[key] = now + max(_KEPT_SECONDS, 20 * (now - began)), answer
        return answer

    # --- hubs

    async def hub_names(self) -> list[str]:
        """Return the names of all hubs."""
        return await self._home.ask(lambda: [hub.name for hub in self._engine.hubs()])

    async def hubs(self) -> list[Hub]:
        """Return all hubs with what is known of them."""
        found = []
        known = await self._home.ask(
            lambda: [(hub.name, hub.machine.hub_row, len(hub.streams)) for hub in self._engine.hubs()]
        )
        for name, row, streams in known:
            counted = await self.counts(name, InstanceFilter())
            size, active = await self._kept_for_a_while(
                ("size", row), functools.partial(questions.size, hub_row=row)
            )
            found.append(Hub(name, counted.by_status, size, streams, active))
        whole = self._bytes_on_disk()
        if whole is not None and len(found) == 1:
            found = [replace(found[0], size_bytes=whole)]
        return sorted(found, key=lambda hub: hub.name)

    def _bytes_on_disk(self) -> int | None:
        path = self._engine.store.path
        if path is None:
            return None
        total = 0
        for suffix in ("", "-wal", SUFFIX):
            with contextlib.suppress(OSError):
                total += os.stat(f"{path}{suffix}").st_size
        return total

    async def create_hub(self, hub: str) -> None:
        """Make an empty hub."""
        if hub in await self.hub_names():
            raise BackendError("exists", f"There is a hub {hub} already.")
        try:
            request = pb.CreateTaskHubRequest()
            await self._home.do(lambda: self._scheduler.call(hub, "CreateTaskHub", request))
        except Refusal as refusal:
            raise BackendError("invalid", refusal.message) from refusal

    async def reset_hub(self, hub: str) -> None:
        """Delete all instances of a hub, running ones too."""
        await self._hub(hub)
        running = InstanceFilter(statuses=OPEN_STATUSES)
        async for _ in self.bulk(hub, "terminate", running):
            pass
        everything = pb.PurgeInstancesRequest(purgeInstanceFilter=pb.PurgeInstanceFilter())
        await self.call(hub, "PurgeInstances", everything)

    # --- lists

    async def instances(self, hub: str, query: InstanceQuery) -> InstancePage:
        """Return a page of instances."""
        task_hub = await self._hub(hub)
        row, wanted = task_hub.machine.hub_row, query.filter
        only = None
        if wanted.waiting is not None or wanted.on is not None or wanted.attention:
            only = await self._waiting(task_hub, wanted)

        def read(ask: Connection) -> tuple[Any, Any, str | None]:
            searched = self._search.candidates(ask, row, wanted)
            return *questions.page(ask, row, query, only, searched.rows), searched.notice

        found, rows, notice = await self._ask(read)
        shown = await self._with_reasons(task_hub, rows)
        if wanted.statuses:
            # A resident instance is newer in memory than on disk.
            shown = [each for each in shown if each.status in wanted.statuses or not each.is_open]
        return InstancePage(
            await self._with_children(task_hub, shown),
            after=lists.cursor(found.keys[-1]) if found.has_after and found.keys else None,
            before=lists.cursor(found.keys[0]) if found.has_before and found.keys else None,
            searched=found.searched,
            notices=() if notice is None else (notice,),
        )

    async def _waiting(self, hub: TaskHub, wanted: InstanceFilter) -> list[int]:
        looking = workload.waiting_rows(hub, wanted.waiting, wanted.on, wanted.attention)
        found: list[int] = []
        while (some := await self._home.ask(lambda: next(looking, None))) is not None:
            found += some
            await asyncio.sleep(0)
        return found

    async def rows(self, hub: str, ids: Collection[str]) -> list[InstanceRow]:
        """Return these instances, in the order given."""
        task_hub = await self._hub(hub)
        row, wanted = task_hub.machine.hub_row, list(ids)
        found = await self._ask(lambda ask: records.rows_by_number(ask, records.numbers_of(ask, row, wanted)))
        return await self._with_children(task_hub, await self._with_reasons(task_hub, found))

    async def _with_reasons(
        self, hub: TaskHub, found: Sequence[tuple[int, str, InstanceRow]]
    ) -> list[InstanceRow]:
        """Bring rows up to date from memory, and say of each why it is where it is."""
        is_open = [number for number, _, row in found if row.is_open][:_REASONS_WITH_HISTORY]
        digests: dict[int, Digest] = {}
        if is_open:
            digests = await self._ask(
                lambda ask: {number: self._digests.read(ask, number) for number in is_open}
            )
        wanted = [(number, row.id) for number, _, row in found]
        known = await self._home.ask(lambda: snapshots.of_instances(hub, wanted))
        now_ns, rows = self._now(), []
        for (number, _, row), snapshot in zip(found, known, strict=True):
            newest = snapshot.bring_up_to_date(row)
            reason = explain(newest, digests.get(number), snapshot.facts, now_ns)
            rows.append(replace(newest, reason=reason))
        return rows

    async def _with_children(self, hub: TaskHub, rows: list[InstanceRow]) -> list[InstanceRow]:
        hub_row, ids = hub.machine.hub_row, [row.id for row in rows]
        counted = await self._ask(lambda ask: questions.child_counts(ask, hub_row, ids))
        return [replace(row, children=counted.get(row.id)) for row in rows]

    async def counts(self, hub: str, filter: InstanceFilter) -> Counts:
        """Return how many instances match."""
        task_hub = await self._hub(hub)
        row = task_hub.machine.hub_row
        plain_filter = replace(filter, waiting=None, on=None, attention=False, statuses=frozenset())
        if plain_filter != replace(filter, statuses=frozenset()):
            found = await self._found_waiting(task_hub, filter)
            by_status: dict[str, int] = {}
            for each in found:
                by_status[each] = by_status.get(each, 0) + 1
            return Counts(by_status, attention=None)
        counted = await self._kept_for_a_while(
            ("counts", row, plain_filter),
            lambda ask: lists.counts(
                ask, row, plain_filter, self._search.candidates(ask, row, plain_filter).rows
            ),
        )
        return replace(counted, attention=await self._home.ask(lambda: workload.attention(task_hub)))

    async def _found_waiting(self, hub: TaskHub, wanted: InstanceFilter) -> list[str]:
        row = hub.machine.hub_row
        only = await self._waiting(hub, wanted)
        query = InstanceQuery(replace(wanted, roots=False), size=lists.COUNTED_AT_MOST)
        return await self._ask(lambda ask: questions.statuses(ask, row, query, only))

    async def histogram(self, hub: str, filter: InstanceFilter, buckets: int = 90) -> Histogram:
        """Return the matching instances by start."""
        row, now_ns = await self._hub_row(hub), self._now()
        # Relative times move on with every question; to the second they are the same question.
        key = replace(filter, created_from_ns=_second(filter.created_from_ns))
        return await self._kept_for_a_while(
            ("histogram", row, key, buckets),
            lambda ask: lists.histogram(
                ask, row, filter, buckets, now_ns, self._search.candidates(ask, row, filter).rows
            ),
        )

    async def names(self, hub: str) -> list[str]:
        """Return the names of orchestrations that workers offer or that were used."""
        task_hub = await self._hub(hub)
        row = task_hub.machine.hub_row
        used = await self._kept_for_a_while(("names", row), lambda ask: lists.names(ask, row))
        offered = await self._home.ask(
            lambda: {name for stream in task_hub.streams for name in stream.offered_names(turn=True)}
        )
        return sorted({*used, *offered})[:500]

    # --- one instance

    async def instance(self, hub: str, instance_id: str) -> Instance:
        """Return the facts of an instance."""
        task_hub = await self._hub(hub)
        hub_row = task_hub.machine.hub_row
        found = await self._ask(lambda ask: questions.whole(ask, hub_row, instance_id))
        if found is None:
            raise self._no_instance(hub, instance_id)
        number, execution_id, row, payloads, failure = found
        digest = await self._ask(lambda ask: self._digests.read(ask, number))
        (snapshot,) = await self._home.ask(
            lambda: snapshots.of_instances(task_hub, [(number, instance_id)], with_payloads=True)
        )
        row = replace(snapshot.bring_up_to_date(row), events=digest.events)
        (row,) = await self._with_children(task_hub, [row])
        children = await self._stuck_children(hub, row, digest)
        raised = tuple(await self.raised_before(hub, row.name))
        facts = replace(snapshot.facts, children=children, raised_before=raised)
        reason = explain(row, digest, facts, self._now())
        newest = snapshot.payloads or snapshots.Payloads(*payloads)
        last = digest.turns[-1] if digest.turns else None
        return Instance(
            replace(row, reason=reason),
            execution_id,
            newest.input,
            newest.output,
            newest.custom_status,
            records.read_failure(failure),
            len(digest.turns),
            None if last is None else last.at_ns,
            newest.worker,
        )

    async def _stuck_children(self, hub: str, row: InstanceRow, digest: Digest) -> tuple[ChildFact, ...]:
        """Look at children that are still awaited or failed."""
        ids = [
            step.instance_id
            for step in digest.steps
            if step.kind == "child" and step.instance_id and step.status in ("open", "failed")
        ][:_CHILDREN_LOOKED_AT]
        if not ids or not row.is_open:
            return ()
        return tuple(
            ChildFact(each.id, each.name, each.status, each.error, _why_stuck(each.reason))
            for each in await self.rows(hub, ids)
        )

    def _no_instance(self, hub: str, instance_id: str) -> BackendError:
        return BackendError("not_found", f"There is no instance {instance_id} in hub {hub}.")

    async def _number(self, hub: str, instance_id: str) -> int:
        row = await self._hub_row(hub)
        numbers = await self._ask(lambda ask: records.numbers_of(ask, row, [instance_id]))
        if not numbers:
            raise self._no_instance(hub, instance_id)
        return numbers[0]

    async def statuses(self, hub: str, instance_id: str) -> StatusRecord:
        """Return the custom statuses of an instance over time."""
        number = await self._number(hub, instance_id)
        return await self._ask(lambda ask: questions.custom_statuses(ask, number))

    async def digest(self, hub: str, instance_id: str) -> Digest:
        """Return the history in steps."""
        number = await self._number(hub, instance_id)
        return await self._ask(lambda ask: self._digests.read(ask, number))

    async def events(self, hub: str, instance_id: str, query: EventQuery) -> EventPage:
        """Return a page of the history."""
        number = await self._number(hub, instance_id)
        return await self._ask(lambda ask: histories.page_of_events(ask, number, query))

    async def history(
        self, hub: str, instance_id: str, execution_id: str | None = None
    ) -> list[pb.HistoryEvent]:
        """Return the whole history."""
        number = await self._number(hub, instance_id)
        return await self._ask(lambda ask: histories.whole_history(ask, number))

    async def family(
        self, hub: str, instance_id: str, *, per_level: int = 50, only_open_and_failed: bool = False
    ) -> Family:
        """Return ancestors, descendants and generations."""
        return await family.of(self, hub, instance_id, per_level, only_open_and_failed)

    async def raised_before(self, hub: str, name: str) -> dict[str, int]:
        """Return names of events raised in the latest runs of an orchestration, and in how many."""
        row = await self._hub_row(hub)

        def read(ask: Connection) -> dict[str, int]:
            query = InstanceQuery(InstanceFilter(names=(name,)), size=20)
            counted: dict[str, int] = {}
            for _, number in lists.find(ask, row, query, None).keys:
                told = self._digests.read_if_short(ask, number)
                for raised in () if told is None else told.raised:
                    counted[raised] = counted.get(raised, 0) + 1
            return dict(sorted(counted.items(), key=lambda each: -each[1]))

        return await self._kept_for_a_while(("raised", row, name), read)

    # --- workers, changes

    async def lacks_workers(self, hub: str) -> bool:
        """Return whether work waits that nobody accepts."""
        task_hub = await self._hub(hub)
        return await self._home.ask(lambda: workload.lacks_workers(task_hub))

    async def workforce(self, hub: str) -> Workforce:
        """Return workers and queues."""
        task_hub = await self._hub(hub)
        if self._sampling is None:
            self._sampling = asyncio.get_running_loop().create_task(self._sample_for_ever())
        sampler = self._samplers.setdefault(hub, workload.Sampler())
        now_ns = self._now()
        return await self._home.ask(lambda: workload.workforce(task_hub, sampler, now_ns))

    def watch(self, hub: str) -> AbstractAsyncContextManager[EmbeddedWatch]:
        """Return what tells changes of a hub's instances."""
        return self._watching.watch(hub)


def _why_stuck(reason: Reason | None) -> str | None:
    if reason is None or not reason.attention:
        return None
    said = plain(reason.short)
    return said[:1].lower() + said[1:]


def _second(at_ns: int | None) -> int | None:
    return None if at_ns is None else at_ns // 1_000_000_000
