"""What the pages talk to: one interface, served by the embedded scheduler and by any endpoint over gRPC.

Times are nanoseconds since 1970 (UTC), payloads the JSON texts that were recorded, statuses the protocol's
words in lower case. Everything here may raise `BackendError`, which says in a sentence what was wrong.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from durakit.dashboard.reasons import Reason
from durakit.dashboard.steps import Digest, Failure
from durakit.wire.messages import orchestration_pb2 as pb

STATUSES = ("pending", "running", "suspended", "completed", "failed", "terminated")
"""In the order of a life."""
OPEN_STATUSES = frozenset({"pending", "running", "suspended"})

SEARCHED = ("id", "input", "output", "error")
"""What free text is looked for in."""

Sort = Literal["-started", "started", "-updated", "-completed"]
SORTS: tuple[Sort, ...] = ("-started", "started", "-updated", "-completed")
SIZES = (25, 50, 100, 200)

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
    """

    manage_hubs: bool
    workers: bool
    filters: frozenset[str]
    sorts: tuple[Sort, ...]
    counts: bool
    histogram: bool
    live: bool
    event_names: bool = True


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


# --- lists


@dataclass(frozen=True)
class InstanceFilter:
    """Which instances; the default is all. Every condition must hold; of several statuses or names, one.

    Attributes:
        names, version: exact, or a prefix when they end in `*`.
        created_from_ns, created_to_ns: from inclusive, to exclusive.
        tags: (key, value) pairs; value None: the key is present.
        text: looked for, ignoring case, in what `text_in` names.
        waiting, on: kind of what it waits for, and its name.
        attention: only what cannot go on without a person.
        parent: only direct children of this instance.
        roots: leave out children whose parent exists ("folded"); ignored with `parent`.
    """

    statuses: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    version: str | None = None
    id_prefix: str | None = None
    created_from_ns: int | None = None
    created_to_ns: int | None = None
    tags: tuple[tuple[str, str | None], ...] = ()
    text: str | None = None
    text_in: frozenset[str] = frozenset(SEARCHED)
    waiting: str | None = None
    on: str | None = None
    attention: bool = False
    parent: str | None = None
    roots: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing but folding narrows the list."""
        return replace(self, roots=False) == InstanceFilter()


@dataclass(frozen=True)
class InstanceQuery:
    """A page of a list. `after` and `before` are cursors from an `InstancePage`; at most one is given."""

    filter: InstanceFilter = InstanceFilter()
    sort: Sort = "-started"
    after: str | None = None
    before: str | None = None
    size: int = 50


@dataclass(frozen=True)
class ChildCounts:
    """The children of one instance, direct ones only."""

    total: int
    open: int = 0
    failed: int = 0
    attention: int = 0


@dataclass(frozen=True)
class InstanceRow:
    """One instance in a list.

    Attributes:
        custom_status, output: previews, cut at 200 characters.
        error: `ErrorType: first line` of its failure.
        events: length of its history, None when not known.
        reason: why it is where it is; None when the backend did not look.
    """

    id: str
    name: str
    status: str
    created_ns: int
    updated_ns: int
    version: str | None = None
    completed_ns: int | None = None
    scheduled_ns: int | None = None
    parent_id: str | None = None
    parent_name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    custom_status: str | None = None
    output: str | None = None
    error: str | None = None
    events: int | None = None
    children: ChildCounts | None = None
    reason: Reason | None = None

    @property
    def is_open(self) -> bool:
        """Whether it has not ended."""
        return self.status in OPEN_STATUSES


@dataclass(frozen=True)
class Searched:
    """How far a search came that has no index and stopped at its time budget.

    Attributes:
        examined: instances looked at.
        total: instances there are to look at, None when not known.
        back_to_ns: start of the last one looked at.
        further: cursor to go on from (as `after`).
    """

    examined: int
    total: int | None
    back_to_ns: int | None
    further: str | None


@dataclass(frozen=True)
class InstancePage:
    """A page of a list.

    Attributes:
        after: cursor of the next page in sort order, None at the end.
        before: cursor of the page before, None at the beginning.
        searched: set when the page may be incomplete because time ran out.
        notices: what else the reader must know, one sentence each.
    """

    rows: list[InstanceRow]
    after: str | None = None
    before: str | None = None
    searched: Searched | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counts:
    """Instances that match, by status, all other conditions applied.

    Attributes:
        by_status: without the filter's own statuses applied, so that each can be offered as a filter.
        attention: how many need a person; None when not known.
        is_exact: False: there are at least so many ("10,000+").
    """

    by_status: dict[str, int]
    attention: int | None = None
    is_exact: bool = True

    @property
    def total(self) -> int:
        """All statuses together."""
        return sum(self.by_status.values())


@dataclass(frozen=True)
class Bucket:
    """Instances that started from `at_ns` on, by present status."""

    at_ns: int
    by_status: dict[str, int]

    @property
    def total(self) -> int:
        """All statuses together."""
        return sum(self.by_status.values())


@dataclass(frozen=True)
class Histogram:
    """Instances by start; buckets without instances are present, with nothing in them."""

    width_ns: int
    buckets: list[Bucket]
    is_complete: bool = True

    @property
    def peak(self) -> int:
        """The largest bucket."""
        return max((bucket.total for bucket in self.buckets), default=0)


# --- one instance


@dataclass(frozen=True)
class Instance:
    """All facts of one instance.

    Attributes:
        row: what the list shows, with reason and child counts.
        input, output, custom_status: JSON text, whole; None when absent.
        failure: with its causes.
        turns: how many its history has; None when not known.
        last_turn_ns: the orchestration's clock in the last turn.
        last_worker: who ran the last turn, when that is known.
        generation: number of this execution among those of continue-as-new, from 1; None when not known.
    """

    row: InstanceRow
    execution_id: str | None = None
    input: str | None = None
    output: str | None = None
    custom_status: str | None = None
    failure: Failure | None = None
    turns: int | None = None
    last_turn_ns: int | None = None
    last_worker: str | None = None
    generation: int | None = None


@dataclass(frozen=True)
class Generation:
    """One execution of an instance that continues as new; `is_kept`: its history can be read."""

    number: int | None
    execution_id: str | None
    started_ns: int | None
    ended_ns: int | None
    is_current: bool
    is_kept: bool


@dataclass(frozen=True)
class Relative:
    """An instance in a family tree.

    Attributes:
        depth: 0 for the instance asked about, negative for ancestors.
        hidden: how many of its children were left out of the tree.
    """

    row: InstanceRow
    depth: int
    hidden: int = 0


@dataclass(frozen=True)
class Family:
    """Ancestors from the root down, the instance itself, its descendants in order of the tree."""

    members: list[Relative]
    generations: list[Generation]


@dataclass(frozen=True)
class EventQuery:
    """Which events of a history, as a page. Numbers count from 1.

    Attributes:
        kinds: names as in `HistoryEvent.eventType`; empty: all.
        text: looked for, ignoring case, in names, payloads and errors.
        after: the page begins behind this number (before it, when `newest_first`).
    """

    kinds: frozenset[str] = frozenset()
    text: str | None = None
    after: int | None = None
    newest_first: bool = False
    limit: int = 200


@dataclass(frozen=True)
class NumberedEvent:
    """An event of a history, as it was on the wire."""

    number: int
    event: pb.HistoryEvent


@dataclass(frozen=True)
class EventPage:
    """Events in the order asked for; `next` goes into `EventQuery.after`, None at the end."""

    events: list[NumberedEvent]
    total: int
    next: int | None = None


# --- workers


@dataclass(frozen=True)
class OfferedName:
    """An orchestration, activity or entity that a worker offers; no versions: any."""

    kind: Literal["orchestration", "activity", "entity"]
    name: str
    versions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Worker:
    """One stream of a worker.

    Attributes:
        name: `host:pid`, else its address.
        stream: 1 for a process's first stream.
        offers: the names in its filter; None: it sent none, and is given everything.
        in_flight_turns, turn_limit: and the same of activities; a limit of None is not stated.
        oldest_ns: since when it holds its oldest unanswered item.
        done: items answered in the last 5 minutes.
        left_ns: when it left; None while it is connected.
        handed_over: items that went to others when it left.
    """

    name: str
    stream: int
    sdk: str
    offers: tuple[OfferedName, ...] | None
    in_flight_turns: int
    in_flight_activities: int
    turn_limit: int | None
    activity_limit: int | None
    oldest_ns: int | None
    done: int
    connected_ns: int
    seen_ns: int
    left_ns: int | None = None
    handed_over: int = 0

    @property
    def in_flight(self) -> int:
        """Items it holds."""
        return self.in_flight_turns + self.in_flight_activities

    @property
    def limit(self) -> int | None:
        """How many items it may hold; None when not stated."""
        if self.turn_limit is None or self.activity_limit is None:
            return None
        return self.turn_limit + self.activity_limit


@dataclass(frozen=True)
class Queue:
    """Work of one name that is ready.

    Attributes:
        waiting: items that no worker has yet.
        oldest_ns: since when the oldest of them waits.
        in_flight: items that a worker has.
        offered_by: names of workers that accept it; empty: nobody.
        depths: `waiting` once a minute over the last 30 minutes, oldest first.
        example: (name, id) of an instance whose work waits here longest.
    """

    kind: Literal["orchestration", "activity", "entity"]
    name: str
    version: str
    waiting: int
    oldest_ns: int | None
    in_flight: int
    offered_by: tuple[str, ...]
    depths: tuple[int, ...] = ()
    example: tuple[str, str] | None = None


@dataclass(frozen=True)
class Workforce:
    """Workers (connected ones first) and queues; `warnings` in plain sentences."""

    workers: list[Worker]
    queues: list[Queue]
    warnings: tuple[str, ...] = ()

    @property
    def unserved(self) -> list[Queue]:
        """Queues with waiting work that no connected worker accepts."""
        return [queue for queue in self.queues if queue.waiting and not queue.offered_by]


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
