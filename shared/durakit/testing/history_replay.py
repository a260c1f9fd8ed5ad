"""Replay test: does today's code still follow a history that was recorded before?

The code runs turn by turn over the events that arrived in each recorded turn. What it asks for then must be
what the history confirms for that turn, and where the history ends, it must end alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from durakit.history import HistoryEvent, HistoryExport, history_from_json
from durakit.history.events import message_of
from durakit.registry import Registry
from durakit.replay import Execution, ExecutionOptions, Turn
from durakit.serialization import DataConverter, JsonDataConverter
from durakit.testing import recorded
from durakit.testing.recorded import Decision, RecordedExecution, RecordedTurn
from durakit.wire.messages import orchestration_pb2 as pb

History = HistoryExport | str | bytes | Path | Iterable[HistoryEvent | pb.HistoryEvent]
"""An export, its text, the file that holds it, or the events themselves."""

SPLIT_TIMERS_AT = timedelta(days=3)
"""How workers split long timers unless told otherwise."""


class ReplayDiffers(AssertionError):
    """Today's code does not follow a recorded history; `result` says where it leaves it."""

    def __init__(self, result: ReplayResult) -> None:
        super().__init__(str(result))
        self.result = result


@dataclass(frozen=True)
class Difference:
    """The first place where code and history part."""

    event_number: int
    """Of the event, from 1, in the order of the export."""
    expected: str
    """What the history has there, as one would write it: `call_activity('ship')`."""
    actual: str
    """What the code does instead."""
    traceback: str | None = None
    """Of the error that the code raised there, if it did."""

    def __str__(self) -> str:
        return f"event {self.event_number}: the history has {self.expected}, but the code {self.actual}."


@dataclass(frozen=True)
class ReplayResult:
    """What a replay found; true when the code follows the history."""

    name: str
    instance_id: str
    turns: int
    """How many recorded turns the code was run through, the one that differs included."""
    difference: Difference | None = None

    @property
    def follows(self) -> bool:
        """Whether the code did what the history says, to its end."""
        return self.difference is None

    def __bool__(self) -> bool:
        return self.follows

    def raise_if_different(self) -> None:
        """Raise `ReplayDiffers`, with the place, when the code does not follow the history."""
        if self.difference is not None:
            raise ReplayDiffers(self)

    def __str__(self) -> str:
        whose = f"Orchestrator '{self.name}' and the history of instance '{self.instance_id}'"
        if self.difference is None:
            return f"{whose} agree in all {self.turns} turns."
        trace = f"\n{self.difference.traceback}" if self.difference.traceback else ""
        return f"{whose} differ in turn {self.turns}, {self.difference}{trace}"


def replay(
    orchestrator: Callable[..., Any],
    history: History,
    *,
    strict: bool = True,
    data_converter: DataConverter | None = None,
) -> ReplayResult:
    """Run the orchestrator's code over a recorded history; no activity runs and nothing is sent.

        result = replay(order_report, Path("tests/histories/order_report.json"))
        result.raise_if_different()

    The history may be of an instance that runs, has completed or has failed, and may hold several executions
    one after the other. With `strict` inputs, times of timers, result and failure must be as recorded, too; a
    clock or chance in the code shows there. Without, only what a worker refuses counts: other calls, another
    order, another kind of end.

    Raises:
        ValueError: `history` is no exported history, or has no beginning.
    """
    instance_id, messages = _read(history)
    executions = recorded.executions(messages)
    if not executions:
        raise ValueError("The history has no executionStarted event, so there is nothing to replay.")
    best: ReplayResult | None = None
    # Workers differ in how they split long timers, and a history does not tell how its own did.
    has_timers = any(message.HasField("timerCreated") for message in messages)
    for interval in (SPLIT_TIMERS_AT, None) if has_timers else (SPLIT_TIMERS_AT,):
        options = ExecutionOptions(
            converter=data_converter or JsonDataConverter(), maximum_timer_interval=interval
        )
        result = _replay(orchestrator, instance_id, executions, options, strict)
        if result:
            return result
        if best is None or result.turns > best.turns:
            best = result
    assert best is not None
    return best


