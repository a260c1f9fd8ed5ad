"""Trips as real processes book them, with workers that die between paying and saying so."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.walks.stage import Stage

DYING_WORKER = """
import functools, os, signal, sys
import durakit, workflow

def dies_after(activity):
    @functools.wraps(activity)
    def run(ctx, order):
        activity(ctx, order)
        os.kill(os.getpid(), signal.SIGKILL)
    return run

activities = [dies_after(a) if a.__name__ == sys.argv[1] else a for a in workflow.ACTIVITIES]
durakit.run_worker(orchestrators=[workflow.travel_booking], activities=activities)
"""
"""The sample's worker, except that it kills itself after the work of one activity, before its answer."""

LISBON = """\
  booked LIS-FLIGHT for 189.00 EUR
  booked LIS-HOTEL for 320.00 EUR
  booked LIS-CAR for 95.00 EUR
  = booked for 604.00 EUR
Ada               1,396.00 EUR
Atlantic Air        189.00 EUR
Casa do Rio         320.00 EUR
Roda Rentals         95.00 EUR
The books balance after 4 transfers"""

REYKJAVIK = """\
  booked KEF-FLIGHT for 264.00 EUR
  booked KEF-HOTEL for 410.00 EUR
  stopped: KEF-CAR is sold out
  KEF-CAR was not paid
  cancelled KEF-HOTEL, 410.00 EUR back
  cancelled KEF-FLIGHT, 264.00 EUR back
  = not booked, nothing paid
Ada               2,000.00 EUR
The books balance after 5 transfers"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage("saga", tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.mark.parametrize(
    ("trip", "deadly", "expected"),
    [
        ("lisbon", "travel_book_hotel", LISBON),
        ("reykjavik", "travel_cancel_hotel", REYKJAVIK),
    ],
)
def test_a_worker_that_dies_between_work_and_answer_costs_nobody_a_cent(
    stage: Stage, trip: str, deadly: str, expected: str
) -> None:
    dying = stage.python("-c", DYING_WORKER, deadly)
    dying.wait_for("worker ready:")
    client = stage.python("client.py", trip)
    client.wait_for("Started trip to ")
    dying.finish(code=-9)

    worker = stage.worker()
    lines = client.finish()
    worker.interrupt()

    assert "\n".join(lines[2:]) == expected


def test_a_bank_can_be_gone_on_with(stage: Stage) -> None:
    worker = stage.worker()
    first = stage.python("client.py", "lisbon").finish()
    path = first[0].removeprefix("Opened the bank ")
    again = stage.python("client.py", "lisbon", "--bank", path).finish()
    worker.interrupt()

    assert again[-1] == "The books balance after 7 transfers"


def test_books_that_do_not_balance_are_an_error(stage: Stage, tmp_path: Path) -> None:
    worker = stage.worker()
    path = stage.python("client.py", "lisbon").finish()[0].removeprefix("Opened the bank ")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE account SET cents = cents + 1 WHERE name = 'Ada'")
    db.close()

    lines = stage.python("client.py", "lisbon", "--bank", path).finish(code=1)
    worker.interrupt()

    assert lines[-1].startswith("client.py: the books do not balance: Ada has ")


def test_a_trip_that_nobody_offers_is_named(stage: Stage) -> None:
    lines = stage.python("client.py", "atlantis").finish(code=1)

    assert lines == ["client.py: there is no trip atlantis; there are lisbon, reykjavik, tokyo"]


@pytest.mark.parametrize("content", [None, b"", b"not a database, but longer than one of its pages" * 99])
def test_a_file_that_is_no_bank_is_refused(stage: Stage, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bank.db"
    if content is not None:
        path.write_bytes(content)

    lines = stage.python("client.py", "--bank", str(path)).finish(code=1)

    assert len(lines) == 1
    assert lines[0].startswith(f"client.py: {path} is not a bank: ")


def test_a_bank_that_the_worker_cannot_see_is_named_in_the_failure(stage: Stage) -> None:
    client = stage.python("client.py", "lisbon")
    path = Path(client.wait_for("Opened the bank ").removeprefix("Opened the bank "))
    client.wait_for("Started trip to ")
    path.rename(path.with_suffix(".moved"))
    worker = stage.worker()

    lines = client.finish(code=1)
    worker.interrupt()

    assert f"there is no bank at {path} on this machine" in lines[-1]
    assert lines[-1].startswith("client.py: Orchestration 'travel_booking' (")
