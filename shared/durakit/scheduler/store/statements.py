"""Every SQL statement of the scheduler, and the schema they work on.

Times are integers of nanoseconds since 1970. Payloads are JSON text as the user's SDK wrote it. An
instance's open activities, timers and children have no table: they follow from history and inbox.
"""

from __future__ import annotations

from durakit.scheduler.machine.status_record import STATUSES_KEPT

APPLICATION_ID = 0x4455524B
"""Marks a file as ours ("DURK"), so that a foreign SQLite file is refused instead of changed."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # One row per task hub.
        """CREATE TABLE hub (
            row INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ns INTEGER NOT NULL)""",
        # One row per instance; small, because it is rewritten when the status changes.
        """CREATE TABLE instance (
            row INTEGER PRIMARY KEY, hub INTEGER NOT NULL, id TEXT NOT NULL, execution_id TEXT NOT NULL,
            name TEXT NOT NULL, version TEXT, status INTEGER NOT NULL,
            created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL,
            completed_ns INTEGER, scheduled_ns INTEGER,
            parent_id TEXT, parent_execution_id TEXT, parent_task_id INTEGER,
            parent_name TEXT, parent_version TEXT,
            tags TEXT, output TEXT, failure BLOB, custom_status TEXT, trace BLOB,
            UNIQUE (hub, id))""",
        # What pages and queries sort by.
        "CREATE INDEX instance_created ON instance (hub, created_ns, row)",
        "CREATE INDEX instance_completed ON instance (hub, completed_ns, id) WHERE completed_ns IS NOT NULL",
        # What a restart loads.
        "CREATE INDEX instance_live ON instance (hub) WHERE completed_ns IS NULL",
        "CREATE INDEX instance_parent ON instance (hub, parent_id) WHERE parent_id IS NOT NULL",
        # Inputs apart, because they can be large and an instance row is rewritten.
        "CREATE TABLE input (row INTEGER PRIMARY KEY, payload TEXT)",
        # One row per turn: its events as OrchestratorRequest.pastEvents. Only ever appended to.
        """CREATE TABLE history (
            row INTEGER NOT NULL, turn INTEGER NOT NULL, at_ns INTEGER NOT NULL,
            events INTEGER NOT NULL, blob BLOB NOT NULL)""",
        "CREATE UNIQUE INDEX history_turn ON history (row, turn)",
        # Events that wait for their instance's next turn, in order of arrival.
        "CREATE TABLE inbox (key INTEGER PRIMARY KEY, row INTEGER NOT NULL, event BLOB NOT NULL)",
        # Numbers of the file itself.
        "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        # Begins anywhere, so that no number comes back after a file is lost, or memory is.
        "INSERT INTO counter VALUES ('boot', abs(random() % 1000000000))",
    ),
    (
        # What lists are narrowed by, in their order; the first also counts and draws the histogram.
        "CREATE INDEX instance_status ON instance (hub, status, created_ns, row)",
        "CREATE INDEX instance_name ON instance (hub, name, created_ns, row)",
    ),
    (
        # How many custom statuses an instance has had. Here, because a new one rewrites this row anyway.
        "ALTER TABLE instance ADD COLUMN statuses INTEGER NOT NULL DEFAULT 0",
        # One row per custom status that an instance took on; a new one overwrites the oldest (`slot_of`).
        """CREATE TABLE custom_status (
            slot INTEGER PRIMARY KEY, number INTEGER NOT NULL, at_ns INTEGER NOT NULL,
            text TEXT, bytes INTEGER)""",
    ),
)
"""Each entry brings a file from version n to n + 1, in one transaction with the record of it."""

SCHEMA_VERSION = len(MIGRATIONS)


def slots_of(row: int) -> tuple[int, int]:
    """Return the first place of an instance's custom statuses, and the first behind them."""
    return row * STATUSES_KEPT, (row + 1) * STATUSES_KEPT


def slot_of(row: int, number: int) -> int:
    """Return the place of one custom status: a ring, so that the bound costs no deletion."""
    return row * STATUSES_KEPT + number % STATUSES_KEPT


# --- opening

