"""Pure: turns records into the Markdown that is read and the JSON that is kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.figures import Figure, Ratio, Record, median_cpu, median_of, ratio_to

if TYPE_CHECKING:
    from benchmarks.goals import Goal

Row = Sequence[str]
MOST_SIDE_BY_SIDE = 4  # variants, beyond which a row would be wider than a page


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the results table: a measurement and one of its figures."""

    measurement: str
    figure: Figure
    item: str = ""


@dataclasses.dataclass(frozen=True)
class Run:
    """All that a report is made of; `variants` maps keys to titles, the first is the baseline of ratios."""

    facts: Mapping[str, str]
    variants: Mapping[str, str]
    lines: Sequence[Line]
    records: Sequence[Record]
    rounds: int

    @property
    def baseline(self) -> str:
        """The variant that the others are compared with."""
        return next(iter(self.variants))


def joined(runs: Sequence[Run]) -> Run:
    """One run that has the rounds of all; facts are the last one's, but for when and how they were made."""
    *_, last = runs
    records: list[Record] = []
    rounds = 0
    for run in runs:
        records += [dataclasses.replace(record, round=record.round + rounds) for record in run.records]
        rounds += run.rounds
    lines = list(dict.fromkeys(line for run in runs for line in run.lines))
    variants = {key: title for run in runs for key, title in run.variants.items()}
    made = "; ".join(run.facts["made"] for run in runs if "made" in run.facts)
    return Run({**last.facts, "made": made}, variants, lines, records, rounds)


