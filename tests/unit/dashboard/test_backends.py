"""What every backend does alike: the embedded one in memory and on disk, and any endpoint over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from durakit.azuremanaged.client import AsyncDurableTaskSchedulerClient
from durakit.dashboard.backend import Backend, BackendError, NewInstance, NotOffered
from durakit.dashboard.embedded.backend import EmbeddedBackend
from durakit.dashboard.events import EventQuery
from durakit.dashboard.lists import InstanceFilter, InstanceQuery
from durakit.dashboard.phrases import plain
from durakit.dashboard.remote.backend import RemoteBackend
from durakit.scheduler.server import SchedulerServer, ServerOptions
from durakit.scheduler.streams import Offer
from durakit.wire.messages import orchestration_pb2 as pb

from ..scheduler.rig import answer_to, child, complete, fail, result_of, schedule, timer

HUB = "default"
EVERYTHING = InstanceFilter()
HOSTILE = ("a/b.c~d%e #?", "twin.json", "\u202eback", "</script>", "注文🎉", "x" * 100)
Scenario = Callable[["House"], Awaitable[None]]


class House:
    """A scheduler that serves, a backend to ask, and a worker whose answers the test writes."""

    def __init__(self, server: SchedulerServer, backend: Backend) -> None:
        self.server = server
        self.backend = backend
        self.hub = server.engine.hub(HUB)

    def worker(self, *orchestrations: str) -> None:
        """Connect a worker; with names it takes only those orchestrations and no activity."""
        request = pb.GetWorkItemsRequest()
        for name in orchestrations:
            request.workItemFilters.orchestrations.add().name = name
        self.arrived = asyncio.Event()
        self.stream = self.hub.open_stream(Offer("build-7:4121", "sdk", 0, request), self.arrived.set)

    async def item(self) -> pb.WorkItem:
        """Return the next item that the worker was sent."""
        if not self.stream.outbox:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 5)
        return pb.WorkItem.FromString(self.stream.outbox.popleft())

    async def do(self, *actions: pb.OrchestratorAction, status: str | None = None) -> None:
        """Answer the next turn."""
        answer = answer_to(await self.item(), *actions, status=status)
        await self.server.call(HUB, "CompleteOrchestratorTask", answer)

    async def finish(self, result: str | None = None, error: str | None = None) -> None:
        """Answer the next activity."""
        await self.server.call(HUB, "CompleteActivityTask", result_of(await self.item(), result, error))

    async def start(self, instance_id: str, name: str = "flow", **fields: object) -> None:
        """Start an instance through the backend."""
        await self.backend.start(HUB, NewInstance(name, instance_id, **fields))  # type: ignore[arg-type]

    async def ids(self, wanted: InstanceFilter = EVERYTHING) -> list[str]:
        """Return the ids that a filter finds, newest first."""
        page = await self.backend.instances(HUB, InstanceQuery(wanted))
        return [row.id for row in page.rows]


@pytest.fixture(params=["memory", "file", "remote"])
def visit(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario in a house of each kind."""

    async def live(scenario: Scenario) -> None:
        db = tmp_path / "s.db" if request.param == "file" else None
        server = SchedulerServer(ServerOptions(grpc_port=0, db=db))
        await server.start()
        endpoint = f"http://127.0.0.1:{server.grpc_port}"
        if request.param == "remote":
            client = AsyncDurableTaskSchedulerClient(
                host_address=endpoint, taskhub=HUB, token_credential=None, secure_channel=False
            )
            backend: Backend = RemoteBackend({HUB: client}, endpoint)
        else:
            backend = EmbeddedBackend(server, endpoint)
        try:
            await scenario(House(server, backend))
        finally:
            await backend.close()
            await server.stop(0)

    return lambda scenario: asyncio.run(live(scenario))


