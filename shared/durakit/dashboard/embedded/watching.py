"""Changes of instances, noted as groups are committed and joined until somebody asks.

While nobody watches, nothing is noted; then the scheduler pays one test per group.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from durakit.dashboard.backend import Changed
from durakit.scheduler.engine import Engine
from durakit.scheduler.machine.journal import Journal

NOTED_AT_MOST = 5_000
"""More changes than that are told as "any may have changed"."""


class Watching:
    """All watches over one engine. Call everything on its event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watches: list[EmbeddedWatch] = []

    @asynccontextmanager
    async def watch(self, hub: str) -> AsyncIterator[EmbeddedWatch]:
        """Return what tells changes of a hub while it is entered."""
        made = EmbeddedWatch(self._engine.hub(hub).machine.hub_row)
        if not self._watches:
            self._engine.on_released.append(self._note)
        self._watches.append(made)
        try:
            yield made
        finally:
            self._watches.remove(made)
            if not self._watches:
                self._engine.on_released.remove(self._note)

    def _note(self, journal: Journal) -> None:
        for watch in self._watches:
            watch.note(journal)


class EmbeddedWatch:
    """Changes of one hub."""

    def __init__(self, hub_row: int) -> None:
        self._hub_row = hub_row
        self._ids: set[str] = set()
        self._created = 0
        self._is_any = False
        self._something = asyncio.Event()

    def note(self, journal: Journal) -> None:
        """A group is on disk."""
        if self._is_any:
            return
        before = len(self._ids)
        hub_row = self._hub_row
        for instance in journal.created.values():
            if instance.hub_row == hub_row:
                self._created += 1
                self._ids.add(instance.id)
        touched = [*journal.changed.values(), *journal.turns, *journal.settled]
        self._ids.update(instance.id for instance in touched if instance.hub_row == hub_row)
        self._ids.update(task.instance.id for task in journal.activities if task.instance.hub_row == hub_row)
        self._is_any = bool(journal.deleted) or len(self._ids) > NOTED_AT_MOST
        if self._is_any or len(self._ids) != before:
            self._something.set()

    async def next(self, timeout_seconds: float) -> Changed:
        """Return what changed since the last call, waiting for a first change; nothing after the time."""
        if not self._something.is_set():
            try:
                await asyncio.wait_for(self._something.wait(), timeout_seconds)
            except asyncio.TimeoutError:
                return Changed(frozenset())
        told = Changed(None if self._is_any else frozenset(self._ids), self._created)
        self._ids, self._created, self._is_any = set(), 0, False
        self._something.clear()
        return told
