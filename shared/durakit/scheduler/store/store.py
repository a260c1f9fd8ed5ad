"""The SQLite file: opening and migrating it, committing batches, reading what was committed.

One connection writes, one reads. `synchronous=FULL` in WAL mode makes each commit survive a power cut;
throughput comes from putting many messages into one commit, never from relaxing that.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from durakit.scheduler.machine.instance import Instance, Parent, Status
from durakit.scheduler.store import statements as sql
from durakit.scheduler.store.batch import Batch
from durakit.scheduler.store.file_lock import FileInUse, FileLock


class StoreError(Exception):
    """The file cannot be used, or a commit failed; the message names the file and what to do."""


class Cursor(Protocol):
    """What the store needs of a cursor."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What the store needs of a connection in autocommit mode."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> Any: ...
    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any: ...
    def close(self) -> None: ...


Connect = Callable[[str], Connection]


def connect_sqlite(location: str) -> Connection:
    """Open a connection of Python's own sqlite3, in autocommit mode, usable from any one thread."""
    return sqlite3.connect(location, isolation_level=None, check_same_thread=False, cached_statements=256)


class Store:
    """The scheduler's file, or a private memory when `path` is None.

    Args:
        path: the file; made, with its folder, when missing.
        connect: opens a connection; tests pass one with a file system that loses unsynced writes.
        error: the exception type by which such connections report failures.

    Raises:
        StoreError: the file is in use, foreign, damaged, of a newer version, or cannot be written.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        connect: Connect = connect_sqlite,
        error: type[Exception] = sqlite3.Error,
    ) -> None:
        self.path = path
        self._error = error
        self._lock: FileLock | None = None
        self._connections: list[Connection] = []
        location = ":memory:"
        if path is not None:
            location = str(path)
            self._lock = self._claim(path)
        try:
            self._write = self._connect(connect, location)
            self._prepare()
            self._read = self._write if path is None else self._connect(connect, location)
        except BaseException as problem:
            self.close()
            if isinstance(problem, (error, UnicodeError)):
                raise StoreError(self._cannot_open(problem)) from problem
            raise

    def _connect(self, connect: Connect, location: str) -> Connection:
        connection = connect(location)
        self._connections.append(connection)
        return connection

    def _claim(self, path: Path) -> FileLock:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Whatever name a file goes by, its lock must be the same.
            return FileLock(path.resolve())
        except FileInUse:
            raise StoreError(
                f"{path} is in use by another scheduler. Stop that one, or choose another file with --db."
            ) from None
        except OSError as problem:
            raise StoreError(
                f"{path} cannot be used: {problem.strerror}. Choose a writable place with --db."
            ) from problem

    def _cannot_open(self, problem: Exception) -> str:
        reason = str(problem)
        if "not a database" in reason:
            return f"{self.path} is not a SQLite database. Choose another file with --db."
        if _tells_damage(problem):
            return self._damaged(problem)
        if "full" in reason:
            return f"{self.path} cannot be opened: {reason}. Free space, or choose another file with --db."
        return f"{self.path} cannot be opened: {reason}. Check that the file and its folder are writable."

    # --- opening

    def _prepare(self) -> None:
        write = self._write
        version = self._check_ownership()
        write.execute(sql.SHRINKABLE).fetchall()
        write.execute("PRAGMA journal_mode = WAL").fetchall()
        write.execute("PRAGMA synchronous = FULL").fetchall()
        # On macOS an fsync reaches only the drive's cache; elsewhere this changes nothing.
        write.execute("PRAGMA fullfsync = ON").fetchall()
        self._migrate(version)
        # A read-only or damaged file is found out here, before the first request.
        self._transaction([(sql.COUNT_BOOT, [()])])
        self.boot: int = write.execute(sql.READ_BOOT).fetchone()[0]
        if self.path is not None:
            self._transaction([(statement, [()]) for statement in sql.GROW_WAL])
            write.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def _check_ownership(self) -> int:
        write = self._write
        application = write.execute("PRAGMA application_id").fetchone()[0]
        version: int = write.execute("PRAGMA user_version").fetchone()[0]
        tables = write.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != sql.APPLICATION_ID:
            raise StoreError(
                f"{self.path} is a SQLite database of another program; it was left untouched. "
                f"Choose another file with --db."
            )
        if version > sql.SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has schema version {version}; this durakit knows versions up to "
                f"{sql.SCHEMA_VERSION}. Use the durakit that wrote it, or choose another file with --db."
            )
        return version

    def _migrate(self, version: int) -> None:
        for number, steps in enumerate(sql.MIGRATIONS[version:], start=version + 1):
            marks = [f"PRAGMA application_id = {sql.APPLICATION_ID}", f"PRAGMA user_version = {number}"]
            self._transaction([(statement, [()]) for statement in [*steps, *marks]])

    def _transaction(self, statements: Iterable[tuple[str, list[tuple[Any, ...]]]]) -> None:
        write = self._write
        write.execute("BEGIN IMMEDIATE")
        try:
            for statement, rows in statements:
                if len(rows) == 1:
                    write.execute(statement, rows[0])
                else:
                    write.executemany(statement, rows)
            write.execute("COMMIT")
        except BaseException:
            # After some failures SQLite has rolled back by itself; then there is nothing left to undo.
            with contextlib.suppress(self._error):
                write.execute("ROLLBACK")
            raise

    # --- writing

    def commit(self, batch: Batch) -> None:
        """Write a batch; on return it is on disk.

        Raises:
            StoreError: nothing of it was written.
        """
        try:
            self._transaction(batch.statements)
        except self._error as problem:
            raise StoreError(
                f"{self.path or 'The in-memory store'} could not be written: {str(problem).rstrip('.')}. "
                f"Nothing that was acknowledged is lost; free space or mend the file's permissions."
            ) from problem

    def close(self) -> None:
        """Close the file; a clean end folds the write-ahead log into it."""
        while self._connections:
            self._connections.pop().close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    # --- reading

    @property
    def reading(self) -> Connection:
        """The connection that reads; of an in-memory store it is the only one."""
        return self._read

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            return self._read.execute(statement, parameters).fetchall()  # type: ignore[no-any-return]  # rows are untyped
        except (self._error, UnicodeError) as problem:
            if _tells_damage(problem):
                raise StoreError(self._damaged(problem)) from problem
            raise StoreError(
                f"{self.path or 'The in-memory store'} could not be read: {problem}. Check the disk and the "
                f"file's permissions; nothing was changed."
            ) from problem

    def _damaged(self, problem: Exception) -> str:
        return f"{self.path} is damaged ({problem}). Restore a backup or choose another file with --db."

    def damaged(self, what: str, problem: Exception) -> StoreError:
        """Return the error for something in the file that cannot be understood."""
        return StoreError(self._damaged(ValueError(f"{what} cannot be read: {problem}")))

    def free_pages(self) -> int:
        """Return how many unused pages the file could give back to the disk."""
        if self.path is None or self._rows(sql.IS_SHRINKABLE)[0][0] != sql.SHRINKABLE_MODE:
            return 0
        return int(self._rows(sql.FREE_PAGES)[0][0])

    def hubs(self) -> list[tuple[int, str]]:
        """Return row and name of every hub."""
        return self._rows(sql.HUBS)

    def highest(self) -> tuple[int, int, int]:
        """Return the highest instance row, inbox key and hub row in use."""
        row, key, hub = (
            self._rows(statement)[0][0] for statement in (sql.HIGHEST_ROW, sql.HIGHEST_KEY, sql.HIGHEST_HUB)
        )
        return row, key, hub

    def find(self, hub_row: int, instance_id: str) -> Instance | None:
        """Return an instance without history, inbox and open work."""
        found = self._rows(sql.FIND_INSTANCE, (hub_row, instance_id))
        return self._instance(found[0]) if found else None

    def live(self, hub_row: int) -> list[Instance]:
        """Return the instances that have not ended, without history, inbox and open work."""
        return [self._instance(row) for row in self._rows(sql.LIVE_INSTANCES, (hub_row,))]

    def history(self, row: int) -> list[bytes]:
        """Return the blobs of an instance's turns, oldest first."""
        return [blob for (blob,) in self._rows(sql.TURNS_OF, (row,))]

    def inbox(self) -> dict[int, list[tuple[int, bytes]]]:
        """Return, per instance row, key and event of what waits for it."""
        waiting: dict[int, list[tuple[int, bytes]]] = {}
        for row, key, event in self._rows(sql.INBOX):
            waiting.setdefault(row, []).append((key, event))
        return waiting

    def children(self, hub_row: int, parent_id: str) -> list[str]:
        """Return the ids of an instance's children."""
        return [found for (found,) in self._rows(sql.CHILDREN_OF, (hub_row, parent_id))]

    def select(self, conditions: str, parameters: Sequence[Any], *, inputs: bool) -> list[Instance]:
        """Return the instances that `conditions` (SQL after FROM instance) selects.

        Args:
            inputs: also read each instance's input.
        """
        rows = self._rows(f"{sql.SELECT_INSTANCES} {conditions}", parameters)
        return [self._instance(row, with_input=inputs) for row in rows]

    def _instance(self, values: Sequence[Any], *, with_input: bool = True) -> Instance:
        try:
            return self._read_instance(values, with_input)
        except (ValueError, TypeError) as problem:
            raise self.damaged(f"instance {values[2]!r}", problem) from problem

    def _read_instance(self, values: Sequence[Any], with_input: bool) -> Instance:
        row, hub_row, instance_id, execution_id, name, version, status = values[:7]
        created, updated, completed, scheduled = values[7:11]
        parent_id, parent_execution, parent_task, parent_name, parent_version = values[11:16]
        tags, output, failure, custom_status, trace, statuses = values[16:]
        instance = Instance(
            row=row,
            hub_row=hub_row,
            id=instance_id,
            execution_id=execution_id,
            name=name,
            version=version,
            status=Status(status),
            created_ns=created,
            updated_ns=updated,
            completed_ns=completed,
            scheduled_ns=scheduled,
            tags=json.loads(tags) if tags else {},
            output=output,
            failure=failure,
            custom_status=custom_status,
            statuses=statuses,
            recorded_status=custom_status,
            trace=trace or b"",
            history=None,
        )
        if parent_id is not None:
            instance.parent = Parent(parent_id, parent_execution, parent_task, parent_name, parent_version)
        if with_input:
            found = self._rows(sql.FIND_INPUT, (row,))
            instance.input = found[0][0] if found else None
        last = self._rows(sql.LAST_TURN, (row,))
        if last:
            turn, at_ns = last[0]
            instance.turns = turn + 1
            instance.updated_ns = max(updated, at_ns)
        elif statuses:
            # It has continued as new and waits for its first turn: the row tells of no status now.
            recorded = self._rows(sql.STATUS_IN, (sql.slot_of(row, statuses),))
            instance.recorded_status = recorded[0][0] if recorded else None
        return instance


def _tells_damage(problem: Exception) -> bool:
    """Whether SQLite found nonsense; names in it may not even be text."""
    signs = ("malformed", "UTF-8", "no such column", "no such table")
    return isinstance(problem, UnicodeError) or any(sign in str(problem) for sign in signs)