def test_instances_are_listed_newest_first_with_what_was_given(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        for name in ("first", "second", "third"):
            await house.start(name, version="1.4.0", tags={"region": "eu"})

        page = await house.backend.instances(HUB, InstanceQuery())

        assert [row.id for row in page.rows] == ["third", "second", "first"]
        row = page.rows[0]
        assert (row.name, row.status, row.version) == ("flow", "pending", "1.4.0")
        assert row.tags == {"region": "eu"}

    visit(scenario)


@pytest.mark.parametrize("sort", ["-started", "started"])
def test_pages_lead_forth_and_back_over_everything_once(visit: Callable[[Scenario], None], sort: str) -> None:
    async def scenario(house: House) -> None:
        for number in range(12):
            await house.start(f"i-{number:02d}")

        query = InstanceQuery(sort=sort, size=5)  # type: ignore[arg-type]
        first = await house.backend.instances(HUB, query)
        second = await house.backend.instances(HUB, InstanceQuery(sort=sort, size=5, after=first.after))  # type: ignore[arg-type]
        third = await house.backend.instances(HUB, InstanceQuery(sort=sort, size=5, after=second.after))  # type: ignore[arg-type]
        back = await house.backend.instances(HUB, InstanceQuery(sort=sort, size=5, before=third.before))  # type: ignore[arg-type]

        ids = [row.id for page in (first, second, third) for row in page.rows]
        expected = [f"i-{number:02d}" for number in range(12)]
        assert ids == (expected if sort == "started" else expected[::-1])
        assert (first.before, third.after) == (None, None)
        assert [row.id for row in back.rows] == [row.id for row in second.rows]

    visit(scenario)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (InstanceFilter(), ["c-3", "b-2", "a-1"]),
        (InstanceFilter(names=("order",)), ["a-1"]),
        (InstanceFilter(names=("ord*", "mail")), ["b-2", "a-1"]),
        (InstanceFilter(id_prefix="b-"), ["b-2"]),
        (InstanceFilter(id_prefix="B-"), []),
        (InstanceFilter(version="1.*"), ["b-2", "a-1"]),
        (InstanceFilter(version="1.4.0"), ["a-1"]),
        (InstanceFilter(tags=(("region", "eu"),)), ["c-3", "a-1"]),
        (InstanceFilter(tags=(("region", None), ("vip", None))), ["c-3"]),
        (InstanceFilter(text="NEEDLE"), ["b-2"]),
        (InstanceFilter(text="needle", text_in=frozenset({"id"})), []),
        (InstanceFilter(text="100%"), ["c-3"]),
        (InstanceFilter(statuses=frozenset({"pending"})), ["c-3", "b-2"]),
        (InstanceFilter(statuses=frozenset({"terminated", "failed"})), ["a-1"]),
    ],
    ids=str,
)
def test_each_condition_narrows_the_list(
    visit: Callable[[Scenario], None], wanted: InstanceFilter, found: list[str]
) -> None:
    async def scenario(house: House) -> None:
        await house.start("a-1", "order", version="1.4.0", tags={"region": "eu"})
        await house.start("b-2", "mail", version="1.3.2", tags={"region": "us"}, input='{"x": "a needle"}')
        await house.start("c-3", "ship", tags={"region": "eu", "vip": "1"}, input='"100% sure"')
        await house.backend.terminate(HUB, "a-1", "wrong file")

        assert await house.ids(wanted) == found

    visit(scenario)


