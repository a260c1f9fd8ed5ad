"""The table of what peers lack says only what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .limitations import LIMITATIONS, Limitation
from .peers import PAIRS

SCENARIOS = {
    name
    for path in Path(__file__).parent.glob("test_*.py")
    for name in re.findall(r"^def (test_\w+)\(\n?\s*(?:stage|pair):", path.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("limitation", LIMITATIONS, ids=lambda known: known.scenario)
def test_a_limitation_excuses_a_scenario_that_exists_for_some_pairs_but_not_all(
    limitation: Limitation,
) -> None:
    excused = [pair for pair in PAIRS if limitation.applies(pair)]

    assert limitation.scenario in SCENARIOS
    assert excused
    assert len(excused) < len(PAIRS)


def test_no_limitation_excuses_our_own_worker_on_our_own_scheduler() -> None:
    ours = [pair for pair in PAIRS if pair.worker.package == pair.backend == "durakit"]

    assert not [known.scenario for known in LIMITATIONS for pair in ours if known.applies(pair)]
