"""The scheduler's end of a link, its other end scripted: what is acknowledged when, and what leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from durakit.scheduler import group_commit
from durakit.scheduler import link as scheduler_link
from durakit.scheduler.group_commit import GroupCommit
from durakit.scheduler.link import MOST_BYTES, MOST_ITEMS, Link
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.requests import Requests
from durakit.scheduler.store import Batch, StoreError
from durakit.scheduler.streams import Offer, StreamEnded
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

from .rig import Rig, answer_to, complete, facts, kinds, rebuilt, result_of, schedule, text

SOON_SECONDS = 20.0


class Wire:
    """An open link; `up` sends a message, `down` waits for the next one."""

    def __init__(self, rig: Rig, commits: GroupCommit) -> None:
        self._ups: asyncio.Queue[link.Up | None] = asyncio.Queue()
        self._downs: asyncio.Queue[link.Down] = asyncio.Queue()
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.sent = 0
        requests = Requests(rig.engine)
        self.link = Link(rig.engine, commits, requests, rig.hub, lambda work, n: Offer("w", "", n, work))
        self.serving = asyncio.ensure_future(self.link.serve(self._read(), self._write))

    async def _read(self) -> AsyncIterator[link.Up]:
        while (up := await self._ups.get()) is not None:
            yield up

    async def _write(self, down: link.Down) -> None:
        await self.may_write.wait()
        self._downs.put_nowait(down)

    def up(self, **fields: Any) -> int:
        """Send a message; return its number."""
        self._ups.put_nowait(link.Up(**fields))
        self.sent += 1
        return self.sent

    def open(self, *, sessions: int = 10, turns: int = 0, tasks: int = 0) -> int:
        work = pb.GetWorkItemsRequest(
            maxConcurrentOrchestrationWorkItems=turns, maxConcurrentActivityWorkItems=tasks
        )
        return self.up(opening=link.Opening(work=work, sessions=sessions))

    def close(self) -> None:
        """The other end has sent its last message."""
        self._ups.put_nowait(None)

    async def down(self) -> link.Down:
        return await asyncio.wait_for(self._downs.get(), SOON_SECONDS)

    async def until(self, number: int) -> list[link.Down]:
        """The messages up to the one that acknowledges this number."""
        downs = [await self.down()]
        while downs[-1].durable_through < number:
            downs.append(await self.down())
        return downs

    async def items(self, count: int = 1) -> list[pb.WorkItem]:
        """The next so many items, whatever messages they come in."""
        found: list[pb.WorkItem] = []
        while len(found) < count:
            found += [pb.WorkItem.FromString(item) for item in (await self.down()).items]
        assert len(found) == count
        return found

    async def end(self) -> None:
        """Wait until the link has ended; raises what it ended with."""
        await asyncio.wait_for(self.serving, SOON_SECONDS)


Scenario = Callable[[Rig, Wire], Awaitable[None]]


def on_a_link(scenario: Scenario) -> Rig:
    async def run() -> Rig:
        rig = Rig()
        commits = GroupCommit(rig.engine, asyncio.get_running_loop())
        wire = Wire(rig, commits)
        try:
            await scenario(rig, wire)
        finally:
            wire.serving.cancel()
            commits.close()
        return rig

    return asyncio.run(run())


def start(rig: Rig, instance_id: str = "a") -> None:
    rig.request("StartInstance", pb.CreateInstanceRequest(instanceId=instance_id, name="flow"))


# --- what is acknowledged


def test_an_answer_is_acknowledged_when_it_is_on_disk() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.open()
        start(rig)
        (item,) = await wire.items()

        number = wire.up(turns=[answer_to(item, schedule(1))])
        await wire.until(number)

        assert "taskScheduled" in kinds(rig.history())
        assert facts(rig) == rebuilt(rig)

    on_a_link(scenario)


def test_all_of_a_message_is_one_commit() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.open()
        for instance_id in "abc":
            start(rig, instance_id)
        items = await wire.items(3)
        commits = rig.engine.journal.number

        await wire.until(wire.up(turns=[answer_to(item, complete()) for item in items]))

        assert rig.engine.journal.number == commits + 1

    on_a_link(scenario)


def test_a_refused_answer_is_named_and_all_others_of_the_message_count() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.open()
        start(rig)
        (item,) = await wire.items()
        stale = pb.ActivityResponse(instanceId="a", taskId=1, completionToken="never given")

        downs = await wire.until(wire.up(tasks=[stale], turns=[answer_to(item, complete())]))

        (refused,) = [refused for down in downs for refused in down.refused]
        assert (refused.token, refused.instance_id, refused.status) == ("never given", "a", "NOT_FOUND")
        assert rig.state().orchestrationStatus == pb.ORCHESTRATION_STATUS_COMPLETED

    on_a_link(scenario)


def test_items_that_are_returned_are_offered_again_after_a_pause() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.open()
        start(rig)
        (item,) = await wire.items()

        await wire.until(wire.up(returned_turns=[item.completionToken]))
        rig.now += 10**9
        rig.engine.run_due()

        (again,) = await wire.items()
        assert again.orchestratorRequest.instanceId == "a"

    on_a_link(scenario)


async def begun(rig: Rig, wire: Wire) -> tuple[pb.WorkItem, pb.WorkItem]:
    """An instance in the worker's memory, and the activity that it waits for."""
    wire.open()
    start(rig)
    (first,) = await wire.items()
    wire.up(turns=[answer_to(first, schedule(1))])
    (activity,) = await wire.items()
    return first, activity


