"""Work items as a worker receives them: with history, without it, or with a promise to stream it."""

from __future__ import annotations

from durakit.scheduler.deliveries import TurnDelivery
from durakit.scheduler.machine.machine import Machine
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

STREAMING_THRESHOLD_BYTES = 1024 * 1024
"""A history larger than this is streamed to workers that can do so (semantics.md 2.7)."""


def turn_item(machine: Machine, delivery: TurnDelivery, *, without_history: bool) -> bytes:
    """Return the serialised `WorkItem` of a turn.

    Args:
        without_history: the worker holds this execution in memory; it is told how many events it must
            have, and asks for the history if it does not.
    """
    turn = delivery.turn
    instance = turn.instance
    history: list[bytes] = []
    extra = pb.OrchestratorRequest()
    if instance.trace:
        extra.orchestrationTraceContext.MergeFromString(instance.trace)
    if without_history and instance.events:
        extra.properties["IsExtendedSession"].bool_value = True
        extra.properties["IncludeState"].bool_value = False
        extra.properties["durakit.committedEvents"].number_value = instance.events
    else:
        history = machine.history(instance)
        large = sum([len(blob) for blob in history]) > STREAMING_THRESHOLD_BYTES
        if large and delivery.stream.streams_history:
            history = []
            extra.requiresHistoryStreaming = True
    return framing.orchestrator_item(
        instance.id,
        instance.execution_id,
        history,
        turn.new_events,
        extra.SerializeToString(),
        delivery.token,
    )
