"""Schedulers with a fault built in: each must make a test of this folder fail, or that test proves nothing.

A mutant is a change of one rule, made from outside to the classes that keep it; the product has no hooks for
this. `apply` changes this process for good (scheduler processes of the kill campaign); tests in this process
undo it with their own monkeypatch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from durakit.scheduler.deliveries import Deliveries
from durakit.scheduler.engine import Engine
from durakit.scheduler.group_commit import GroupCommit
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.machine import recovery, turns
from durakit.scheduler.store import Batch, Store, statements

Patch = Callable[[object, str, Any], None]
LATER_SECONDS = 0.01


def reply_before_commit(patch: Patch) -> None:
    """Answers at once, and commits a little later."""
    flush = GroupCommit._flush_as_planned

    def later(self: GroupCommit) -> None:
        asyncio.get_running_loop().call_later(LATER_SECONDS, flush, self)

    def at_once(self: GroupCommit) -> None:
        self.end_request()

    patch(GroupCommit, "durable", at_once)
    patch(GroupCommit, "_flush_as_planned", later)


def deliver_before_commit(patch: Patch) -> None:
    """Hands out work, and only then writes down that it exists."""

    def commit(self: Engine) -> None:
        while not self.is_idle:
            group = self.cut()
            self.release(group)
            if group.batch is not None:
                self.store.commit(group.batch)

    patch(Engine, "commit", commit)


def deliver_what_is_still_collected(patch: Patch) -> None:
    """Puts events into a turn that belong to a group which is not on disk yet."""
    offer = turns.offer
    any_group = 1 << 60

    patch(turns, "offer", lambda instance, committed, now: offer(instance, any_group, now))


def stale_token_accepted(patch: Patch) -> None:
    """Looks at the instance only, not at the token of the delivery."""
    turn_of, task_of = Deliveries.turn_of, Deliveries.task_of
    complete_turn, complete_task = TaskHub.complete_turn, TaskHub.complete_task

    def turn(self: TaskHub, response: Any, now: int) -> None:
        delivery = turn_of(self._deliveries, response.instanceId)
        if delivery is not None:
            response.completionToken = delivery.token
        complete_turn(self, response, now)

    def task(self: TaskHub, response: Any, now: int) -> None:
        delivery = task_of(self._deliveries, response.instanceId, response.taskId)
        if delivery is not None:
            response.completionToken = delivery.token
        complete_task(self, response, now)

    patch(TaskHub, "complete_turn", turn)
    patch(TaskHub, "complete_task", task)


def tokens_start_again(patch: Patch) -> None:
    """Does not count how often the file was opened, so that tokens repeat after a restart."""
    patch(statements, "COUNT_BOOT", "UPDATE counter SET value = 1 WHERE name = 'boot'")


def no_redelivery(patch: Patch) -> None:
    """Forgets what a worker held when its stream ends."""

    def close_stream(self: TaskHub, stream: Any, now: int) -> None:
        if stream in self.streams:
            self.streams.remove(stream)

    patch(TaskHub, "close_stream", close_stream)


def forgets_to_empty_the_inbox(patch: Patch) -> None:
    """Leaves events in the stored inbox that a turn has taken."""
    patch(statements, "DELETE_ARRIVAL", "DELETE FROM inbox WHERE key = ? AND 0")


def forgets_open_activities(patch: Patch) -> None:
    """After a restart, does not hand out again what was scheduled and never answered."""
    rebuild = recovery.rebuild

    def forgetful(instance: Any, history: Any, inbox: Any) -> None:
        rebuild(instance, history, inbox)
        instance.tasks.clear()

    patch(recovery, "rebuild", forgetful)


def two_transactions(patch: Patch) -> None:
    """Writes history and inbox in transactions of their own."""
    commit = Store.commit

    def twice(self: Store, batch: Batch) -> None:
        steps = batch.statements
        for half in (steps[: len(steps) // 2], steps[len(steps) // 2 :]):
            if half:
                batch.statements = half
                commit(self, batch)

    patch(Store, "commit", twice)


def ends_before_it_is_written(patch: Patch) -> None:
    """Tells those who wait about ends that only a later group will write."""

    def release_settled(self: TaskHub, instance: Any) -> None:
        instance_id: str = instance.id
        self.waiters.tell(instance)
        if instance.is_terminal and self.machine.resident.get(instance_id) is instance:
            del self.machine.resident[instance_id]

    patch(TaskHub, "release_settled", release_settled)


ALL: dict[str, Callable[[Patch], None]] = {
    mutant.__name__: mutant
    for mutant in (
        reply_before_commit,
        deliver_before_commit,
        deliver_what_is_still_collected,
        stale_token_accepted,
        tokens_start_again,
        no_redelivery,
        forgets_to_empty_the_inbox,
        forgets_open_activities,
        two_transactions,
        ends_before_it_is_written,
    )
}


def apply(name: str) -> None:
    """Make this process the mutant of that name."""
    ALL[name](setattr)
