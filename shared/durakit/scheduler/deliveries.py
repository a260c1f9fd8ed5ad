"""Completion tokens: which item was given to which stream, and whether that delivery still counts.

A token names one delivery and is never made twice, not even after a restart, because it begins with
the number of times the file was opened.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from durakit.scheduler.machine.instance import OpenTask, Turn
from durakit.scheduler.streams import WorkerStream
from durakit.wire.messages import orchestration_pb2 as pb


@dataclass(slots=True, eq=False)
class TurnDelivery:
    """A turn in the hands of a worker, since `given_ns`.

    `chunks` are the parts of a split answer, by number, but the last.
    """

    token: str
    stream: WorkerStream
    turn: Turn
    given_ns: int
    chunks: dict[int, pb.OrchestratorResponse] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class TaskDelivery:
    """An activity in the hands of a worker, since `given_ns`."""

    token: str
    stream: WorkerStream
    task: OpenTask
    given_ns: int


class Deliveries:
    """All open deliveries of a hub.

    Args:
        boot: names the present loading of the store.
        hub_row: keeps tokens of different hubs apart.
    """

    def __init__(self, boot: str, hub_row: int) -> None:
        self._prefix = f"{boot}.{hub_row:x}."
        self._count = 0
        self._turns: dict[str, TurnDelivery] = {}
        self._tasks: dict[str, TaskDelivery] = {}
        self._spent: dict[str, None] = {}
        self._spent_order: deque[tuple[int, str]] = deque()

    def new_token(self) -> str:
        """Return a token that was never used before."""
        self._count += 1
        return f"{self._prefix}{self._count:x}"

    def open_turn(self, stream: WorkerStream, turn: Turn, now: int) -> TurnDelivery:
        """Record that `turn` is given to `stream` at `now`."""
        delivery = TurnDelivery(self.new_token(), stream, turn, now)
        self._turns[delivery.token] = delivery
        stream.held[delivery.token] = now
        stream.turns_held += 1
        return delivery

    def open_task(self, stream: WorkerStream, task: OpenTask, now: int) -> TaskDelivery:
        """Record that `task` is given to `stream` at `now`."""
        delivery = TaskDelivery(self.new_token(), stream, task, now)
        self._tasks[delivery.token] = delivery
        stream.held[delivery.token] = now
        stream.tasks_held += 1
        return delivery

    def open_turns(self) -> list[TurnDelivery]:
        """Return all turns in the hands of workers, oldest first."""
        return list(self._turns.values())

    def open_tasks(self) -> list[TaskDelivery]:
        """Return all activities in the hands of workers, oldest first."""
        return list(self._tasks.values())

    def turn(self, token: str) -> TurnDelivery | None:
        """Return the open delivery of a turn."""
        return self._turns.get(token)

    def task(self, token: str) -> TaskDelivery | None:
        """Return the open delivery of an activity."""
        return self._tasks.get(token)

    def turn_of(self, instance_id: str) -> TurnDelivery | None:
        """Find a turn by instance, for workers that send no token; at most one can be open."""
        for delivery in self._turns.values():
            if delivery.turn.instance.id == instance_id:
                return delivery
        return None

    def of_turn(self, turn: Turn) -> TurnDelivery | None:
        """Find the open delivery of this very turn; None when it was given back or ended."""
        for delivery in reversed(self._turns.values()):
            if delivery.turn is turn:
                return delivery
        return None

    def task_of(self, instance_id: str, task_id: int) -> TaskDelivery | None:
        """Find an activity by instance and task id, for workers that send no token.

        Of several, the one whose result is still awaited: the others belong to executions that are over.
        """
        found = [
            delivery
            for delivery in self._tasks.values()
            if delivery.task.task_id == task_id and delivery.task.instance.id == instance_id
        ]
        awaited = [
            delivery for delivery in found if delivery.task.instance.tasks.get(task_id) is delivery.task
        ]
        return next(iter(awaited or found), None)

    def close(self, delivery: TurnDelivery | TaskDelivery) -> None:
        """The delivery no longer counts; its worker has room again."""
        stream = delivery.stream
        if isinstance(delivery, TurnDelivery):
            self._turns.pop(delivery.token, None)
            if delivery.token in stream.held:
                stream.turns_held -= 1
        else:
            self._tasks.pop(delivery.token, None)
            if delivery.token in stream.held:
                stream.tasks_held -= 1
        stream.held.pop(delivery.token, None)

    def spend(self, delivery: TurnDelivery | TaskDelivery, group: int) -> None:
        """The delivery was answered; until `group` is on disk a twin of the answer may wait for it."""
        self.close(delivery)
        self._spent[delivery.token] = None
        self._spent_order.append((group, delivery.token))

    def is_spent(self, token: str) -> bool:
        """Whether this token was answered in a group that is not on disk yet."""
        return token in self._spent

    def forget_spent(self, committed_group: int) -> None:
        """Drop the spent tokens whose answers are on disk."""
        order = self._spent_order
        while order and order[0][0] <= committed_group:
            del self._spent[order.popleft()[1]]
