"""Kill any process at any instant: every accepted instance still ends as it should (design, rule 3).

Each round starts a scheduler on disk, a worker and a client as real processes, kills some of them with
SIGKILL at drawn instants, starts them again and compares results, ledger and database.

    DURAKIT_KILL_ROUNDS=200    how many rounds; when not set 50, or 200 if nothing may be left out
    DURAKIT_KILL_ROUND=17      this round only
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from tests.faults import campaign

IS_LONG_RUN = os.environ.get("DURAKIT_REQUIRE_ALL") == "1"
ROUNDS = int(os.environ.get("DURAKIT_KILL_ROUNDS", "200" if IS_LONG_RUN else "50"))
ONLY = os.environ.get("DURAKIT_KILL_ROUND")
SEEDS = [int(ONLY)] if ONLY else list(range(ROUNDS))
AT_A_TIME = 2
"""Rounds run side by side: most of a round's time is spent waiting for processes to start and reconnect."""


class Campaign:
    """All rounds that were selected, running in the background in their order."""

    def __init__(self, seeds: list[int]) -> None:
        self.rounds = {seed: campaign.draw_round(seed) for seed in seeds}
        self._pool = ThreadPoolExecutor(AT_A_TIME)
        kinds = dict.fromkeys((planned.shape, planned.mode) for planned in self.rounds.values())
        self._durations = {kind: self._pool.submit(campaign.measure, *kind) for kind in kinds}
        self._runs: dict[int, Future[float]] = {}

    def result(self, seed: int) -> float:
        """Wait for the end of a round and return how long it took; start the others behind it."""
        for other in self.rounds:
            if other not in self._runs:
                self._runs[other] = self._pool.submit(self._run, other)
        return self._runs[seed].result()

    def _run(self, seed: int) -> float:
        planned = self.rounds[seed]
        duration_seconds = self._durations[planned.shape, planned.mode].result()
        with tempfile.TemporaryDirectory(prefix=f"round-{seed}-") as folder:
            return campaign.run(planned, duration_seconds, Path(folder))

    def close(self) -> None:
        """Start no more rounds and wait for those under way."""
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def rounds(request: pytest.FixtureRequest) -> Iterator[Campaign]:
    selected = [
        cast(int, item.callspec.params["seed"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_all_ends_well_after_kills"
    ]
    running = Campaign(selected)
    yield running
    running.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_all_ends_well_after_kills(seed: int, rounds: Campaign) -> None:
    took_seconds = rounds.result(seed)

    print(f"{rounds.rounds[seed]}: all well after {took_seconds:.2f} s")  # noqa: T201 - the seed's meaning
