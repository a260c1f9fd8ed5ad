"""One live execution of one orchestration instance: history and new events in, actions out.

Pure: time, ids and payloads come in with the events. What an event means is said in the room of its family
(activities, timers, external_events, children, lifecycle); here is what they share and a turn's end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from durakit.replay import activities, children, external_events, lifecycle, rewind, timers
from durakit.replay.driver import Driver
from durakit.replay.external_events import EventInbox
from durakit.replay.failures import failure_details
from durakit.replay.steps import Step
from durakit.replay.versioning import VersioningOptions
from durakit.task import NonDeterminismError, OrchestrationStateError
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.exception_properties import ExceptionPropertiesProvider
    from durakit.registry import Registry
    from durakit.serialization import DataConverter

_logger = logging.getLogger(__name__)

_Handler = Callable[["Execution", pb.HistoryEvent], None]
_StepT = TypeVar("_StepT", bound=Step)


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """How executions of a worker behave.

    `maximum_timer_interval` is the longest timer the scheduler takes (None: any); `worker_description` tells
    whoever reads a failure such as "nothing registered" which worker it was.
    Raises ValueError for a timer interval that is not positive.
    """

    converter: DataConverter
    logger: logging.Logger = field(default=_logger)
    maximum_timer_interval: timedelta | None = timedelta(days=3)
    versioning: VersioningOptions | None = None
    exception_properties_provider: ExceptionPropertiesProvider | None = None
    worker_description: str = ""

    def __post_init__(self) -> None:
        limit = self.maximum_timer_interval
        if limit is not None and limit <= timedelta(0):
            raise ValueError(
                f"maximum_timer_interval is {limit}; expected more than zero, or None for no limit."
            )


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn decided: actions in order of creation, the completing one last."""

    actions: list[pb.OrchestratorAction]
    custom_status: str | None  # JSON text, None when unset


class Continuation(NamedTuple):
    """What user code gave to continue_as_new."""

    text: str | None
    save_events: bool
    new_version: str | None


class Ending(NamedTuple):
    """How the execution ended."""

    status: pb.OrchestrationStatus
    text: str | None = None
    failure: pb.TaskFailureDetails | None = None
    actions_count: bool = True  # whether actions of the last turn are sent too


