"""Measures Durakit and its peers side by side, on the same machine and in the same minutes."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import goals, machine, plots, report
from benchmarks.measurements import Watch, unwatched
from benchmarks.plan import UnknownSelection, full_plan, quick_plan, select
from benchmarks.processes import REPOSITORY
from benchmarks.profiling import Profiler, ProfilerMissing
from benchmarks.rounds import run_rounds
from benchmarks.variants import VARIANTS

if TYPE_CHECKING:
    from benchmarks.figures import Record
    from benchmarks.measurements import Measurement
    from benchmarks.variants.base import Variant

PROFILES = REPOSITORY / ".durakit" / "profiles"
DEFAULT_DATA = REPOSITORY / ".durakit" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what the command line asks for; the exit code."""
    parser = command_line()
    options = parser.parse_args(arguments)
    if options.render is not None:
        runs = [report.from_json(path.read_text()) for path in options.render]
        publish(report.joined(runs), options.markdown)
        return 0
    try:
        variants = chosen_variants(options.variants)
        plan = quick_plan() if options.quick else full_plan()
        measurements = select(plan, options.workloads) if options.workloads else plan
    except UnknownSelection as error:
        parser.error(str(error))
    if options.list:
        show_choices(plan)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        watch = Profiler(options.profile, PROFILES).watch if options.profile else unwatched
        rounds = options.rounds or (1 if options.quick or options.profile else 3)
        command = shlex.join(["python", "benchmarks/run.py", *(arguments or sys.argv[1:])])
        run = measure(variants, measurements, rounds, options.data, watch, command)
    except ProfilerMissing as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; all processes are ended.", file=sys.stderr)
        return 1
    if options.json is not None:
        options.json.write_text(report.to_json(run))
    publish(run, options.markdown)
    return 0


def publish(run: report.Run, page: Path | None) -> None:
    """Prints the report; writes it to `page` as well, its plots into a folder of the same name beside it."""
    text = report.markdown(run, goals.EVERY)
    print(text, end="")
    if page is None:
        return
    drawn = plots.plots(run)
    folder = page.with_suffix("")
    if drawn:
        folder.mkdir(exist_ok=True)
    for plot in drawn:
        (folder / f"{plot.name}.svg").write_text(plots.svg(plot))
    pictures = [f"![{plot.title}]({folder.name}/{plot.name}.svg)" for plot in drawn]
    page.write_text("\n\n".join(["# Performance", *pictures, text]))


def command_line() -> argparse.ArgumentParser:
    """The options and their help."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: about a minute")
    parser.add_argument("--rounds", type=positive, help="interleaved rounds (default 3; 1 with --quick)")
    parser.add_argument("--variants", type=names, metavar="A,B", help="which, the first is the baseline; all")
    parser.add_argument(
        "--workloads", type=names, metavar="A,B:SIZE", help="which, as in sequence:1000,event"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all records there")
    parser.add_argument("--markdown", type=Path, metavar="PATH", help="write the report there, with plots")
    parser.add_argument(
        "--render", type=Path, nargs="+", metavar="JSON", help="only the report of earlier runs, as one"
    )
    parser.add_argument(
        "--profile", type=names, metavar="ROLES", help="sample scheduler,worker,client with py-spy; one round"
    )
    parser.add_argument("--list", action="store_true", help="only say which variants and workloads there are")
    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_DATA,
        metavar="DIR",
        help="disk to write to (default: %(default)s)",
    )
    return parser


def positive(text: str) -> int:
    """A whole number above zero."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small: at least one is needed")
    return value


def names(text: str) -> list[str]:
    """The parts between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def chosen_variants(keys: list[str] | None) -> list[Variant]:
    """The variants named, `all` for every one; by default those that need nothing fetched.

    Raises UnknownSelection for another name.
    """
    if keys == ["all"]:
        return list(VARIANTS.values())
    for key in keys or ():
        if key not in VARIANTS:
            raise UnknownSelection(f"There is no variant {key!r}. Choose from {', '.join(VARIANTS)}.")
    return [VARIANTS[key] for key in keys or ()] or [v for v in VARIANTS.values() if not v.is_fetched]


def show_choices(plan: Sequence[Measurement]) -> None:
    """Prints variants and workloads."""
    for key, variant in VARIANTS.items():
        missing = variant.missing()
        print(f"variant   {key:16} {variant.title}" + (f" (not here: {missing})" if missing else ""))
    for measurement in plan:
        units = ", ".join(dict.fromkeys(figure.unit for figure in measurement.figures))
        print(f"workload  {measurement.name:16} {units}")


def measure(
    variants: list[Variant],
    measurements: list[Measurement],
    rounds: int,
    data: Path,
    watch: Watch,
    command: str,
) -> report.Run:
    """Runs all rounds, telling progress on stderr; data is written below `data` and removed.

    `command` is what the report says it was made by.
    """
    began = time.monotonic()
    data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=data) as place:
        facts = machine.facts(Path(place))
        records = run_rounds(variants, measurements, rounds, Path(place), tell, watch)
        facts |= machine.state(Path(place), "after")
    minutes = (time.monotonic() - began) / 60
    made = f"{datetime.now(timezone.utc).date()}, in {minutes:.0f} minutes, by `{command}`"
    lines = [
        report.Line(measurement.name, figure, measurement.item)
        for measurement in measurements
        for figure in measurement.figures
    ]
    titles = {variant.key: variant.title for variant in variants}
    return report.Run({"made": made, **facts}, titles, lines, records, rounds)


def tell(record: Record, seconds: float) -> None:
    """One line of progress."""
    found = ", ".join(f"{name} {value:.2f}" for name, value in record.values.items()) or record.note
    print(
        f"round {record.round}  {record.measurement:16} {record.variant:14} {record.status:8} "
        f"{seconds:6.1f} s  {found}",
        file=sys.stderr,
        flush=True,
    )
