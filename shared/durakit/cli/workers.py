"""`durakit workers`: who is connected to a running embedded scheduler, and what waits."""

from __future__ import annotations

import time
from typing import Any

import click

from durakit.cli.connection import CannotDo, Target, report
from durakit.cli.output import Cell, Column, Output, output_option
from durakit.cli.pages import NOT_OFFERED, dashboard_option, dashboard_url, read_page
from durakit.dashboard import parameters, words
from durakit.dashboard.views.frame import hub_path

_EPILOG = f"""
\b
Examples:
  durakit workers
  durakit workers --taskhub orders -o json

Reads the dashboard of durakit dev; DURAKIT_TOKEN is sent when it is set. {NOT_OFFERED}

Exit codes: 0 done, 1 failed, 2 wrong usage, 4 no such hub, 5 the dashboard gives no answer or does not let
us in.
"""

_WORKERS = (
    Column("Worker"),
    Column("SDK"),
    Column("In flight", is_number=True),
    Column("Oldest", is_number=True),
    Column("Done in 5 min", is_number=True),
    Column("Last seen"),
    Column("Offers", may_shrink=True),
)
_QUEUES = (
    Column("Queue"),
    Column("Kind"),
    Column("Waiting", is_number=True),
    Column("Oldest", is_number=True),
    Column("In flight", is_number=True),
    Column("Offered by", may_shrink=True),
)


@click.command("workers", epilog=_EPILOG, short_help="List the workers and queues of durakit dev.")
@click.option("--taskhub", "--task-hub", "taskhub", metavar="NAME", help="Task hub; by default TASKHUB.")
@dashboard_option
@output_option
@click.pass_context
def command(context: click.Context, taskhub: str | None, dashboard: str | None, output: str) -> None:
    """List the workers that are connected to a running embedded scheduler, and the work that waits."""
    report(context, lambda: _workers(Output(output), dashboard_url(dashboard), Target(taskhub=taskhub)))


def _workers(out: Output, dashboard: str, target: Target) -> None:
    from durakit.settings import load_settings, read_dotenv

    hub = load_settings({"taskhub": target.taskhub}, dotenv=read_dotenv()).taskhub
    told = read_page(dashboard, hub_path(hub, "workers.json"))
    if told.get("workers") is None:
        raise CannotDo(f"The scheduler behind {dashboard} does not report workers. {NOT_OFFERED}")
    if out.format == "json":
        out.json(told)
    elif out.format == "jsonl":
        for worker in told["workers"]:
            out.json(worker)
    else:
        _print(out, told, time.time_ns())


def _print(out: Output, told: dict[str, Any], now_ns: int) -> None:
    for warning in told["warnings"]:
        out.line(warning, "attention")
    if told["workers"]:
        out.table(_WORKERS, [_worker_cells(each, now_ns) for each in told["workers"]])
    else:
        out.line(f"No worker is connected to hub {told['hub']}.", "attention")
    queues = [each for each in told["queues"] if each["waiting"] or each["inFlight"]]
    if queues:
        out.line("")
        out.table(_QUEUES, [_queue_cells(each, now_ns) for each in queues])


def _worker_cells(worker: dict[str, Any], now_ns: int) -> list[Cell | str]:
    in_flight, limits = worker["inFlight"], worker["limits"]
    held = in_flight["turns"] + in_flight["activities"]
    known = None not in (limits["turns"], limits["activities"])
    most = f" of {limits['turns'] + limits['activities']:,}" if known else ""
    left = worker["leftAt"]
    stream = f" stream {worker['stream']}" if worker["stream"] > 1 else ""
    seen = f"left {_ago(left, now_ns)}" if left else _ago(worker["seenAt"], now_ns)
    return [
        Cell(f"{worker['name']}{stream}", "muted" if left else ""),
        worker["sdk"] or "–",
        f"{held:,}{most}",
        _since(worker["oldestAt"], now_ns),
        words.number(worker["doneIn5Min"]),
        Cell(seen, "muted" if left else ""),
        _offers(worker["offers"]),
    ]


def _offers(offers: list[dict[str, Any]] | None) -> str:
    if offers is None:
        return "everything; it sent no filter"
    return ", ".join(dict.fromkeys(each["name"] for each in offers)) or "–"


def _queue_cells(queue: dict[str, Any], now_ns: int) -> list[Cell | str]:
    version = f" {queue['version']}" if queue["version"] else ""
    nobody = Cell("nobody", "attention" if queue["waiting"] else "")
    return [
        f"{queue['name']}{version}",
        queue["kind"],
        words.number(queue["waiting"]),
        _since(queue["oldestAt"], now_ns),
        words.number(queue["inFlight"]),
        ", ".join(queue["offeredBy"]) or nobody,
    ]


def _since(moment: str | None, now_ns: int) -> str:
    at_ns = parameters.moment(moment, now_ns) if moment else None
    return "–" if at_ns is None else words.duration(now_ns - at_ns)


def _ago(moment: str, now_ns: int) -> str:
    return f"{words.rough(now_ns - (parameters.moment(moment, now_ns) or now_ns))} ago"
