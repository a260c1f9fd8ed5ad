"""Activities: call_activity, and the events taskScheduled, taskCompleted, taskFailed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durakit.replay import calls, determinism
from durakit.replay.calls import CallStep
from durakit.replay.steps import payload, text_of
from durakit.task import CompletableTask, RetryPolicy
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.replay.execution import Execution
    from durakit.serialization import DataConverter


class ActivityStep(CallStep):
    """One scheduled attempt of an activity."""

    __slots__ = ()

    def describe(self) -> str:
        return f"call_activity('{self.name}')"

    def failure_text(self, execution: Execution, message: str) -> str:
        return f"{execution.instance_id}: Activity task #{self.id} failed: {message}"

    def build(self, converter: DataConverter) -> pb.OrchestratorAction:
        action = pb.OrchestratorAction(id=self.id)
        schedule = action.scheduleTask
        schedule.name = self.name
        text = text_of(self.input, converter)
        if text is not None:
            schedule.input.value = text
        if self.tags:
            schedule.tags.update(self.tags)
        return action

    def again(self, execution: Execution) -> ActivityStep:
        return ActivityStep(execution.next_id(), self.name, self.input, self.tags, self.task)


def call(
    execution: Execution,
    activity: Callable[..., Any] | str,
    value: Any,
    policy: RetryPolicy | None,
    tags: dict[str, str] | None,
    return_type: Any,
) -> CompletableTask[Any]:
    """Schedules an activity; returns the task of its result."""
    name = calls.name_of(activity, "activity")
    sent = payload(execution, value)
    task = calls.new_task(execution, activity, policy, return_type, False)
    execution.schedule(ActivityStep(execution.next_id(), name, sent, tags, task))
    return task


def on_scheduled(execution: Execution, event: pb.HistoryEvent) -> None:
    """The scheduler has the activity: the code must have asked for the same one."""
    name = event.taskScheduled.name
    step = execution.pending.pop(event.eventId, None)
    if type(step) is not ActivityStep or step.name != name:
        determinism.disagree(execution, event.eventId, f"call_activity('{name}')", step)


def on_completed(execution: Execution, event: pb.HistoryEvent) -> None:
    completed = event.taskCompleted
    step = execution.take_open(completed.taskScheduledId, ActivityStep, event)
    if step is not None:
        calls.complete(execution, step, completed.result.value)


def on_failed(execution: Execution, event: pb.HistoryEvent) -> None:
    failed = event.taskFailed
    step = execution.take_open(failed.taskScheduledId, ActivityStep, event)
    if step is not None:
        calls.fail(execution, step, failed.failureDetails)


CONFIRMATIONS = {"taskScheduled": on_scheduled}
ARRIVALS = {"taskCompleted": on_completed, "taskFailed": on_failed}
