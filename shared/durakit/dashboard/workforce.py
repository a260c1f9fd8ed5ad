"""Workers and their queues, as a backend tells them. Times are nanoseconds since 1970 (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
