"""A worker's end of a link whose other end is the test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from queue import Queue
from typing import Any, cast

from durakit.runtime.link import Link
from durakit.runtime.linked_delivery import LinkedDelivery
from durakit.runtime.turns import AheadTurn
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

SOON_SECONDS = 20.0
LOGGER = logging.getLogger("test.link")


class Calls:
    """Stands for `Delivery`: writes down which answers left by calls."""

    def __init__(self) -> None:
        self.made: Queue[tuple[str, str]] = Queue()

    def complete_activity(self, request: pb.ActivityRequest, response: pb.ActivityResponse) -> None:
        self.made.put(("result", response.completionToken))

    def complete_turn(self, response: pb.OrchestratorResponse, done: Callable[[bool], None]) -> None:
        self.made.put(("turn", response.completionToken))

    def abandon_turn(self, token: str, instance_id: str) -> None:
        self.made.put(("returned turn", token))

    def abandon_activity(self, token: str, instance_id: str) -> None:
        self.made.put(("returned task", token))

    def join(self, deadline: float) -> bool:
        return True

    def so_far(self) -> list[tuple[str, str]]:
        return [self.made.get_nowait() for _ in range(self.made.qsize())]


class Wire:
    """An open link whose other end is the test."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.dropped: list[str] = []
        self.told: list[tuple[str, bool]] = []
        self.asked: list[list[str]] = []
        self.next_turn: Callable[[], AheadTurn | None] = lambda: None
        self.delivery = LinkedDelivery(cast("Any", self.calls), self.dropped.append, logger=LOGGER)
        self.delivery.go_ahead = self.go_ahead
        self.link: Link = self.delivery.open(link.Opening(sessions=7))
        self.messages = self.link.messages()
        self.opening = next(self.messages)
        self.sent = 1

    def go_ahead(self, results: Sequence[pb.ActivityResponse]) -> AheadTurn | None:
        self.asked.append([result.completionToken for result in results])
        return self.next_turn()

    # --- the worker

    def result(self, token: str, instance_id: str = "a", *, failed: bool = False, size: int = 0) -> None:
        response = pb.ActivityResponse(completionToken=token, instanceId=instance_id)
        response.result.value = "x" * size
        if failed:
            response.failureDetails.errorMessage = "no"
        self.delivery.complete_activity(pb.ActivityRequest(), response)

    def turn(self, token: str, *, size: int = 0) -> None:
        response = pb.OrchestratorResponse(completionToken=token, instanceId="a")
        response.customStatus.value = "x" * size
        self.delivery.complete_turn(response, lambda accepted: self.told.append((token, accepted)))

    def end(self) -> None:
        self.delivery.closed(self.link)

    # --- the scheduler

    def up(self) -> link.Up:
        """The next message; only when something waits to be sent."""
        self.sent += 1
        return next(self.messages)

    def down(self, through: int = 0, *refused: link.Refused, items: Sequence[pb.WorkItem] = ()) -> list[Any]:
        """Send a message; return what the reader hands out."""
        blobs = [item.SerializeToString() for item in items]
        sent = link.Down(durable_through=through, refused=refused, items=blobs)
        return list(self.link.items(iter([sent])))


def ahead(instance_id: str = "a", size: int = 0) -> AheadTurn:
    response = pb.OrchestratorResponse(instanceId=instance_id)
    response.customStatus.value = "x" * size
    return AheadTurn(response, "the session", "e1", 4, 5)


def refused(token: str, status: str = "NOT_FOUND", instance_id: str = "a") -> link.Refused:
    return link.Refused(token=token, status=status, instance_id=instance_id, message="because")


def refused_turn(instance_id: str = "a") -> link.Refused:
    return refused("", "FAILED_PRECONDITION", instance_id)
