"""`durakit instances show` and `history`."""

from __future__ import annotations

import json
from typing import Any

import click

from durakit.cli.completing import instance_ids
from durakit.cli.connection import EXIT_CODES, Session, scheduler_command
from durakit.cli.output import Cell, Column, Output
from durakit.dashboard import words
from durakit.dashboard.events import EventPage, NumberedEvent
from durakit.dashboard.instances import Instance
from durakit.dashboard.phrases import Phrase, plain
from durakit.dashboard.steps import Digest, digest
from durakit.dashboard.views.data import advice, chain, failing_step
from durakit.dashboard.views.history import EventRow, TurnRow, history_rows
from durakit.dashboard.views.listing import row_json

_SHOWN_CHARACTERS = 4_000

_SHOW_EPILOG = f"""
\b
Examples:
  durakit instances show po-1042
  durakit instances show po-1042 -o json | jq -r .output   its result, the JSON text as it was recorded

{EXIT_CODES}
"""

_HISTORY_EPILOG = f"""
\b
Examples:
  durakit instances history po-1042
  durakit instances history po-1042 -o json > po-1042.history.json

The file is what durakit.testing.replay takes: assert replay(purchase_order, Path("po-1042.history.json")).

{EXIT_CODES}
"""


def instance_argument(command: Any) -> Any:
    """Give a command the argument ID."""
    return click.argument("instance_id", metavar="ID", shell_complete=instance_ids)(command)


@click.command("show", epilog=_SHOW_EPILOG, short_help="Show one instance: where it is and why.")
@instance_argument
@click.option(
    "--full", is_flag=True, help=f"Print payloads whole, also beyond {_SHOWN_CHARACTERS:,} characters."
)
@scheduler_command
async def show(session: Session, out: Output, *, instance_id: str, full: bool) -> None:
    """Show one instance: its status, why it is where it is, its payloads, and why it failed."""
    instance = await session.backend.instance(session.hub, instance_id)
    steps = await session.backend.digest(session.hub, instance_id)
    if out.is_table:
        print_instance(out, instance, steps, session.now(), full=full)
    else:
        out.json(instance_json(session.hub, instance, steps))


def instance_json(hub: str, instance: Instance, steps: Digest) -> dict[str, Any]:
    """Return all facts of an instance, payloads as the JSON texts that were recorded."""
    return {
        **row_json(instance.row),
        "hub": hub,
        "executionId": instance.execution_id,
        "turns": instance.turns,
        "lastTurnAt": None if instance.last_turn_ns is None else words.rfc3339(instance.last_turn_ns),
        "customStatus": instance.custom_status,
        "input": instance.input,
        "output": instance.output,
        "failures": [
            {
                "type": link.failure.error_type,
                "message": link.failure.message,
                "stackTrace": link.failure.stack_trace,
                "where": plain(link.where),
                "childId": link.child_id,
            }
            for link in _chain(instance, steps)
        ],
    }


def print_instance(
    out: Output, instance: Instance, steps: Digest, now_ns: int, *, full: bool = False
) -> None:
    """Print an instance for people."""
    row, reason = instance.row, instance.row.reason
    tone = "attention" if reason is not None and reason.attention else row.status
    out.line(f"{row.status.capitalize()}  {row.name}  {row.id}", tone)
    if reason is not None:
        for said in (plain(reason.sentence), plain(reason.detail), *map(_also, reason.also)):
            if said:
                out.line(said)
    facts = _facts(instance, now_ns)
    width = max(len(name) for name, _ in facts)
    out.line("")
    for name, value in facts:
        out.line(f"{name:{width}}  {value}")
    _print_payload(out, "Input", instance.input, full)
    if row.status != "failed":
        _print_payload(out, "Output", instance.output, full)
    _print_failures(out, instance, steps)


def _also(said: Phrase) -> str:
    return f"Also: {plain(said)}."


def _facts(instance: Instance, now_ns: int) -> list[tuple[str, str]]:
    row = instance.row
    ended = {"completed": "Completed", "failed": "Failed", "terminated": "Terminated"}.get(
        row.status, "Ended"
    )
    facts = [("Started", _moment(row.created_ns, now_ns))]
    if row.completed_ns is not None:
        facts.append((ended, _moment(row.completed_ns, now_ns)))
    facts.append(("Duration", words.duration((row.completed_ns or now_ns) - row.created_ns)))
    if row.version:
        facts.append(("Version", row.version))
    if row.tags:
        facts.append(("Tags", ", ".join(f"{key}={value}" for key, value in row.tags.items())))
    if instance.custom_status is not None:
        facts.append(("Custom status", instance.custom_status))
    if row.parent_id is not None:
        facts.append(("Parent", " ".join(filter(None, (row.parent_name, row.parent_id)))))
    if row.children is not None:
        told = [f"{row.children.open:,} open" if row.children.open else ""]
        told += [f"{row.children.failed:,} failed" if row.children.failed else ""]
        facts.append(("Children", ", ".join(filter(None, (f"{row.children.total:,}", *told)))))
    if instance.turns:
        last = (
            "" if instance.last_turn_ns is None else f", the last at {_moment(instance.last_turn_ns, now_ns)}"
        )
        facts.append(("Turns", f"{instance.turns:,}{last}"))
    return facts