def _read(history: History) -> tuple[str, list[pb.HistoryEvent]]:
    if isinstance(history, Path):
        history = history.read_text("utf-8")
    if isinstance(history, (str, bytes)):
        history = history_from_json(history)
    if isinstance(history, HistoryExport):
        return history.instance_id, history.messages
    messages = [event if isinstance(event, pb.HistoryEvent) else message_of(event) for event in history]
    started = next((m.executionStarted for m in messages if m.HasField("executionStarted")), None)
    return started.orchestrationInstance.instanceId if started is not None else "", messages


class _Rehearsal(Execution):
    """An execution that is told turn by turn what arrived, and what it asked for is heard but not done."""

    __slots__ = ()

    def turn(self, events: list[pb.HistoryEvent]) -> Turn:
        """Run one recorded turn. The code is told that it is replayed, as it is after a crash."""
        self.is_replaying = True
        self._feed(events)
        return self._end_turn()


def _replay(
    orchestrator: Callable[..., Any],
    instance_id: str,
    executions: list[RecordedExecution],
    options: ExecutionOptions,
    strict: bool,
) -> ReplayResult:
    turns = 0
    for execution in executions:
        registry = Registry()
        registry.add_orchestrator(orchestrator, execution.name)
        rehearsal = _Rehearsal(instance_id, registry, options)
        owed: dict[int, Decision] = {}
        try:
            for turn in execution.turns:
                turns += 1
                difference = _compare(rehearsal.turn(turn.arrivals), turn, owed, execution, strict)
                if difference is not None:
                    return ReplayResult(execution.name, instance_id, turns, difference)
                if rehearsal.is_finished:
                    break
        finally:
            rehearsal.close()
    return ReplayResult(executions[-1].name, instance_id, turns)


def _compare(
    made: Turn, turn: RecordedTurn, owed: dict[int, Decision], execution: RecordedExecution, strict: bool
) -> Difference | None:
    """Compare what the code asked for with what was recorded.

    `owed` are decisions that the history confirms in a later turn only. A rewind leaves such: it takes out
    what failed, to have it done again. A worker accepts them, whatever they come from.
    """
    ending = next(
        (a.completeOrchestration for a in made.actions if a.HasField("completeOrchestration")), None
    )
    decisions = [recorded.of_action(a) for a in made.actions if not a.HasField("completeOrchestration")]
    owed.update((decision.id, decision) for decision in decisions)
    for number, expected in turn.decisions:
        actual = owed.pop(expected.id, None)
        if actual is None:
            done = recorded.end_of_action(ending) if ending is not None else None
            return Difference(
                number,
                f"{expected} with id {expected.id}",
                f"{done.doing} without it" if done is not None else "makes no call of that id at this point",
                done.traceback if done is not None else None,
            )
        if not expected.agrees(actual, strict):
            return Difference(number, *_told_apart(expected, actual), None)
    if turn.end is not None and turn.end.status == "TERMINATED":
        return None  # somebody else's decision; what the code would have done here does not matter
    never = [number for number in owed if number not in execution.decided]
    if never:
        first = min(never)
        what = str(turn.end) if turn.end is not None else "nothing more in this turn"
        return Difference(turn.last_number, what, f"also makes {owed[first]} with id {first}")
    if ending is None and turn.end is None:
        return None
    if ending is None:
        return Difference(turn.last_number, str(turn.end), "goes on")
    done = recorded.end_of_action(ending)
    if turn.end is None:
        return Difference(turn.last_number, "no end of the orchestration here", done.doing, done.traceback)
    if turn.end.agrees(done, strict):
        return None
    return Difference(turn.last_number, str(turn.end), done.doing, done.traceback)


def _told_apart(expected: Decision, actual: Decision) -> tuple[str, str]:
    """Both sides, with their details where they look alike without."""
    if str(expected) != str(actual):
        return f"{expected} with id {expected.id}", f"now makes {actual} with that id"
    return f"{expected.in_detail()} with id {expected.id}", f"now makes {actual.in_detail()}"
