"""What a drawing is made from: the steps of one instance, and of its children where they are to be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.steps import Digest, Step
from durakit.dashboard.words import SECOND


@dataclass(frozen=True)
class Scene:
    """One instance.

    Attributes:
        row: its facts; the reason in it tells which event it waits for, which history cannot.
        taken: when a worker took an activity, by task id; empty where the backend does not know.
        children: of those whose steps are wanted, by number of the step that called them.
    """

    row: InstanceRow
    digest: Digest
    taken: Mapping[int, int] = field(default_factory=dict)
    children: Mapping[int, Scene] = field(default_factory=dict)

    @property
    def started_ns(self) -> int:
        """When its first turn began; before that, when it was made."""
        return self.digest.started_ns or self.row.created_ns

    @property
    def ended_ns(self) -> int | None:
        """When it ended; None while it has not."""
        if self.row.is_open:
            return None
        return self.digest.ended_ns or self.row.completed_ns or self.row.updated_ns

    @property
    def awaited_events(self) -> tuple[str, ...]:
        """Names of the events that it waits for now, as far as its worker told."""
        reason = self.row.reason
        return reason.on if reason is not None and reason.waiting == "event" else ()

    def asked_ns(self, timer: Step) -> int:
        """Return a timer's length as the code asked for it: from the clock of its turn."""
        turns = self.digest.turns
        asked = turns[timer.turn - 1].at_ns if 0 < timer.turn <= len(turns) else timer.started_ns
        length = (timer.due_ns or timer.started_ns) - asked
        return round(length, -7) if length < 10 * SECOND else round(length, -9)

    def all(self) -> Iterator[Scene]:
        """This instance, then its children's, depth first."""
        yield self
        for child in self.children.values():
            yield from child.all()
