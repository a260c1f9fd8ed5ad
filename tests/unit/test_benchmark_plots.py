"""Which plots a run gives, and that their points lie where the values are."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from benchmarks import cli, plots, report
from benchmarks.figures import Figure, Record

RATE = Figure("rate", "steps/s", higher_is_better=True, digits=0)
SVG = "{http://www.w3.org/2000/svg}"


def run_of(rates: dict[str, dict[str, float]]) -> report.Run:
    """A run with the median rates by variant and measurement."""
    names = dict.fromkeys(name for each in rates.values() for name in each)
    return report.Run(
        {"fsync p50 before": "0.50 ms (4 KiB appended)"},
        {key: f"the {key}" for key in rates},
        [report.Line(name, RATE) for name in names],
        [
            Record(1, key, name, "ok", {"rate": rate})
            for key, each in rates.items()
            for name, rate in each.items()
        ],
        rounds=1,
    )


GROWING = run_of(
    {
        "peer": {"sequence(10)": 500.0, "sequence(1000)": 50.0},
        "durakit": {"sequence(10)": 1000.0, "sequence(1000)": 1000.0},
    }
)


def drawn(run: report.Run) -> Any:
    return ElementTree.fromstring(plots.svg(plots.plots(run)[0]))


def test_cost_per_step_is_the_inverse_of_the_rate_by_length() -> None:
    (plot,) = plots.plots(GROWING)

    assert plot.name == "cost-per-step"
    assert plot.lines == {"the peer": [(10, 2.0), (1000, 20.0)], "the durakit": [(10, 1.0), (1000, 1.0)]}


def test_throughput_is_drawn_against_the_whole_time_of_an_fsync() -> None:
    (plot,) = plots.plots(run_of({"durakit": {"slow-disk(0)": 900.0, "slow-disk(5)": 700.0}}))

    assert plot.lines == {"the durakit": [(0.5, 900.0), (5.5, 700.0)]}


def test_a_single_point_is_no_line_and_gives_no_plot() -> None:
    assert plots.plots(run_of({"durakit": {"sequence(10)": 900.0, "throughput(100)": 5.0}})) == []


def test_points_lie_higher_the_greater_their_value_and_further_right_the_longer_the_sequence() -> None:
    circles = list(drawn(GROWING).iter(f"{SVG}circle"))
    short, long, flat_short, flat_long = [(float(each.get("cx")), float(each.get("cy"))) for each in circles]

    assert short[0] == flat_short[0] < long[0] == flat_long[0]
    assert long[1] < short[1] < flat_short[1] == flat_long[1]


def test_titles_are_shown_and_cannot_break_the_picture() -> None:
    run = run_of({"durakit": {"sequence(10)": 900.0, "sequence(20)": 5.0}})
    hostile = report.Run(run.facts, {"durakit": "a < b & c"}, run.lines, run.records, 1)

    assert "a < b & c" in [each.text for each in drawn(hostile).iter(f"{SVG}text")]


def test_a_variant_has_the_same_colour_in_every_plot_and_none_looks_like_another() -> None:
    keys = [f"v{number}" for number in range(12)]
    long = {"sequence(10)": 900.0, "sequence(20)": 5.0}
    run = run_of(
        {key: {**long, **({"slow-disk(0)": 9.0, "slow-disk(5)": 5.0} if key == "v3" else {})} for key in keys}
    )
    steps, disks = plots.plots(run)

    assert plots.look(disks, "the v3") == plots.look(steps, "the v3")
    assert len({plots.look(steps, title) for title in steps.lines}) == 12


def test_a_flat_line_alone_can_be_drawn() -> None:
    assert drawn(run_of({"durakit": {"sequence(10)": 900.0, "sequence(20)": 900.0}})) is not None


def test_a_page_shows_its_plots_which_lie_in_the_folder_of_its_name(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"

    cli.publish(GROWING, page)

    text = page.read_text()
    assert text.startswith("# Performance\n\n![Time per step against the length of the sequence]")
    assert "(performance/cost-per-step.svg)" in text
    assert "### Results" in text
    assert (tmp_path / "performance" / "cost-per-step.svg").read_text().startswith("<svg ")


def test_a_run_without_lines_to_draw_leaves_no_folder(tmp_path: Path) -> None:
    cli.publish(run_of({"durakit": {"throughput(100)": 5.0}}), tmp_path / "performance.md")

    assert [each.name for each in tmp_path.iterdir()] == ["performance.md"]