def test_counts_follow_all_conditions_but_the_status(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        for number in range(4):
            await house.start(f"i-{number}", "order" if number else "mail")
        await house.backend.terminate(HUB, "i-1", None)

        wanted = InstanceFilter(names=("order",), statuses=frozenset({"pending"}))
        counts = await house.backend.counts(HUB, wanted)
        histogram = await house.backend.histogram(HUB, InstanceFilter())

        assert counts.by_status == {"pending": 2, "terminated": 1}
        assert sum(bucket.total for bucket in histogram.buckets) == 4

    visit(scenario)


def test_children_stand_under_their_parent(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        house.worker()
        await house.start("batch")
        await house.do(child(1, "batch:1", "part"), child(2, "batch:2", "part"))
        await house.do(fail("declined"))
        turn = await house.item()  # the other child's, which is left unanswered

        folded = await house.ids(InstanceFilter(roots=True))
        flat = await house.ids()
        children = await house.ids(InstanceFilter(parent="batch"))
        family = await house.backend.family(HUB, "batch:1")

        assert turn.HasField("orchestratorRequest")
        assert folded == ["batch"]
        assert sorted(flat) == ["batch", "batch:1", "batch:2"]
        assert sorted(children) == ["batch:1", "batch:2"]
        assert [(member.row.id, member.depth) for member in family.members] == [("batch", -1), ("batch:1", 0)]
        below = await house.backend.family(HUB, "batch")
        assert {member.row.id for member in below.members if member.depth == 1} == {"batch:1", "batch:2"}

    visit(scenario)


def test_an_instance_tells_payloads_history_and_reason(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        house.worker()
        await house.start("po-1", input='{"n": 9007199254740993}')
        await house.do(schedule(1, "charge"), status='"charging"')
        await house.finish('"receipt"')
        await house.do(timer(2, 4_000_000_000 * 10**9), status='"charging"')

        found = await house.backend.instance(HUB, "po-1")
        told = await house.backend.digest(HUB, "po-1")

        assert found.input == '{"n": 9007199254740993}'
        assert found.custom_status == '"charging"'
        assert (found.turns, found.row.events, found.row.status) == (2, told.events, "running")
        assert found.row.reason is not None
        assert plain(found.row.reason.short) == "A timer is due at 2096-10-02 07:06"
        assert [step.name for step in told.steps] == ["charge", ""]

    visit(scenario)


def test_events_come_in_pages_from_both_ends_and_by_search(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        house.worker()
        await house.start("po-1")
        await house.do(*[schedule(number, f"step-{number}") for number in range(1, 8)])
        ask = house.backend.events

        first = await ask(HUB, "po-1", EventQuery(limit=4))
        second = await ask(HUB, "po-1", EventQuery(limit=100, after=first.next))
        newest = await ask(HUB, "po-1", EventQuery(limit=4, newest_first=True))
        older = await ask(HUB, "po-1", EventQuery(limit=100, newest_first=True, after=newest.next))
        found = await ask(HUB, "po-1", EventQuery(text="STEP-3"))
        kind = await ask(HUB, "po-1", EventQuery(kinds=frozenset({"executionStarted"})))

        numbers = [event.number for page in (first, second) for event in page.events]
        assert numbers == list(range(1, first.total + 1))
        backwards = [event.number for page in (newest, older) for event in page.events]
        assert backwards == numbers[::-1]
        assert [event.event.taskScheduled.name for event in found.events] == ["step-3"]
        assert [event.number for event in kind.events] == [2]
        assert (second.next, older.next) == (None, None)

    visit(scenario)


def test_acts_do_what_they_say(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        act = house.backend
        house.worker()
        await house.start("po-1", input="1")

        async def status() -> str:
            return (await act.rows(HUB, ["po-1"]))[0].status

        await act.suspend(HUB, "po-1", "stock-take")
        assert await status() == "suspended"
        await act.resume(HUB, "po-1", None)
        await act.raise_event(HUB, "po-1", "approval", '{"sum": 1.50}')
        # The turn that was out when it was suspended is asked for again.
        await house.do(fail("broken"))
        while await status() != "failed":
            await house.do(fail("broken"))
        await act.rewind(HUB, "po-1", "again")
        assert await status() == "running"
        await house.do(complete('"done"'))
        assert await status() == "completed"
        assert await act.restart(HUB, "po-1") == "po-1"
        assert await status() == "pending"
        await act.terminate(HUB, "po-1", 'a "reason"')
        assert (await act.instance(HUB, "po-1")).output == '"a \\"reason\\""'
        other = await act.restart(HUB, "po-1", new_id=True, input="2")
        assert (await act.instance(HUB, other)).input == "2"
        assert await act.purge(HUB, "po-1") == 1
        assert await act.rows(HUB, ["po-1"]) == []

    visit(scenario)


@pytest.mark.parametrize(
    ("act", "trouble"),
    [
        (lambda backend: backend.instance(HUB, "nope"), "not_found"),
        (lambda backend: backend.terminate(HUB, "nope", None), "not_found"),
        (lambda backend: backend.terminate(HUB, "ended", None), "conflict"),
        (lambda backend: backend.raise_event(HUB, "ended", "e", None), "conflict"),
        (lambda backend: backend.rewind(HUB, "ended", None), "conflict"),
        (lambda backend: backend.purge(HUB, "open"), "conflict"),
        (lambda backend: backend.restart(HUB, "open"), "conflict"),
        (lambda backend: backend.start(HUB, NewInstance("flow", "open")), "exists"),
        (lambda backend: backend.instances("nope", InstanceQuery()), "not_found"),
        (lambda backend: backend.instances(HUB, InstanceQuery(after="then")), "invalid"),
    ],
)
def test_what_is_not_possible_is_told_by_its_kind(
    visit: Callable[[Scenario], None], act: Callable[[Backend], Awaitable[object]], trouble: str
) -> None:
    async def scenario(house: House) -> None:
        await house.start("open")
        await house.start("ended")
        await house.backend.terminate(HUB, "ended", None)

        with pytest.raises(BackendError) as told:
            await act(house.backend)

        assert told.value.trouble == trouble
        assert str(told.value).endswith(".")

    visit(scenario)


def test_hostile_ids_and_names_are_found_again(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        for text in HOSTILE:
            await house.start(text, text, tags={text: text})

        for text in HOSTILE:
            assert (await house.backend.instance(HUB, text)).row.name == text
            assert await house.ids(InstanceFilter(id_prefix=text)) == [text]
            assert await house.ids(InstanceFilter(tags=((text, text),))) == [text]
            assert await house.ids(InstanceFilter(text=text, text_in=frozenset({"id"}))) == [text]

    visit(scenario)


def test_an_act_on_many_goes_through_all_pages(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        for number in range(70):
            await house.start(f"i-{number}", "order" if number % 2 else "mail")
        await house.backend.terminate(HUB, "i-1", None)

        progress = [
            each async for each in house.backend.bulk(HUB, "terminate", InstanceFilter(names=("order",)))
        ]

        assert (progress[-1].done, progress[-1].left_alone) == (34, 1)
        assert progress[-1].is_finished
        counts = await house.backend.counts(HUB, InstanceFilter())
        assert counts.by_status == {"terminated": 35, "pending": 35}

    visit(scenario)


def test_changes_are_told(visit: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch) -> None:
    from durakit.dashboard.remote import backend

    monkeypatch.setattr(backend, "_POLL_SECONDS", 0.01)

    async def scenario(house: House) -> None:
        async with house.backend.watch(HUB) as watch:
            await house.start("po-1")
            changed = await watch.next(5)

        assert changed.ids is None or changed.ids == {"po-1"}

    visit(scenario)


def test_custom_statuses_are_told_newest_first(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        if not house.backend.offers.earlier_statuses:
            return
        house.worker("flow")
        await house.start("po-1")
        await house.do(status='"packing"')
        await house.backend.raise_event(HUB, "po-1", "next", None)
        await house.do(status='"sent"')

        record = await house.backend.statuses(HUB, "po-1")

        assert [change.text for change in record.changes] == ['"sent"', '"packing"']
        assert record.changes[0].at_ns > record.changes[1].at_ns
        assert record.dropped == 0
        with pytest.raises(BackendError, match="There is no instance po-2"):
            await house.backend.statuses(HUB, "po-2")

    visit(scenario)


def test_what_an_endpoint_does_not_tell_is_refused_by_name(visit: Callable[[Scenario], None]) -> None:
    async def scenario(house: House) -> None:
        if house.backend.offers.workers:
            house.worker("flow")
            (worker,) = (await house.backend.workforce(HUB)).workers
            assert worker.name == "build-7:4121"
            return
        with pytest.raises(NotOffered, match="does not report workers"):
            await house.backend.workforce(HUB)
        with pytest.raises(NotOffered, match="created"):
            await house.backend.create_hub("other")
        with pytest.raises(NotOffered, match="present custom status"):
            await house.backend.statuses(HUB, "po-1")

    visit(scenario)
