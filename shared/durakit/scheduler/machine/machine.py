"""The instances of one task hub, and what every rule needs: the journal, ids, limits, look-ups."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from durakit.scheduler.limits import Limits
from durakit.scheduler.machine.instance import RESULT, Arrival, Instance
from durakit.scheduler.machine.journal import Journal
from durakit.scheduler.refusal import no_such_instance


@dataclass(slots=True)
class Counters:
    """Numbers never given twice, shared by all hubs of a store."""

    row: int = 0
    arrival: int = 0
    hub: int = 0


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the machine finds what is not resident. All three see committed data only.

    Attributes:
        find: the instance of an id, without inbox and open work, or None.
        history: the blobs of an instance's turns, oldest first.
        children: ids of the instances whose parent is the given one.
    """

    find: Callable[[str], Instance | None]
    history: Callable[[int], list[bytes]]
    children: Callable[[str], Iterable[str]]


class Machine:
    """State of one task hub. The rule modules are functions over it.

    Args:
        hub_row: number of the hub in the store.
        journal: where changes are written, shared by all hubs of a store.
        new_id: makes execution ids and instance ids; called only where the protocol wants a new one.
    """

    def __init__(
        self,
        hub_row: int,
        journal: Journal,
        archive: Archive,
        counters: Counters,
        limits: Limits,
        new_id: Callable[[], str],
    ) -> None:
        self.hub_row = hub_row
        self.journal = journal
        self.archive = archive
        self.counters = counters
        self.limits = limits
        self.new_id = new_id
        self.resident: dict[str, Instance] = {}
        self._removed: dict[int, int] = {}

    def find(self, instance_id: str) -> Instance | None:
        """Return the instance of that id, resident or not."""
        found = self.resident.get(instance_id) or self.archive.find(instance_id)
        return found if found is not None and found.row not in self._removed else None

    def remove(self, instance: Instance) -> None:
        """Forget an instance, so that its id is free. The archive knows it until that is on disk."""
        self.resident.pop(instance.id, None)
        self.journal.delete(instance)
        self._removed[instance.row] = self.journal.number

    def forget_removed(self, committed_group: int) -> None:
        """What was removed up to this group has left the archive too."""
        if self._removed:
            self._removed = {row: group for row, group in self._removed.items() if group > committed_group}

    def get(self, instance_id: str) -> Instance:
        """Return the instance of that id, or raise `Refusal` NOT_FOUND."""
        instance = self.find(instance_id)
        if instance is None:
            raise no_such_instance(instance_id)
        return instance

    def history(self, instance: Instance) -> list[bytes]:
        """Return the blobs of the instance's turns, loading them if they are not in memory."""
        if instance.history is not None:
            return instance.history
        committed = self.archive.history(instance.row)
        if instance.group <= self.journal.committed:
            # Else a turn may be missing that is not on disk yet: good enough to read, not to keep.
            instance.history = committed
        return committed

    def next_row(self) -> int:
        """Return a number for a new instance."""
        self.counters.row += 1
        return self.counters.row

    def deliver(self, instance: Instance, kind: str, event: bytes, *, stored: bool = True) -> None:
        """Put an event into the inbox of an instance that may still run.

        Args:
            stored: False for what can be made again from history, like a timer that fired.
        """
        if kind != RESULT:
            instance.rests_until_ns = 0
        key = None
        if stored:
            self.counters.arrival += 1
            key = self.counters.arrival
        self.journal.add_arrival(instance, Arrival(kind, event, key, 0))
        self.journal.turns.append(instance)

    def open_children(self, instance: Instance) -> list[Instance]:
        """Return the children this execution waits for."""
        found = [self.resident.get(child_id) for child_id in instance.children.values()]
        return [child for child in found if child is not None and _is_child(child, instance)]

    def children_of(self, instance: Instance) -> list[Instance]:
        """Return all instances this one created that still exist, ended or not."""
        ids = dict.fromkeys(self.archive.children(instance.id))
        ids.update((other.id, None) for other in self.journal.created.values() if _is_child(other, instance))
        found = [self.find(child_id) for child_id in ids]
        return [child for child in found if child is not None and _is_child(child, instance)]


def _is_child(child: Instance, instance: Instance) -> bool:
    return (
        child.hub_row == instance.hub_row
        and child.parent is not None
        and child.parent.instance_id == instance.id
    )
