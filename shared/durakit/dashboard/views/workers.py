"""Workers and queues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from durakit.dashboard import words
from durakit.dashboard.lists import InstanceQuery
from durakit.dashboard.parameters import Parameters
from durakit.dashboard.views.frame import Frame, hub_path
from durakit.dashboard.workforce import Queue, Worker, Workforce

_NO_FILTER = Parameters((), InstanceQuery())


@dataclass(frozen=True)
class WorkersView:
    """Who is connected and what waits. `workforce` is None when the endpoint does not tell."""

    frame: Frame
    workforce: Workforce | None
    only_waiting: bool = True

    @property
    def queues(self) -> list[Queue]:
        """The queues to show."""
        if self.workforce is None:
            return []
        return [
            queue
            for queue in self.workforce.queues
            if queue.waiting or queue.in_flight or not self.only_waiting
        ]

    @property
    def processes(self) -> int:
        """How many processes are connected."""
        workers = self.workforce.workers if self.workforce is not None else []
        return len({worker.name for worker in workers if worker.left_ns is None})

    def list_path(self, queue: Queue) -> str:
        """Return the list of the instances whose work waits in a queue."""
        if queue.kind == "orchestration":
            query = _NO_FILTER.link(name=queue.name, status=("pending", "running"))
        else:
            query = _NO_FILTER.link(waiting=queue.kind, on=queue.name)
        return hub_path(self.frame.hub or "") + query

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        if self.workforce is None:
            return {"hub": self.frame.hub, "workers": None, "queues": None}
        return {
            "hub": self.frame.hub,
            "workers": [_worker_json(worker) for worker in self.workforce.workers],
            "queues": [_queue_json(queue) for queue in self.workforce.queues],
            "warnings": list(self.workforce.warnings),
        }


def _worker_json(worker: Worker) -> dict[str, Any]:
    offers = worker.offers
    return {
        "name": worker.name,
        "stream": worker.stream,
        "sdk": worker.sdk,
        "offers": None
        if offers is None
        else [{"kind": each.kind, "name": each.name, "versions": list(each.versions)} for each in offers],
        "inFlight": {"turns": worker.in_flight_turns, "activities": worker.in_flight_activities},
        "limits": {"turns": worker.turn_limit, "activities": worker.activity_limit},
        "oldestAt": _time(worker.oldest_ns),
        "doneIn5Min": worker.done,
        "connectedAt": _time(worker.connected_ns),
        "seenAt": _time(worker.seen_ns),
        "leftAt": _time(worker.left_ns),
        "handedOver": worker.handed_over,
    }


def _queue_json(queue: Queue) -> dict[str, Any]:
    return {
        "kind": queue.kind,
        "name": queue.name,
        "version": queue.version,
        "waiting": queue.waiting,
        "oldestAt": _time(queue.oldest_ns),
        "inFlight": queue.in_flight,
        "offeredBy": list(queue.offered_by),
        "depths": list(queue.depths),
    }


def _time(at_ns: int | None) -> str | None:
    return None if at_ns is None else words.rfc3339(at_ns)
