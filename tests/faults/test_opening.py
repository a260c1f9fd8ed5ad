"""Files that cannot be used are refused with a sentence and left as they are; none stays open or locked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from durakit.scheduler.engine import Engine
from durakit.scheduler.server import PortBusy, SchedulerServer, ServerOptions
from durakit.scheduler.store import Store, StoreError, statements

from tests.faults.lossy_vfs import Disk
from tests.faults.processes import Actor, free_port
from tests.faults.rig import Rig

NOBODY = 65534


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "scheduler.db"


def refusal(path: Path) -> str:
    """Return the sentence with which a file is refused; check that nothing of the attempt is left."""
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(StoreError) as refused:
        Store(path)
    after = len(os.listdir("/proc/self/fd")) if before else 0
    assert after == before, "the refused file is still open"
    return str(refused.value)


def use(path: Path) -> None:
    """Make a scheduler's file with a few instances in it."""
    rig = Rig(path, random.Random(1))
    rig.open_stream()
    for _ in range(60):
        rig.step()
    rig.commit()
    rig.store.close()


def test_a_text_file_is_refused_and_left_as_it_is(db: Path) -> None:
    text = "These are not the bytes you are looking for.\n" * 100
    db.write_text(text)

    assert refusal(db) == f"{db} is not a SQLite database. Choose another file with --db."
    assert db.read_text() == text


def test_a_database_of_another_program_is_refused_and_left_as_it_is(db: Path) -> None:
    with contextlib.closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    before = db.read_bytes()

    assert refusal(db) == (
        f"{db} is a SQLite database of another program; it was left untouched. Choose another file with --db."
    )
    assert db.read_bytes() == before


