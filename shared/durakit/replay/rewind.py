"""Rewind, the worker's step: a failed execution's history without its failures (semantics 3.13)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from durakit.task import OrchestrationStateError
from durakit.wire.messages import orchestration_pb2 as pb

_NAMESPACE = uuid.UUID("5d2f5a0e-6a0b-5d5f-8b0b-0a5c1f7d9f43")
_REMOVED = frozenset({"taskFailed", "subOrchestrationInstanceFailed", "executionCompleted"})


def is_asked(past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]) -> bool:
    """Whether this turn is to rewind: executionRewound is new, and the execution had ended.

    Raises OrchestrationStateError when other new events come with it than the turn's start.
    """
    kinds = [event.WhichOneof("eventType") for event in new]
    if "executionRewound" not in kinds or not any(e.HasField("executionCompleted") for e in past):
        return False
    if kinds != ["orchestratorStarted", "executionRewound"]:
        raise OrchestrationStateError(
            f"A rewind came with the new events {', '.join(map(str, kinds))}; "
            "expected exactly orchestratorStarted and executionRewound."
        )
    return True


def action(past: Sequence[pb.HistoryEvent], new: Sequence[pb.HistoryEvent]) -> pb.OrchestratorAction:
    """The one action of a rewind turn: the history to go on from.

    Failed activities lose their scheduling too, so that replay schedules them again. Failed children keep
    theirs: the scheduler rewinds those instances.
    """
    failed = {e.taskFailed.taskScheduledId for e in past if e.HasField("taskFailed")}
    asked = pb.OrchestratorAction(id=-1)
    history = asked.rewindOrchestration.newHistory
    for event in _remaining([*past, *new], failed):
        history.add().CopyFrom(event)
        if event.HasField("executionStarted"):
            _renew(history[-1].executionStarted, new[-1])
    return asked


def _remaining(events: Iterable[pb.HistoryEvent], failed: set[int]) -> Iterable[pb.HistoryEvent]:
    for event in events:
        kind = event.WhichOneof("eventType")
        if kind not in _REMOVED and not (kind == "taskScheduled" and event.eventId in failed):
            yield event


def _renew(started: pb.ExecutionStartedEvent, request: pb.HistoryEvent) -> None:
    """A new execution id, derived because replay is pure: two rewinds differ in their time."""
    old = started.orchestrationInstance.executionId.value
    moment = f"{request.timestamp.seconds}.{request.timestamp.nanos}"
    started.orchestrationInstance.executionId.value = uuid.uuid5(_NAMESPACE, f"{old}\n{moment}").hex
    parent_execution_id = request.executionRewound.parentExecutionId.value
    if parent_execution_id and started.HasField("parentInstance"):
        started.parentInstance.orchestrationInstance.executionId.value = parent_execution_id
