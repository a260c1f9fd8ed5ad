"""Turns: what a worker is given, and what its answer changes (semantics.md 3.1, 3.2, 3.8)."""

from __future__ import annotations

from durakit.scheduler.machine import actions, ending, events, status_record
from durakit.scheduler.machine.instance import Arrival, Instance, Status, Turn
from durakit.scheduler.machine.machine import Machine
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

NEW_EVENTS_BYTES = 2 * 1024 * 1024
"""What of the inbox goes into one turn: workers receive 4 MiB unless told otherwise (semantics.md 8)."""


def offer(instance: Instance, committed_group: int, now: int) -> Turn:
    """Begin a turn with what is in the inbox and on disk, as far as it fits. Nothing is written.

    Call only when `instance.wants_turn(committed_group, now)`.
    """
    taken: list[Arrival] = []
    room = NEW_EVENTS_BYTES
    for arrival in instance.inbox:
        room -= len(arrival.event)
        if arrival.group > committed_group or (room < 0 and taken):
            break
        taken.append(arrival)
    started_ns = max(now, instance.clock_ns)
    new_events = [events.orchestrator_started(started_ns)]
    new_events += [arrival.event for arrival in taken if arrival.event]
    instance.turn = turn = Turn(instance, new_events, taken, started_ns)
    return turn


def withdraw(turn: Turn) -> None:
    """Take a turn back from a worker; its events are still in the inbox."""
    if turn.instance.turn is turn:
        turn.instance.turn = None


def complete(machine: Machine, turn: Turn, response: pb.OrchestratorResponse, now: int) -> None:
    """Apply a worker's answer to the turn it holds.

    One atomic change: the turn's events, a confirmation per action, bookkeeping, all effects.
    """
    instance = turn.instance
    instance.turn = None
    new_events = _consume(machine, turn, response)
    instance.clock_ns = turn.started_ns
    now = max(now, turn.started_ns)
    if response.HasField("orchestrationTraceContext"):
        trace = response.orchestrationTraceContext.SerializeToString()
        if trace != instance.trace:
            instance.trace = trace
            machine.journal.change(instance)

    completion = _completion(response)
    objection = actions.objection(machine, instance, len(new_events), response)
    if objection is not None:
        _fail(machine, instance, new_events, objection, now)
        return

    _conclude(machine, instance, new_events, response, completion, now)
    actions.terminate_others(machine, instance, response.actions, now)


def _conclude(
    machine: Machine,
    instance: Instance,
    new_events: list[bytes],
    response: pb.OrchestratorResponse,
    completion: pb.CompleteOrchestrationAction | None,
    now: int,
) -> None:
    """Write the turn to history, with all it decided."""
    is_last = completion is not None
    confirmations = actions.apply(machine, instance, response.actions, now, is_last=is_last)
    if completion is not None and Status(completion.orchestrationStatus) is Status.CONTINUED_AS_NEW:
        _start_running(machine, instance, now)
        trace_parent = _trace_parent(machine, instance, new_events)
        ending.continue_as_new(machine, instance, completion, trace_parent, now)
        return
    blob = new_events + confirmations
    blob.append(events.orchestrator_completed(now))
    # Absent and zero-length both mean none (semantics.md 3.11).
    status_record.set_custom_status(machine.journal, instance, response.customStatus.value or None, now)
    instance.updated_ns = now
    if completion is None:
        machine.journal.append_history(instance, now, len(blob), framing.past(blob))
        _start_running(machine, instance, now)
        if instance.inbox:
            machine.journal.turns.append(instance)
        return
    status, output, failure = _outcome(completion)
    if failure is not None:
        failure = machine.limits.fitting(failure)
    blob.append(events.execution_completed(now, status, output, failure))
    machine.journal.append_history(instance, now, len(blob), framing.past(blob))
    ending.finish(machine, instance, status, output, failure, now)


def _trace_parent(machine: Machine, instance: Instance, new_events: list[bytes]) -> pb.TraceContext | None:
    """Return the span of whoever started the execution, from its `executionStarted`."""
    turns = machine.history(instance) if instance.events else [framing.past(new_events)]
    for event in framing.events_of(turns[0]):
        if event.HasField("executionStarted") and event.executionStarted.HasField("parentTraceContext"):
            return event.executionStarted.parentTraceContext
    return None


def _consume(machine: Machine, turn: Turn, response: pb.OrchestratorResponse) -> list[bytes]:
    """Remove from the inbox what the worker processed; return those events (semantics.md 2.6 rule 2)."""
    arrivals, new_events = turn.arrivals, turn.new_events
    if response.HasField("numEventsProcessed"):
        limit = max(1, response.numEventsProcessed.value)
        if limit < len(new_events):
            new_events = new_events[:limit]
            arrivals = _first(arrivals, limit - 1)
    del turn.instance.inbox[: len(arrivals)]
    for arrival in arrivals:
        machine.journal.take_arrival(arrival)
    return new_events


def _first(arrivals: list[Arrival], count: int) -> list[Arrival]:
    """Return the arrivals up to the one with the `count`-th event; a kick has none."""
    with_event = [at for at, arrival in enumerate(arrivals) if arrival.event]
    return arrivals[: with_event[count]]


def _completion(response: pb.OrchestratorResponse) -> pb.CompleteOrchestrationAction | None:
    """Return the completion action; if there are several, the last one (semantics.md 3.8 rule 1)."""
    for action in reversed(response.actions):
        if action.HasField("completeOrchestration"):
            return action.completeOrchestration
    return None


def _outcome(
    completion: pb.CompleteOrchestrationAction,
) -> tuple[Status, str | None, pb.TaskFailureDetails | None]:
    status = Status(completion.orchestrationStatus)
    result = completion.result.value if completion.HasField("result") else None
    if status is Status.FAILED:
        details = completion.failureDetails
        if not completion.HasField("failureDetails"):
            details = pb.TaskFailureDetails(errorMessage=completion.details.value or result or "")
        return status, None, details
    if status is not Status.TERMINATED:
        status = Status.COMPLETED
    return status, result, None


def _start_running(machine: Machine, instance: Instance, now: int) -> None:
    if instance.status is Status.PENDING:
        instance.status = Status.RUNNING
        instance.updated_ns = now
        machine.journal.change(instance)
        machine.journal.settled.append(instance)


def _fail(
    machine: Machine,
    instance: Instance,
    new_events: list[bytes],
    failure: pb.TaskFailureDetails,
    now: int,
) -> None:
    blob = [
        *new_events,
        events.orchestrator_completed(now),
        events.execution_completed(now, Status.FAILED, None, failure),
    ]
    machine.journal.append_history(instance, now, len(blob), framing.past(blob))
    ending.finish(machine, instance, Status.FAILED, None, failure, now)