COUNT_BOOT = "UPDATE counter SET value = value + 1 WHERE name = 'boot'"
READ_BOOT = "SELECT value FROM counter WHERE name = 'boot'"
HIGHEST_ROW = "SELECT coalesce(max(row), 0) FROM instance"
HIGHEST_HUB = "SELECT coalesce(max(row), 0) FROM hub"
HIGHEST_KEY = "SELECT coalesce(max(key), 0) FROM inbox"

# Growing the write-ahead log once is cheaper than during the first thousand commits.
GROW_WAL = (
    "CREATE TABLE growth (filler BLOB)",
    "INSERT INTO growth VALUES (zeroblob(4500000))",
    "DROP TABLE growth",
)

# Only in a file that knows it from its first page on: others would have to be written anew.
SHRINKABLE = "PRAGMA auto_vacuum = INCREMENTAL"
IS_SHRINKABLE = "PRAGMA auto_vacuum"
SHRINKABLE_MODE = 2
FREE_PAGES = "PRAGMA freelist_count"
# One at a time: Python's sqlite3 stops after the first, however many are asked for.
FREE_A_PAGE = "PRAGMA incremental_vacuum(1)"

# --- hubs

INSERT_HUB = "INSERT INTO hub (row, name, created_ns) VALUES (?, ?, ?)"
HUBS = "SELECT row, name FROM hub ORDER BY name"

# --- writing, in the order in which a batch runs them

DELETE_INSTANCE = "DELETE FROM instance WHERE row = ?"
DELETE_INPUT = "DELETE FROM input WHERE row = ?"
DELETE_HISTORY = "DELETE FROM history WHERE row = ?"
DELETE_STATUSES = "DELETE FROM custom_status WHERE slot >= ? AND slot < ?"
INSTANCE_COLUMNS = (
    "row, hub, id, execution_id, name, version, status, created_ns, updated_ns, completed_ns, "
    "scheduled_ns, parent_id, parent_execution_id, parent_task_id, parent_name, parent_version, "
    "tags, output, failure, custom_status, trace, statuses"
)
INSERT_INSTANCE = (
    f"INSERT INTO instance ({INSTANCE_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)
UPDATE_INSTANCE = (
    "UPDATE instance SET execution_id = ?, version = ?, status = ?, updated_ns = ?, completed_ns = ?, "
    "parent_execution_id = ?, output = ?, failure = ?, custom_status = ?, trace = ?, statuses = ? "
    "WHERE row = ?"
)
PUT_INPUT = "INSERT OR REPLACE INTO input (row, payload) VALUES (?, ?)"
INSERT_TURN = "INSERT INTO history (row, turn, at_ns, events, blob) VALUES (?, ?, ?, ?, ?)"
PUT_STATUS = "INSERT OR REPLACE INTO custom_status (slot, number, at_ns, text, bytes) VALUES (?, ?, ?, ?, ?)"
INSERT_ARRIVAL = "INSERT INTO inbox (key, row, event) VALUES (?, ?, ?)"
DELETE_TURNS_BEFORE = "DELETE FROM history WHERE row = ? AND turn < ?"
DELETE_ARRIVAL = "DELETE FROM inbox WHERE key = ?"

# --- reading

_SELECT = f"SELECT {INSTANCE_COLUMNS} FROM instance"
FIND_INSTANCE = f"{_SELECT} WHERE hub = ? AND id = ?"
LIVE_INSTANCES = f"{_SELECT} WHERE hub = ? AND completed_ns IS NULL ORDER BY row"
FIND_INPUT = "SELECT payload FROM input WHERE row = ?"
TURNS_OF = "SELECT blob FROM history WHERE row = ? ORDER BY turn"
LAST_TURN = "SELECT turn, at_ns FROM history WHERE row = ? ORDER BY turn DESC LIMIT 1"
STATUS_IN = "SELECT text FROM custom_status WHERE slot = ?"
STATUSES_OF = (
    "SELECT number, at_ns, text, bytes FROM custom_status WHERE slot >= ? AND slot < ? ORDER BY number DESC"
)
INBOX = "SELECT row, key, event FROM inbox ORDER BY key"
CHILDREN_OF = "SELECT id FROM instance WHERE hub = ? AND parent_id = ?"
SELECT_INSTANCES = _SELECT
