"""A step and an orchestration may not come to cost more CPU time than stated here.

Speed is otherwise never asserted in a test. This is the one exception: cost a step is what every other figure
follows from, it creeps up unseen, and the processes' own CPU clocks tell it nearly the same on any machine:
`cpu` says how. Budgets are half as much again as what a quiet machine shows, because beside other
programs CPU time grows by up to a third. Who makes a step cheaper lowers its budget; who must raise
one says why in the commit.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.variants.durakit_dev import DURAKIT, DURAKIT_STANDARD, OnDurakitScheduler
from tests.gate import cpu
from tests.gate.cpu import Cost, Costs

BUDGETS = {
    DURAKIT.key: Costs(step=Cost(0.6, 0.56), orchestration=Cost(1.7, 1.0)),
    DURAKIT_STANDARD.key: Costs(step=Cost(1.8, 1.12), orchestration=Cost(8.2, 4.8)),
}


@pytest.mark.parametrize("variant", [DURAKIT, DURAKIT_STANDARD], ids=lambda variant: variant.key)
def test_steps_and_orchestrations_stay_within_their_budget_of_cpu_time(
    variant: OnDurakitScheduler, tmp_path: Path
) -> None:
    budget = BUDGETS[variant.key]

    found = cpu.cheapest(variant, tmp_path, budget)

    assert found.over(budget) == []


def test_what_costs_more_than_its_budget_is_named_with_both_figures() -> None:
    budget = Costs(Cost(0.4, 0.3), Cost(1.0, 0.5))

    assert budget.over(budget) == []
    assert Costs(Cost(0.4, 0.31), Cost(1.0, 0.5)).over(budget) == [
        "step, worker: 0.310 ms of CPU time, budget 0.300 ms"
    ]
