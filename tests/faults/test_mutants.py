"""The tests of this folder can fail: each fault that is built into the scheduler makes one of them fail.

The faults are in `mutants`; here each is paired with the test that must notice it. Tests that draw from a
seed get a few seeds, with which they pass when there is no fault; one that notices is enough.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from durakit.scheduler.store import statements

from tests.faults import (
    campaign,
    mutants,
    test_commit_before_effect,
    test_power_loss,
    test_redelivery,
)
from tests.faults.lossy_vfs import Disk
from tests.faults.sockets import RunningScheduler

SEEDS = range(6)


def notices(check: Callable[[int, Path], object], folder: Path, what: str = "") -> bool:
    """Return whether the check complains, about `what`, with one of some seeds."""
    for seed in SEEDS:
        with tempfile.TemporaryDirectory(dir=folder) as place:
            try:
                check(seed, Path(place))
            except AssertionError as complaint:
                assert what in str(complaint)  # noqa: PT017 - only the right complaint counts
                return True
    return False


# --- in this process, on the virtual clock


def cut_power(seed: int, folder: Path) -> None:
    test_power_loss.check_life(seed, folder)


def cut_between_statements(seed: int, folder: Path) -> None:
    test_power_loss.check_life(seed, folder, "before_statement")


@pytest.mark.parametrize(
    ("mutant", "check"),
    [
        ("deliver_before_commit", test_commit_before_effect.check_life),
        ("deliver_what_is_still_collected", test_commit_before_effect.check_life),
        ("ends_before_it_is_written", test_commit_before_effect.check_life),
        ("two_transactions", cut_between_statements),
        ("forgets_to_empty_the_inbox", cut_power),
        ("forgets_open_activities", cut_power),
    ],
)
def test_a_fault_in_the_engine_is_noticed(
    mutant: str, check: Callable[[int, Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "GROW_WAL", ())
    mutants.ALL[mutant](monkeypatch.setattr)

    assert notices(check, tmp_path)


@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
def test_weaker_durability_is_noticed(
    synchronous: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a disk that loses unsynced writes can tell: no SIGKILL ever will."""
    monkeypatch.setattr(statements, "GROW_WAL", ())

    def weaken(disk: Disk) -> None:
        disk.before_statement = lambda statement: (
            f"PRAGMA synchronous = {synchronous}" if "synchronous" in statement else statement
        )

    def check(seed: int, folder: Path) -> None:
        test_power_loss.check_life(seed, folder, prepare=weaken)

    assert notices(check, tmp_path)


# --- real processes and sockets


@pytest.mark.parametrize(
    ("mutant", "test"),
    [
        (
            "stale_token_accepted",
            test_redelivery.test_the_late_answer_to_a_turn_that_another_worker_has_is_refused,
        ),
        (
            "stale_token_accepted",
            test_redelivery.test_an_activity_lost_with_its_stream_goes_to_another_worker_after_the_grace,
        ),
        (
            "no_redelivery",
            test_redelivery.test_a_turn_lost_with_its_stream_goes_to_another_worker_at_once,
        ),
        (
            "no_redelivery",
            test_redelivery.test_an_activity_lost_with_its_stream_goes_to_another_worker_after_the_grace,
        ),
        ("tokens_start_again", test_redelivery.test_tokens_of_an_earlier_life_never_fit_new_deliveries),
    ],
)
def test_a_fault_in_handing_out_work_is_noticed(
    mutant: str, test: Callable[[RunningScheduler], None], tmp_path: Path
) -> None:
    running = RunningScheduler(tmp_path, mutant=mutant)
    try:
        with pytest.raises(AssertionError):
            test(running)
    finally:
        running.close()


def test_replies_before_the_commit_are_noticed(tmp_path: Path) -> None:
    """The kill campaign, with kills just before a commit."""

    def check(seed: int, folder: Path) -> None:
        planned = campaign.Round(seed, "many", (), crash=f"before:{seed + 2}")
        campaign.run(planned, 0.0, folder, mutant="reply_before_commit")

    assert notices(check, tmp_path, "accepted, and then gone")
