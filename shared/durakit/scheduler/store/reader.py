"""Reading for those who look on: connections of their own in threads of their own.

A reader takes no lock that the scheduler needs, keeps no snapshot open between two questions, and at most
`CONNECTIONS` questions run at once; the next one waits. An in-memory store has no file that another
connection could open. Its own answers then, on the thread of whoever asks, so questions must be short.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import quote

from durakit.scheduler.store.store import Connection, Store, StoreError

T = TypeVar("T")

CONNECTIONS = 4


class Reader:
    """Answers questions about what is on disk.

    Args:
        store: whose file is read.
        attach: further files by schema name, attached to each connection.
    """

    def __init__(self, store: Store, attach: dict[str, str] | None = None) -> None:
        self._store = store
        self._attach = attach or {}
        self._pool: ThreadPoolExecutor | None = None
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def is_in_memory(self) -> bool:
        """Whether questions are answered by the scheduler's own connection."""
        return self._store.path is None

    async def ask(self, question: Callable[[Connection], T]) -> T:
        """Return what `question(connection)` returns.

        Raises:
            StoreError: the file cannot be read.
        """
        if self._store.path is None:
            return self._told(question, self._store.reading)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(CONNECTIONS, "durakit-reader")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._ask, question)

    def _ask(self, question: Callable[[Connection], T]) -> T:
        try:
            connection = self._idle.get_nowait()
        except queue.Empty:
            connection = self._open()
        try:
            return self._told(question, connection)
        finally:
            self._give_back(connection)

    def _told(self, question: Callable[[Connection], T], connection: Any) -> T:
        try:
            return question(connection)
        except sqlite3.Error as problem:
            raise StoreError(
                f"{self._store.path or 'The in-memory store'} could not be read: {problem}. Nothing was "
                f"changed; the scheduler goes on."
            ) from problem

    def _open(self) -> sqlite3.Connection:
        location = f"file:{quote(str(self._store.path))}?mode=ro"
        connection = sqlite3.connect(
            location, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        for schema, path in self._attach.items():
            connection.execute(f"ATTACH ? AS {schema}", (f"file:{quote(path)}?mode=ro",))
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.put(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close all connections; questions under way are awaited."""
        with self._lock:
            self._is_closed = True
        if self._pool is not None:
            self._pool.shutdown()
        while not self._idle.empty():
            self._idle.get().close()