class Execution:
    """One live execution: `replay` what is committed, then `advance` turn by turn, and `close` at last.

    An instance belongs to one thread at a time. User errors, unregistered names and disagreement between code
    and history never raise; they end the execution as failed.
    """

    __slots__ = (
        "_ending",
        "_handlers",
        "_held_back",
        "_history",
        "_last_id",
        "_open",
        "_ready",
        "_uuid_counter",
        "continuation",
        "custom_status",
        "driver",
        "early",
        "execution_id",
        "inbox",
        "instance_id",
        "is_closed",
        "is_replaying",
        "is_started",
        "name",
        "now_ns",
        "options",
        "parent_instance_id",
        "pending",
        "registry",
        "retrying",
        "settled_through_id",
        "version",
    )

    def __init__(self, instance_id: str, registry: Registry, options: ExecutionOptions) -> None:
        self.instance_id = instance_id
        self.registry = registry
        self.options = options
        self.execution_id: str | None = None
        self.name = ""
        self.version: str | None = None
        self.parent_instance_id: str | None = None
        self.custom_status: str | None = None
        #: Of calls that wait for another attempt: how many there are at most, by the id of the failed one.
        self.retrying: dict[int, int] = {}
        self.now_ns = 0
        self.is_started = False
        self.is_replaying = False
        self.is_closed = False
        self.driver = Driver(self)
        self.inbox = EventInbox()
        self.continuation: Continuation | None = None
        self.pending: dict[int, Step] = {}  # actions no confirmation was seen of, by id, in order
        self.early: dict[int, pb.HistoryEvent] = {}  # completions of steps not yet made, this turn only
        self.settled_through_id = 0  # the last step of earlier turns of this live execution
        self._open: dict[int, Step] = {}  # steps whose outcome is awaited, by id
        self._ready: list[pb.HistoryEvent] = []  # early completions whose step was made since
        self._held_back: list[pb.HistoryEvent] = []  # arrivals during suspension
        self._history: list[Sequence[pb.HistoryEvent]] = []  # committed events not yet replayed
        self._handlers = RUNNING
        self._ending: Ending | None = None
        self._last_id = 0
        self._uuid_counter = 0

    @property
    def is_finished(self) -> bool:
        """Whether the execution has ended, be it to continue as new."""
        return self._ending is not None

    def replay(self, past: Iterable[pb.HistoryEvent]) -> None:
        """Takes committed history, all at once or in parts; `advance` re-runs it before the new events."""
        self._history.append(past if isinstance(past, Sequence) else list(past))

    def advance(self, new: Iterable[pb.HistoryEvent]) -> Turn:
        """Runs one turn over new events; on a live execution it costs what they cost.

        Raises VersionMismatchReject when another worker must run the orchestration, and
        OrchestrationStateError when the execution has ended or its history has no beginning.
        """
        if self.is_closed:
            raise OrchestrationStateError(
                f"The execution of instance '{self.instance_id}' has ended; make a new one from its history."
            )
        events = new if isinstance(new, Sequence) else list(new)
        if self._history:
            past = self._history[0] if len(self._history) == 1 else list(chain.from_iterable(self._history))
            self._history = [past, events]
            if rewind.is_asked(past, events):
                self.close()
                return Turn([rewind.action(past, events)], None)
            self.is_replaying = True
            self._feed(past)
            self.is_replaying = False
        self._feed(events)
        self._history = []
        return self._end_turn()

    def close(self) -> None:
        """Ends the function wherever it waits. Durable calls in its `finally` blocks do nothing."""
        self.is_closed = True  # first of all: from here on nothing user code does has an effect
        self.driver.close()

    # What the rooms use.

    @property
    def was_rewound(self) -> bool:
        """Whether the history now being run was rewound."""
        return any(event.HasField("executionRewound") for event in chain.from_iterable(self._history))

    def next_id(self) -> int:
        """The id of the next step; one counter for all kinds, from 1."""
        self._last_id += 1
        return self._last_id

    def take_uuid_counter(self) -> int:
        """0, 1, 2, ...: makes ids of one moment differ."""
        self._uuid_counter += 1
        return self._uuid_counter - 1

    def schedule(self, step: Step) -> None:
        """Asks for something and waits for its outcome."""
        if self.is_closed:
            return
        self.pending[step.id] = step
        self._open[step.id] = step
        if self.early and step.id in self.early:
            self._ready.append(self.early.pop(step.id))

    def post(self, step: Step) -> None:
        """Asks for something that has no outcome."""
        if not self.is_closed:
            self.pending[step.id] = step

    def forget(self, step_id: int) -> None:
        """Nobody waits for a step any more. When its action was not sent yet, it never is."""
        self.pending.pop(step_id, None)
        self._open.pop(step_id, None)

    def take_open(self, step_id: int, kind: type[_StepT], event: pb.HistoryEvent) -> _StepT | None:
        """The open step a completion is for; None, after taking note, when there is none of that kind."""
        step = self._open.get(step_id)
        if type(step) is kind:
            del self._open[step_id]
            return step
        if step is None and step_id > self._last_id:
            self.early.setdefault(step_id, event)
        else:
            self.log_ignored(event, f"nothing waits for id {step_id}")
        return None

    def awaited_timers(self) -> list[int]:
        """Ids of the timers whose firing would be noticed."""
        return [step_id for step_id, step in self._open.items() if type(step) is timers.TimerStep]

    def wake(self) -> None:
        """Some task got its outcome: runs user code on if it was waiting for that."""
        awaiting = self.driver.awaiting
        if awaiting is not None and awaiting._complete:
            self.driver.resume()

    def drop_early(self) -> None:
        """Completions of steps that were not made in the same turn belong to nothing."""
        for step_id, event in self.early.items():
            self.log_ignored(event, f"the code made no call with id {step_id}")
        self.early.clear()

    def set_custom_status(self, value: Any) -> None:
        text = None if value is None else self.options.converter.serialize(value)
        if not self.is_closed:
            self.custom_status = text

    def ask_to_continue_as_new(self, value: Any, save_events: bool, new_version: str | None) -> None:
        text = None if value is None else self.options.converter.serialize(value)
        self.continuation = Continuation(text, save_events, new_version)

    def suspend(self) -> None:
        """Holds arrivals back. A second suspension changes nothing."""
        self._handlers = SUSPENDED

    def hold_back(self, event: pb.HistoryEvent) -> None:
        self._held_back.append(event)

    def resume(self) -> None:
        """Lets what was held back arrive, in order, in the current turn."""
        self._handlers = RUNNING
        held_back, self._held_back = self._held_back, []
        for event in held_back:
            self._handle(event)

    def log_ignored(self, event: pb.HistoryEvent, why: str) -> None:
        self.options.logger.debug(
            "%s: Ignored %s in history: %s", self.instance_id, event.WhichOneof("eventType"), why
        )

    # How it ends.

    def complete(self, value: Any) -> None:
        """The orchestrator returned."""
        try:
            text = None if value is None else self.options.converter.serialize(value)
        except Exception as error:  # a converter may raise anything
            unsendable = TypeError(f"The result of orchestrator '{self.name}' cannot be serialised: {error}")
            unsendable.__cause__ = error
            self.fail(unsendable)
        else:
            self._end(Ending(pb.ORCHESTRATION_STATUS_COMPLETED, text))

    def continue_as_new(self) -> None:
        """The orchestrator asked to start over, and has returned or waits."""
        assert self.continuation is not None
        self._end(Ending(pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW, self.continuation.text))

    def fail(self, error: BaseException) -> None:
        """The orchestrator raised, or something it did is wrong."""
        self.fail_with(failure_details(error, self.options.exception_properties_provider))

    def fail_with(self, details: pb.TaskFailureDetails) -> None:
        self._end(Ending(pb.ORCHESTRATION_STATUS_FAILED, None, details))

    def terminate(self, text: str | None) -> None:
        """The instance was terminated. That beats continue-as-new, and comes too late after any other end."""
        if self._ending is None or self._ending.status == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW:
            self._end(Ending(pb.ORCHESTRATION_STATUS_TERMINATED, text))

    def _end(self, ending: Ending) -> None:
        self._ending = ending
        self._handlers = FINISHED

    # A turn.

    def _feed(self, events: Sequence[pb.HistoryEvent]) -> None:
        try:
            for event in events:
                self._handle(event)
                while self._ready:
                    self._handle(self._ready.pop(0))
        except NonDeterminismError as error:
            details = failure_details(error, self.options.exception_properties_provider)
            self._ending = Ending(pb.ORCHESTRATION_STATUS_FAILED, None, details, actions_count=False)
            self._handlers = {}

    def _handle(self, event: pb.HistoryEvent) -> None:
        handler = self._handlers.get(event.WhichOneof("eventType") or "")
        if handler is not None:
            handler(self, event)
        elif self._handlers is RUNNING:
            self.log_ignored(event, "it tells an orchestrator nothing")

    def _end_turn(self) -> Turn:
        if not self.is_started and not self._held_back and self._ending is None:
            raise OrchestrationStateError(
                f"The history of instance '{self.instance_id}' has no executionStarted event; "
                "a work item must carry the whole history unless the worker holds the execution."
            )
        self.drop_early()
        actions = self._build_pending()
        self.pending.clear()
        self.settled_through_id = self._last_id
        if self._ending is not None:
            actions.append(self._build_ending(self._ending))
            self.close()
        return Turn(actions, self.custom_status)

    def _build_pending(self) -> list[pb.OrchestratorAction]:
        if self._ending is not None and not self._ending.actions_count:
            return []
        converter = self.options.converter
        try:
            return [step.build(converter) for step in self.pending.values()]
        except Exception as error:  # a converter may raise anything
            self.fail(error)
            return []

    def _build_ending(self, ending: Ending) -> pb.OrchestratorAction:
        action = pb.OrchestratorAction(id=self.next_id())
        complete = action.completeOrchestration
        complete.orchestrationStatus = ending.status
        if ending.text is not None:
            complete.result.value = ending.text
        if ending.failure is not None:
            complete.failureDetails.CopyFrom(ending.failure)
        if ending.status == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW and self.continuation is not None:
            if self.continuation.new_version is not None:
                complete.newVersion.value = self.continuation.new_version
            if self.continuation.save_events:
                complete.carryoverEvents.extend(event.to_wire() for event in self.inbox.unconsumed())
        return action


_CONFIRMATIONS: dict[str, _Handler] = {
    **activities.CONFIRMATIONS,
    **timers.CONFIRMATIONS,
    **external_events.CONFIRMATIONS,
    **children.CONFIRMATIONS,
}
_ARRIVALS: dict[str, _Handler] = {
    **lifecycle.ARRIVALS,
    **activities.ARRIVALS,
    **timers.ARRIVALS,
    **external_events.ARRIVALS,
    **children.ARRIVALS,
}

# What an event does depends on the state; the tables are looked up by kind, once an event. A further family
# of events joins by its CONFIRMATIONS and ARRIVALS.
RUNNING: dict[str, _Handler] = {**lifecycle.BOOKKEEPING, **_CONFIRMATIONS, **_ARRIVALS}
# Bookkeeping and confirmations are not for user code to notice: held back, they would be sent again.
SUSPENDED: dict[str, _Handler] = {**RUNNING, **dict.fromkeys(_ARRIVALS, Execution.hold_back)}
# Confirmations still show whether the code ended too early; events may be carried over.
FINISHED: dict[str, _Handler] = {
    **_CONFIRMATIONS,
    "eventRaised": external_events.keep,
    "executionTerminated": lifecycle.on_terminated,
}
