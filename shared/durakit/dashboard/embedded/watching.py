"""Changes of instances, noted as groups are committed and joined until somebody asks.

While nobody watches, nothing is noted; then the scheduler pays one test per group. Changes are noted on the
scheduler's event loop and asked for on the pages' one.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from durakit.dashboard.backend import BackendError, Changed
from durakit.dashboard.embedded.home import Home
from durakit.scheduler.engine import Engine
from durakit.scheduler.machine.journal import Journal

NOTED_AT_MOST = 5_000
"""More changes than that are told as "any may have changed"."""


class Watching:
    """All watches over one engine."""

    def __init__(self, engine: Engine, home: Home) -> None:
        self._engine = engine
        self._home = home
        self._watches: list[EmbeddedWatch] = []

    @asynccontextmanager
    async def watch(self, hub: str) -> AsyncIterator[EmbeddedWatch]:
        """Return what tells changes of a hub while it is entered."""
        made = await self._home.ask(lambda: self._begin(hub))
        made.loop = asyncio.get_running_loop()
        try:
            yield made
        finally:
            # Told, not asked: who is cancelled cannot wait.
            self._home.tell(lambda: self._end(made))

    def _begin(self, hub: str) -> EmbeddedWatch:
        task_hub = self._engine.find_hub(hub)
        if task_hub is None:
            raise BackendError("not_found", f"There is no task hub {hub}.")
        made = EmbeddedWatch(task_hub.machine.hub_row)
        if not self._watches:
            self._engine.on_released.append(self._note)
        self._watches.append(made)
        return made

    def _end(self, watch: EmbeddedWatch) -> None:
        self._watches.remove(watch)
        if not self._watches:
            self._engine.on_released.remove(self._note)

    def _note(self, journal: Journal) -> None:
        for watch in self._watches:
            watch.note(journal)


class EmbeddedWatch:
    """Changes of one hub.

    Attributes:
        loop: where they are asked for; until it is set they are only kept.
    """

    def __init__(self, hub_row: int) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._hub_row = hub_row
        self._ids: set[str] = set()
        self._created = 0
        self._is_any = False
        self._something = asyncio.Event()

    def note(self, journal: Journal) -> None:
        """A group is on disk."""
        with self._lock:
            was_something = self._has_something
            self._keep(journal)
            is_news = self._has_something and not was_something
        if is_news and self.loop is not None:
            # The pages may have gone; that is no trouble of the scheduler.
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self._something.set)

    @property
    def _has_something(self) -> bool:
        return self._is_any or bool(self._ids)

    def _keep(self, journal: Journal) -> None:
        if self._is_any:
            return
        hub_row = self._hub_row
        for instance in journal.created.values():
            if instance.hub_row == hub_row:
                self._created += 1
                self._ids.add(instance.id)
        touched = [*journal.changed.values(), *journal.turns, *journal.settled]
        self._ids.update(instance.id for instance in touched if instance.hub_row == hub_row)
        self._ids.update(task.instance.id for task in journal.activities if task.instance.hub_row == hub_row)
        self._is_any = bool(journal.deleted) or len(self._ids) > NOTED_AT_MOST

    async def next(self, timeout_seconds: float) -> Changed:
        """Return what changed since the last call, waiting for a first change; nothing after the time."""
        if not self._has_something:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._something.wait(), timeout_seconds)
        with self._lock:
            self._something.clear()
            told = Changed(None if self._is_any else frozenset(self._ids), self._created)
            self._ids, self._created, self._is_any = set(), 0, False
        return told
