"""A scheduler to test rules on: the real engine over a store in memory, a clock that is told the time, and
workers whose every answer the test writes.

`Rig.call` is a request and its commit; `Rig.request` is the request alone, so that a test can look at what
happens before the commit. A `Worker` sees exactly the bytes a real stream would carry.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from durakit.scheduler.engine import Engine, Group
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.limits import AZURE_LIMITS, Limits
from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.machine.status_record import StatusChange
from durakit.scheduler.requests import Requests
from durakit.scheduler.store import Store
from durakit.scheduler.store import statements as sql
from durakit.scheduler.streams import Offer
from durakit.scheduler.waiters import Waiter, has_ended
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

SECOND = 1_000_000_000
BEGINNING = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z in nanoseconds since 1970."""

RUNNING = pb.ORCHESTRATION_STATUS_RUNNING
COMPLETED = pb.ORCHESTRATION_STATUS_COMPLETED
CONTINUED = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
FAILED = pb.ORCHESTRATION_STATUS_FAILED
TERMINATED = pb.ORCHESTRATION_STATUS_TERMINATED
PENDING = pb.ORCHESTRATION_STATUS_PENDING
SUSPENDED = pb.ORCHESTRATION_STATUS_SUSPENDED


def text(value: str | None) -> StringValue | None:
    return None if value is None else StringValue(value=value)