def test_a_file_of_a_newer_durakit_is_refused_and_left_as_it_is(db: Path) -> None:
    use(db)
    newer = statements.SCHEMA_VERSION + 1
    with contextlib.closing(sqlite3.connect(db)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    before = db.read_bytes()

    assert refusal(db) == (
        f"{db} has schema version {newer}; this durakit knows versions up to {newer - 1}. "
        f"Use the durakit that wrote it, or choose another file with --db."
    )
    assert db.read_bytes() == before


def test_an_empty_file_is_a_new_one(db: Path) -> None:
    db.touch()

    Store(db).close()

    with contextlib.closing(sqlite3.connect(db)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (statements.SCHEMA_VERSION,)


def test_a_file_in_use_by_another_process_is_refused(db: Path, tmp_path: Path) -> None:
    other = Actor("scheduler", [str(db), str(free_port()), "1"], tmp_path / "scheduler.log", {})
    other.start()
    other.await_ready()
    try:
        text = refusal(db)
    finally:
        other.kill()

    assert text == (f"{db} is in use by another scheduler. Stop that one, or choose another file with --db.")
    Store(db).close()  # the lock died with the other process


def test_a_file_in_use_is_refused_under_another_name_too(db: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(db)
    store = Store(db)
    try:
        assert "is in use by another scheduler" in refusal(link)
    finally:
        store.close()


def test_a_refused_file_can_be_used_when_it_is_mended(db: Path) -> None:
    db.write_text("no database" * 100)
    refusal(db)
    db.unlink()

    Store(db).close()


def test_a_folder_in_place_of_the_file_is_refused(db: Path) -> None:
    db.mkdir()

    assert refusal(db) == (
        f"{db} cannot be opened: unable to open database file. "
        f"Check that the file and its folder are writable."
    )


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    db = tmp_path / "data" / "scheduler.db"

    assert refusal(db) == f"{db} cannot be used: File exists. Choose a writable place with --db."


# --- without permission


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that a user without rights may read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Root may write anywhere; be somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_new_file_in_a_read_only_folder_is_refused(place: Path) -> None:
    db = place / "scheduler.db"
    place.chmod(0o555)

    with without_rights():
        text = refusal(db)

    assert text == f"{db} cannot be used: Permission denied. Choose a writable place with --db."


def test_a_new_folder_in_a_read_only_folder_is_refused(place: Path) -> None:
    db = place / "data" / "scheduler.db"
    place.chmod(0o555)

    with without_rights():
        text = refusal(db)

    assert text == f"{db} cannot be used: Permission denied. Choose a writable place with --db."


def test_a_read_only_file_is_refused(place: Path) -> None:
    db = place / "scheduler.db"
    use(db)
    db.chmod(0o444)
    (place / "scheduler.db.lock").chmod(0o666)
    place.chmod(0o777)

    with without_rights():
        text = refusal(db)

    assert text == (
        f"{db} cannot be opened: attempt to write a readonly database. "
        f"Check that the file and its folder are writable."
    )


def test_a_file_in_a_folder_that_became_read_only_is_refused(place: Path) -> None:
    """The write-ahead log could not be made."""
    db = place / "scheduler.db"
    use(db)
    for file in place.iterdir():
        file.chmod(0o666)
    place.chmod(0o555)

    with without_rights():
        text = refusal(db)

    assert text.startswith(f"{db} cannot be opened: ")
    assert text.endswith("Check that the file and its folder are writable.")


# --- damage


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_file_is_refused_or_serves(db: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage that nothing reads does no harm; any other is told in one sentence, never in a traceback."""
    monkeypatch.setattr(statements, "GROW_WAL", ())  # its free pages would take most of the damage
    draw = random.Random(seed)
    use(db)
    content = bytearray(db.read_bytes())
    for _ in range(draw.randint(1, 8)):
        start = draw.randrange(100, len(content) - 400)
        content[start : start + 400] = draw.randbytes(400)
    db.write_bytes(content)
    try:
        store = Store(db)
    except StoreError as refused:
        text = str(refused)
    else:
        try:
            Engine(store, new_id=lambda: "1", now=lambda: 1).commit()
            return
        except StoreError as refused:
            text = str(refused)
        finally:
            store.close()

    assert text.startswith(str(db))
    assert text.endswith("with --db.") or "Restore a backup" in text


def test_a_file_that_lost_its_tables_middle_is_called_damaged(db: Path) -> None:
    use(db)
    content = bytearray(db.read_bytes())
    page = 4096
    for start in range(page, len(content), page):  # all but the first page, which lists the tables
        content[start : start + page] = b"\xff" * page
    db.write_bytes(content)

    text = refusal(db)

    assert text == (
        f"{db} is damaged (database disk image is malformed). "
        f"Restore a backup or choose another file with --db."
    )


def test_a_log_of_another_file_is_ignored(db: Path) -> None:
    """SQLite checks every frame of the log, so garbage there means no more than a crash."""
    use(db)
    Path(f"{db}-wal").write_bytes(random.Random(1).randbytes(100_000))

    rig = Rig(db, random.Random(2))

    assert rig.engine.hubs()
    rig.store.close()


# --- no space


def test_a_full_disk_is_told_at_the_start(tmp_path: Path) -> None:

    def full(operation: str) -> None:
        raise apsw.FullError("database or disk is full")

    with Disk() as disk:
        disk.before_write = full
        with pytest.raises(StoreError) as refused:
            Store(tmp_path / "scheduler.db", connect=disk.connect, error=apsw.Error)

    assert str(refused.value) == (
        f"{tmp_path / 'scheduler.db'} cannot be opened: database or disk is full. "
        f"Free space, or choose another file with --db."
    )


# --- the port


def test_a_scheduler_that_gets_no_port_lets_go_of_its_file_quietly(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def compete() -> str:
        first = SchedulerServer(ServerOptions(grpc_port=0, db=tmp_path / "first.db"))
        await first.start()
        second = SchedulerServer(ServerOptions(grpc_port=first.grpc_port, db=tmp_path / "second.db"))
        with pytest.raises(PortBusy) as busy:
            await second.start()
        await first.stop()
        return str(busy.value)

    text = asyncio.run(compete())

    assert text.endswith("on 127.0.0.1 is busy.")
    assert not [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    Store(tmp_path / "second.db").close()
