"""Builders for histories, and a small harness that feeds them to an Execution.

Events are made by functions named after them. `Run` plays the scheduler: it keeps the history, confirms
actions, and plays every turn twice, on the live execution and by full replay, which must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from durakit.registry import Registry
from durakit.replay import Execution, ExecutionOptions, Turn
from durakit.serialization import JsonDataConverter
from durakit.wire.messages import orchestration_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

START = datetime(2026, 1, 1, tzinfo=timezone.utc)

COMPLETED = pb.ORCHESTRATION_STATUS_COMPLETED
FAILED = pb.ORCHESTRATION_STATUS_FAILED
TERMINATED = pb.ORCHESTRATION_STATUS_TERMINATED
CONTINUED_AS_NEW = pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW


def timestamp(seconds: float = 0.0) -> Timestamp:
    """So many seconds after START."""
    moment = Timestamp()
    moment.FromDatetime(START + timedelta(seconds=seconds))
    return moment


def event(event_id: int = -1, at: float = 0.0) -> pb.HistoryEvent:
    return pb.HistoryEvent(eventId=event_id, timestamp=timestamp(at))


def turn_started(at: float = 0.0) -> pb.HistoryEvent:
    made = event(at=at)
    made.orchestratorStarted.SetInParent()
    return made


def turn_completed() -> pb.HistoryEvent:
    made = event()
    made.orchestratorCompleted.SetInParent()
    return made


def execution_started(
    name: str,
    input: str | None = None,
    *,
    execution_id: str = "e1",
    version: str | None = None,
    parent: str | None = None,
    instance_id: str = "i1",
) -> pb.HistoryEvent:
    made = event()
    started = made.executionStarted
    started.name = name
    started.orchestrationInstance.instanceId = instance_id
    started.orchestrationInstance.executionId.value = execution_id
    if input is not None:
        started.input.value = input
    if version is not None:
        started.version.value = version
    if parent is not None:
        started.parentInstance.orchestrationInstance.instanceId = parent
    return made


def execution_completed(status: pb.OrchestrationStatus) -> pb.HistoryEvent:
    made = event()
    made.executionCompleted.orchestrationStatus = status
    return made


def task_scheduled(task_id: int, name: str) -> pb.HistoryEvent:
    made = event(task_id)
    made.taskScheduled.name = name
    return made


def task_completed(task_id: int, result: str | None = None) -> pb.HistoryEvent:
    made = event()
    made.taskCompleted.taskScheduledId = task_id
    if result is not None:
        made.taskCompleted.result.value = result
    return made


def failure(
    message: str = "boom", error_type: str = "builtins.ValueError", *, non_retriable: bool = False
) -> pb.TaskFailureDetails:
    return pb.TaskFailureDetails(errorMessage=message, errorType=error_type, isNonRetriable=non_retriable)


def task_failed(task_id: int, details: pb.TaskFailureDetails | None = None) -> pb.HistoryEvent:
    made = event()
    made.taskFailed.taskScheduledId = task_id
    made.taskFailed.failureDetails.CopyFrom(details or failure())
    return made


def timer_created(timer_id: int, fire_at: float) -> pb.HistoryEvent:
    made = event(timer_id)
    made.timerCreated.fireAt.CopyFrom(timestamp(fire_at))
    return made


def timer_fired(timer_id: int, fire_at: float = 0.0) -> pb.HistoryEvent:
    made = event()
    made.timerFired.timerId = timer_id
    made.timerFired.fireAt.CopyFrom(timestamp(fire_at))
    return made


def child_created(task_id: int, name: str, instance_id: str = "child") -> pb.HistoryEvent:
    made = event(task_id)
    made.subOrchestrationInstanceCreated.name = name
    made.subOrchestrationInstanceCreated.instanceId = instance_id
    return made


def child_completed(task_id: int, result: str | None = None) -> pb.HistoryEvent:
    made = event()
    made.subOrchestrationInstanceCompleted.taskScheduledId = task_id
    if result is not None:
        made.subOrchestrationInstanceCompleted.result.value = result
    return made


def child_failed(task_id: int, details: pb.TaskFailureDetails | None = None) -> pb.HistoryEvent:
    made = event()
    made.subOrchestrationInstanceFailed.taskScheduledId = task_id
    if details is not None:
        made.subOrchestrationInstanceFailed.failureDetails.CopyFrom(details)
    return made


def event_raised(name: str, input: str | None = None) -> pb.HistoryEvent:
    made = event()
    made.eventRaised.name = name
    if input is not None:
        made.eventRaised.input.value = input
    return made


def event_sent(event_id: int, target: str, name: str) -> pb.HistoryEvent:
    made = event(event_id)
    made.eventSent.instanceId = target
    made.eventSent.name = name
    return made


def suspended() -> pb.HistoryEvent:
    made = event()
    made.executionSuspended.SetInParent()
    return made


def resumed() -> pb.HistoryEvent:
    made = event()
    made.executionResumed.SetInParent()
    return made


def terminated(output: str | None = None) -> pb.HistoryEvent:
    made = event()
    made.executionTerminated.SetInParent()
    if output is not None:
        made.executionTerminated.input.value = output
    return made


def rewound(at: float = 0.0, parent_execution_id: str | None = None) -> pb.HistoryEvent:
    made = event(at=at)
    made.executionRewound.SetInParent()
    if parent_execution_id is not None:
        made.executionRewound.parentExecutionId.value = parent_execution_id
    return made


def confirmation(action: pb.OrchestratorAction) -> pb.HistoryEvent | None:
    """The history event with which a scheduler confirms an action."""
    made = event(action.id)
    kind = action.WhichOneof("orchestratorActionType")
    if kind == "scheduleTask":
        made.taskScheduled.name = action.scheduleTask.name
        if action.scheduleTask.HasField("input"):
            made.taskScheduled.input.CopyFrom(action.scheduleTask.input)
    elif kind == "createTimer":
        made.timerCreated.fireAt.CopyFrom(action.createTimer.fireAt)
    elif kind == "createSubOrchestration":
        made.subOrchestrationInstanceCreated.name = action.createSubOrchestration.name
        made.subOrchestrationInstanceCreated.instanceId = action.createSubOrchestration.instanceId
    elif kind == "sendEvent":
        made.eventSent.instanceId = action.sendEvent.instance.instanceId
        made.eventSent.name = action.sendEvent.name
    else:
        return None
    return made


def confirmations(actions: Iterable[pb.OrchestratorAction]) -> list[pb.HistoryEvent]:
    """The events with which a scheduler confirms the actions of a turn."""
    return [made for made in map(confirmation, actions) if made is not None]


def options(**changes: Any) -> ExecutionOptions:
    changes.setdefault("converter", JsonDataConverter())
    return ExecutionOptions(**changes)


def registry_of(*functions: Callable[..., Any]) -> Registry:
    registry = Registry()
    for function in functions:
        registry.add_orchestrator(function)
    return registry


def completion(turn: Turn) -> pb.CompleteOrchestrationAction:
    """The completing action of a turn, which is its last."""
    assert turn.actions, "the turn has no actions"
    assert turn.actions[-1].HasField("completeOrchestration"), turn.actions[-1]
    return turn.actions[-1].completeOrchestration


def kinds(turn: Turn) -> list[str]:
    """`kind#id` of each action."""
    return [f"{a.WhichOneof('orchestratorActionType')}#{a.id}" for a in turn.actions]


class Run:
    """One instance, turn by turn: `start`, then `turn` as often as it takes."""

    def __init__(
        self,
        orchestrator: Callable[..., Any],
        input: str | None = None,
        *,
        settings: ExecutionOptions | None = None,
        **started: Any,
    ) -> None:
        self.options = settings or options()
        self.registry = registry_of(orchestrator)
        self.instance_id = started.get("instance_id", "i1")
        self.live = Execution(self.instance_id, self.registry, self.options)
        self.history: list[pb.HistoryEvent] = []
        name = self.registry.orchestrator_names[0]
        self._first = execution_started(name, input, **started)

    def start(self, *more: pb.HistoryEvent, at: float = 0.0) -> Turn:
        """The first turn."""
        return self.turn(self._first, *more, at=at)

    def turn(self, *arrivals: pb.HistoryEvent, at: float = 0.0) -> Turn:
        """A turn with these arrivals, dispatched at that time; its actions are confirmed."""
        new = [turn_started(at), *arrivals]
        replayed = replay(self.registry, self.history, new, self.options, self.instance_id)
        turn = self.live.advance(new)
        assert turn.actions == replayed.actions
        assert turn.custom_status == replayed.custom_status
        self.history += new
        self.history += confirmations(turn.actions)
        self.history.append(turn_completed())
        return turn


def replay(
    registry: Registry,
    past: Sequence[pb.HistoryEvent],
    new: Sequence[pb.HistoryEvent],
    settings: ExecutionOptions | None = None,
    instance_id: str = "i1",
) -> Turn:
    """One turn of a new execution, as a worker without sessions plays it."""
    execution = Execution(instance_id, registry, settings or options())
    execution.replay(past)
    try:
        return execution.advance(new)
    finally:
        execution.close()
