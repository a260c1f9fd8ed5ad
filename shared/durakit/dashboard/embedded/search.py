"""Free text: a side index of trigrams that leads to the few instances in which a text may stand.

The index is a file of its own beside the scheduler's, filled by a thread with connections of its own from
what is on disk. The scheduler neither writes nor waits for it. It begins with the first search, follows while
somebody searches, and may lag: what it does not have yet is looked at row by row. It only names candidates,
and the store decides; so it may hold too much (instances that are gone, texts of before) but not too little.
It can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from durakit.dashboard.embedded.conditions import spellings
from durakit.dashboard.lists import InstanceFilter
from durakit.scheduler.store.store import Connection

logger = logging.getLogger(__name__)

SUFFIX = "-search"
FORMAT = "1"
"""A file of another format is made anew."""
MOST_CANDIDATES = 10_000
"""A text that stands in more instances is found as fast by looking from the newest on."""
MOST_UNINDEXED = 5_000
BATCH = 300
"""Documents in a transaction."""
PAUSES = 15
"""Times as long as a batch took: how long the thread then leaves disk and processor to others."""
IDLE_SECONDS = 0.5
FOLLOWED_SECONDS = 600.0
"""How long after a search the index is kept up to date."""
OVERLAP_NS = 2_000_000_000
"""Ends are recorded in the order of commits, which is not quite that of their times."""
_LONGEST_INDEXED = 256 * 1024
"""Characters; a longer document is a candidate for every text."""
_MOST_TRIGRAMS = 48

_SCHEMA = (
    "CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # Up to which end of an instance of a hub everything is indexed.
    "CREATE TABLE followed (hub INTEGER PRIMARY KEY, ended_ns INTEGER NOT NULL)",
    # An instance as it was when it was indexed; it is again once it has ended.
    """CREATE TABLE doc (number INTEGER PRIMARY KEY, row INTEGER NOT NULL, ended_ns INTEGER,
        is_long INTEGER NOT NULL)""",
    "CREATE INDEX doc_row ON doc (row, ended_ns)",
    "CREATE INDEX doc_long ON doc (row) WHERE is_long",
    # No texts and no positions: only which trigrams stand in which document.
    """CREATE VIRTUAL TABLE trigram USING fts5
        (text, tokenize = 'trigram', content = '', detail = 'none', columnsize = 0)""",
)
_IDENTITY = "SELECT coalesce((SELECT created_ns || ':' || name FROM {}hub ORDER BY row LIMIT 1), '')"
_DOCUMENT = (
    "SELECT i.row, i.completed_ns, i.id, n.payload, i.output, i.failure FROM source.instance i {} "
    "LEFT JOIN source.input n ON n.row = i.row WHERE {} LIMIT ?"
)
_NOT_INDEXED = "NOT EXISTS (SELECT 1 FROM doc d WHERE d.row = i.row AND d.ended_ns IS i.completed_ns)"
_NEW = _DOCUMENT.format("NOT INDEXED", f"i.row > ? AND i.row <= ? AND {_NOT_INDEXED} ORDER BY i.row")
_ENDED = _DOCUMENT.format(
    "INDEXED BY instance_completed",
    f"i.hub = ? AND i.completed_ns >= ? AND {_NOT_INDEXED} ORDER BY i.completed_ns",
)


@dataclass(frozen=True)
class Candidates:
    """Where a text may stand.

    Attributes:
        rows: row numbers, complete; None: the index cannot help, all have to be looked at.
        notice: a sentence when the index is being made.
    """

    rows: Sequence[int] | None = None
    notice: str | None = None


class Search:
    """The side index of one store.

    Args:
        store: the scheduler's file; None: in memory, where there is no index.
        now: the time in nanoseconds since 1970.
    """

    def __init__(self, store: Path | None, *, now: Callable[[], int] = time.time_ns) -> None:
        self._now = now
        self._store = store
        self.path = None if store is None else store.with_name(store.name + SUFFIX)
        self._asked = threading.Event()
        self._asked_at = 0.0
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.files = threading.Lock()
        """Held while the file is asked, and while it is replaced: to SQLite a file with another one's log and
        shared memory is a crash."""
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """Stop following. The file stays, for the next time."""
        self._stopping.set()
        self._asked.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    # --- asking, from any reader's thread

    def candidates(self, ask: Connection, hub_row: int, wanted: InstanceFilter) -> Candidates:
        """Return where the text of a filter may stand; other conditions are not applied.

        Args:
            ask: a connection to the store, for what is not indexed yet.
        """
        is_narrow = bool(wanted.id_prefix) or wanted.parent is not None
        if self.path is None or not wanted.text or is_narrow:
            return Candidates()
        query = _query(wanted.text)
        if query is None:
            return Candidates()
        self._begin()
        try:
            with self.files, _open(self.path, "ro") as index:
                return self._find(index, ask, hub_row, query)
        except sqlite3.Error as problem:
            # Not there yet, or being made anew.
            logger.debug("The search index could not be asked: %s", problem)
            return Candidates(None, _progress(0, ask))

    def _find(self, index: sqlite3.Connection, ask: Connection, hub_row: int, query: str) -> Candidates:
        index.execute("BEGIN")
        state = dict(index.execute("SELECT key, value FROM state"))
        if state.get("format") != FORMAT or state["identity"] != _identity(ask):
            return Candidates(None, _progress(0, ask))
        indexed = int(state["row"])
        followed = index.execute("SELECT ended_ns FROM followed WHERE hub = ?", (hub_row,)).fetchone()
        found = {
            row
            for (row,) in index.execute(
                "SELECT d.row FROM trigram JOIN doc d ON d.number = trigram.rowid WHERE trigram MATCH ? "
                "LIMIT ?",
                (query, MOST_CANDIDATES + 1),
            )
        }
        found.update(row for (row,) in index.execute("SELECT row FROM doc WHERE is_long"))
        since_ns = min(0 if followed is None else followed[0], self._now()) - OVERLAP_NS
        unindexed = self._unindexed(ask, hub_row, indexed, since_ns)
        if unindexed is None:
            return Candidates(None, _progress(indexed, ask))
        if len(found) > MOST_CANDIDATES:
            return Candidates()
        return Candidates(sorted(found | unindexed))

    def _unindexed(self, ask: Connection, hub_row: int, indexed: int, since_ns: int) -> set[int] | None:
        """Return rows that are not indexed as they are now; None: too many to be looked at."""
        limit = MOST_UNINDEXED + 1
        questions = (
            ("SELECT row FROM instance NOT INDEXED WHERE row > ? AND hub = ? LIMIT ?", indexed, hub_row),
            (
                "SELECT row FROM instance INDEXED BY instance_completed WHERE completed_ns >= ? AND hub = ? "
                "LIMIT ?",
                since_ns,
                hub_row,
            ),
        )
        found: set[int] = set()
        for statement, *parameters in questions:
            rows = ask.execute(statement, (*parameters, limit)).fetchall()
            if len(rows) == limit:
                return None
            found.update(row for (row,) in rows)
        # What runs may continue as new, with another input. Where very many run, only ends are followed.
        running = ask.execute(
            "SELECT row FROM instance INDEXED BY instance_live WHERE hub = ? AND completed_ns IS NULL "
            "LIMIT ?",
            (hub_row, limit),
        ).fetchall()
        if len(running) < limit:
            found.update(row for (row,) in running)
        return found

    # --- following, in the thread

    def _begin(self) -> None:
        self._asked_at = time.monotonic()
        self._asked.set()
        with self._lock:
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._run, name="durakit-search", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._follow()
                failures = 0
            except (sqlite3.Error, OSError, ValueError) as problem:
                failures += 1
                if failures == 3:
                    logger.warning("Free text is searched without an index: %s: %s", self.path, problem)
                    return
                with self.files, contextlib.suppress(OSError):
                    self._delete()
                self._stopping.wait(IDLE_SECONDS)

    def _follow(self) -> None:
        """Keep one file up to date until it is gone or nobody has searched for a while."""
        assert self.path is not None
        with self.files:
            opened = self._opened()
        with contextlib.closing(opened) as index:
            mine = os.stat(self.path).st_ino
            while not self._stopping.is_set():
                began = time.monotonic()
                if not _is_file(self.path, mine):
                    # Begun again, with nothing that is left of it.
                    break
                is_busy = self._index_some(index)
                if is_busy:
                    self._stopping.wait(PAUSES * (time.monotonic() - began))
                else:
                    self._stopping.wait(IDLE_SECONDS)
                    self._asked.clear()
                    if time.monotonic() - self._asked_at > FOLLOWED_SECONDS and not self._stopping.is_set():
                        self._asked.wait()

    def _opened(self) -> sqlite3.Connection:
        """Return a connection to the index, made anew when it is missing or not ours, and to the store."""
        assert self.path is not None
        if not self.path.exists():
            # What is left of one that was deleted would be taken for the new one's.
            self._delete()
        index = self._connect()
        if not self._is_usable(index):
            index.close()
            self._delete()
            index = self._connect()
            self._create(index)
        return index

    def _connect(self) -> sqlite3.Connection:
        index = sqlite3.connect(f"file:{quote(str(self.path))}", uri=True, isolation_level=None)
        index.execute("PRAGMA journal_mode = WAL")
        # Enough to be whole after a power cut; what is lost is indexed again.
        index.execute("PRAGMA synchronous = NORMAL")
        index.execute("ATTACH ? AS source", (f"file:{quote(str(self._store))}?mode=ro",))
        return index

    def _is_usable(self, index: sqlite3.Connection) -> bool:
        try:
            state = dict(index.execute("SELECT key, value FROM state"))
        except sqlite3.Error:
            return False
        if state.get("format") != FORMAT or state.get("identity") != _identity(index, "source."):
            return False
        documents, instances = (
            index.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("doc", "source.instance")
        )
        # Of instances that are gone, and of earlier states, something is left; not without end.
        return bool(documents <= 3 * instances + MOST_CANDIDATES)

    def _create(self, index: sqlite3.Connection) -> None:
        with _transaction(index):
            for statement in _SCHEMA:
                index.execute(statement)
            index.execute(
                "INSERT INTO followed SELECT hub, max(completed_ns) FROM source.instance "
                "WHERE completed_ns IS NOT NULL GROUP BY hub"
            )
            identity = _identity(index, "source.")
            state = (("format", FORMAT), ("identity", identity), ("row", "0"))
            index.executemany("INSERT INTO state VALUES (?, ?)", state)

    def _index_some(self, index: sqlite3.Connection) -> bool:
        """Index what is new and what has ended; return whether there may be more."""
        (indexed,) = index.execute("SELECT CAST(value AS INTEGER) FROM state WHERE key = 'row'").fetchone()
        (highest,) = index.execute("SELECT coalesce(max(row), 0) FROM source.instance").fetchone()
        # After a restart the numbers of what was purged last come again.
        after = min(indexed, highest)
        new = index.execute(_NEW, (after, highest, BATCH)).fetchall()
        is_busy = len(new) == BATCH
        reached = new[-1][0] if is_busy else highest
        if reached != indexed:
            with _transaction(index):
                _put(index, new)
                index.execute("UPDATE state SET value = ? WHERE key = 'row'", (str(reached),))
        for (hub_row,) in index.execute("SELECT row FROM source.hub").fetchall():
            is_busy |= self._index_ended(index, hub_row)
        return is_busy

    def _index_ended(self, index: sqlite3.Connection, hub_row: int) -> bool:
        known = index.execute("SELECT ended_ns FROM followed WHERE hub = ?", (hub_row,)).fetchone()
        (last_ns,) = index.execute(
            "SELECT max(completed_ns) FROM source.instance INDEXED BY instance_completed "
            "WHERE hub = ? AND completed_ns IS NOT NULL",
            (hub_row,),
        ).fetchone()
        since_ns = min(0 if known is None else known[0], self._now()) - OVERLAP_NS
        ended = index.execute(_ENDED, (hub_row, since_ns, BATCH)).fetchall()
        is_busy = len(ended) == BATCH
        reached_ns = ended[-1][1] if is_busy else last_ns
        if ended or (reached_ns is not None and known != (reached_ns,)):
            with _transaction(index):
                _put(index, ended)
                index.execute("INSERT OR REPLACE INTO followed VALUES (?, ?)", (hub_row, reached_ns))
        return is_busy

    def _delete(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)


def _put(index: sqlite3.Connection, documents: Sequence[tuple[object, ...]]) -> None:
    """Index documents: row number, end, and texts."""
    for row, ended_ns, *parts in documents:
        text = "\n".join(_text(part) for part in parts)
        is_long = len(text) > _LONGEST_INDEXED
        number = index.execute(
            "INSERT INTO doc (row, ended_ns, is_long) VALUES (?, ?, ?)", (row, ended_ns, is_long)
        ).lastrowid
        if not is_long:
            index.execute("INSERT INTO trigram (rowid, text) VALUES (?, ?)", (number, text))


def _text(part: object) -> str:
    if part is None:
        return ""
    read = part.decode(errors="replace") if isinstance(part, bytes) else str(part)
    # To the tokenizer a text ends there.
    return read.replace("\x00", " ")


def _query(text: str) -> str | None:
    """Return what to match: all trigrams of one of the spellings; None: it has too few characters."""
    ways = []
    for spelling in spellings(text):
        trigrams = [spelling[at : at + 3] for at in range(len(spelling) - 2)]
        terms = [
            '"' + each.replace('"', '""') + '"' for each in dict.fromkeys(trigrams) if _can_be_asked(each)
        ]
        if not terms:
            return None
        ways.append(f"({' AND '.join(terms[:_MOST_TRIGRAMS])})")
    return " OR ".join(ways)


def _can_be_asked(trigram: str) -> bool:
    return "\x00" not in trigram and not any("\ud800" <= each <= "\udfff" for each in trigram)


def _identity(connection: Connection, schema: str = "") -> str:
    """Return what tells one store from another."""
    return str(connection.execute(_IDENTITY.format(schema)).fetchone()[0])


def _progress(indexed: int, ask: Connection) -> str:
    (total,) = ask.execute("SELECT coalesce(max(row), 0) FROM instance").fetchone()
    return (
        f"Indexing for search: {min(indexed, total):,} of {total:,} instances so far. Until then a search "
        f"looks through the newest first, for a moment."
    )


def _is_file(path: Path, inode: int) -> bool:
    try:
        return os.stat(path).st_ino == inode
    except OSError:
        return False


@contextlib.contextmanager
def _open(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    location = f"file:{quote(str(path))}?mode={mode}"
    with contextlib.closing(sqlite3.connect(location, uri=True, isolation_level=None)) as connection:
        yield connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
