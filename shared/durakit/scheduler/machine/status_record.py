"""Custom statuses over time: which of them are kept, and how much of each.

The record is the instance's, like its id and its time of creation: it goes on through rewind and
continue-as-new, and ends with purge, restart and replacement. A turn that repeats what was said last adds
nothing, and neither does a new execution until its first turn: what clients see as none between two
executions is a matter of milliseconds, and would be half of the record of an eternal orchestration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from durakit.scheduler.machine.instance import Instance
    from durakit.scheduler.machine.journal import Journal

STATUSES_KEPT = 100
"""Of one instance, the latest. The store has so many places for each: changing it takes a migration."""
CHARACTERS_KEPT = 4_096
"""Of one custom status. The present one is kept whole in the instance itself."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A custom status that an instance took on.

    Attributes:
        row: number of the instance in the store.
        number: counts the instance's changes from 1.
        at_ns: when the turn that said it was committed, in nanoseconds since 1970.
        text: JSON text, or its beginning; None: it has none any more.
        bytes: size of the whole in UTF-8, when `text` is only its beginning.
    """

    row: int
    number: int
    at_ns: int
    text: str | None
    bytes: int | None = None


def set_custom_status(journal: Journal, instance: Instance, custom_status: str | None, now: int) -> None:
    """Let the instance have this custom status from now on; None: none."""
    if custom_status != instance.custom_status:
        instance.custom_status = custom_status
        journal.change(instance)
    if custom_status != instance.recorded_status:
        instance.recorded_status = custom_status
        instance.statuses += 1
        journal.change(instance)
        journal.record_status(_change(instance, custom_status, now))


def _change(instance: Instance, text: str | None, now: int) -> StatusChange:
    if text is None or len(text) <= CHARACTERS_KEPT:
        return StatusChange(instance.row, instance.statuses, now, text)
    size = len(text.encode(errors="surrogatepass"))
    return StatusChange(instance.row, instance.statuses, now, text[:CHARACTERS_KEPT], size)
