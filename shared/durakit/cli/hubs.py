"""`durakit hubs`: the task hubs of a running embedded scheduler."""

from __future__ import annotations

import time
from typing import Any

import click

from durakit.cli.connection import report
from durakit.cli.output import Cell, Column, Output, output_option
from durakit.cli.pages import NOT_OFFERED, dashboard_option, dashboard_url, read_page
from durakit.dashboard import parameters, words

_EPILOG = f"""
\b
Examples:
  durakit hubs
  durakit hubs --dashboard http://build:8082 -o json

Reads the dashboard of durakit dev; DURAKIT_TOKEN is sent when it is set. {NOT_OFFERED}

Exit codes: 0 done, 1 failed, 2 wrong usage, 5 the dashboard gives no answer or does not let us in.
"""

_COLUMNS = (
    Column("Hub"),
    Column("Instances", is_number=True),
    Column("Running", is_number=True),
    Column("Failed", is_number=True),
    Column("Size", is_number=True),
    Column("Workers", is_number=True),
    Column("Last activity"),
)


@click.command("hubs", epilog=_EPILOG, short_help="List the task hubs of durakit dev.")
@dashboard_option
@output_option
@click.pass_context
def command(context: click.Context, dashboard: str | None, output: str) -> None:
    """List the task hubs of a running embedded scheduler."""
    report(context, lambda: _hubs(Output(output), dashboard_url(dashboard)))


def _hubs(out: Output, dashboard: str) -> None:
    told = read_page(dashboard, "/hubs.json")
    if out.is_table:
        now_ns = time.time_ns()
        out.table(_COLUMNS, [_cells(hub, now_ns) for hub in told["hubs"]])
    else:
        out.objects(told, "hubs")


def _cells(hub: dict[str, Any], now_ns: int) -> list[Cell | str]:
    counts = hub["counts"] or {}
    failed = counts.get("failed", 0)
    active = parameters.moment(hub["activeAt"], now_ns) if hub["activeAt"] else None
    return [
        hub["name"],
        _number(hub["instances"]),
        words.number(counts.get("running", 0)),
        Cell(words.number(failed), "failed" if failed else ""),
        "–" if hub["bytes"] is None else words.size(hub["bytes"]),
        _number(hub["workers"]),
        "–" if active is None else words.clock(active, now_ns),
    ]


def _number(count: int | None) -> str:
    return "–" if count is None else words.number(count)
