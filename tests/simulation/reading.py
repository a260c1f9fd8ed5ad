"""What simulations read of an instance: how it stands, what it returned, why it failed, its history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from durakit.client import OrchestrationState
from durakit.task import FailureDetails
from durakit.testing import InProcessTaskHub
from durakit.wire.messages import orchestration_pb2 as pb

Function = Callable[..., Any]


def register(hub: InProcessTaskHub, *orchestrators: Function, activities: tuple[Function, ...] = ()) -> None:
    """Register all of them under their own names."""
    for orchestrator in orchestrators:
        hub.add_orchestrator(orchestrator)
    for activity in activities:
        hub.add_activity(activity)


def state(hub: InProcessTaskHub, instance_id: str) -> OrchestrationState:
    """Return how an instance that exists stands now."""
    found = hub.client.get_orchestration_state(instance_id)
    assert found is not None
    return found


def status(hub: InProcessTaskHub, instance_id: str) -> str:
    """Return the name of its status."""
    return state(hub, instance_id).runtime_status.name


def end(hub: InProcessTaskHub, instance_id: str) -> OrchestrationState:
    """Let time pass until it has ended."""
    found = hub.client.wait_for_orchestration_completion(instance_id)
    assert found is not None
    return found


def output(hub: InProcessTaskHub, instance_id: str) -> Any:
    """Let time pass until it has ended, which must be well; return its output."""
    found = end(hub, instance_id)
    assert found.runtime_status.name == "COMPLETED", found.failure_details
    return found.get_output()


def failure(hub: InProcessTaskHub, instance_id: str) -> FailureDetails:
    """Let time pass until it has failed; return why."""
    found = end(hub, instance_id)
    assert found.runtime_status.name == "FAILED", found
    assert found.failure_details is not None
    return found.failure_details


def history(hub: InProcessTaskHub, instance_id: str) -> list[pb.HistoryEvent]:
    """Return its committed events."""
    request = pb.StreamInstanceHistoryRequest(instanceId=instance_id)
    return [event for chunk in hub.requests.history_chunks(request, hub.hub) for event in chunk.events]


def kinds(hub: InProcessTaskHub, instance_id: str) -> list[str]:
    """Return the kinds of its committed events."""
    return [event.WhichOneof("eventType") or "" for event in history(hub, instance_id)]
