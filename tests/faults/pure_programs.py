"""Orchestrators as pure functions, without the SDK: (input, events of this execution) -> actions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from durakit.wire.messages import orchestration_pb2 as pb

TIMER_NS = 50_000_000

Actions = list[pb.OrchestratorAction]


def _results(events: list[pb.HistoryEvent], kind: str) -> list[Any]:
    return [json.loads(getattr(e, kind).result.value) for e in events if e.HasField(kind)]


def _count(events: list[pb.HistoryEvent], *kinds: str) -> int:
    return sum(event.WhichOneof("eventType") in kinds for event in events)


def _next_id(events: list[pb.HistoryEvent]) -> int:
    return 1 + max((event.eventId for event in events), default=0)


def _raised(events: list[pb.HistoryEvent]) -> list[Any]:
    return [json.loads(e.eventRaised.input.value) for e in events if e.HasField("eventRaised")]


def _activity(number: int, key: str) -> pb.OrchestratorAction:
    action = pb.OrchestratorAction(id=number, scheduleTask=pb.ScheduleTaskAction(name="work"))
    action.scheduleTask.input.value = json.dumps(key)
    return action


def _child(number: int, child_id: str, name: str, size: int) -> pb.OrchestratorAction:
    action = pb.OrchestratorAction(
        id=number, createSubOrchestration=pb.CreateSubOrchestrationAction(name=name, instanceId=child_id)
    )
    action.createSubOrchestration.input.value = json.dumps({"size": size})
    return action


def _complete(number: int, result: Any) -> pb.OrchestratorAction:
    done = pb.CompleteOrchestrationAction(orchestrationStatus=pb.ORCHESTRATION_STATUS_COMPLETED)
    done.result.value = json.dumps(result)
    return pb.OrchestratorAction(id=number, completeOrchestration=done)


def chain(name: str, state: dict[str, Any], events: list[pb.HistoryEvent]) -> Actions:
    """Activities one after the other; returns their results."""
    done, scheduled = _results(events, "taskCompleted"), _count(events, "taskScheduled")
    if scheduled > len(done):
        return []
    number = _next_id(events)
    if len(done) < state["size"]:
        return [_activity(number, f"{name}/{len(done)}")]
    return [_complete(number, done)]


def fan(name: str, state: dict[str, Any], events: list[pb.HistoryEvent]) -> Actions:
    """Activities at once; returns their results in order of arrival."""
    done = _results(events, "taskCompleted")
    number = _next_id(events)
    if not _count(events, "taskScheduled"):
        return [_activity(number + index, f"{name}/{index}") for index in range(state["size"])]
    return [_complete(number, done)] if len(done) == state["size"] else []


def parent(name: str, state: dict[str, Any], events: list[pb.HistoryEvent]) -> Actions:
    """Children that are chains; returns all their results."""
    done = _results(events, "subOrchestrationInstanceCompleted")
    number = _next_id(events)
    if not _count(events, "subOrchestrationInstanceCreated"):
        return [_child(number + index, f"{name}.{index}", "chain", 2) for index in range(state["size"])]
    if len(done) < state["size"]:
        return []
    return [_complete(number, [result for child in done for result in child])]


def alarm(name: str, state: dict[str, Any], events: list[pb.HistoryEvent]) -> Actions:
    """Timers one after the other; returns how many fired."""
    fired = _count(events, "timerFired")
    if _count(events, "timerCreated") > fired:
        return []
    number = _next_id(events)
    if fired == state["size"]:
        return [_complete(number, fired)]
    started = [e.timestamp for e in events if e.HasField("orchestratorStarted")][-1]
    action = pb.OrchestratorAction(id=number)
    action.createTimer.fireAt.FromNanoseconds(started.ToNanoseconds() + TIMER_NS)
    return [action]


def listener(name: str, state: dict[str, Any], events: list[pb.HistoryEvent]) -> Actions:
    """Returns the events raised for it, once there are enough."""
    got = _raised(events)
    return [_complete(_next_id(events), got)] if len(got) >= state["size"] else []


def eternal(name: str, state: dict[str, Any], events: list[pb.HistoryEvent]) -> Actions:
    """Continues as new with every event it takes; carries the others along."""
    seen = state.get("seen", [])
    waiting = [event for event in events if event.HasField("eventRaised")]
    if not waiting:
        return []
    seen = [*seen, json.loads(waiting[0].eventRaised.input.value)]
    number = _next_id(events)
    if len(seen) == state["size"]:
        return [_complete(number, seen)]
    again = pb.CompleteOrchestrationAction(
        orchestrationStatus=pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW, carryoverEvents=waiting[1:]
    )
    again.result.value = json.dumps({**state, "seen": seen})
    return [pb.OrchestratorAction(id=number, completeOrchestration=again)]


def sender(name: str, state: dict[str, Any], events: list[pb.HistoryEvent]) -> Actions:
    """Starts a listener as its child and sends it one event per activity."""
    heard = _results(events, "subOrchestrationInstanceCompleted")
    done, sent = _count(events, "taskCompleted"), _count(events, "eventSent")
    number = _next_id(events)
    if heard:
        return [_complete(number, heard[0])]
    actions: Actions = []
    if not _count(events, "subOrchestrationInstanceCreated"):
        actions.append(_child(number, f"{name}.l", "listener", state["size"]))
    for letter in range(sent, done):
        action = pb.OrchestratorAction(id=number + len(actions), sendEvent=pb.SendEventAction(name="e"))
        action.sendEvent.instance.instanceId = f"{name}.l"
        action.sendEvent.data.value = json.dumps(letter)
        actions.append(action)
    if _count(events, "taskScheduled") == done < state["size"]:
        actions.append(_activity(number + len(actions), f"{name}/{done}"))
    return actions


PROGRAMS: dict[str, Callable[[str, dict[str, Any], list[pb.HistoryEvent]], Actions]] = {
    "chain": chain,
    "fan": fan,
    "parent": parent,
    "alarm": alarm,
    "listener": listener,
    "eternal": eternal,
    "sender": sender,
}


def play(request: pb.OrchestratorRequest, token: str) -> pb.OrchestratorResponse:
    """Return the answer of a faithful worker to a turn."""
    events = [*request.pastEvents, *request.newEvents]
    started = next(event.executionStarted for event in events if event.HasField("executionStarted"))
    actions = PROGRAMS[started.name](request.instanceId, json.loads(started.input.value), events)
    response = pb.OrchestratorResponse(instanceId=request.instanceId, completionToken=token, actions=actions)
    # Another one in every turn, and one that the next execution repeats.
    response.customStatus.value = json.dumps(_count(events, "orchestratorStarted"))
    return response