def _moment(at_ns: int, now_ns: int) -> str:
    moment = words.utc(at_ns)
    is_today = moment.date() == words.utc(now_ns).date()
    return f"{moment:%H:%M:%S} UTC" if is_today else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _print_payload(out: Output, name: str, text: str | None, full: bool) -> None:
    if text is None:
        return
    size = words.size(len(text.encode(errors="surrogatepass")))
    out.line("")
    out.line(f"{name}  {size}", "strong")
    if full or len(text) <= _SHOWN_CHARACTERS:
        out.lines(text or "(empty)")
    else:
        out.lines(text[:_SHOWN_CHARACTERS])
        out.line(f"… {len(text) - _SHOWN_CHARACTERS:,} more characters; --full prints them.", "muted")


def _chain(instance: Instance, steps: Digest) -> list[Any]:
    if instance.failure is None:
        return []
    return chain(instance.failure, failing_step(steps))


def _print_failures(out: Output, instance: Instance, steps: Digest) -> None:
    links = _chain(instance, steps)
    if not links:
        return
    out.line("")
    out.line("Failure chain, cause first" if len(links) > 1 else "Failure", "strong")
    for link in links:
        out.line(f"{link.number}. {link.failure.first_line}", "failed")
        out.line(f"   in {plain(link.where)}")
        for further in link.failure.message.split("\n")[1:]:
            out.line(f"   {further}")
        for part in link.trace:
            out.lines(
                f"   ▸ {part.folded}" if part.folded else _indented(part.lines),
                "muted" if part.folded else "",
            )
    told = plain(advice(instance.failure))
    if told:
        out.line("")
        out.line(told)


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.split("\n"))


# --- history

_COLUMNS = (
    Column("#", is_number=True),
    Column("Time"),
    Column("Event"),
    Column("Detail", may_shrink=True),
    Column("Size", is_number=True),
    Column("Pair"),
)


@click.command("history", epilog=_HISTORY_EPILOG, short_help="Print the events of an instance.")
@instance_argument
@click.option("--all", "everything", is_flag=True, help="Also the bookkeeping of turns, event by event.")
@scheduler_command
async def history(session: Session, out: Output, *, instance_id: str, everything: bool) -> None:
    """Print the events of an instance, oldest first: a table, or with -o json the export for replay tests."""
    row = (await session.backend.instance(session.hub, instance_id)).row
    events = await session.backend.history(session.hub, instance_id)
    if not events:
        out.note(f"{session.endpoint} gives out no history of {instance_id}.")
    if not out.is_table:
        from durakit.history import history_as_json

        text = history_as_json(events, instance_id=row.id, name=row.name, status=row.status.upper())
        if out.format == "json":
            click.echo(text.rstrip("\n"))
        else:
            for event in json.loads(text)["events"]:
                out.json(event)
        return
    page = EventPage([NumberedEvent(at, each) for at, each in enumerate(events, start=1)], len(events))
    rows = history_rows(page, digest(events), by_turn=not everything)
    out.table(
        _COLUMNS, [_turn_cells(each) if isinstance(each, TurnRow) else _event_cells(each) for each in rows]
    )


def _turn_cells(row: TurnRow) -> list[Cell | str]:
    turn = row.turn
    told = words.counted(turn.new_events, "new event")
    title, clock = f"Turn {turn.number}", words.clock_ms(turn.at_ns)
    return ["", Cell(clock, "muted"), Cell(title, "muted"), Cell(told, "muted"), "", ""]


def _event_cells(row: EventRow) -> list[Cell | str]:
    failed = row.error is not None
    detail = plain(row.detail)
    shown = row.error if failed else row.preview
    told = "  ".join(filter(None, (detail, shown)))
    pair = f"→ {row.pair}" if row.pair is not None else "open" if row.is_open else ""
    return [
        str(row.number),
        words.clock_ms(row.at_ns),
        Cell(row.label, "failed" if failed else ""),
        Cell(told, "failed" if failed else ""),
        "" if row.bytes is None else words.size(row.bytes),
        Cell(pair, "attention" if row.is_open else "muted"),
    ]
