"""Commands that change one instance: start, raise, rewind, restart."""

from __future__ import annotations

import click

from durakit.cli.completing import orchestrations
from durakit.cli.connection import EXIT_CODES, Session, scheduler_command
from durakit.cli.durations import Length, Moment
from durakit.cli.instances.showing import instance_argument
from durakit.cli.instances.waiting import wait_for_end
from durakit.cli.json_argument import JsonText
from durakit.cli.output import Output
from durakit.cli.param_type import ParamType

_START_EPILOG = f"""
\b
Examples:
  durakit instances start order_workflow --input '{{"item": "lamp"}}' --id po-1042
  durakit instances start report --input @report.json --wait
  jq .order mail.json | durakit instances start order_workflow --input -

Prints the id, and with --wait the result instead.

{EXIT_CODES}
"""

_RAISE_EPILOG = f"""
\b
Examples:
  durakit instances raise po-1042 approval --data true
  durakit instances raise po-1042 approval --data @decision.json

{EXIT_CODES}
"""

_INPUT = click.option("--input", "input_text", type=JsonText(), metavar="JSON|@FILE|-", help="Its input.")
_REASON = click.option("--reason", metavar="TEXT", help="Why; it is kept in the history.")


class Tag(ParamType):
    """A tag, `key=value`."""

    name = "tag"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; refuse what has no key or no value."""
        key, sign, _ = value.partition("=")
        if not sign or not key:
            self.fail(f"{value} is not a tag. Write key=value.", param, ctx)
        return value


@click.command("start", epilog=_START_EPILOG, short_help="Start an orchestration.")
@click.argument("name", metavar="NAME", shell_complete=orchestrations)
@_INPUT
@click.option("--id", "instance_id", metavar="ID", help="Its id; by default a new one.")
@click.option("--version", metavar="VERSION", help="Version to run.")
@click.option("--start-at", "start_ns", type=Moment(), metavar="TIME", help="Not before; RFC 3339.")
@click.option("--tag", "tags", multiple=True, type=Tag(), metavar="KEY=VALUE", help="A tag; repeatable.")
@click.option("--wait", "waits", is_flag=True, help="Wait for its end, as durakit instances wait does.")
@click.option(
    "--timeout", type=Length(), metavar="DURATION", help="How long to wait: 30, 90s, 5m; implies --wait."
)
@scheduler_command
async def start(
    session: Session,
    out: Output,
    *,
    name: str,
    input_text: str | None,
    instance_id: str | None,
    version: str | None,
    start_ns: int | None,
    tags: tuple[str, ...],
    waits: bool,
    timeout: float | None,
) -> int | None:
    """Start the orchestration NAME, as its worker registered it."""
    from durakit.dashboard.backend import NewInstance

    pairs = dict(tag.partition("=")[::2] for tag in tags)
    new = NewInstance(name, instance_id, input_text, version, pairs, start_ns)
    started = await session.backend.start(session.hub, new)
    if waits or timeout is not None:
        if out.is_table:
            out.note(f"Started {name} {started}")
        return await wait_for_end(session, out, started, timeout)
    if out.is_table:
        out.line(started)
    else:
        out.json({"id": started, "name": name, "hub": session.hub})
    return None


@click.command("raise", epilog=_RAISE_EPILOG, short_help="Raise an event for an instance.")
@instance_argument
@click.argument("event", metavar="EVENT")
@click.option("--data", type=JsonText(), metavar="JSON|@FILE|-", help="Its payload.")
@scheduler_command
async def raise_(session: Session, out: Output, *, instance_id: str, event: str, data: str | None) -> None:
    """Raise EVENT for the instance ID. An event that nothing waits for yet is kept."""
    await session.backend.raise_event(session.hub, instance_id, event, data)
    _accepted(out, "raise", instance_id, f"Raised {event} for {instance_id}.")


@click.command(
    "rewind", short_help="Run a failed instance again from its last good point.", epilog=EXIT_CODES
)
@instance_argument
@_REASON
@scheduler_command
async def rewind(session: Session, out: Output, *, instance_id: str, reason: str | None) -> None:
    """Run a failed instance again from its last good point: what succeeded is kept, the rest runs again."""
    await session.backend.rewind(session.hub, instance_id, reason)
    _accepted(out, "rewind", instance_id, f"Rewound {instance_id}.")


@click.command("restart", short_help="Start an ended instance again.", epilog=EXIT_CODES)
@instance_argument
@_INPUT
@click.option("--new-id", is_flag=True, help="Under a new id; the old instance stays.")
@scheduler_command
async def restart(
    session: Session, out: Output, *, instance_id: str, input_text: str | None, new_id: bool
) -> None:
    """Start an instance that has ended again, by default under its id and with its input; print the id."""
    started = await session.backend.restart(session.hub, instance_id, new_id=new_id, input=input_text)
    _accepted(out, "restart", started, started)


def _accepted(out: Output, act: str, instance_id: str, sentence: str) -> None:
    if out.is_table:
        out.line(sentence)
    else:
        out.json({"act": act, "id": instance_id})
