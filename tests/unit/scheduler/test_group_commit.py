"""Commits on an event loop: who waits for which, and what happens when one fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from durakit.scheduler import group_commit
from durakit.scheduler.group_commit import GroupCommit
from durakit.scheduler.store import Batch, StoreError
from durakit.wire.messages import orchestration_pb2 as pb

from .rig import SECOND, Rig, result_of, schedule


def on_a_loop(scenario: Callable[[Rig, GroupCommit], Awaitable[None]]) -> Rig:
    """Run a scenario with a rig whose commits are driven by an event loop; return the rig."""

    async def run() -> Rig:
        rig = Rig()
        commits = GroupCommit(rig.engine, asyncio.get_running_loop())
        try:
            await scenario(rig, commits)
        finally:
            commits.close()
        return rig

    return asyncio.run(run())


def start(rig: Rig, instance_id: str) -> None:
    rig.request("StartInstance", pb.CreateInstanceRequest(instanceId=instance_id, name="flow"))


async def durable(commits: GroupCommit) -> None:
    """Wait as a request does before it is answered."""
    pending = commits.durable()
    if pending is not None:
        await pending


def on_disk(rig: Rig, instance_id: str) -> bool:
    return rig.store.find(rig.hub.machine.hub_row, instance_id) is not None


def test_a_request_is_on_disk_when_its_wait_is_over() -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        start(rig, "a")
        await durable(commits)
        assert on_disk(rig, "a")

    on_a_loop(scenario)


def test_nobody_waits_when_there_is_nothing_to_write() -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        await commits.drained()
        assert commits.durable() is None

    on_a_loop(scenario)


def test_many_at_once_all_end_up_on_disk() -> None:
    async def one(rig: Rig, commits: GroupCommit, number: int) -> None:
        start(rig, str(number))
        await durable(commits)
        assert on_disk(rig, str(number))

    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        for _ in range(3):
            offset = len(rig.hub.machine.resident)
            await asyncio.gather(*[one(rig, commits, offset + number) for number in range(50)])

    assert len(on_a_loop(scenario).hub.machine.resident) == 150


@pytest.mark.parametrize("problem", [StoreError("disk full"), OverflowError("too large")])
def test_when_a_commit_fails_its_callers_are_told_and_memory_forgets_it(problem: Exception) -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        commit = rig.store.commit

        def fail_once(batch: Batch) -> None:
            rig.store.commit = commit  # type: ignore[method-assign]
            raise problem

        rig.store.commit = fail_once  # type: ignore[method-assign]
        start(rig, "lost")
        with pytest.raises(StoreError, match=str(problem)):
            await durable(commits)
        rig.hub = rig.engine.hub("default")
        start(rig, "next")
        await durable(commits)
        assert not rig.exists("lost")

    rig = on_a_loop(scenario)

    assert (on_disk(rig, "lost"), on_disk(rig, "next")) == (False, True)


def hand_out(rig: Rig, count: int) -> None:
    """Give a new worker that many work items, which it does not answer."""
    rig.worker()
    for number in range(count):
        rig.start(f"in hand {number}")


def is_committed_at_once(rig: Rig, commits: GroupCommit) -> bool:
    """Whether a request need not wait for anything; checks that it is on disk once it may be answered."""
    start(rig, "a")
    return commits.durable() is None and on_disk(rig, "a")


def test_while_little_was_handed_out_a_request_is_committed_where_it_was_handled() -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        hand_out(rig, 2)

        assert is_committed_at_once(rig, commits)

    on_a_loop(scenario)


def test_when_more_was_handed_out_requests_wait_for_one_commit_together() -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        hand_out(rig, 3)
        start(rig, "a")
        first = commits.durable()
        start(rig, "b")
        second = commits.durable()

        assert first is not None
        assert second is not None
        assert not on_disk(rig, "a")
        await first
        assert second.done()
        assert on_disk(rig, "a")
        assert on_disk(rig, "b")

    on_a_loop(scenario)


def test_who_is_cancelled_while_waiting_takes_nobody_along() -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        hand_out(rig, 3)
        start(rig, "a")
        first = commits.durable()
        start(rig, "b")
        second = commits.durable()
        assert first is not None
        assert second is not None

        first.cancel()

        await second
        assert on_disk(rig, "a")

    on_a_loop(scenario)


@pytest.mark.parametrize(("age_ns", "commits_made"), [(0, 1), (SECOND, 2)])
def test_a_group_stays_open_for_some_turns_while_answers_are_expected(
    monkeypatch: pytest.MonkeyPatch, age_ns: int, commits_made: int
) -> None:
    # Whatever is written is written by the writer thread.
    monkeypatch.setattr(group_commit, "INLINE_SECONDS", 0.0)

    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        hand_out(rig, 1)
        rig.now += age_ns
        batches = []
        commit = rig.store.commit

        def count(batch: Batch) -> None:
            batches.append(batch)
            commit(batch)

        rig.store.commit = count  # type: ignore[method-assign]
        start(rig, "a")
        commits.durable()
        for _ in range(group_commit.PATIENT_TURNS // 2):
            await asyncio.sleep(0)
        start(rig, "b")
        await durable(commits)

        assert len(batches) == commits_made
        assert on_disk(rig, "a")
        assert on_disk(rig, "b")

    on_a_loop(scenario)


def test_an_answer_makes_room_for_the_next_item_before_it_is_on_disk() -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        worker = rig.worker(tasks=4)
        rig.start()
        worker.do(*(schedule(number) for number in range(5)))
        first, *_ = worker.items()

        rig.request("CompleteActivityTask", result_of(first))
        pending = commits.durable()

        assert pending is not None
        assert worker.item().activityRequest.taskId == 4
        assert not pending.done()
        await pending

    on_a_loop(scenario)


def test_work_handed_out_long_ago_does_not_count() -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        hand_out(rig, 3)
        rig.now += SECOND

        assert is_committed_at_once(rig, commits)

    on_a_loop(scenario)


def test_the_work_of_all_workers_counts_together() -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        rig.worker()
        rig.worker()
        for number in range(4):
            rig.start(f"in hand {number}")

        assert not is_committed_at_once(rig, commits)

    on_a_loop(scenario)


def test_on_a_slow_disk_the_loop_never_waits_for_a_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "INLINE_SECONDS", 0.0)

    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        writers = []
        commit = rig.store.commit

        def note_thread(batch: Batch) -> None:
            writers.append(threading.current_thread().name)
            commit(batch)

        rig.store.commit = note_thread  # type: ignore[method-assign]
        start(rig, "a")
        await durable(commits)

        assert writers == ["durakit-writer"]
        assert on_disk(rig, "a")

    on_a_loop(scenario)


def test_a_timer_rings_by_itself() -> None:
    async def scenario(rig: Rig, commits: GroupCommit) -> None:
        rang = asyncio.Event()
        rig.engine.agenda.add(rig.now, lambda now: rang.set())
        start(rig, "a")
        await durable(commits)
        await asyncio.wait_for(rang.wait(), 5)

    on_a_loop(scenario)
