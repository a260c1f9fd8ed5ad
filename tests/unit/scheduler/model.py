"""What clients and workers may expect of the scheduler, said a second time and simply.

The model knows no bytes, groups, queues or tokens. It holds, per instance, what was accepted and not yet
read by the orchestrator, in order, and what is still open. Whatever the engine does must look like this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from durakit.wire.messages import orchestration_pb2 as pb

from .rig import COMPLETED, FAILED, PENDING, RUNNING, SUSPENDED, TERMINATED

Mark = tuple[str, str]
"""One thing an orchestrator is told: its kind and what tells it from others of that kind."""

ENDED = (COMPLETED, FAILED, TERMINATED)


@dataclass
class Known:
    """One instance.

    Attributes:
        execution: tells executions apart; grows.
        started: a turn of this execution is in history.
        continued: there was an execution before this one.
        unread: what was accepted and is not in history yet, in order of acceptance.
        read: what is in history, in order.
        tasks: input of the activity each task id stands for now.
        children: id of the child each task id stands for now.
        answered: task ids of results that are unread, by result.
        parent: instance, execution and task id by which it was created.
        last_turn: tells turns apart; 0 when there was none.
    """

    execution: int
    status: int = PENDING
    started: bool = False
    continued: bool = False
    unread: list[Mark] = field(default_factory=list)
    read: list[Mark] = field(default_factory=list)
    tasks: dict[int, str] = field(default_factory=dict)
    children: dict[int, str] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)
    parent: tuple[str, int, int] | None = None
    last_turn: int = 0

    @property
    def ended(self) -> bool:
        """Whether it will do nothing more."""
        return self.status in ENDED

    def looks(self, status: int) -> bool:
        """Whether it may be shown with this status."""
        between = self.continued and not self.started and self.status in (PENDING, RUNNING)
        return status == self.status or (between and status in (PENDING, RUNNING))


def mark_of(event: pb.HistoryEvent) -> Mark | None:
    """Return what an event tells an orchestrator; None for bookkeeping and for timers, which may come again
    in another order after a crash.
    """
    kind = event.WhichOneof("eventType") or ""
    if kind == "eventRaised":
        return "event", event.eventRaised.input.value
    if kind == "taskCompleted":
        return "result", event.taskCompleted.result.value
    if kind == "taskFailed":
        return "result", event.taskFailed.failureDetails.errorMessage
    if kind == "subOrchestrationInstanceCompleted":
        return "child", str(event.subOrchestrationInstanceCompleted.taskScheduledId)
    if kind == "subOrchestrationInstanceFailed":
        return "child", str(event.subOrchestrationInstanceFailed.taskScheduledId)
    if kind in ("executionSuspended", "executionResumed"):
        return kind, ""
    return None


def marks_of(events: Iterable[pb.HistoryEvent]) -> list[Mark]:
    """Return the marks of events, in order."""
    return [mark for mark in map(mark_of, events) if mark is not None]


class Model:
    """All instances of a hub."""

    def __init__(self) -> None:
        self.instances: dict[str, Known] = {}
        self._executions = 0
        self._turns = 0

    def _next_execution(self) -> int:
        self._executions += 1
        return self._executions

    def live(self, instance_id: str) -> Known | None:
        """Return an instance that has not ended."""
        known = self.instances.get(instance_id)
        return known if known is not None and not known.ended else None

    def free(self, instance_id: str, task_id: int) -> bool:
        """Whether an orchestrator may use a task id: SDKs do so again only when they have read the answer."""
        known = self.live(instance_id)
        if known is None:
            return True
        unread = {known.answered.get(what) for kind, what in known.unread if kind == "result"}
        return task_id not in unread and ("child", str(task_id)) not in known.unread

    # --- clients

    def create(self, instance_id: str, parent: tuple[str, int, int] | None = None) -> None:
        self.instances[instance_id] = Known(self._next_execution(), parent=parent)

    def raise_event(self, instance_id: str, data: str) -> None:
        if known := self.live(instance_id):
            known.unread.append(("event", data))

    def suspend(self, instance_id: str) -> None:
        known = self.live(instance_id)
        if known and known.status != SUSPENDED:
            known.status = SUSPENDED
            known.unread.append(("executionSuspended", ""))

    def resume(self, instance_id: str) -> None:
        known = self.live(instance_id)
        if known and known.status == SUSPENDED:
            known.status = RUNNING if known.started else PENDING
            known.unread.append(("executionResumed", ""))

    def terminate(self, instance_id: str, *, recurse: bool) -> None:
        known = self.live(instance_id)
        if known is None:
            return
        known.read += known.unread
        children = [
            child_id
            for child_id in known.children.values()
            if (child := self.live(child_id)) and child.parent and child.parent[0] == instance_id
        ]
        self._finish(instance_id, known, TERMINATED)
        for child_id in children if recurse else []:
            self.terminate(child_id, recurse=True)

    def purge(self, instance_id: str) -> None:
        del self.instances[instance_id]

    # --- workers

    def result(self, instance_id: str, execution: int, task_id: int, given: str, result: str) -> None:
        """An activity that was given `given` answers."""
        known = self.live(instance_id)
        if known and known.execution == execution and known.tasks.get(task_id) == given:
            del known.tasks[task_id]
            known.answered[result] = task_id
            known.unread.append(("result", result))

    def turn(
        self,
        instance_id: str,
        read: int,
        actions: list[pb.OrchestratorAction],
        end: str,
        carried: list[str],
    ) -> None:
        """An orchestrator read the first `read` marks and answered.

        Args:
            end: "", "complete", "fail" or "continue".
            carried: data of the events it takes along when it continues as new.
        """
        known = self.instances[instance_id]
        known.read += known.unread[:read]
        del known.unread[:read]
        self._turns += 1
        known.last_turn = self._turns
        known.started = True
        if known.status == PENDING:
            known.status = RUNNING
        for action in actions:
            self._act(instance_id, known, action, last=bool(end))
        if end == "continue":
            survivors = [mark for mark in known.unread if mark[0] not in ("result", "child")]
            self.instances[instance_id] = Known(
                self._next_execution(),
                status=known.status,
                continued=True,
                unread=[("event", data) for data in carried] + survivors,
                parent=known.parent,
            )
        elif end:
            self._finish(instance_id, known, COMPLETED if end == "complete" else FAILED)
        for action in actions:
            if action.HasField("terminateOrchestration"):
                other = action.terminateOrchestration
                if other.instanceId != instance_id:
                    self.terminate(other.instanceId, recurse=other.recurse)

    def eager_turn(
        self,
        instance_id: str,
        results: list[str],
        actions: list[pb.OrchestratorAction],
        end: str,
        carried: list[str],
    ) -> None:
        """An orchestrator read these results, which were accepted, before all else; then as `turn`."""
        known = self.instances[instance_id]
        taken = [("result", result) for result in results]
        for mark in taken:
            known.unread.remove(mark)
        known.unread[:0] = taken
        self.turn(instance_id, len(taken), actions, end, carried)

    def _act(self, instance_id: str, known: Known, action: pb.OrchestratorAction, *, last: bool) -> None:
        if action.HasField("scheduleTask") and not last:
            known.tasks[action.id] = action.scheduleTask.input.value
        elif action.HasField("sendEvent"):
            self.raise_event(action.sendEvent.instance.instanceId, action.sendEvent.data.value)
        elif action.HasField("createSubOrchestration"):
            child_id = action.createSubOrchestration.instanceId
            if self.live(child_id) is None:
                known.children[action.id] = child_id
                self.create(child_id, parent=(instance_id, known.execution, action.id))
            else:
                known.children.pop(action.id, None)
                if not last:
                    known.unread.append(("child", str(action.id)))

    def _finish(self, instance_id: str, known: Known, status: int) -> None:
        known.status = status
        known.unread.clear()
        known.tasks.clear()
        known.children.clear()
        if known.parent is None:
            return
        parent_id, execution, task_id = known.parent
        parent = self.live(parent_id)
        if parent and parent.execution == execution and parent.children.get(task_id) == instance_id:
            del parent.children[task_id]
            parent.unread.append(("child", str(task_id)))
