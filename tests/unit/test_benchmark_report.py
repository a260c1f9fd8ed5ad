"""The benchmark's arithmetic and its report, on records made by hand."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = str(Path(__file__).resolve().parents[2])
if REPOSITORY not in sys.path:
    sys.path.append(REPOSITORY)

figures = importlib.import_module("benchmarks.figures")
goals = importlib.import_module("benchmarks.goals")
report = importlib.import_module("benchmarks.report")

RATE = figures.Figure("rate", "steps/s", higher_is_better=True, digits=0)
P50 = figures.Figure("p50", "ms", higher_is_better=False, digits=2)


def record(
    number: int,
    variant: str,
    measurement: str,
    status: str = "ok",
    note: str = "",
    cpu: dict[str, float] | None = None,
    **values: float,
) -> Any:
    return figures.Record(number, variant, measurement, status, values, cpu or {}, note)


def run_of(
    *records: Any, lines: Sequence[Any] = (), variants: Sequence[str] = ("peer", "durakit"), rounds: int = 3
) -> Any:
    titles = {key: f"the {key}" for key in variants}
    return report.Run({"Python": "3.11"}, titles, lines, records, rounds)


def test_a_percentile_is_the_smallest_sample_that_enough_samples_do_not_exceed() -> None:
    samples = [float(n) for n in range(100, 0, -1)]
    assert figures.percentile(samples, 0.99) == 99.0
    assert figures.percentile(samples, 0.5) == 50.0
    assert figures.percentile([7.0], 0.99) == 7.0
    with pytest.raises(ValueError, match="a percentile needs at least one sample"):
        figures.percentile([], 0.5)


def test_a_ratio_compares_neighbours_of_the_same_round_and_shows_its_spread() -> None:
    records = [
        *(record(n, "peer", "w", rate=rate) for n, rate in ((1, 10.0), (2, 20.0), (3, 10.0))),
        *(record(n, "durakit", "w", rate=rate) for n, rate in ((1, 40.0), (2, 60.0), (3, 50.0))),
    ]
    assert figures.ratio_to(records, "durakit", "peer", "w", RATE) == figures.Ratio(4.0, 3.0, 5.0)


def test_runs_that_are_joined_count_as_rounds_of_one() -> None:
    def run(ours: float, *lines: Any) -> Any:
        return run_of(
            record(1, "peer", "w", rate=10.0), record(1, "durakit", "w", rate=ours), lines=lines, rounds=1
        )

    line = report.Line("w", RATE)
    joined = report.joined([run(40.0, line), run(60.0, line)])

    assert joined.rounds == 2
    assert joined.lines == [line]
    assert figures.ratio_to(joined.records, "durakit", "peer", "w", RATE) == figures.Ratio(5.0, 4.0, 6.0)


def test_a_ratio_is_above_one_when_a_lower_figure_is_better_and_ours_is_lower() -> None:
    records = [record(1, "peer", "w", p50=20.0), record(1, "durakit", "w", p50=5.0)]
    assert figures.ratio_to(records, "durakit", "peer", "w", P50).median == 4.0


def test_there_is_no_ratio_without_a_round_that_both_finished() -> None:
    records = [record(1, "peer", "w", "timeout"), record(1, "durakit", "w", rate=5.0)]
    assert figures.ratio_to(records, "durakit", "peer", "w", RATE) is None


def test_cpu_is_the_median_of_each_process_over_the_rounds() -> None:
    records = [
        record(n, "durakit", "w", cpu={"scheduler": float(n), "worker": 1.0}, rate=1.0) for n in (1, 2, 9)
    ]
    assert figures.median_cpu(records, "durakit", "w") == {"scheduler": 2.0, "worker": 1.0}


def test_the_report_shows_medians_ratios_cpu_growth_and_what_did_not_run() -> None:
    lines = [report.Line("sequence(10)", RATE, "step"), report.Line("sequence(100)", RATE, "step")]
    text = report.markdown(
        run_of(
            record(1, "peer", "sequence(10)", rate=500.0, cpu={"scheduler": 1.0, "worker": 2.0}),
            record(1, "durakit", "sequence(10)", rate=2000.0),
            record(1, "peer", "sequence(100)", rate=250.0),
            record(1, "durakit", "sequence(100)", "timeout", "client gave no answer within 35 s"),
            lines=lines,
            rounds=1,
        )
    )
    assert "- Python: 3.11" in text
    assert "Medians of 1 round;" in text
    assert "| workload | unit | peer | durakit | × better |" in text
    assert "| sequence(10) | steps/s | 500 | 2,000 | 4.00 |" in text
    assert "| sequence(100) | steps/s | 250 | timeout |  |" in text
    assert "| sequence(10) | peer | step | 1.000 | 2.000 | 3.000 |" in text
    assert "| peer | 2.00 | 4.00 |" in text
    assert "- `durakit`, sequence(100), timeout: client gave no answer within 35 s" in text


def test_a_goal_is_judged_only_when_the_run_can_tell() -> None:
    bar = goals.Goal("twice the peer", 2.0, True, goals.times_better("durakit", "w"))
    records = [record(1, "peer", "w", rate=10.0), record(1, "durakit", "w", rate=15.0)]
    assert "| twice the peer | ≥ 2 | 1.50 | **no** |" in report.goals_section(run_of(*records), [bar])
    assert report.goals_section(run_of(), [bar]) == ""


def test_cost_growth_is_time_per_step_of_the_long_by_the_short() -> None:
    records = [record(1, "durakit", "long", rate=80.0), record(1, "durakit", "short", rate=100.0)]
    assert goals.cost_growth("durakit", "long", "short")(records) == 1.25


def test_a_run_survives_being_written_as_json_and_read_again() -> None:
    run = run_of(
        record(1, "peer", "w", rate=10.0, cpu={"worker": 1.5}),
        lines=[report.Line("w", RATE, "step")],
    )
    assert report.markdown(report.from_json(report.to_json(run))) == report.markdown(run)


def test_many_variants_are_shown_one_below_another_and_those_without_the_figure_not_at_all() -> None:
    text = report.results_section(
        run_of(
            record(1, "peer", "sequence(10)", rate=500.0),
            record(1, "a", "sequence(10)", rate=2000.0),
            record(1, "b", "sequence(10)", "timeout", "client gave no answer within 35 s"),
            lines=[report.Line("sequence(10)", RATE, "step")],
            variants=("peer", "a", "b", "c", "d"),
        )
    )
    assert text.splitlines()[-5:] == [
        "| workload | variant | median | unit | × better |",
        "| --- | --- | ---: | ---: | ---: |",
        "| sequence(10) | peer | 500 | steps/s |  |",
        "|  | a | 2,000 | steps/s | 4.00 |",
        "|  | b | timeout | steps/s |  |",
    ]
