"""Kill a program with an embedded task hub at any instant: its next life ends everything as it should.

The workload, the ledger and the checks are those of the kill campaign; here all three roles die together.

    DURAKIT_EMBEDDED_KILL_ROUNDS=100    how many rounds, 8 when not set
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.faults import checks
from tests.faults.processes import Actor
from tests.faults.workload import SINGLES, jobs_of

ROUNDS = int(os.environ.get("DURAKIT_EMBEDDED_KILL_ROUNDS", "8"))
ROUND_SECONDS = 60.0
MOST_KILLS = 3


def run(folder: Path, shape: str, seed: int, instants: list[float]) -> float:
    """Run the workload, killing the program so many seconds after each of its starts; return how long its
    last life took.
    """
    ledger, db = folder / "ledger.jsonl", folder / "hub.db"
    program = Actor(
        "embedded", [str(db), shape, str(seed)], folder / "log.txt", {"FAULTS_LEDGER": str(ledger)}
    )
    try:
        for instant in [*instants, None]:
            program.start()
            program.await_ready()
            began = time.monotonic()
            if instant is not None:
                # The instant of a kill is the one thing here that has no condition to wait for.
                time.sleep(instant)
                program.kill()
        code = program.wait(time.monotonic() + ROUND_SECONDS)
        took = time.monotonic() - began
        checks.check_client(code, ledger)
        checks.check_ledger(jobs_of(shape, seed), ledger)
        checks.check_database(db, ledger)
        return took
    except AssertionError as error:
        raise AssertionError(f"{error}\n{program.log_tail()}") from error
    finally:
        program.kill()


@pytest.fixture(scope="module")
def duration_seconds(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the mixed workload takes when nobody is killed."""
    return run(tmp_path_factory.mktemp("unkilled"), "many", 0, [])


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_a_killed_program_goes_on_where_it_was(tmp_path: Path, seed: int, duration_seconds: float) -> None:
    draw = random.Random(f"embedded {seed}")
    shape = draw.choice(list(SINGLES)) if seed % 4 == 3 else "many"
    instants = [draw.random() * duration_seconds for _ in range(draw.randint(1, MOST_KILLS))]

    run(tmp_path, shape, seed, instants)
