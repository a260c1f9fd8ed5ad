"""`durakit instances wait` and `watch`: until an instance ends; the exit code says how."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import click

from durakit.cli.connection import EXIT_CODES, EXIT_NOT_FOUND, CannotDo, Session, scheduler_command
from durakit.cli.durations import Length
from durakit.cli.instances.following import Follower, follower_for
from durakit.cli.instances.showing import instance_argument, instance_json
from durakit.cli.output import Output
from durakit.dashboard import words
from durakit.dashboard.backend import BackendError
from durakit.dashboard.instances import Instance
from durakit.dashboard.phrases import plain

_LOOK_SECONDS = 1.0
_WATCH_SECONDS = 0.5

_WAIT_EPILOG = f"""
\b
Examples:
  durakit instances wait po-1042                   prints its output, the JSON text as it was recorded
  durakit instances wait po-1042 --timeout 5m || echo "no result"

{EXIT_CODES}
"""

_WATCH_EPILOG = f"""
\b
Examples:
  durakit instances watch po-1042            the timeline, live, until it ends or Ctrl-C
  durakit instances watch po-1042 | tee log  a line for each step
  durakit instances watch po-1042 -o jsonl   a line of JSON for each change

{EXIT_CODES}
"""


@click.command("wait", epilog=_WAIT_EPILOG, short_help="Wait until an instance ends; print its output.")
@instance_argument
@click.option(
    "--timeout", type=Length(), metavar="DURATION", help="How long: 30, 90s, 5m; by default without limit."
)
@scheduler_command
async def wait(session: Session, out: Output, *, instance_id: str, timeout: float | None) -> int | None:
    """Wait until an instance ends and print its output. The exit code says how it ended."""
    # Schedulers wait for an instance that is still to come; whoever types an id means one that is there.
    await session.backend.instance(session.hub, instance_id)
    return await wait_for_end(session, out, instance_id, timeout)


async def wait_for_end(session: Session, out: Output, instance_id: str, timeout: float | None) -> int | None:
    """Wait until the instance has ended; print its output.

    Raises:
        CannotDo: it failed, was terminated, or there is none.
        WaitTimeoutError: the time is over.
    """
    with _interrupted(out, instance_id), out.progress(f"Waiting for {instance_id}") as tell:
        looking = asyncio.create_task(_tell_why(session, instance_id, tell))
        try:
            state = await session.client.wait_for_orchestration_completion(
                instance_id, fetch_payloads=False, timeout=timeout or 0
            )
        finally:
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking
    if state is None:
        raise CannotDo(f"There is no instance {instance_id} in hub {session.hub}.", EXIT_NOT_FOUND)
    instance = await session.backend.instance(session.hub, instance_id)
    if not out.is_table:
        steps = await session.backend.digest(session.hub, instance_id)
        out.json(instance_json(session.hub, instance, steps))
    elif instance.row.status == "completed" and instance.output is not None:
        out.lines(instance.output)
    ended_well(instance)
    return None


def ended_well(instance: Instance) -> None:
    """Raise `CannotDo` in words when an instance that has ended did not complete."""
    row = instance.row
    if row.status == "completed":
        return
    why = "" if row.reason is None else plain(row.reason.sentence)
    said = f"{why[:1].lower()}{why[1:]}" or f"{row.status}."
    verb = "was " if row.status == "terminated" else ""
    raise CannotDo(f"{row.id} {verb}{said}")


@contextlib.contextmanager
def _interrupted(out: Output, instance_id: str) -> Iterator[None]:
    """Say on Ctrl-C that only the waiting has ended."""
    try:
        yield
    except asyncio.CancelledError:
        out.note(f"No longer waiting; {instance_id} goes on.")
        raise


async def _tell_why(session: Session, instance_id: str, tell: Callable[[str], None]) -> None:
    """Keep the progress line up to date. It is only a comfort: what goes wrong here is nobody's trouble."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(BackendError):
            row = (await session.backend.instance(session.hub, instance_id)).row
            why = "" if row.reason is None else f" {plain(row.reason.sentence)}"
            waited = words.rough(round((time.monotonic() - began) * words.SECOND))
            tell(f"{row.status.capitalize()}, {waited}.{why}")
        await asyncio.sleep(_LOOK_SECONDS)


@click.command("watch", epilog=_WATCH_EPILOG, short_help="Show the timeline of an instance, live.")
@instance_argument
@scheduler_command
async def watch(session: Session, out: Output, *, instance_id: str) -> int | None:
    """Show the timeline of an instance, live, until it ends. Piped, a line for each step instead."""
    with follower_for(out, session) as follower:
        instance = await _follow(session, instance_id, follower)
    ended_well(instance)
    return None


async def _follow(session: Session, instance_id: str, follower: Follower) -> Instance:
    """Look every so often, tell the follower, return the instance once it has ended."""
    while True:
        instance = await session.backend.instance(session.hub, instance_id)
        steps = await session.backend.digest(session.hub, instance_id)
        follower.see(instance, steps, session.now())
        if not instance.row.is_open:
            return instance
        await asyncio.sleep(_WATCH_SECONDS)
