"""Histories written by hand, one call per event, for the tests of what pages say about them."""

from __future__ import annotations

from durakit.wire.messages import orchestration_pb2 as pb

SECOND = 1_000_000_000
START_NS = 1_795_268_829 * SECOND
"""2026-11-21 13:47:09 UTC."""


class Script:
    """Writes events; `at` moves the clock to so many seconds after the start."""

    def __init__(self, name: str = "purchase_order") -> None:
        self.events: list[pb.HistoryEvent] = []
        self.now_ns = START_NS
        self._ids = 0
        self.turn()
        started = self._add().executionStarted
        started.name = name
        started.orchestrationInstance.instanceId = "po-1042"
        started.orchestrationInstance.executionId.value = "e1"

    def at(self, seconds: float) -> Script:
        self.now_ns = START_NS + int(seconds * SECOND)
        return self

    def _add(self, event_id: int = -1) -> pb.HistoryEvent:
        event = pb.HistoryEvent(eventId=event_id)
        event.timestamp.seconds, event.timestamp.nanos = divmod(self.now_ns, SECOND)
        self.events.append(event)
        return event

    def turn(self) -> Script:
        self._add().orchestratorStarted.SetInParent()
        return self

    def end_turn(self) -> Script:
        self._add().orchestratorCompleted.SetInParent()
        return self

    def call(self, name: str, input: str | None = None, task_id: int | None = None) -> int:
        self._ids = task_id or self._ids + 1
        scheduled = self._add(self._ids).taskScheduled
        scheduled.name = name
        if input is not None:
            scheduled.input.value = input
        return self._ids

    def child(self, name: str, instance_id: str) -> int:
        self._ids += 1
        created = self._add(self._ids).subOrchestrationInstanceCreated
        created.name, created.instanceId = name, instance_id
        return self._ids

    def timer(self, due_seconds: float) -> int:
        self._ids += 1
        due_ns = START_NS + int(due_seconds * SECOND)
        due = self._add(self._ids).timerCreated.fireAt
        due.seconds, due.nanos = divmod(due_ns, SECOND)
        return self._ids

    def fired(self, timer_id: int) -> Script:
        self._add().timerFired.timerId = timer_id
        return self

    def completed(self, task_id: int, result: str | None = None) -> Script:
        answer = self._add().taskCompleted
        answer.taskScheduledId = task_id
        if result is not None:
            answer.result.value = result
        return self

    def failed(self, task_id: int, error_type: str = "ConnectionError", message: str = "refused") -> Script:
        answer = self._add().taskFailed
        answer.taskScheduledId = task_id
        answer.failureDetails.errorType, answer.failureDetails.errorMessage = error_type, message
        return self

    def child_failed(self, task_id: int, error_type: str = "CardDeclined", message: str = "no") -> Script:
        answer = self._add().subOrchestrationInstanceFailed
        answer.taskScheduledId = task_id
        answer.failureDetails.errorType, answer.failureDetails.errorMessage = error_type, message
        return self

    def raised(self, name: str, payload: str | None = None) -> Script:
        event = self._add().eventRaised
        event.name = name
        if payload is not None:
            event.input.value = payload
        return self

    def ended(self, status: int, error_type: str | None = None, message: str = "") -> Script:
        event = self._add(99).executionCompleted
        event.orchestrationStatus = status  # type: ignore[assignment]  # stubs want the enum
        if error_type is not None:
            event.failureDetails.errorType, event.failureDetails.errorMessage = error_type, message
        return self
