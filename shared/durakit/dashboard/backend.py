"""What the pages talk to: one interface, served by the embedded scheduler and by any endpoint over gRPC.

Times are nanoseconds since 1970 (UTC), payloads the JSON texts that were recorded, statuses the protocol's
words in lower case. Everything here may raise `BackendError`, which says in a sentence what was wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from durakit.dashboard.events import EventPage, EventQuery
from durakit.dashboard.instances import Family, Instance, InstanceRow, StatusRecord
from durakit.dashboard.lists import Counts, Histogram, InstanceFilter, InstancePage, InstanceQuery, Sort
from durakit.dashboard.steps import Digest
from durakit.dashboard.workforce import Workforce
from durakit.wire.messages import orchestration_pb2 as pb

Trouble = Literal["not_found", "invalid", "conflict", "exists", "unavailable", "denied", "not_offered"]


class BackendError(Exception):
    """What cannot be done; `str` is a sentence for the user.

    Attributes:
        trouble: not_found, invalid (the request), conflict (the instance is in another state), exists (the
            id is taken), unavailable (no answer), denied (token or role), not_offered (by this backend).
    """

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble: Trouble = trouble
        self.message = message


class NotOffered(BackendError):
    """This kind of endpoint cannot tell or do that."""

    def __init__(self, message: str) -> None:
        super().__init__("not_offered", message)


@dataclass(frozen=True)
class Offers:
    """What a backend can do. What is False answers with `NotOffered`, or is left out of answers.

    Attributes:
        manage_hubs: create and reset hubs; sizes and counts of each.
        workers: connected workers and queues.
        filters: parameters of the list that it answers itself; others are applied to what it fetched.
        sorts: orders of the list.
        counts: whether counts per status are of all instances, not of the first 1,000.
        histogram: instances by time of their start.
        live: whether changes are told at once; otherwise they are looked for every few seconds.
        event_names: whether the names of events being waited for may be known.
        earlier_statuses: custom statuses over time, not only the present one.
    """

    manage_hubs: bool
    workers: bool
    filters: frozenset[str]
    sorts: tuple[Sort, ...]
    counts: bool
    histogram: bool
    live: bool
    event_names: bool = True
    earlier_statuses: bool = False


# --- hubs


@dataclass(frozen=True)
class Hub:
    """A task hub; what the backend cannot tell is None.

    Attributes:
        counts: instances by status; statuses without instances are missing.
        size_bytes: on disk, history and payloads; an estimate.
        workers: connected streams.
        active_ns: when anything last happened.
    """

    name: str
    counts: dict[str, int] | None = None
    size_bytes: int | None = None
    workers: int | None = None
    active_ns: int | None = None

    @property
    def instances(self) -> int | None:
        """How many instances it has."""
        return None if self.counts is None else sum(self.counts.values())


# --- acts


@dataclass(frozen=True)
class NewInstance:
    """What to start. `input` is JSON text; None: no input."""

    name: str
    id: str | None = None
    input: str | None = None
    version: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    start_ns: int | None = None


@dataclass(frozen=True)
class BulkProgress:
    """How far an act on many instances has come.

    Attributes:
        done: acted upon.
        left_alone: not in a state in which that can be done.
        refused: (id, why), the first 20.
        total: how many there are; None until that is known.
    """

    act: str
    done: int = 0
    left_alone: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    total: int | None = None
    is_finished: bool = False
    is_cancelled: bool = False


BulkAct = Literal["terminate", "suspend", "resume", "purge"]


# --- changes


@dataclass(frozen=True)
class Changed:
    """What changed since the last look.

    Attributes:
        ids: instances that changed; None: any may have.
        created: how many new ones there are.
    """

    ids: frozenset[str] | None
    created: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether nothing changed."""
        return self.ids is not None and not self.ids and not self.created


class Watch(Protocol):
    """Changes in one hub, joined until they are asked for."""

    async def next(self, timeout_seconds: float) -> Changed:
        """Return what changed since the last call, waiting for a first change; nothing after the time."""
        ...