def stamp(at_ns: int) -> Timestamp:
    return Timestamp(seconds=at_ns // SECOND, nanos=at_ns % SECOND)


# --- what orchestrators decide


def schedule(task_id: int, name: str = "work", **fields: Any) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(id=task_id, scheduleTask=pb.ScheduleTaskAction(name=name, **fields))


def timer(timer_id: int, due_ns: int) -> pb.OrchestratorAction:
    return pb.OrchestratorAction(id=timer_id, createTimer=pb.CreateTimerAction(fireAt=stamp(due_ns)))


def child(task_id: int, instance_id: str, name: str = "child", **fields: Any) -> pb.OrchestratorAction:
    created = pb.CreateSubOrchestrationAction(instanceId=instance_id, name=name, **fields)
    return pb.OrchestratorAction(id=task_id, createSubOrchestration=created)


def send(action_id: int, target: str, name: str, data: str | None = None) -> pb.OrchestratorAction:
    instance = pb.OrchestrationInstance(instanceId=target)
    sent = pb.SendEventAction(instance=instance, name=name, data=text(data))
    return pb.OrchestratorAction(id=action_id, sendEvent=sent)


def terminate_other(action_id: int, target: str, *, recurse: bool = False) -> pb.OrchestratorAction:
    wanted = pb.TerminateOrchestrationAction(instanceId=target, reason=text('"stop"'), recurse=recurse)
    return pb.OrchestratorAction(id=action_id, terminateOrchestration=wanted)


def complete(result: str | None = None, action_id: int = 99) -> pb.OrchestratorAction:
    done = pb.CompleteOrchestrationAction(orchestrationStatus=COMPLETED, result=text(result))
    return pb.OrchestratorAction(id=action_id, completeOrchestration=done)


def fail(message: str = "broken", action_id: int = 99) -> pb.OrchestratorAction:
    details = pb.TaskFailureDetails(errorType="builtins.ValueError", errorMessage=message)
    done = pb.CompleteOrchestrationAction(orchestrationStatus=FAILED, failureDetails=details)
    return pb.OrchestratorAction(id=action_id, completeOrchestration=done)


def continue_as_new(
    new_input: str | None = None, carried: Sequence[str] = (), version: str | None = None
) -> pb.OrchestratorAction:
    events = [pb.HistoryEvent(eventRaised=pb.EventRaisedEvent(name=name)) for name in carried]
    done = pb.CompleteOrchestrationAction(
        orchestrationStatus=CONTINUED,
        result=text(new_input),
        carryoverEvents=events,
        newVersion=text(version),
    )
    return pb.OrchestratorAction(id=99, completeOrchestration=done)


# --- what comes of it


def kinds(events: Iterable[pb.HistoryEvent]) -> list[str]:
    """Return each event's kind."""
    return [event.WhichOneof("eventType") or "" for event in events]


class Worker:
    """One stream of work items, answered by hand."""

    def __init__(self, rig: Rig, offer: Offer, *, commit: bool = True) -> None:
        self._rig = rig
        self.stream = rig.hub.open_stream(offer, lambda: None)
        if commit:
            rig.commit()

    def items(self) -> list[pb.WorkItem]:
        """Take everything that was sent since the last look."""
        items = [pb.WorkItem.FromString(item) for item in self.stream.outbox]
        self.stream.outbox.clear()
        return items

    def item(self) -> pb.WorkItem:
        """Take the one item that was sent; fails the test when there is none or there are more."""
        (item,) = self.items()
        return item

    def answer(self, item: pb.WorkItem, *actions: pb.OrchestratorAction, **fields: Any) -> None:
        """Complete a turn with these actions."""
        self._rig.call("CompleteOrchestratorTask", answer_to(item, *actions, **fields))

    def do(self, *actions: pb.OrchestratorAction, **fields: Any) -> pb.WorkItem:
        """Take the one turn on offer, complete it with these actions, return its item."""
        item = self.item()
        assert item.HasField("orchestratorRequest")
        self.answer(item, *actions, **fields)
        return item

    def finish(self, item: pb.WorkItem, result: str | None = None, error: str | None = None) -> None:
        """Complete an activity, as a failure when `error` is given."""
        self._rig.call("CompleteActivityTask", result_of(item, result, error))

    def leave(self) -> None:
        """Close the stream."""
        self._rig.hub.close_stream(self.stream, self._rig.now)
        self._rig.commit()


def answer_to(
    item: pb.WorkItem,
    *actions: pb.OrchestratorAction,
    status: str | None = None,
    events: int | None = None,
    **fields: Any,
) -> pb.OrchestratorResponse:
    """Return a worker's answer to a turn."""
    return pb.OrchestratorResponse(
        instanceId=item.orchestratorRequest.instanceId,
        completionToken=item.completionToken,
        actions=actions,
        customStatus=text(status),
        numEventsProcessed=None if events is None else Int32Value(value=events),
        **fields,
    )


def result_of(item: pb.WorkItem, result: str | None = None, error: str | None = None) -> pb.ActivityResponse:
    """Return a worker's answer to an activity."""
    details = None if error is None else pb.TaskFailureDetails(errorType="E", errorMessage=error)
    return pb.ActivityResponse(
        instanceId=item.activityRequest.orchestrationInstance.instanceId,
        taskId=item.activityRequest.taskId,
        result=text(result),
        failureDetails=details,
        completionToken=item.completionToken,
    )


class Rig:
    """An engine, its clock, and one hub named `default`.

    Args:
        store: a store to go on with; by default a fresh one in memory.
    """

    def __init__(
        self, store: Store | None = None, limits: Limits = AZURE_LIMITS, now: int = BEGINNING
    ) -> None:
        self.now = now
        self.store = store or Store(None)
        self._limits = limits
        self._ids = itertools.count(1)
        self._load()
        self.commit()

    def _load(self) -> None:
        self.engine = Engine(
            self.store, new_id=lambda: f"id-{next(self._ids)}", now=lambda: self.now, limits=self._limits
        )
        self.hub: TaskHub = self.engine.hub("default")
        self.requests = Requests(self.engine)

    def crash(self) -> None:
        """Kill the scheduler and start it again: what was not committed never happened.

        A real start counts in the file how often it was opened; here that is done by hand.
        """
        self.store.boot += 1
        self._load()
        self.commit()

    # --- time and commits

    def commit(self) -> None:
        """Write and release everything."""
        self.engine.commit()

    def cut(self) -> Group:
        """Close a group without writing it."""
        return self.engine.cut()

    def write(self, group: Group) -> None:
        """Put a group on disk, without releasing it."""
        if group.batch is not None:
            self.store.commit(group.batch)

    def advance(self, seconds: float) -> None:
        """Let time pass and do what is due."""
        self.now += round(seconds * SECOND)
        self.engine.run_due()
        self.commit()

    # --- requests

    def request(self, method: str, request: Any) -> Any:
        """Answer a request; nothing is committed."""
        return self.requests.by_method[method](request, self.hub)

    def call(self, method: str, request: Any) -> Any:
        """Answer a request and commit."""
        response = self.request(method, request)
        self.commit()
        return response

    def start(self, instance_id: str = "a", name: str = "flow", **fields: Any) -> str:
        """Start an instance."""
        request = pb.CreateInstanceRequest(instanceId=instance_id, name=name, **fields)
        response: pb.CreateInstanceResponse = self.call("StartInstance", request)
        return response.instanceId

    def raise_event(self, name: str, data: str | None = None, instance_id: str = "a") -> None:
        """Raise an external event."""
        self.call("RaiseEvent", pb.RaiseEventRequest(instanceId=instance_id, name=name, input=text(data)))

    def suspend(self, instance_id: str = "a") -> None:
        """Suspend an instance."""
        self.call("SuspendInstance", pb.SuspendRequest(instanceId=instance_id, reason=text("lunch")))

    def resume(self, instance_id: str = "a") -> None:
        """Resume an instance."""
        self.call("ResumeInstance", pb.ResumeRequest(instanceId=instance_id, reason=text("back")))

    def terminate(
        self, instance_id: str = "a", output: str | None = '"over"', *, recursive: bool = False
    ) -> None:
        """Terminate an instance."""
        request = pb.TerminateRequest(instanceId=instance_id, output=text(output), recursive=recursive)
        self.call("TerminateInstance", request)

    def purge(self, instance_id: str = "a", *, recursive: bool = False) -> int:
        """Purge an instance; return how many went."""
        request = pb.PurgeInstancesRequest(instanceId=instance_id, recursive=recursive)
        response: pb.PurgeInstancesResponse = self.call("PurgeInstances", request)
        return response.deletedInstanceCount

    def worker(
        self,
        name: str = "w",
        *,
        sessions: int = 0,
        turns: int = 0,
        tasks: int = 0,
        filters: pb.WorkItemFilters | None = None,
        capabilities: Sequence[int] = (),
    ) -> Worker:
        """Open a stream of work items."""
        request = pb.GetWorkItemsRequest(
            maxConcurrentOrchestrationWorkItems=turns,
            maxConcurrentActivityWorkItems=tasks,
            workItemFilters=filters,
            capabilities=capabilities,  # type: ignore[arg-type]
        )
        return Worker(self, Offer(name, "", sessions, request))

    # --- what a test looks at

    def state(self, instance_id: str = "a") -> pb.OrchestrationState:
        """Return the state a client is shown, payloads included."""
        request = pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True)
        response: pb.GetInstanceResponse = self.request("GetInstance", request)
        assert response.exists
        return response.orchestrationState

    def exists(self, instance_id: str = "a") -> bool:
        """Whether a client finds the instance."""
        response: pb.GetInstanceResponse = self.request(
            "GetInstance", pb.GetInstanceRequest(instanceId=instance_id)
        )
        return response.exists

    def status(self, instance_id: str = "a") -> int:
        """Return the status a client is shown."""
        return self.state(instance_id).orchestrationStatus

    def history(self, instance_id: str = "a") -> list[pb.HistoryEvent]:
        """Return the committed history."""
        request = pb.StreamInstanceHistoryRequest(instanceId=instance_id)
        return [event for chunk in self.requests.history_chunks(request, self.hub) for event in chunk.events]

    def record(self, instance_id: str = "a") -> list[StatusChange]:
        """Return the committed custom statuses over time, newest first."""
        stored = self.store.find(self.hub.machine.hub_row, instance_id)
        if stored is None:
            return []
        found = self.store.reading.execute(sql.STATUSES_OF, sql.slots_of(stored.row)).fetchall()
        return [StatusChange(stored.row, *values) for values in found]

    def wait(self, instance_id: str = "a", until: Any = has_ended) -> list[Instance]:
        """Register a waiter; the list gets the instance when the waiter is told."""
        told: list[Instance] = []

        def never(error: Exception) -> None:
            raise error

        self.hub.wait(instance_id, Waiter(until, told.append, never))
        return told


