"""A recorded history taken apart: executions, their turns, and what was decided in each turn.

The decisions of a history (its confirmations) and of code (its actions) become the same values, so that they
can be compared.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from durakit.wire.messages import orchestration_pb2 as pb

_OWN_CHILD_ID = re.compile(r":[0-9a-f]{4,12}$")
"""How ids end that SDKs make for children; they hold the execution's id, which a rewind changes."""
CONFIRMATIONS = frozenset({"taskScheduled", "timerCreated", "subOrchestrationInstanceCreated", "eventSent"})


@dataclass(frozen=True)
class Decision:
    """One call of the code: its number, what is called, and what comes with it."""

    id: int
    kind: str
    name: str
    details: tuple[tuple[str, Any], ...]

    def agrees(self, other: Decision, strict: bool) -> bool:
        """Whether it is the same call; with the same details, if `strict`."""
        if (self.kind, self.name) != (other.kind, other.name):
            return False
        return not strict or self.details == other.details

    def __str__(self) -> str:
        return f"{self.kind}({self.name!r})" if self.name else f"{self.kind}()"

    def in_detail(self) -> str:
        """The call with what comes with it."""
        parts = [repr(self.name)] if self.name else []
        parts += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in self.details]
        return f"{self.kind}({', '.join(parts)})"


@dataclass(frozen=True)
class End:
    """How an execution ended."""

    status: str
    result: Any = None
    failure: str | None = None
    traceback: str | None = field(default=None, compare=False)

    def agrees(self, other: End, strict: bool) -> bool:
        """Whether it is the same kind of end; with the same result or failure, if `strict`."""
        return self == other if strict else self.status == other.status

    @property
    def doing(self) -> str:
        """What code does that ends so."""
        verbs = {"COMPLETED": "returns", "FAILED": "fails with", "CONTINUED_AS_NEW": "continues as new with"}
        return f"{verbs.get(self.status, f'ends as {self.status} with')} {self._outcome}"

    @property
    def _outcome(self) -> str:
        return self.failure if self.failure is not None else json.dumps(self.result, ensure_ascii=False)

    def __str__(self) -> str:
        return f"its end, {self.status} with {self._outcome}"


@dataclass
class RecordedTurn:
    """One turn; event numbers count from 1 over the whole history."""

    arrivals: list[pb.HistoryEvent] = field(default_factory=list)
    decisions: list[tuple[int, Decision]] = field(default_factory=list)
    end: End | None = None
    last_number: int = 0
    is_over: bool = False


@dataclass
class RecordedExecution:
    """One execution: its orchestrator's name, its turns, and the numbers of all that was decided."""

    name: str = ""
    turns: list[RecordedTurn] = field(default_factory=list)
    decided: set[int] = field(default_factory=set)


def executions(messages: list[pb.HistoryEvent]) -> list[RecordedExecution]:
    """Take a history apart. An execution without a beginning is left out."""
    made = [RecordedExecution()]
    for number, message in enumerate(messages, 1):
        kind = message.WhichOneof("eventType") or ""
        if kind == "orchestratorStarted" or not made[-1].turns:
            made[-1].turns.append(RecordedTurn())
        if kind == "executionStarted":
            if made[-1].name:
                # Its turn has begun already, in what looked like the execution before.
                made.append(RecordedExecution(turns=[made[-1].turns.pop()]))
            made[-1].name = message.executionStarted.name
        _add(made[-1], number, kind, message)
    for execution in made:
        execution.turns = _without_kicks(execution.turns)
    return [execution for execution in made if execution.name]


def _without_kicks(turns: list[RecordedTurn]) -> list[RecordedTurn]:
    """Join turns at which nothing arrived to the one before; a rewind has the code run once more so."""
    joined: list[RecordedTurn] = []
    for turn in turns:
        if joined and all(message.HasField("orchestratorStarted") for message in turn.arrivals):
            joined[-1].decisions += turn.decisions
            joined[-1].end = turn.end
            joined[-1].last_number = turn.last_number
        else:
            joined.append(turn)
    return joined