class Backend(Protocol):
    """Where the pages get their data and send their acts."""

    @property
    def offers(self) -> Offers:
        """What this backend can do."""
        ...

    @property
    def endpoint(self) -> str:
        """The scheduler's address, for texts and commands."""
        ...

    async def close(self) -> None:
        """Let go of threads, files and connections."""
        ...

    # hubs

    async def hub_names(self) -> list[str]:
        """Return the names of all hubs, sorted."""
        ...

    async def hubs(self) -> list[Hub]:
        """Return all hubs with what is known of them, sorted by name."""
        ...

    async def create_hub(self, hub: str) -> None:
        """Make an empty hub; `exists` when there is one."""
        ...

    async def reset_hub(self, hub: str) -> None:
        """Delete all instances of a hub."""
        ...

    # lists

    async def instances(self, hub: str, query: InstanceQuery) -> InstancePage:
        """Return a page of instances."""
        ...

    async def rows(self, hub: str, ids: Sequence[str]) -> list[InstanceRow]:
        """Return these instances, in the order given; missing ones are left out."""
        ...

    async def counts(self, hub: str, filter: InstanceFilter) -> Counts:
        """Return how many instances match."""
        ...

    async def histogram(self, hub: str, filter: InstanceFilter, buckets: int = 90) -> Histogram:
        """Return the matching instances by start, in about so many buckets of a round width."""
        ...

    async def names(self, hub: str) -> list[str]:
        """Return the names of orchestrations that workers offer or that were used, sorted; 500 at most."""
        ...

    # one instance

    async def instance(self, hub: str, instance_id: str) -> Instance:
        """Return the facts of an instance."""
        ...

    async def statuses(self, hub: str, instance_id: str) -> StatusRecord:
        """Return the custom statuses of an instance over time."""
        ...

    async def digest(self, hub: str, instance_id: str) -> Digest:
        """Return the history in steps. It is shared and grows: read it, do not keep or change it."""
        ...

    async def events(self, hub: str, instance_id: str, query: EventQuery) -> EventPage:
        """Return a page of the history."""
        ...

    async def history(
        self, hub: str, instance_id: str, execution_id: str | None = None
    ) -> list[pb.HistoryEvent]:
        """Return the whole history, oldest event first."""
        ...

    async def family(
        self, hub: str, instance_id: str, *, per_level: int = 50, only_open_and_failed: bool = False
    ) -> Family:
        """Return ancestors, descendants and generations."""
        ...

    async def raised_before(self, hub: str, name: str) -> dict[str, int]:
        """Return names of events raised in earlier runs of an orchestration, and in how many."""
        ...

    # workers

    async def lacks_workers(self, hub: str) -> bool:
        """Return whether work waits that no connected worker accepts; False when that cannot be known."""
        ...

    async def workforce(self, hub: str) -> Workforce:
        """Return workers and queues."""
        ...

    # acts

    async def start(self, hub: str, new: NewInstance) -> str:
        """Start an instance; return its id. `exists` when the id is taken."""
        ...

    async def raise_event(self, hub: str, instance_id: str, name: str, payload: str | None) -> None:
        """Deliver an event with a payload of JSON text."""
        ...

    async def suspend(self, hub: str, instance_id: str, reason: str | None) -> None:
        """Withhold turns."""
        ...

    async def resume(self, hub: str, instance_id: str, reason: str | None) -> None:
        """Let it go on."""
        ...

    async def terminate(
        self, hub: str, instance_id: str, reason: str | None, *, recursive: bool = True
    ) -> None:
        """End an instance. The reason is plain text and becomes its output as JSON text."""
        ...

    async def rewind(self, hub: str, instance_id: str, reason: str | None) -> None:
        """Run a failed instance again from its last good point."""
        ...

    async def restart(
        self, hub: str, instance_id: str, *, new_id: bool = False, input: str | None = None
    ) -> str:
        """Start an ended instance again; return the id. `input` replaces its input when given."""
        ...

    async def purge(self, hub: str, instance_id: str, *, recursive: bool = True) -> int:
        """Delete an ended instance; return how many were deleted with it."""
        ...

    def bulk(
        self,
        hub: str,
        act: BulkAct,
        chosen: Collection[str] | InstanceFilter,
        reason: str | None = None,
    ) -> AsyncIterator[BulkProgress]:
        """Act on ids or on all that match, in batches; yield progress after each. Leaving cancels."""
        ...

    # changes

    def watch(self, hub: str) -> AbstractAsyncContextManager[Watch]:
        """Return what tells changes of a hub's instances while it is entered."""
        ...
