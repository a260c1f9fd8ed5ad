"""`durakit instances list`."""

from __future__ import annotations

from typing import Any

import click

from durakit.cli.connection import EXIT_CODES, Session, scheduler_command
from durakit.cli.instances.choosing import filter_of, filter_options
from durakit.cli.output import Cell, Column, Output
from durakit.dashboard import words
from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.lists import InstancePage, InstanceQuery
from durakit.dashboard.phrases import plain
from durakit.dashboard.views.listing import row_json

_EPILOG = f"""
\b
Examples:
  durakit instances list                              the newest 50
  durakit instances list --status failed --from -6h
  durakit instances list --name order* --waiting event --on approval
  durakit instances list -o jsonl | jq -r .id         for programs

{EXIT_CODES}
"""

_COLUMNS = (
    Column("Status"),
    Column("Name", may_shrink=True),
    Column("Id"),
    Column("Now", may_shrink=True),
    Column("Started"),
    Column("Duration", is_number=True),
)
_VERSION = Column("Version")


@click.command("list", epilog=_EPILOG, short_help="List instances, newest first.")
@filter_options
@click.option(
    "--sort",
    type=click.Choice(("-started", "started", "-updated", "-completed")),
    default="-started",
    show_default=True,
    help="Order; - means newest first.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@scheduler_command
async def list_(session: Session, out: Output, *, sort: Any, limit: int, **filters: Any) -> None:
    """List instances, newest first, each with what it does or waits for now."""
    wanted = filter_of(**filters)
    with out.progress(f"Looking at {session.endpoint}"):
        page = await session.backend.instances(session.hub, InstanceQuery(wanted, sort, size=limit))
    if not out.is_table:
        rows = [row_json(row) for row in page.rows]
        out.objects({"hub": session.hub, "instances": rows, "notices": _notices(page)}, "instances")
    elif page.rows:
        _print(out, page.rows, session.now())
    else:
        where = f"in hub {session.hub} at {session.endpoint}"
        out.note(f"There are no instances {where}." if wanted.is_empty else f"Nothing matches {where}.")
    if out.is_table:
        for notice in _notices(page):
            out.note(notice)


def _print(out: Output, rows: list[InstanceRow], now_ns: int) -> None:
    has_versions = any(row.version for row in rows)
    columns = (*_COLUMNS, _VERSION) if has_versions else _COLUMNS
    out.table(columns, ([*_cells(row, now_ns), row.version or "–"][: len(columns)] for row in rows))


def _cells(row: InstanceRow, now_ns: int) -> list[Cell | str]:
    reason = row.reason
    now = plain(reason.short) if reason is not None else ""
    tone = "failed" if row.status == "failed" else "muted" if not row.is_open else ""
    if reason is not None and reason.attention:
        tone = "attention"
    ended = row.completed_ns or (now_ns if row.is_open else row.updated_ns)
    begins_later = row.scheduled_ns is not None and row.status == "pending" and row.scheduled_ns > now_ns
    return [
        Cell(row.status.capitalize(), row.status),
        row.name,
        row.id,
        Cell(now or "–", tone),
        words.clock(row.created_ns, now_ns),
        "–" if begins_later else words.duration(ended - row.created_ns),
    ]


def _notices(page: InstancePage) -> list[str]:
    told = list(page.notices)
    if page.searched is not None:
        told.append(
            f"Only the newest {page.searched.examined:,} were looked at. "
            f"Narrow it down with --status, --id, --from or --to to see others."
        )
    elif page.after is not None:
        told.append("There are more; see --limit, or narrow it down.")
    return told
