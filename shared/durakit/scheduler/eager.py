"""Eager turns: a worker that holds an execution computes its next turn from results it has just made itself,
and sends both at once (docs/link.md).

The turn counts only if it is exactly the one that the scheduler would ask for next; otherwise the results
count all the same, as they would by themselves, and the turn is asked for in the ordinary way. Orchestrator
code has no effects of its own, so a turn that does not count has done no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from durakit.scheduler.machine import events
from durakit.scheduler.machine.instance import RESULT, Arrival, Instance, Status, Turn
from durakit.wire.messages import link_pb2 as link

SECOND = 1_000_000_000
CLOCK_TOLERANCE_NS = 5 * SECOND
"""How far the clock of a worker that sends eager turns may be from the scheduler's."""


@dataclass(frozen=True)
class Claim:
    """What the worker says about the execution it computed the turn for.

    Attributes:
        session: the copy it was computed with: completion token of the last turn that this was asked for.
        committed_events: how many events were in its history before the turn.
        started_ns: the time that the orchestrator was told.
    """

    session: str
    execution_id: str
    committed_events: int
    started_ns: int


def claim_of(turn: link.EagerTurn) -> Claim:
    """Return the claim that came with a turn."""
    return Claim(turn.session, turn.execution_id, turn.committed_events, turn.started_ns)


def objection(
    instance: Instance, claim: Claim, stream: object, results: Sequence[Arrival | None], now: int
) -> str | None:
    """Return why the turn is not the instance's next one; None when it is.

    Args:
        stream: the one it came by.
        results: what became of the activity results it was computed from, in its order; None: refused.
    """
    if not results or not all(result is not None and result.kind == RESULT for result in results):
        return "not all results it was computed from count"
    if not all(result in instance.inbox for result in results):
        return "it was computed from results of another instance"
    if instance.status is not Status.RUNNING:
        return f"the instance is {instance.status.word}"
    if instance.session is not stream:
        return "the execution is kept by another worker, or by none"
    if claim.session != instance.session_token:
        return "it was computed with a copy of the execution that counts no more"
    if claim.execution_id != instance.execution_id:
        return "the instance has another execution now"
    if claim.committed_events != instance.events:
        return f"the history has {instance.events} events, not {claim.committed_events}"
    if claim.started_ns < instance.clock_ns:
        return "its time is before that of the turn before"
    if abs(claim.started_ns - now) > CLOCK_TOLERANCE_NS:
        return "the clocks of worker and scheduler are too far apart"
    return None


def turn_for(instance: Instance, claim: Claim, results: list[Arrival]) -> Turn:
    """Return the turn with the results as its events; they come before what else is in the inbox."""
    taken = {id(result) for result in results}
    instance.inbox = results + [arrival for arrival in instance.inbox if id(arrival) not in taken]
    new_events = [events.orchestrator_started(claim.started_ns), *(result.event for result in results)]
    return Turn(instance, new_events, results, claim.started_ns)