def eager(rig: Rig, first: pb.WorkItem, activity: pb.WorkItem, **fields: Any) -> link.EagerTurn:
    known: dict[str, Any] = {
        "instance_id": "a",
        "session": first.completionToken,
        "execution_id": first.orchestratorRequest.executionId.value,
        "committed_events": 4,
        "started_ns": rig.now,
        "results": [result_of(activity, '"ok"')],
        "response": pb.OrchestratorResponse(instanceId="a", actions=[schedule(2)]),
    }
    return link.EagerTurn(**{**known, **fields})


def test_results_and_the_turn_that_follows_are_acknowledged_together_with_what_the_turn_asks_for() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        number = wire.up(eager_turns=[eager(rig, *await begun(rig, wire))])

        down = (await wire.until(number))[-1]

        assert not down.refused
        (item,) = down.items
        assert pb.WorkItem.FromString(item).activityRequest.taskId == 2

    on_a_link(scenario)


@pytest.mark.parametrize("inline_items", [-1, 2], ids=["by the writer thread", "on the loop"])
def test_what_a_turn_asks_for_never_comes_before_the_turns_acknowledgement(
    monkeypatch: pytest.MonkeyPatch, inline_items: int
) -> None:
    # Else the worker, not knowing yet whether its turn counts, could not run the next one ahead.
    monkeypatch.setattr(group_commit, "INLINE_ITEMS", inline_items)

    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.open()
        start(rig)
        (first,) = await wire.items()

        number = wire.up(turns=[answer_to(first, schedule(1))])

        for down in await wire.until(number):
            assert not down.items or down.durable_through == number

    on_a_link(scenario)


def test_a_refused_eager_turn_is_told_before_the_history_is_sent() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        first, activity = await begun(rig, wire)

        wire.up(eager_turns=[eager(rig, first, activity, committed_events=9)])
        seen: list[str] = []
        while "item" not in seen:
            down = await wire.down()
            seen += ["refused" for refused in down.refused if not refused.token]
            items = [pb.WorkItem.FromString(item).orchestratorRequest for item in down.items]
            assert all(item.pastEvents for item in items)
            seen += ["item" for _ in items]

        assert seen == ["refused", "item"]

    on_a_link(scenario)


# --- what breaks the rules


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"opening": link.Opening()}, "Only the first message of a link may have an opening."),
        ({"eager_turns": [link.EagerTurn()]}, "A link without an opening for work cannot send turns."),
    ],
)
def test_a_link_ends_when_its_rules_are_broken(fields: dict[str, Any], why: str) -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(opening=link.Opening())
        wire.up(**fields)

        with pytest.raises(Refusal, match=why):
            await wire.end()

    on_a_link(scenario)


# --- how it ends


def test_when_the_other_end_closes_it_turns_go_to_others_at_once() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.open()
        start(rig)
        (item,) = await wire.items()

        wire.close()
        await wire.end()
        other = rig.worker("other")

        assert other.item().orchestratorRequest == item.orchestratorRequest

    on_a_link(scenario)


def test_a_scheduler_that_stops_says_so_and_keeps_nothing() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.open()
        start(rig)
        await wire.items()

        wire.link.end()
        with pytest.raises(StreamEnded):
            await wire.end()

        assert not rig.hub.deliveries.open_turns()

    on_a_link(scenario)


def refuse_next_commit(rig: Rig) -> None:
    commit = rig.store.commit

    def once(batch: Batch) -> None:
        rig.store.commit = commit  # type: ignore[method-assign]
        raise StoreError("disk full")

    rig.store.commit = once  # type: ignore[method-assign]


def test_after_a_failed_commit_nothing_is_acknowledged_and_what_follows_on_the_link_changes_nothing() -> None:
    """All of the hub is made anew then; an answer to the old one would be written and not remembered."""

    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.open()
        for instance_id in "ab":
            start(rig, instance_id)
        one, two = await wire.items(2)
        refuse_next_commit(rig)

        number = wire.up(turns=[answer_to(one, complete())])
        wire.up(turns=[answer_to(two, complete())])
        with pytest.raises(StoreError, match="disk full"):
            await wire.end()

        rig.hub = rig.engine.hub("default")
        assert wire._downs.empty() or wire._downs.get_nowait().durable_through < number
        assert rig.status("a") == rig.status("b") == pb.ORCHESTRATION_STATUS_PENDING
        assert facts(rig) == rebuilt(rig)

    on_a_link(scenario)


