"""The scheduler without a network: hubs over one store, one commit group at a time.

Whoever drives it (the server on an event loop, a test on a virtual clock) calls hub methods, then
`cut` and `commit` a group, then `release` it. Only then do replies and work items leave.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from google.protobuf.message import DecodeError

from durakit.scheduler.agenda import SECOND, Agenda
from durakit.scheduler.histories import HistoryCache
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.limits import AZURE_LIMITS, Limits
from durakit.scheduler.machine import recovery
from durakit.scheduler.machine.journal import Journal
from durakit.scheduler.machine.machine import Archive, Counters, Machine
from durakit.scheduler.refusal import invalid
from durakit.scheduler.store import Batch, Store, StoreError

logger = logging.getLogger(__name__)

LONGEST_HUB_NAME = 100
RECENT_NS = 10_000_000
"""Age of a delivery up to which its answer may come any moment."""


class Engine:
    """All task hubs of one store.

    Args:
        new_id: makes instance and execution ids.
        now: returns the time in nanoseconds since 1970.
        activity_grace_seconds: how long after a stream's end the results of its activities are awaited.
        on_touched: called when there may be something to commit or dispatch.
    """

    def __init__(
        self,
        store: Store,
        *,
        new_id: Callable[[], str],
        now: Callable[[], int],
        limits: Limits = AZURE_LIMITS,
        activity_grace_seconds: float = 5.0,
        on_touched: Callable[[], None] = lambda: None,
    ) -> None:
        self.store = store
        self.now = now
        self.limits = limits
        self.on_touched = on_touched
        self.on_released: list[Callable[[Journal], None]] = []
        """Told of every group once it is on disk and released, for those who only look on."""
        self._new_id = new_id
        self._grace_ns = int(activity_grace_seconds * SECOND)
        self.journal = Journal()
        self._loads = 0
        self._load()

    def _load(self) -> None:
        """Build everything in memory from the store.

        Raises:
            StoreError: the store cannot be read; memory is empty then, since half of it would be wrong.
        """
        self._forget()
        self._loads += 1
        try:
            self._build()
        except (StoreError, ValueError, TypeError) as problem:
            self._forget()
            if isinstance(problem, StoreError):
                raise
            raise self.store.damaged("a task hub", problem) from problem
        self._is_loaded = True

    def _forget(self) -> None:
        self._is_loaded = False
        self.journal.cut()
        self._counters = Counters()
        self._histories = HistoryCache()
        self.agenda = Agenda()
        self._hubs: dict[str, TaskHub] = {}
        self._by_row: dict[int, TaskHub] = {}
        self._touched: dict[TaskHub, None] = {}

    def _build(self) -> None:
        self._counters = Counters(*self.store.highest())
        now = self.now()
        inbox = self.store.inbox()
        for row, name in self.store.hubs():
            hub = self._add_hub(row, name)
            for instance in self.store.live(row):
                history = self.store.history(instance.row)
                try:
                    recovery.rebuild(instance, history, inbox.get(instance.row, ()))
                except (DecodeError, ValueError, TypeError) as problem:
                    raise self.store.damaged(f"the history of '{instance.id}'", problem) from problem
                hub.machine.resident[instance.id] = instance
                self._histories.used(instance)
            hub.resume_work(now)

    def _add_hub(self, row: int, name: str) -> TaskHub:
        archive = Archive(
            find=lambda instance_id: self.store.find(row, instance_id),
            history=self.store.history,
            children=lambda instance_id: self.store.children(row, instance_id),
        )
        machine = Machine(row, self.journal, archive, self._counters, self.limits, self._new_id)
        boot = f"{self.store.boot:x}.{self._loads:x}"
        hub = TaskHub(name, machine, boot, self._histories, self.agenda, self._grace_ns, self._touch)
        self._hubs[name] = self._by_row[row] = hub
        return hub

    def _touch(self, hub: TaskHub) -> None:
        self._touched[hub] = None
        self.on_touched()

    # --- hubs

    def hub(self, name: str) -> TaskHub:
        """Return the hub of that name, creating it on first use.

        Raises:
            Refusal: INVALID_ARGUMENT for a name that cannot be one.
            StoreError: the store could not be read after a failed commit, and still cannot be.
        """
        if not self._is_loaded:
            self._load()
        hub = self._hubs.get(name)
        if hub is None:
            if not name or len(name) > LONGEST_HUB_NAME or not name.isprintable():
                raise invalid(
                    f"'{name[:120]}' cannot be the name of a task hub: it must have 1 to {LONGEST_HUB_NAME} "
                    f"printable characters. Set TASKHUB to such a name."
                )
            self._counters.hub += 1
            self.journal.create_hub(self._counters.hub, name, self.now())
            hub = self._add_hub(self._counters.hub, name)
            self._touch(hub)
            logger.info("Task hub '%s' created.", name)
        return hub

    def find_hub(self, name: str) -> TaskHub | None:
        """Return the hub of that name if there is one; from any thread."""
        return self._hubs.get(name)

    def hubs(self) -> list[TaskHub]:
        """Return all hubs, by name."""
        return [self._hubs[name] for name in sorted(self._hubs)]

    def answers_expected(self, at_most: int) -> int:
        """How many work items were handed out just now and not answered; above `at_most` it is not counted.

        Older ones do not say that an answer is near: an activity may run for hours.
        """
        since = self.now() - RECENT_NS
        found = 0
        for hub in self._hubs.values():
            for stream in hub.streams:
                found += stream.held_since(since, at_most - found)
                if found >= at_most:
                    return found
        return found

    # --- groups

    def hand_out(self) -> None:
        """Give workers what is in line: answers made room for it, even if they are not on disk yet."""
        now = self.now()
        for hub in self._touched:
            hub.hand_out(now)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to commit, release or dispatch."""
        return not self._touched and not self.journal.has_rows

    def cut(self) -> Group:
        """Close the group that is being collected."""
        touched, self._touched = self._touched, {}
        return Group(self.journal.cut(), list(touched))

    def release(self, group: Group) -> None:
        """The group is on disk: let its effects happen and hand out what is ready."""
        journal, now = group.journal, self.now()
        hubs = self._by_row
        self.journal.committed = journal.number
        for instance in journal.settled:
            hubs[instance.hub_row].release_settled(instance)
        for timer in journal.timers:
            hubs[timer.instance.hub_row].release_timer(timer)
        for task in journal.activities:
            hubs[task.instance.hub_row].release_task(task)
        for instance in journal.turns:
            hubs[instance.hub_row].release_turn(instance, now)
        for hub in group.touched:
            hub.committed(journal.number, now)
        self._histories.shrink(journal.number)
        for told in self.on_released:
            told(journal)

    def commit(self) -> None:
        """Cut, write and release until nothing is left to do; for drivers without an event loop.

        Raises:
            StoreError: nothing of the last group was written; call `reload`.
        """
        while not self.is_idle:
            group = self.cut()
            if group.batch is not None:
                self.store.commit(group.batch)
            self.release(group)

    def reload(self, error: Exception) -> None:
        """After a failed commit: tell everyone, forget what is in memory, start from the store.

        If that cannot be read either, the next request tries again.
        """
        hubs = list(self._hubs.values())
        try:
            self._load()
        except StoreError as problem:
            logger.error("%s", problem)
        for hub in hubs:
            hub.abort(error)

    def shrink_file(self, pages: int) -> None:
        """Have up to so many unused pages leave the file with the next group."""
        self.journal.shrink_file(pages)
        self.on_touched()

    def run_due(self) -> None:
        """Do everything that is due now."""
        self.agenda.run(self.now())


class Group:
    """A closed commit group; `batch` is None when the store has nothing to write."""

    __slots__ = ("batch", "journal", "touched")

    def __init__(self, journal: Journal, touched: list[TaskHub]) -> None:
        self.journal = journal
        self.touched = touched
        self.batch = Batch(journal) if journal.has_rows else None
