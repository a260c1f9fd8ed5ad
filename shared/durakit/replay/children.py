"""Sub-orchestrations: call_sub_orchestrator, and the events that begin with subOrchestrationInstance."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durakit.replay import calls, determinism
from durakit.replay.calls import CallStep
from durakit.replay.steps import Payload, payload, text_of
from durakit.task import CompletableTask, RetryPolicy
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.replay.execution import Execution
    from durakit.serialization import DataConverter

# The Durable Task Scheduler refuses longer instance ids (semantics 3.5.4).
LONGEST_INSTANCE_ID = 100

_NAMESPACE = uuid.UUID("b6e0a4a7-3f64-5b0e-9d1e-6a2d4f0c8e31")


class ChildStep(CallStep):
    """One started attempt of a sub-orchestration."""

    __slots__ = ("chosen_id", "instance_id", "version")

    def __init__(
        self,
        step_id: int,
        name: str,
        sent: Payload,
        tags: dict[str, str] | None,
        task: CompletableTask[Any],
        instance_id: str,
        chosen_id: str | None,
        version: str | None,
    ) -> None:
        super().__init__(step_id, name, sent, tags, task)
        self.instance_id = instance_id
        self.chosen_id = chosen_id
        self.version = version

    def describe(self) -> str:
        return f"call_sub_orchestrator('{self.name}')"

    def failure_text(self, execution: Execution, message: str) -> str:
        return f"Sub-orchestration task #{self.id} failed: {message}"

    def build(self, converter: DataConverter) -> pb.OrchestratorAction:
        action = pb.OrchestratorAction(id=self.id)
        create = action.createSubOrchestration
        create.name = self.name
        create.instanceId = self.instance_id
        if self.version is not None:
            create.version.value = self.version
        text = text_of(self.input, converter)
        if text is not None:
            create.input.value = text
        if self.tags:
            create.tags.update(self.tags)
        return action

    def again(self, execution: Execution) -> ChildStep:
        return _step(execution, self.name, self.input, self.tags, self.task, self.chosen_id, self.version)


def call(
    execution: Execution,
    orchestrator: Callable[..., Any] | str,
    value: Any,
    instance_id: str | None,
    policy: RetryPolicy | None,
    version: str | None,
    tags: dict[str, str] | None,
    return_type: Any,
) -> CompletableTask[Any]:
    """Starts a sub-orchestration; returns the task of its result."""
    name = calls.name_of(orchestrator, "orchestrator")
    if version is None and execution.options.versioning is not None:
        version = execution.options.versioning.default_version
    sent = payload(execution, value)
    task = calls.new_task(execution, orchestrator, policy, return_type, True)
    execution.schedule(_step(execution, name, sent, tags, task, instance_id, version))
    return task


def _step(
    execution: Execution,
    name: str,
    sent: Payload,
    tags: dict[str, str] | None,
    task: CompletableTask[Any],
    chosen_id: str | None,
    version: str | None,
) -> ChildStep:
    step_id = execution.next_id()
    instance_id = chosen_id or derived_id(execution.instance_id, execution.execution_id, step_id)
    return ChildStep(step_id, name, sent, tags, task, instance_id, chosen_id, version)


def derived_id(parent_id: str, execution_id: str | None, step_id: int) -> str:
    """The id of a child nobody named: `<parent>:<8 hex digits of the execution><step, 4 hex digits>`.

    The digits of the execution keep it unique after continue-as-new, the step within the execution. Where
    that would be longer than 100 characters, the parent's beginning is followed by a hash of all three.
    """
    execution_digits = uuid.uuid5(_NAMESPACE, execution_id).hex[:8] if execution_id else ""
    instance_id = f"{parent_id}:{execution_digits}{step_id:04x}"
    if len(instance_id) <= LONGEST_INSTANCE_ID:
        return instance_id
    digits = uuid.uuid5(_NAMESPACE, f"{parent_id}\n{execution_id}\n{step_id}").hex
    return f"{parent_id[: LONGEST_INSTANCE_ID - 1 - len(digits)]}:{digits}"


def on_created(execution: Execution, event: pb.HistoryEvent) -> None:
    """The scheduler has the child: the code must have asked for the same orchestrator."""
    name = event.subOrchestrationInstanceCreated.name
    step = execution.pending.pop(event.eventId, None)
    if type(step) is not ChildStep or step.name != name:
        determinism.disagree(execution, event.eventId, f"call_sub_orchestrator('{name}')", step)


def on_completed(execution: Execution, event: pb.HistoryEvent) -> None:
    completed = event.subOrchestrationInstanceCompleted
    step = execution.take_open(completed.taskScheduledId, ChildStep, event)
    if step is not None:
        calls.complete(execution, step, completed.result.value)


def on_failed(execution: Execution, event: pb.HistoryEvent) -> None:
    failed = event.subOrchestrationInstanceFailed
    step = execution.take_open(failed.taskScheduledId, ChildStep, event)
    if step is not None:
        calls.fail(execution, step, failed.failureDetails)


CONFIRMATIONS = {"subOrchestrationInstanceCreated": on_created}
ARRIVALS = {
    "subOrchestrationInstanceCompleted": on_completed,
    "subOrchestrationInstanceFailed": on_failed,
}