def test_a_clients_link_outlives_a_failed_commit_and_goes_on_with_the_hub_made_anew() -> None:
    def call(number: int, instance_id: str) -> link.Call:
        request = pb.CreateInstanceRequest(instanceId=instance_id, name="flow").SerializeToString()
        return link.Call(id=number, method="StartInstance", request=request)

    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.up(opening=link.Opening())
        await wire.until(1)
        rig.engine.reload(StoreError("disk full"))

        down = (await wire.until(wire.up(calls=[call(7, "a")])))[-1]

        assert [reply.id for reply in down.replies] == [7]
        rig.hub = rig.engine.hub("default")
        assert rig.exists("a")
        assert facts(rig) == rebuilt(rig)

    on_a_link(scenario)


# --- how much leaves


def test_a_message_holds_so_many_items_and_no_more() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.open()
        for number in range(MOST_ITEMS + 1):
            start(rig, f"a{number}")

        counts = [len((await wire.down()).items) for _ in range(2)]
        while sum(counts) < MOST_ITEMS + 1:
            counts.append(len((await wire.down()).items))

        assert max(counts) == MOST_ITEMS

    on_a_link(scenario)


def test_an_item_larger_than_a_message_should_be_goes_alone() -> None:
    large = "x" * (MOST_BYTES - 1000)

    async def scenario(rig: Rig, wire: Wire) -> None:
        for name in "ab":
            request = pb.CreateInstanceRequest(instanceId=name, name="flow", input=text(large))
            rig.request("StartInstance", request)
        start(rig, "small")
        wire.open()

        held: list[int] = []
        while sum(held) < 3:
            held.append(len((await wire.down()).items))

        assert max(held) <= 2
        assert held.count(1) >= 1

    on_a_link(scenario)


def test_while_the_worker_reads_nothing_no_more_is_kept_for_it_than_it_said_it_takes() -> None:
    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.may_write.clear()
        wire.open(turns=5)
        for number in range(100):
            start(rig, f"a{number}")
        await settled(rig)

        (stream,) = rig.hub.streams
        assert len(stream.outbox) <= 5
        wire.may_write.set()
        assert len(await wire.items(5)) == 5

    on_a_link(scenario)


async def settled(rig: Rig) -> None:
    """Let the loop turn until everything is committed and handed out."""
    for _ in range(500):
        await asyncio.sleep(0)
    assert rig.engine.is_idle


def test_replies_that_nobody_takes_stop_the_reading_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler_link, "MOST_REPLIES", 3)
    request = pb.GetInstanceRequest(instanceId="a").SerializeToString()

    async def scenario(rig: Rig, wire: Wire) -> None:
        wire.may_write.clear()
        wire.up(opening=link.Opening())
        for number in range(50):
            wire.up(calls=[link.Call(id=number, method="GetInstance", request=request)])
        for _ in range(200):
            await asyncio.sleep(0)

        assert wire._ups.qsize() > 40
        wire.may_write.set()
        downs = await wire.until(51)
        assert [reply.id for down in downs for reply in down.replies] == list(range(50))

    on_a_link(scenario)


def test_a_hundred_thousand_waiting_activities_keep_no_other_work_from_a_slow_worker() -> None:
    rig = Rig()
    worker = rig.worker(sessions=10, turns=10, tasks=10)
    in_hand = pb.WorkItem()
    for number in range(20):
        rig.start(f"fan{number}")
        turn = next(item for item in worker.items() if item.HasField("orchestratorRequest"))
        worker.answer(turn, *[schedule(task_id) for task_id in range(1, 5001)])
        assert len(worker.stream.held) <= 10
        in_hand = next((item for item in worker.items() if item.HasField("activityRequest")), in_hand)
    assert sum(count for _, count in rig.hub.waiting_tasks.waiting()) >= 99_990 - 190

    rig.start("small")

    turn = worker.item()
    assert turn.orchestratorRequest.instanceId == "small"
    assert len(worker.stream.held) == 11

    worker.answer(turn, schedule(1))
    served = []
    for _ in range(20):
        worker.finish(in_hand)
        (in_hand,) = [item for item in worker.items() if item.HasField("activityRequest")]
        served.append(in_hand.activityRequest.orchestrationInstance.instanceId)
    # One after the other, whatever the others have in line.
    assert sorted(served) == sorted(["small", *(f"fan{number}" for number in range(1, 20))])
