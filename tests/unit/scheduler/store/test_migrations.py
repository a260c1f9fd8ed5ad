"""Files of earlier versions: opened, brought up to date, and gone on with.

`version_2.sql` is the dump of a file that the last code of that version wrote: `ended` is completed,
`running` waits for an activity, `between` has continued as new, `waiting` has had no turn.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from durakit.scheduler.store import Store, statements

from ..rig import BEGINNING, COMPLETED, PENDING, RUNNING, SECOND, Rig, complete

HERE = Path(__file__).parent
LATER = BEGINNING + 86_400 * SECOND


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of version 2."""
    monkeypatch.setattr(statements, "GROW_WAL", ())
    path = tmp_path / "scheduler.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((HERE / "version_2.sql").read_text())
    return path


@pytest.fixture
def rig(old: Path) -> Iterator[Rig]:
    """A scheduler of today on that file."""
    store = Store(old)
    yield Rig(store, now=LATER)
    store.close()


def schema(path: Path) -> tuple[int, dict[str, str]]:
    """Return version and tables with their columns, whatever the way they came about."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        names = connection.execute("SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        tables = {
            name: f"{kind} {connection.execute(f'PRAGMA {kind}_info({name})').fetchall()}"
            for name, kind in names.fetchall()
        }
        return version, tables


def test_an_old_file_comes_to_be_like_a_new_one(old: Path, tmp_path: Path) -> None:
    assert schema(old)[0] == 2
    new = tmp_path / "new.db"
    Store(new).close()

    Store(old).close()

    assert schema(old) == schema(new)
    assert schema(old)[0] == statements.SCHEMA_VERSION


def test_what_was_in_an_old_file_is_all_there(rig: Rig) -> None:
    assert [rig.status(each) for each in ("ended", "running", "between", "waiting")] == [
        COMPLETED,
        RUNNING,
        RUNNING,
        PENDING,
    ]
    ended = rig.state("ended")
    assert (ended.input.value, ended.output.value, ended.customStatus.value) == (
        '"Berlin"',
        '"sunny"',
        '"done"',
    )
    assert rig.state("running").customStatus.value == '"charging"'


def test_instances_of_an_old_file_go_on_to_their_ends(rig: Rig) -> None:
    worker = rig.worker()
    while items := worker.items():
        for item in items:
            if item.HasField("activityRequest"):
                worker.finish(item, '"paid"')
            else:
                worker.answer(item, complete('"ok"'), status='"done"')

    assert {rig.state(each).output.value for each in ("running", "between", "waiting")} == {'"ok"'}


def test_of_an_old_file_only_what_is_said_from_now_on_is_on_record(rig: Rig) -> None:
    """When the custom status it came with was said is not known."""
    worker = rig.worker()
    assert rig.record("running") == []
    charge = next(item for item in worker.items() if item.HasField("activityRequest"))
    worker.finish(charge, '"paid"')
    worker.do(status='"charging"')
    repeated = rig.record("running")
    rig.raise_event("go on", instance_id="running")
    worker.do(status='"shipping"')

    (change,) = rig.record("running")

    assert repeated == []
    assert (change.number, change.at_ns, change.text) == (1, LATER, '"shipping"')
