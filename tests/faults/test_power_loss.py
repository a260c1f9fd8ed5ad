"""The power fails at any instant: what was acknowledged is there afterwards, and goes on (design, rule 3).

The engine runs on a disk that loses what was not synced. At drawn moments, before any single change reaches
that disk, a copy is made of what a power cut would leave. Each copy is then opened by a new engine,
compared with the book of acknowledged facts, and run to its end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from durakit.scheduler.store import statements

from tests.faults.lossy_vfs import Disk
from tests.faults.rig import Book, Rig

STEPS = 150
CUTS = 40
SEEDS = range(8)
DATABASE = "scheduler.db"

Cut = tuple[dict[str, bytes], Book, int, int]


@pytest.fixture(autouse=True)
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not grow the write-ahead log in advance: 4 MB per opening would be most of the work here."""
    monkeypatch.setattr(statements, "GROW_WAL", ())


def open_rig(disk: Disk, folder: Path, draw: random.Random, **more: Any) -> Rig:
    return Rig(folder / DATABASE, draw, connect=disk.connect, error=apsw.Error, **more)


def live(seed: int, folder: Path, disk: Disk, before_write: Callable[[Rig], None]) -> Rig:
    """Live a random life on the disk; `before_write` is called before every change of the disk."""
    rig = open_rig(disk, folder, random.Random(seed))
    disk.before_write = lambda operation: before_write(rig)
    rig.open_stream()
    rig.open_stream()
    for _ in range(STEPS):
        rig.step()
    rig.store.close()
    disk.discard()
    return rig


def run_and_cut(seed: int, folder: Path) -> list[Cut]:
    """Live a random life; return what power cuts would have left, at moments spread evenly over it."""
    changes = 0

    def count(rig: Rig) -> None:
        nonlocal changes
        changes += 1

    live(seed, folder, Disk(), count)
    cut_draw = random.Random(seed + 1_000_000)
    moments = set(cut_draw.sample(range(changes), CUTS))
    cuts: list[Cut] = []
    disk = Disk()
    changes = 0

    def maybe_cut(rig: Rig) -> None:
        nonlocal changes
        if changes in moments:
            unsynced = cut_draw.choice(("lost", "kept", "some", "some"))
            cuts.append((disk.after_cut(cut_draw, unsynced), rig.book.copy(), rig.now, rig.ids))
        changes += 1

    live(seed, folder, disk, maybe_cut)
    return cuts


def check_cut(cut: Cut, seed: int, folder: Path) -> None:
    """Power on again: everything acknowledged is there, and all ends well."""
    contents, book, now, ids = cut
    disk = Disk(contents)
    try:
        rig = open_rig(disk, folder, random.Random(seed), book=book, now=now, ids_from=ids + 1000)
        assert rig.store._write.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rig.check_kept()
        rig.finish()
        rig.store.close()
    finally:
        disk.discard()


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_acknowledged_is_lost_in_a_power_cut(seed: int, tmp_path: Path) -> None:
    cuts = run_and_cut(seed, tmp_path)

    assert len(cuts) == CUTS
    for number, cut in enumerate(cuts):
        try:
            check_cut(cut, seed, tmp_path)
        except Exception as error:
            raise AssertionError(f"seed {seed}, cut {number}: {error}") from error
