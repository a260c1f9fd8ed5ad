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
from tests.faults.rig import START_NS, Book, Rig

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


def live(seed: int, folder: Path, disk: Disk, moment: Callable[[Rig], None], hook: str) -> Rig:
    """Live a random life on the disk.

    Args:
        moment: called at every moment at which the power may fail.
        hook: what such a moment is: "before_write" of the disk, or "before_statement" of SQL.
    """
    rig = open_rig(disk, folder, random.Random(seed))
    earlier = getattr(disk, hook)

    def hooked(word: str) -> str:
        moment(rig)
        changed: str = earlier(word)
        return changed

    setattr(disk, hook, hooked)
    rig.open_stream()
    rig.open_stream()
    for _ in range(STEPS):
        rig.step()
    rig.store.close()
    disk.discard()
    return rig


def run_and_cut(seed: int, folder: Path, hook: str, prepare: Callable[[Disk], None]) -> list[Cut]:
    """Live a random life; return what power cuts would have left, at moments spread evenly over it."""
    changes = 0

    def count(rig: Rig) -> None:
        nonlocal changes
        changes += 1

    prepare(disk := Disk())
    live(seed, folder, disk, count, hook)
    cut_draw = random.Random(seed + 1_000_000)
    moments = set(cut_draw.sample(range(changes), CUTS))
    cuts: list[Cut] = []
    prepare(disk := Disk())
    changes = 0

    def maybe_cut(rig: Rig) -> None:
        nonlocal changes
        if changes in moments:
            unsynced = cut_draw.choice(("lost", "kept", "some", "some"))
            cuts.append((disk.after_cut(cut_draw, unsynced), rig.book.copy(), rig.now, rig.ids))
        changes += 1

    live(seed, folder, disk, maybe_cut, hook)
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


def check_life(
    seed: int, folder: Path, hook: str = "before_write", prepare: Callable[[Disk], None] = lambda disk: None
) -> None:
    """Cut the power at many moments of one random life, and check what each cut leaves.

    Args:
        prepare: does something to the disk before it is used; this is where mutants come in.
    """
    cuts = run_and_cut(seed, folder, hook, prepare)

    assert len(cuts) == CUTS
    for number, cut in enumerate(cuts):
        try:
            check_cut(cut, seed, folder)
        except Exception as error:
            raise AssertionError(f"seed {seed}, cut {number} of {hook}: {error}") from error


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_acknowledged_is_lost_in_a_power_cut(seed: int, tmp_path: Path) -> None:
    check_life(seed, tmp_path)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_commit_that_ends_between_two_statements_never_was(seed: int, tmp_path: Path) -> None:
    check_life(seed, tmp_path, "before_statement")


def test_the_log_grown_in_advance_survives_cuts_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening writes 4 MB once; cuts while that happens leave a file that opens."""
    monkeypatch.undo()
    draw = random.Random(1)
    disk = Disk()
    cuts: list[dict[str, bytes]] = []

    def maybe_cut(operation: str) -> None:
        if draw.random() < 0.01:
            cuts.append(disk.after_cut(draw, "some"))

    disk.before_write = maybe_cut
    open_rig(disk, tmp_path, random.Random(1)).store.close()
    disk.discard()

    assert len(cuts) > 10
    for contents in cuts:
        check_cut((contents, Book(), START_NS, 1), 1, tmp_path)
