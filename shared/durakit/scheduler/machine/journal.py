"""What a group of messages changed, and what may happen once that is on disk.

The rules write here and nowhere else. The first half are rows for the store; the second half are
effects that leave the scheduler and therefore wait for the commit (rule 1 of the design).
"""

from __future__ import annotations

from durakit.scheduler.machine.instance import Arrival, Instance, OpenTask, OpenTimer
from durakit.scheduler.machine.status_record import StatusChange


class Journal:
    """Collects changes; `cut` closes a group.

    Attributes:
        number: of the group being collected.
        committed: of the last group that is on disk.
    """

    def __init__(self, number: int = 1) -> None:
        self.committed = number - 1
        self._reset(number)

    def _reset(self, number: int) -> None:
        self.number = number
        # Rows.
        self.hubs: list[tuple[int, str, int]] = []
        self.created: dict[int, Instance] = {}
        self.changed: dict[int, Instance] = {}
        self.inputs: dict[int, str | None] = {}
        self.deleted: set[int] = set()
        self.history: list[tuple[int, int, int, int, bytes]] = []
        self.history_kept_from: dict[int, int] = {}
        self.statuses: list[StatusChange] = []
        self.arrivals: dict[int, tuple[int, bytes]] = {}
        self.taken: list[int] = []
        self.pages_to_free = 0
        # Effects.
        self.turns: list[Instance] = []
        self.activities: list[OpenTask] = []
        self.timers: list[OpenTimer] = []
        self.settled: list[Instance] = []

    def cut(self) -> Journal:
        """Close the group: return all that was collected, and begin the next."""
        closed = Journal.__new__(Journal)
        closed.__dict__.update(self.__dict__)
        self._reset(self.number + 1)
        return closed

    @property
    def has_rows(self) -> bool:
        """Whether the store has anything to write."""
        return bool(
            self.history
            or self.arrivals
            or self.taken
            or self.created
            or self.changed
            or self.deleted
            or self.hubs
            or self.inputs
            or self.history_kept_from
            or self.statuses
            or self.pages_to_free
        )

    def shrink_file(self, pages: int) -> None:
        """Up to so many unused pages shall leave the store's file."""
        self.pages_to_free = pages

    def create_hub(self, row: int, name: str, now: int) -> None:
        """A new task hub exists."""
        self.hubs.append((row, name, now))

    def create(self, instance: Instance) -> None:
        """A new instance exists."""
        self.created[instance.row] = instance
        if instance.input is not None:
            self.inputs[instance.row] = instance.input
        self.settled.append(instance)
        instance.group = self.number

    def change(self, instance: Instance) -> None:
        """Status, output, custom status or execution of an instance changed."""
        self.changed[instance.row] = instance
        instance.group = self.number

    def replace_input(self, instance: Instance) -> None:
        """The instance goes on with another input."""
        self.inputs[instance.row] = instance.input

    def delete(self, instance: Instance) -> None:
        """The instance and all that belongs to it is gone."""
        self.deleted.add(instance.row)
        instance.group = self.number

    def append_history(self, instance: Instance, at_ns: int, events: int, blob: bytes) -> None:
        """A turn was committed: `blob` holds its `events` events as pastEvents."""
        self.history.append((instance.row, instance.turns, at_ns, events, blob))
        instance.turns += 1
        instance.events += events
        instance.group = self.number
        if instance.history is not None:
            instance.history.append(blob)

    def drop_history(self, instance: Instance) -> None:
        """All turns so far are gone; the next one continues the numbering."""
        self.history_kept_from[instance.row] = instance.turns
        instance.events = 0
        instance.history = []
        instance.group = self.number

    def record_status(self, change: StatusChange) -> None:
        """An instance took on another custom status."""
        self.statuses.append(change)

    def add_arrival(self, instance: Instance, arrival: Arrival) -> None:
        """An event waits for the instance. Arrivals without key are not stored."""
        if arrival.key is not None:
            self.arrivals[arrival.key] = (instance.row, arrival.event)
            arrival.group = self.number
        instance.inbox.append(arrival)

    def take_arrival(self, arrival: Arrival) -> None:
        """An arrival is in history now, or dropped. Born and taken in one group: never written."""
        if arrival.key is not None and self.arrivals.pop(arrival.key, None) is None:
            self.taken.append(arrival.key)