def facts(rig: Rig) -> dict[str, dict[str, object]]:
    """Return everything that must survive a crash, of every instance that has not ended.

    A timer that fired and whose turn is not committed counts as open: it fires again.
    """
    found: dict[str, dict[str, object]] = {}
    for instance in rig.hub.machine.resident.values():
        stored = [(arrival.kind, arrival.event) for arrival in instance.inbox if arrival.key is not None]
        timers = {one.timer_id: one.due_ns for one in instance.timers.values()}
        for arrival in instance.inbox:
            if arrival.key is None and arrival.event:
                fired = pb.HistoryEvent.FromString(arrival.event).timerFired
                timers[fired.timerId] = fired.fireAt.seconds * SECOND + fired.fireAt.nanos
        found[instance.id] = {
            "execution": instance.execution_id,
            "name": instance.name,
            "version": instance.version,
            "status": instance.status,
            "input": instance.input,
            "custom status": instance.custom_status,
            "statuses": (instance.statuses, instance.recorded_status),
            "tags": instance.tags,
            "parent": instance.parent,
            "created": instance.created_ns,
            "updated": instance.updated_ns,
            "scheduled": instance.scheduled_ns,
            "history": framing.events_of(b"".join(rig.hub.machine.history(instance))),
            "events": instance.events,
            # Both begin again with an empty history.
            "turns": instance.turns if instance.events else 0,
            "clock": instance.clock_ns if instance.events else 0,
            "inbox": stored,
            "tasks": {task_id: task.request for task_id, task in instance.tasks.items()},
            "timers": timers,
            "children": dict(instance.children),
        }
    return found


def rebuilt(rig: Rig) -> dict[str, dict[str, object]]:
    """Return the same of a second scheduler that knows only what is on disk."""
    return facts(Rig(rig.store, now=rig.now))