def _add(execution: RecordedExecution, number: int, kind: str, message: pb.HistoryEvent) -> None:
    turn = execution.turns[-1]
    if kind in CONFIRMATIONS:
        turn.decisions.append((number, of_event(message)))
        execution.decided.add(message.eventId)
    elif kind == "orchestratorCompleted":
        turn.is_over = True
    elif kind == "executionCompleted":
        turn.end = _end_of_event(message.executionCompleted)
    elif kind == "continueAsNew":
        turn.end = End("CONTINUED_AS_NEW", _data(message.continueAsNew.input.value))
    else:
        if turn.is_over:
            # What the scheduler did between turns, such as a termination.
            turn = RecordedTurn()
            execution.turns.append(turn)
        turn.arrivals.append(message)
    turn.last_number = number


def of_event(message: pb.HistoryEvent) -> Decision:
    """The decision that a history confirms."""
    kind = message.WhichOneof("eventType")
    if kind == "taskScheduled":
        scheduled = message.taskScheduled
        return _call(message.eventId, "call_activity", scheduled.name, input=_data(scheduled.input.value))
    if kind == "timerCreated":
        return _call(message.eventId, "create_timer", "", fire_at=_moment(message.timerCreated.fireAt))
    if kind == "subOrchestrationInstanceCreated":
        child = message.subOrchestrationInstanceCreated
        return _child(message.eventId, child)
    return _event(message.eventId, message.eventSent.name, message.eventSent.instanceId, message.eventSent)


def of_action(action: pb.OrchestratorAction) -> Decision:
    """The decision that code has made."""
    if action.HasField("scheduleTask"):
        scheduled = action.scheduleTask
        return _call(action.id, "call_activity", scheduled.name, input=_data(scheduled.input.value))
    if action.HasField("createTimer"):
        return _call(action.id, "create_timer", "", fire_at=_moment(action.createTimer.fireAt))
    if action.HasField("createSubOrchestration"):
        return _child(action.id, action.createSubOrchestration)
    if action.HasField("sendEvent"):
        sent = action.sendEvent
        return _event(action.id, sent.name, sent.instance.instanceId, sent)
    return _call(action.id, str(action.WhichOneof("orchestratorActionType")), "")


def end_of_action(completion: pb.CompleteOrchestrationAction) -> End:
    """How code has ended."""
    return _end(
        completion.orchestrationStatus,
        completion.result.value,
        completion.failureDetails if completion.HasField("failureDetails") else None,
    )


def _end_of_event(completed: pb.ExecutionCompletedEvent) -> End:
    return _end(
        completed.orchestrationStatus,
        completed.result.value,
        completed.failureDetails if completed.HasField("failureDetails") else None,
    )


def _end(status: pb.OrchestrationStatus, result: str, failure: pb.TaskFailureDetails | None) -> End:
    word = pb.OrchestrationStatus.Name(status).removeprefix("ORCHESTRATION_STATUS_")
    if failure is None:
        return End(word, _data(result))
    return End(word, None, f"{failure.errorType}: {failure.errorMessage}", failure.stackTrace.value or None)


def _call(number: int, kind: str, name: str, **details: Any) -> Decision:
    return Decision(number, kind, name, tuple(details.items()))


def _child(
    number: int, child: pb.SubOrchestrationInstanceCreatedEvent | pb.CreateSubOrchestrationAction
) -> Decision:
    return _call(
        number,
        "call_sub_orchestrator",
        child.name,
        input=_data(child.input.value),
        instance_id=None if _OWN_CHILD_ID.search(child.instanceId) else child.instanceId,
    )


def _event(
    number: int, name: str, instance_id: str, sent: pb.EventSentEvent | pb.SendEventAction
) -> Decision:
    input_text = sent.input.value if isinstance(sent, pb.EventSentEvent) else sent.data.value
    return _call(number, "send_event", name, instance_id=instance_id, data=_data(input_text))


def _data(text: str) -> Any:
    """The value of a payload, so that spaces and the order of members do not matter."""
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _moment(stamp: Any) -> str:
    return str(stamp.ToJsonString())
