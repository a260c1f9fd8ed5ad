"""What memory tells of instances, copied on the scheduler's loop in one step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from durakit.dashboard.embedded import records, workload
from durakit.dashboard.facts import Facts
from durakit.dashboard.instances import InstanceRow
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.streams import WorkerStream


@dataclass(frozen=True)
class Payloads:
    """The payloads of an instance that has not ended, and the worker that keeps a live copy of it."""

    input: str | None
    output: str | None
    custom_status: str | None
    worker: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """An instance as memory has it, which is newer than what is on disk; `newest` None: it is only there."""

    facts: Facts
    newest: tuple[str, int, int | None, str | None, int] | None = None
    payloads: Payloads | None = None

    def bring_up_to_date(self, row: InstanceRow) -> InstanceRow:
        """Return a row with what is newer here."""
        if self.newest is None:
            return row
        status, updated_ns, completed_ns, custom_status, events = self.newest
        return replace(
            row,
            status=status,
            updated_ns=max(row.updated_ns, updated_ns),
            completed_ns=completed_ns,
            custom_status=custom_status,
            events=events,
        )


def of_instances(
    hub: TaskHub, wanted: Sequence[tuple[int, str]], *, with_payloads: bool = False
) -> list[Snapshot]:
    """Return what is known of instances, by row number and id. To be called on the scheduler's loop."""
    resident = [_resident(hub, number, instance_id) for number, instance_id in wanted]
    if not any(resident):
        nothing = Snapshot(workload.facts_of(hub, None, None))
        return [nothing] * len(resident)
    in_flight = workload.InFlight(hub)
    return [_snapshot(hub, instance, in_flight, with_payloads) for instance in resident]


def _resident(hub: TaskHub, number: int, instance_id: str) -> Instance | None:
    instance = hub.machine.resident.get(instance_id)
    return instance if instance is not None and instance.row == number else None


def _snapshot(
    hub: TaskHub, instance: Instance | None, in_flight: workload.InFlight, with_payloads: bool
) -> Snapshot:
    facts = workload.facts_of(hub, instance, in_flight)
    if instance is None:
        return Snapshot(facts)
    status, session = instance.custom_status, instance.session
    word = instance.status.word
    newest = (
        "terminated" if word == "canceled" else word,
        max(instance.updated_ns, instance.clock_ns),
        instance.completed_ns,
        None if status is None else status[: records.PREVIEW],
        instance.events,
    )
    if not with_payloads:
        return Snapshot(facts, newest)
    worker = workload.name_of(session) if isinstance(session, WorkerStream) else None
    return Snapshot(facts, newest, Payloads(instance.input, instance.output, status, worker))