def markdown(run: Run, goals: Sequence[Goal] = ()) -> str:
    """The whole report."""
    parts = [
        "\n".join(f"- {label}: {value}" for label, value in run.facts.items()),
        "\n".join(f"- `{key}`: {title}" for key, title in run.variants.items()),
        results_section(run),
        cpu_section(run),
        growth_section(run),
        goals_section(run, goals),
        problems_section(run),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def results_section(run: Run) -> str:
    """Medians of every variant, and how many times better each is than the baseline."""
    rounds = "1 round" if run.rounds == 1 else f"up to {run.rounds} rounds"
    caption = (
        f"Medians of {rounds}; × better than `{run.baseline}` "
        "compares within a round: median (lowest to highest)."
    )
    shown = side_by_side(run) if len(run.variants) <= MOST_SIDE_BY_SIDE else one_below_another(run)
    return f"### Results\n\n{caption}\n\n{shown}"


def side_by_side(run: Run) -> str:
    """A row a figure, two columns a variant."""
    others = [key for key in run.variants if key != run.baseline]
    heading = ["workload", "unit", run.baseline]
    for key in others:
        heading += [key, "× better"]
    rows = []
    for line in run.lines:
        row = [line_label(line), line.figure.unit, value_cell(run, run.baseline, line)]
        for key in others:
            ratio = ratio_to(run.records, key, run.baseline, line.measurement, line.figure)
            row += [value_cell(run, key, line), ratio_cell(ratio)]
        rows.append(row)
    return table(heading, rows)


def one_below_another(run: Run) -> str:
    """A row for each figure of each variant that has it, which stays readable however many there are."""
    rows = []
    for line in run.lines:
        label, unit = line_label(line), line.figure.unit
        for key in run.variants:
            value = value_cell(run, key, line)
            if value:
                ratio = ratio_to(run.records, key, run.baseline, line.measurement, line.figure)
                rows.append([label, key, value, unit, ratio_cell(ratio if key != run.baseline else None)])
                label = ""
    return table(["workload", "variant", "median", "unit", "× better"], rows, text_columns=2)


def line_label(line: Line) -> str:
    """The measurement, and the figure where its name says more than the unit does."""
    return line.measurement if line.figure.name == "rate" else f"{line.measurement} {line.figure.name}"


def value_cell(run: Run, variant: str, line: Line) -> str:
    """The median, or in its place why there is none."""
    value = median_of(run.records, variant, line.measurement, line.figure.name)
    if value is not None:
        return number(value, line.figure.digits)
    for record in run.records:
        if record.variant == variant and record.measurement == line.measurement and record.status != "ok":
            return record.status
    return ""


def number(value: float, digits: int) -> str:
    """A value with a fixed number of digits and thousands apart."""
    return f"{value:,.{digits}f}"


def ratio_cell(ratio: Ratio | None) -> str:
    """As `4.1 (3.9 to 4.4)`; the extremes only when they differ."""
    if ratio is None:
        return ""
    text = f"{ratio.median:.2f}"
    if ratio.lowest == ratio.highest:
        return text
    return f"{text} ({ratio.lowest:.2f} to {ratio.highest:.2f})"


def cpu_section(run: Run) -> str:
    """CPU milliseconds an item, process by process."""
    rows = []
    for name, item in dict.fromkeys((line.measurement, line.item) for line in run.lines if line.item):
        for variant in run.variants:
            cpu = median_cpu(run.records, variant, name)
            if cpu:
                cells = [f"{cpu[role]:.3f}" if role in cpu else "" for role in cpu_roles(run)]
                rows.append([name, variant, item, *cells, f"{sum(cpu.values()):.3f}"])
    if not rows:
        return ""
    heading = ["workload", "variant", "per", *cpu_roles(run), "together"]
    return f"### CPU, ms\n\n{table(heading, rows, text_columns=3)}"


def cpu_roles(run: Run) -> list[str]:
    """The processes that any record names."""
    return list(dict.fromkeys(role for record in run.records for role in record.cpu_ms_per_item))


def growth_section(run: Run) -> str:
    """Milliseconds a step of `sequence` against its length, when more than one length was run."""
    names = list(
        dict.fromkeys(line.measurement for line in run.lines if line.measurement.startswith("sequence("))
    )
    if len(names) < 2:
        return ""
    rows = []
    for variant in run.variants:
        rates = [median_of(run.records, variant, name, "rate") for name in names]
        if any(rates):
            rows.append([variant, *("" if rate is None else f"{1000 / rate:.2f}" for rate in rates)])
    return f"### Time per step, ms\n\n{table(['variant', *names], rows)}" if rows else ""


def goals_section(run: Run, goals: Sequence[Goal]) -> str:
    """Which bars are met, for those that this run can tell."""
    rows = []
    for goal in goals:
        value = goal.actual(run.records)
        if value is not None:
            bar = f"{'≥' if goal.at_least else '≤'} {goal.bar:g}"
            rows.append([goal.text, bar, f"{value:.2f}", "yes" if goal.is_met(value) else "**no**"])
    return f"### Goals\n\n{table(['goal', 'bar', 'now', 'met'], rows)}" if rows else ""


def problems_section(run: Run) -> str:
    """What did not run or did not end, once each."""
    lines = dict.fromkeys(
        f"- `{record.variant}`, {record.measurement}, {record.status}: {record.note}"
        for record in run.records
        if record.status != "ok"
    )
    return "### Not measured\n\n" + "\n".join(lines) if lines else ""


def table(heading: Row, rows: Sequence[Row], text_columns: int = 1) -> str:
    """A Markdown table; all but the first `text_columns` columns are right-aligned."""
    rule = ["---" if index < text_columns else "---:" for index in range(len(heading))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (heading, rule, *rows))


def to_json(run: Run) -> str:
    """The run as JSON text, from which `from_json` makes it again."""
    return json.dumps(dataclasses.asdict(run), indent=1) + "\n"


def from_json(text: str) -> Run:
    """The run that `to_json` wrote."""
    data = json.loads(text)
    lines = [Line(line["measurement"], Figure(**line["figure"]), line["item"]) for line in data["lines"]]
    records = [Record.from_json(record) for record in data["records"]]
    return Run(data["facts"], data["variants"], lines, records, data["rounds"])
