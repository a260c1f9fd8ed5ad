"""History events the scheduler writes, as serialised bytes.

Every event carries a timestamp; times are integers of nanoseconds since 1970 (UTC). An event that
confirms an action carries the action's id, all others carry -1 (semantics.md 3.1).
"""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

from durakit.wire.messages import orchestration_pb2 as pb

BILLION = 1_000_000_000


def timestamp(at_ns: int) -> Timestamp:
    """Return `at_ns` as a protobuf timestamp, nanoseconds kept."""
    return Timestamp(seconds=at_ns // BILLION, nanos=at_ns % BILLION)


def nanoseconds(stamp: Timestamp) -> int:
    """Return a protobuf timestamp as nanoseconds since 1970."""
    return stamp.seconds * BILLION + stamp.nanos


def storable(at_ns: int) -> int:
    """Return the time nearest to `at_ns` that 64 bits can hold: the years 1677 to 2262."""
    return max(-(2**63), min(at_ns, 2**63 - 1))


def text(value: str | None) -> StringValue | None:
    """Wrap `value`, keeping absent and empty apart."""
    return None if value is None else StringValue(value=value)


def _serialise(at_ns: int, event_id: int = -1, **kind: object) -> bytes:
    stamp = Timestamp(seconds=at_ns // BILLION, nanos=at_ns % BILLION)
    return pb.HistoryEvent(eventId=event_id, timestamp=stamp, **kind).SerializeToString()  # type: ignore[arg-type]


def orchestrator_started(at_ns: int) -> bytes:
    """The beginning of a turn; its time is the orchestration's clock (semantics.md 3.1 rule 1)."""
    return _serialise(at_ns, orchestratorStarted=pb.OrchestratorStartedEvent())


def orchestrator_completed(at_ns: int) -> bytes:
    """The end of a turn."""
    return _serialise(at_ns, orchestratorCompleted=pb.OrchestratorCompletedEvent())


def execution_started(at_ns: int, started: pb.ExecutionStartedEvent) -> bytes:
    """The beginning of an execution."""
    return _serialise(at_ns, executionStarted=started)


def execution_completed(
    at_ns: int, status: int, result: str | None, failure: pb.TaskFailureDetails | None
) -> bytes:
    """The end of an execution, last event of its history."""
    completed = pb.ExecutionCompletedEvent(
        orchestrationStatus=status,  # type: ignore[arg-type]  # stubs want the enum; ours has its numbers
        result=text(result),
        failureDetails=failure,
    )
    return _serialise(at_ns, executionCompleted=completed)


def execution_terminated(at_ns: int, output: StringValue | None, recurse: bool) -> bytes:
    """Somebody ended the execution; `output` becomes the instance's output."""
    return _serialise(at_ns, executionTerminated=pb.ExecutionTerminatedEvent(input=output, recurse=recurse))


def execution_suspended(at_ns: int, reason: str | None) -> bytes:
    """Somebody suspended the execution."""
    return _serialise(at_ns, executionSuspended=pb.ExecutionSuspendedEvent(input=text(reason)))


def execution_resumed(at_ns: int, reason: str | None) -> bytes:
    """Somebody resumed the execution."""
    return _serialise(at_ns, executionResumed=pb.ExecutionResumedEvent(input=text(reason)))


def event_raised(at_ns: int, name: str, data: StringValue | None) -> bytes:
    """An external event arrived."""
    return _serialise(at_ns, eventRaised=pb.EventRaisedEvent(name=name, input=data))


def task_completed(at_ns: int, task_id: int, result: StringValue | None) -> bytes:
    """An activity returned."""
    return _serialise(at_ns, taskCompleted=pb.TaskCompletedEvent(taskScheduledId=task_id, result=result))


def task_failed(at_ns: int, task_id: int, failure: pb.TaskFailureDetails) -> bytes:
    """An activity raised."""
    return _serialise(at_ns, taskFailed=pb.TaskFailedEvent(taskScheduledId=task_id, failureDetails=failure))


def timer_fired(at_ns: int, timer_id: int, fire_at_ns: int) -> bytes:
    """A timer is due; `fireAt` equals that of the created timer (semantics.md 3.2 rule 2)."""
    fired = pb.TimerFiredEvent(fireAt=timestamp(fire_at_ns), timerId=timer_id)
    return _serialise(at_ns, timerFired=fired)


def child_completed(at_ns: int, task_id: int, result: str | None) -> bytes:
    """A sub-orchestration returned."""
    completed = pb.SubOrchestrationInstanceCompletedEvent(taskScheduledId=task_id, result=text(result))
    return _serialise(at_ns, subOrchestrationInstanceCompleted=completed)


def child_failed(at_ns: int, task_id: int, failure: pb.TaskFailureDetails) -> bytes:
    """A sub-orchestration failed, was terminated, or could not be created."""
    failed = pb.SubOrchestrationInstanceFailedEvent(taskScheduledId=task_id, failureDetails=failure)
    return _serialise(at_ns, subOrchestrationInstanceFailed=failed)


def task_scheduled(at_ns: int, event_id: int, action: pb.ScheduleTaskAction) -> bytes:
    """Confirms `scheduleTask`."""
    scheduled = pb.TaskScheduledEvent(name=action.name)
    if action.HasField("version"):
        scheduled.version.CopyFrom(action.version)
    if action.HasField("input"):
        scheduled.input.CopyFrom(action.input)
    if action.HasField("parentTraceContext"):
        scheduled.parentTraceContext.CopyFrom(action.parentTraceContext)
    if action.tags:
        scheduled.tags.update(action.tags)
    return _serialise(at_ns, event_id, taskScheduled=scheduled)


def timer_created(at_ns: int, event_id: int, action: pb.CreateTimerAction) -> bytes:
    """Confirms `createTimer`."""
    return _serialise(at_ns, event_id, timerCreated=pb.TimerCreatedEvent(fireAt=action.fireAt))


def child_created(
    at_ns: int, event_id: int, instance_id: str, action: pb.CreateSubOrchestrationAction
) -> bytes:
    """Confirms `createSubOrchestration`; `instance_id` is the one really used."""
    created = pb.SubOrchestrationInstanceCreatedEvent(
        instanceId=instance_id,
        name=action.name,
        version=action.version if action.HasField("version") else None,
        input=action.input if action.HasField("input") else None,
        parentTraceContext=action.parentTraceContext if action.HasField("parentTraceContext") else None,
        tags=action.tags,
    )
    return _serialise(at_ns, event_id, subOrchestrationInstanceCreated=created)


def event_sent(at_ns: int, event_id: int, action: pb.SendEventAction) -> bytes:
    """Confirms `sendEvent`."""
    sent = pb.EventSentEvent(
        instanceId=action.instance.instanceId,
        name=action.name,
        input=action.data if action.HasField("data") else None,
    )
    return _serialise(at_ns, event_id, eventSent=sent)
