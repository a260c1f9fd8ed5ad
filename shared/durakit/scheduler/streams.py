"""A worker's open stream of work items: what it accepts, how much it holds, what waits to be sent.

The stream is the lease (semantics.md 2.5): what it holds is given to others when it ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from durakit.wire.messages import orchestration_pb2 as pb

Key = tuple[str, str]
"""Name and version of an orchestration or activity; a missing version is empty."""

UNSTATED_CREDIT = 1000
"""Items of one kind a worker may hold when it did not say how many it wants."""


@dataclass(frozen=True)
class Offer:
    """What a worker says about itself when it opens a stream.

    Attributes:
        worker: how to name the worker to people (`workerid`, else its address).
        sdk: the `x-user-agent` it sent, or "".
        sessions: how many executions it keeps in memory; 0 when it wants full history always.
        opened_ns: when it opened the stream; 0 when nobody looked.
    """

    worker: str
    sdk: str
    sessions: int
    request: pb.GetWorkItemsRequest
    opened_ns: int = 0


@dataclass(eq=False)
class WorkerStream:
    """One open GetWorkItems stream.

    Attributes:
        wake: called when `outbox` got its first item.
        held: tokens of the items this worker has not answered, in order of delivery.
        answered: how many items it has answered.
        seen_ns: when it answered last; 0 before that.

        held: tokens of the items this worker has not answered, in order of delivery, and when that was.
    """

    offer: Offer
    wake: Callable[[], None]
    outbox: deque[bytes] = field(default_factory=deque)
    held: dict[str, int] = field(default_factory=dict)
    turns_held: int = 0
    tasks_held: int = 0
    answered: int = 0
    seen_ns: int = 0
    failure: Exception | None = None

    def __post_init__(self) -> None:
        request = self.offer.request
        self._turn_credit = request.maxConcurrentOrchestrationWorkItems or UNSTATED_CREDIT
        self._task_credit = request.maxConcurrentActivityWorkItems or UNSTATED_CREDIT
        self._turn_names: dict[str, frozenset[str]] | None = None
        self._task_names: dict[str, frozenset[str]] | None = None
        self._accepted: dict[tuple[bool, Key], bool] = {}
        if request.HasField("workItemFilters"):
            filters = request.workItemFilters
            self._turn_names = _versions_by_name(filters.orchestrations)
            self._task_names = _versions_by_name(filters.activities)
        self.streams_history = pb.WORKER_CAPABILITY_HISTORY_STREAMING in request.capabilities

    @property
    def turn_credit(self) -> int | None:
        """How many turns it may hold at a time; None when it did not say."""
        return self.offer.request.maxConcurrentOrchestrationWorkItems or None

    @property
    def task_credit(self) -> int | None:
        """How many activities it may hold at a time; None when it did not say."""
        return self.offer.request.maxConcurrentActivityWorkItems or None

    @property
    def has_filter(self) -> bool:
        """Whether it said what it can do; otherwise it is given everything."""
        return self._turn_names is not None

    def versions(self, *, turn: bool) -> dict[str, frozenset[str]]:
        """Return the names in its filter with the versions accepted of each; none means any."""
        return dict((self._turn_names if turn else self._task_names) or {})

    def held_since(self, since_ns: int, at_most: int) -> int:
        """How many of the items it holds were delivered after `since_ns`; counts up to `at_most`."""
        found = 0
        for delivered_ns in reversed(self.held.values()):
            if found >= at_most or delivered_ns <= since_ns:
                break
            found += 1
        return found

    def takes_turn(self, key: Key) -> bool:
        """Whether it has room for a turn of this orchestration."""
        return self.turns_held < self._turn_credit and self.accepts(key, turn=True)

    def takes_task(self, key: Key) -> bool:
        """Whether it has room for this activity."""
        return self.tasks_held < self._task_credit and self.accepts(key, turn=False)

    def accepts(self, key: Key, *, turn: bool) -> bool:
        """Whether its filter lets this name and version through (semantics.md 2.2)."""
        known = self._accepted.get((turn, key))
        if known is None:
            names = self._turn_names if turn else self._task_names
            versions = names.get(key[0]) if names is not None else frozenset()
            known = versions is not None and (not versions or key[1] in versions)
            self._accepted[turn, key] = known
        return known

    def offered_names(self, *, turn: bool) -> list[str]:
        """Return the names in its filter; empty for a worker without one, which takes every name."""
        return list((self._turn_names if turn else self._task_names) or ())

    def send(self, item: bytes) -> None:
        """Put a serialised work item on its way."""
        self.outbox.append(item)
        self.wake()

    def end(self, failure: Exception | None = None) -> None:
        """Have the stream closed by the scheduler; `failure` is what the worker is told."""
        self.failure = failure or StreamEnded()
        self.wake()


def _versions_by_name(
    entries: Iterable[pb.OrchestrationFilter | pb.ActivityFilter],
) -> dict[str, frozenset[str]]:
    """Return the versions accepted of each name; none named means any."""
    accepted: dict[str, frozenset[str]] = {}
    for entry in entries:
        versions, before = frozenset(entry.versions), accepted.get(entry.name)
        any_version = not versions or before == frozenset()
        accepted[entry.name] = frozenset() if any_version else versions | (before or frozenset())
    return accepted


class StreamEnded(Exception):
    """The scheduler ends a stream, or a wait, because it stops."""
