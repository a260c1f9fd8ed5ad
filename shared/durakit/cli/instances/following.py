"""How `watch` tells what happens: a drawing that changes in place, a line for each step, or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from durakit.cli.connection import Session
from durakit.cli.instances.drawing import draw
from durakit.cli.instances.showing import instance_json
from durakit.cli.instances.telling import Told, tell
from durakit.cli.output import Output
from durakit.dashboard import words
from durakit.dashboard.instances import Instance
from durakit.dashboard.phrases import plain
from durakit.dashboard.steps import Digest

_TOLD_REASONS = frozenset(
    {"event", "timer", "timer-only", "unknown", "suspended", "no-worker", "children", "lock", "entity"}
    | {"scheduled", "nothing", "completed", "failed", "terminated"}
)
"""What a line is worth; that an activity runs has been told when it was scheduled."""


class Follower(Protocol):
    """Sees an instance again and again."""

    def see(self, instance: Instance, steps: Digest, now_ns: int) -> None:
        """Show what is new."""
        ...


def follower_for(out: Output, session: Session) -> AbstractContextManager[Follower]:
    """Return what suits the output."""
    if not out.is_table:
        return nullcontext(JsonFollower(out, session.hub))
    return _live(out) if out.is_terminal else nullcontext(LineFollower(out))


class JsonFollower:
    """A JSON object for each change."""

    def __init__(self, out: Output, hub: str) -> None:
        self._out, self._hub = out, hub
        self._seen: tuple[object, ...] = ()

    def see(self, instance: Instance, steps: Digest, now_ns: int) -> None:
        """Print the instance when it has changed."""
        row = instance.row
        now = (row.status, row.updated_ns, row.custom_status, steps.events)
        if now != self._seen:
            self._seen = now
            self._out.json(instance_json(self._hub, instance, steps))


class LineFollower:
    """A line for each thing that happened, and one for each new reason to wait."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._execution = ""
        self._number = 0
        self._why = ""

    def see(self, instance: Instance, steps: Digest, now_ns: int) -> None:
        """Print what came since the last look."""
        # Before its first turn an instance has no history, and so no execution.
        if steps.execution_id and steps.execution_id != self._execution:
            if self._execution:
                self._out.line(f"{'':12}  continued as new")
            self._execution, self._number = steps.execution_id, 0
        for told in tell(steps, self._number):
            self._print(told)
            self._number = max(self._number, told.number)
        reason = instance.row.reason
        # The short form has no countdown: a line comes when something changes, not because time passes.
        why = "" if reason is None else f"{reason.kind} {plain(reason.short)}"
        if reason is not None and reason.kind in _TOLD_REASONS and why != self._why:
            self._out.line(f"{words.clock_ms(now_ns)}  {plain(reason.sentence)}", instance.row.status)
        self._why = why

    def _print(self, told: Told) -> None:
        self._out.line(f"{words.clock_ms(told.at_ns)}  {told.text}", told.tone)


@contextmanager
def _live(out: Output) -> Iterator[Follower]:
    from rich.live import Live

    console = out.console()
    with Live(console=console, auto_refresh=False) as live:

        class Drawing:
            def see(self, instance: Instance, steps: Digest, now_ns: int) -> None:
                live.update(draw(instance, steps, now_ns, console.width, console.height), refresh=True)

        yield Drawing()
