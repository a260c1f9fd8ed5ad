"""The disk fails while the scheduler runs: nothing acknowledged is lost, and it goes on when the disk does.

A commit that fails leaves no trace, in the file or in memory (Engine.reload). Everybody who waited is told.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.store import StoreError, statements
from durakit.scheduler.waiters import Waiter, has_ended

from tests.faults.lossy_vfs import Disk
from tests.faults.pure_programs import play
from tests.faults.rig import Rig

SEEDS = range(25)
STEPS = 250

FAILURES: dict[str, tuple[type[apsw.Error], set[str]]] = {
    "full": (apsw.FullError, {"write"}),
    "write error": (apsw.IOError, {"write"}),
    "sync error": (apsw.IOError, {"sync"}),
    "read-only": (apsw.ReadOnlyError, {"write", "sync", "truncate"}),
}


@pytest.fixture(autouse=True)
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "GROW_WAL", ())


@pytest.fixture
def disk() -> Iterator[Disk]:
    with Disk() as disk:
        yield disk


def open_rig(disk: Disk, folder: Path, seed: int, **more: Any) -> Rig:
    path = folder / "scheduler.db"
    return Rig(path, random.Random(seed), connect=disk.connect, error=apsw.Error, **more)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_scheduler_goes_on_when_the_disk_does(
    seed: int, failure: str, tmp_path: Path, disk: Disk
) -> None:
    """Every now and then the disk fails for a while; some of what was tried meanwhile is tried again."""
    error_type, operations = FAILURES[failure]
    rig = open_rig(disk, tmp_path, seed)
    weather = random.Random(seed + 1_000_000)
    fails = False
    failed = 0
    told: set[str] = set()

    def before_write(operation: str) -> None:
        if fails and operation in operations:
            raise error_type(failure)

    disk.before_write = before_write
    rig.open_stream()
    for _ in range(STEPS):
        fails = weather.random() < 0.15
        try:
            rig.step()
        except StoreError as error:
            told.add(re.sub(r": .*\. Nothing", ": (reason). Nothing", str(error)))
            failed += 1
            rig.recover(error)
    fails = False
    rig.pending.clear()
    rig.engine.reload(StoreError("as if the last group had failed too"))
    rig.streams.clear()
    rig.hands.clear()
    rig.check_kept()
    rig.finish()
    rig.store.close()

    assert failed > 5, "the disk hardly failed"
    assert told == {
        f"{tmp_path / 'scheduler.db'} could not be written: (reason). "
        f"Nothing that was acknowledged is lost; free space or mend the file's permissions."
    }
    contents = {name: bytes(file.written) for name, file in disk.files.items()}
    with Disk(contents) as copy:
        again = open_rig(copy, tmp_path, seed, book=rig.book, now=rig.now, ids_from=rig.ids)
        again.check_kept()
        again.store.close()


def test_answers_from_before_a_failed_commit_do_not_fit_later_deliveries(tmp_path: Path) -> None:
    """Rule 4 of the design: a token names one delivery, also when everything was loaded anew in between."""
    rig = Rig(tmp_path / "scheduler.db", random.Random(1))
    rig.open_stream()
    rig.start("chain", 1, "one")
    rig.start("chain", 1, "two")
    rig.commit()
    before = {item.orchestratorRequest.instanceId: item for _, item in rig.hands}

    rig.recover(StoreError("the disk is full"))
    rig.commit()
    after = {item.orchestratorRequest.instanceId: item for _, item in rig.hands}

    assert not {item.completionToken for item in before.values()} & {
        item.completionToken for item in after.values()
    }
    for item in before.values():
        with pytest.raises(Refusal, match="This orchestrator delivery is no longer open"):
            rig.hub.complete_turn(play(item.orchestratorRequest, item.completionToken), rig.now)
    rig.store.close()


def test_everybody_who_waits_is_told_when_a_commit_fails(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "scheduler.db", random.Random(1))
    stream = rig.open_stream()
    rig.start("listener", 1, "one")
    rig.commit()
    told: list[Exception] = []
    rig.hub.wait("one", Waiter(has_ended, lambda instance: None, told.append))

    error = StoreError("the disk is full")
    rig.recover(error)

    assert told == [error]
    assert stream.failure is error
    rig.store.close()


def test_a_failed_commit_is_undone_in_memory(tmp_path: Path, disk: Disk) -> None:
    rig = open_rig(disk, tmp_path, 1)
    rig.commit()

    def full(operation: str) -> None:
        raise apsw.FullError("no space")

    disk.before_write = full
    rig.start("chain", 1, "one")
    with pytest.raises(StoreError) as failed:
        rig.commit()
    rig.recover(failed.value)

    assert rig.hub.machine.find("one") is None
    disk.before_write = lambda operation: None
    rig.start("chain", 1, "one")
    rig.finish()
    rig.store.close()


def test_a_disk_that_cannot_be_read_either_is_told_until_it_can(tmp_path: Path, disk: Disk) -> None:
    """Half of what the file holds must never be taken for all of it."""
    rig = open_rig(disk, tmp_path, 1)
    rig.open_stream()
    for _ in range(100):
        rig.step()
    rig.commit()
    queries = 0

    def gone(statement: str) -> str:
        nonlocal queries
        queries += 1
        if queries > last:
            raise apsw.IOError("the disk is gone")
        return statement

    for last in range(25):  # noqa: B007 - `gone` reads it
        queries = 0
        disk.before_statement = gone
        rig.lose(StoreError("the disk is full"))

        assert rig.engine.hubs() == []
        assert rig.engine.is_idle
        queries = 0
        with pytest.raises(StoreError) as told:
            rig.engine.hub("default")
        assert str(told.value) == (
            f"{tmp_path / 'scheduler.db'} could not be read: the disk is gone. "
            f"Check the disk and the file's permissions; nothing was changed."
        )
        disk.before_statement = lambda statement: statement
        rig.open_stream()
        rig.commit()
        for _ in range(5):
            rig.step()

    rig.commit()
    rig.lose(StoreError("the disk is full"))
    rig.check_kept()
    rig.finish()
    rig.store.close()
