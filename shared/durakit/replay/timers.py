"""Timers: create_timer, the alarms behind retries and time-outs, and the events timerCreated, timerFired.

A time further away than the maximum interval is reached in chunks, each a timer of its own (semantics 3.6).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from durakit.replay import determinism
from durakit.replay.clock import (
    EARLIEST_NS,
    LATEST_NS,
    datetime_of_ns,
    ns_of_datetime,
    ns_of_timedelta,
    timestamp_of_ns,
)
from durakit.replay.steps import Step
from durakit.task import TimerTask
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.replay.execution import Execution
    from durakit.serialization import DataConverter


class TimerStep(Step):
    """One timer as the scheduler knows it."""

    __slots__ = ("alarm", "fire_ns")

    def __init__(self, step_id: int, fire_ns: int, alarm: Alarm) -> None:
        self.id = step_id
        self.fire_ns = fire_ns
        self.alarm = alarm

    def describe(self) -> str:
        return "create_timer()"

    def build(self, converter: DataConverter) -> pb.OrchestratorAction:
        action = pb.OrchestratorAction(id=self.id)
        action.createTimer.fireAt.CopyFrom(timestamp_of_ns(self.fire_ns))
        return action


class Alarm:
    """Calls `ring` once orchestration time has reached `final_ns`, through as many timers as needed."""

    __slots__ = ("_execution", "_final_ns", "_ring", "_step_id")

    def __init__(self, execution: Execution, final_ns: int, ring: Callable[[], object]) -> None:
        self._execution = execution
        self._final_ns = min(final_ns, LATEST_NS)
        self._ring = ring
        self._step_id = 0

    def set(self) -> None:
        """Creates the timer for the whole way or, when that is too far, for the next part of it."""
        execution = self._execution
        limit = execution.options.maximum_timer_interval
        fire_ns = self._final_ns
        if limit is not None:
            fire_ns = min(fire_ns, execution.now_ns + ns_of_timedelta(limit))
        self._step_id = execution.next_id()
        execution.schedule(TimerStep(self._step_id, fire_ns, self))

    def fired(self, fire_ns: int) -> None:
        """The timer of one part has fired."""
        if fire_ns >= self._final_ns or self._execution.now_ns >= self._final_ns:
            self._ring()
        else:
            self.set()

    def cancel(self) -> None:
        """Nobody waits any more: a timer not yet sent never is, another one fires unheard."""
        self._execution.forget(self._step_id)


def set_alarm(execution: Execution, final_ns: int, ring: Callable[[], object]) -> Alarm:
    """An alarm at a point of orchestration time."""
    alarm = Alarm(execution, final_ns, ring)
    alarm.set()
    return alarm


def moment_ns(execution: Execution, when: datetime | timedelta, what: str) -> int:
    """The point in time of a datetime, or of a duration from now.

    Raises TypeError for anything else and ValueError outside the years 1 to 9999.
    """
    if isinstance(when, timedelta):
        ns = execution.now_ns + ns_of_timedelta(when)
    elif isinstance(when, datetime):
        ns = ns_of_datetime(when)
    else:
        raise TypeError(
            f"{what} is {when!r} ({type(when).__name__}); expected a datetime or a timedelta, "
            "such as timedelta(seconds=30)."
        )
    if not EARLIEST_NS <= ns <= LATEST_NS:
        raise ValueError(f"{what} is {when!r}, which ends outside the years 1 to 9999; choose a nearer time.")
    return ns


def create(execution: Execution, fire_at: datetime | timedelta) -> TimerTask:
    """Creates a timer; returns its task."""
    final_ns = moment_ns(execution, fire_at, "fire_at")
    task = TimerTask(datetime_of_ns(final_ns), execution.options.maximum_timer_interval)
    alarm = set_alarm(execution, final_ns, lambda: _complete(execution, task))
    task.set_cancel_handler(alarm.cancel)
    return task


def _complete(execution: Execution, task: TimerTask) -> None:
    task.complete(None)
    execution.wake()


def on_created(execution: Execution, event: pb.HistoryEvent) -> None:
    """The scheduler has the timer: the code must have asked for one."""
    step = execution.pending.pop(event.eventId, None)
    if type(step) is not TimerStep:
        determinism.disagree(execution, event.eventId, "create_timer()", step)


def on_fired(execution: Execution, event: pb.HistoryEvent) -> None:
    step = execution.take_open(event.timerFired.timerId, TimerStep, event)
    if step is not None:
        step.alarm.fired(step.fire_ns)


CONFIRMATIONS = {"timerCreated": on_created}
ARRIVALS = {"timerFired": on_fired}
