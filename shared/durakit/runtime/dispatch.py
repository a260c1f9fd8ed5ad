"""Which thread runs what: work items in, each run by one thread and answered without waiting for it, and the
orderly end of all that.

Turns and the quickest activities mostly run on the thread that brings them (`relay` is for those that take
long), other activities on threads of their own or on a loop.

Turns of one instance never run at once, whatever the scheduler sends; activities run side by side up to the
limits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import grpc

from durakit.replay import VersionMismatchReject
from durakit.runtime import entities
from durakit.runtime.async_loop import AsyncLoop
from durakit.runtime.pace import Pace
from durakit.runtime.threads import WorkerThreads
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.runtime.activities import ActivityRunner
    from durakit.runtime.turns import AheadTurn, TurnOutcome, TurnRunner

#: So many turns run at once. Turns only compute: more of them would fight.
MAX_TURN_THREADS = 8
#: How long an item that this worker must not run is kept back before somebody else may get it.
REJECTION_PAUSE_SECONDS = 1.0
#: How long the end waits until what was rejected has been given back.
CLOSING_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """How much runs at once."""

    turns: int
    activities: int
    activity_threads: int


class Answers(Protocol):
    """Where answers go: `LinkedDelivery`, or the engine of an embedded task hub."""

    @property
    def is_immediate(self) -> bool:
        """Whether answers can be handed over without a call being made."""

    def complete_turn(self, response: pb.OrchestratorResponse, done: Callable[[bool], None]) -> None:
        """Deliver a turn's response; `done` is told whether it is committed."""

    def complete_activity(self, request: pb.ActivityRequest, response: pb.ActivityResponse) -> None:
        """Deliver an activity's response."""

    def complete_entity(self, instance_id: str, result: pb.EntityBatchResult) -> None:
        """Deliver an entity batch's result."""

    def abandon_turn(self, token: str, instance_id: str) -> None:
        """Give an orchestrator item back."""

    def abandon_activity(self, token: str, instance_id: str) -> None:
        """Give an activity item back."""

    def abandon_entity(self, token: str, instance_id: str) -> None:
        """Give an entity item back."""

    def join(self, deadline: float) -> bool:
        """Wait until nothing is under way, at most until `time.monotonic()` is `deadline`; True if so."""

    def close(self) -> None:
        """Give up what has not been begun."""


class Dispatcher:
    """Takes work items and sees to their answers.

    Args:
        runs_here: whether user code may run on the thread that calls `take`.
    """

    def __init__(
        self,
        turns: TurnRunner,
        activities: ActivityRunner,
        delivery: Answers,
        limits: Limits,
        *,
        runs_here: bool,
        worker_description: str,
        logger: logging.Logger,
    ) -> None:
        self._turns = turns
        self._activities = activities
        self._delivery = delivery
        self._runs_here = runs_here
        self._worker_description = worker_description
        self._logger = logger
        self._gate = InstanceGate()
        self._pace = Pace()
        self._draining = False
        self._closing = threading.Event()
        self._turn_threads: WorkerThreads[pb.WorkItem] = WorkerThreads(
            "durakit-turns", min(limits.turns, MAX_TURN_THREADS), self._run_turn, logger=logger
        )
        self._activity_threads: WorkerThreads[pb.WorkItem] = WorkerThreads(
            "durakit-activities",
            min(limits.activities, limits.activity_threads),
            self._run_activity,
            logger=logger,
        )
        self._activity_loop: AsyncLoop[pb.WorkItem] = AsyncLoop(
            "durakit-async-activities", limits.activities, self._run_async_activity, logger=logger
        )
        self._async_results: WorkerThreads[tuple[pb.ActivityRequest, pb.ActivityResponse]] = WorkerThreads(
            "durakit-async-results", 1, self._deliver, logger=logger
        )
        self._rejections: WorkerThreads[tuple[float, pb.WorkItem]] = WorkerThreads(
            "durakit-rejections", 1, self._give_back, logger=logger
        )

    def take(self, item: pb.WorkItem) -> None:
        """See to it that an item is worked on. Returns at once, or, if user code may run here, after a turn
        or an activity that has been quick so far; nobody knows how long that takes.
        """
        kind = item.WhichOneof("request")
        if kind == "healthPing":
            return
        if self._draining:
            self._reject(item)
        elif kind == "orchestratorRequest":
            if self._gate.enter(item.orchestratorRequest.instanceId, item):
                self._begin_turn(item)
        elif kind == "activityRequest":
            self._begin_activity(item)
        elif kind == "entityRequestV2":
            self._refuse_entity(item)
        else:
            self._logger.warning("A work item of kind %s cannot be served and is left alone", kind)

    def go_ahead(self, results: Sequence[pb.ActivityResponse]) -> AheadTurn | None:
        """The turn that follows from results of one instance, if that may be run here and now."""
        instance_id = results[0].instanceId
        if self._draining or not self._gate.enter_if_free(instance_id):
            return None
        try:
            return self._turns.go_ahead(results)
        finally:
            self._leave(instance_id)

    def drain(self, grace_seconds: float) -> bool:
        """Begin nothing more, abandon what waits, let finish what runs; True when all has ended in time, the
        answers included.

        The stream stays open meanwhile: it is the lease of what runs. Items that still arrive are given back
        after a pause, so that neither they nor the scheduler spin.
        """
        deadline = time.monotonic() + grace_seconds
        self._draining = True
        for item in (*self._turn_threads.stop(), *self._activity_threads.stop(), *self._gate.drain()):
            self._abandon(item)
        waiting, all_ended = self._activity_loop.stop(grace_seconds)
        for item in waiting:
            self._abandon(item)
        for threads in (self._turn_threads, self._activity_threads):
            all_ended = threads.join(deadline) and all_ended
        # Only now: until here results of async activities may have been added.
        for answer in self._async_results.stop():
            self._deliver(answer)
        all_ended = self._async_results.join(deadline) and all_ended
        return self._delivery.join(deadline) and all_ended

    def close(self) -> None:
        """Give back what was rejected; to be called when the stream has ended."""
        self._closing.set()
        rejected = self._rejections.stop()
        for _, item in rejected:
            self._abandon(item)
        if rejected:
            self._delivery.join(time.monotonic() + CLOSING_SECONDS)
        self._delivery.close()

    def _begin_turn(self, item: pb.WorkItem) -> None:
        # A history that must be fetched first is worth a thread.
        here = self._runs_here and not item.orchestratorRequest.requiresHistoryStreaming
        if not here or not self._turn_threads.run_here(item):
            self._turn_threads.submit(item)

    def _begin_activity(self, item: pb.WorkItem) -> None:
        name = item.activityRequest.name
        if self._activities.is_async(name):
            self._activity_loop.submit(item)
            return
        if self._runs_here and self._pace.is_quick(name):
            with self._pace.here(name):
                if self._activity_threads.run_here(item):
                    return
        self._activity_threads.submit(item)

    def _run_turn(self, item: pb.WorkItem) -> None:
        """Run a turn that has passed the gate; its instance stays there until the answer has arrived."""
        request, token = item.orchestratorRequest, item.completionToken
        instance_id = request.instanceId
        if self._turns.is_behind(request):
            # The scheduler dropped the item if it took the turn that was sent. If it did not, or if the
            # instance ended meanwhile, it must know that nobody works on this one.
            self._delivery.abandon_turn(token, instance_id)
            self._leave(instance_id)
            return
        try:
            outcome = self._turns.execute(request, token)
        except VersionMismatchReject as rejection:
            self._logger.info("%s is left to another worker: %s", instance_id, rejection)
            self._reject(item)
        except grpc.RpcError as error:
            self._logger.warning("The history of %s could not be read: %s", instance_id, error)
            self._delivery.abandon_turn(token, instance_id)
        except Exception:
            self._logger.exception(
                "A turn of %s was given back", instance_id, extra={"instance_id": instance_id}
            )
            self._delivery.abandon_turn(token, instance_id)
        else:
            self._delivery.complete_turn(
                outcome.response, lambda accepted: self._turn_answered(outcome, accepted)
            )
            return
        self._leave(instance_id)

    def _turn_answered(self, outcome: TurnOutcome, accepted: bool) -> None:
        """The scheduler has the response, or never will; must not block (see `Delivery.complete_turn`)."""
        if accepted:
            self._turns.accepted(outcome)
        else:
            self._turns.dropped(outcome)
        # Only now: the next turn may go on with the session.
        self._leave(outcome.response.instanceId)

    def _leave(self, instance_id: str) -> None:
        next_item = self._gate.leave(instance_id)
        if next_item is None:
            return
        if self._draining:
            self._reject(next_item)
        else:
            self._turn_threads.submit(next_item)

    def _run_activity(self, item: pb.WorkItem) -> None:
        request = item.activityRequest
        began = time.perf_counter()
        with self._activity_threads.user_code():
            response = self._activities.run(request, item.completionToken)
        self._pace.took(request.name, time.perf_counter() - began)
        self._delivery.complete_activity(request, response)

    async def _run_async_activity(self, item: pb.WorkItem) -> None:
        request = item.activityRequest
        response = await self._activities.run_async(request, item.completionToken)
        if self._delivery.is_immediate:
            self._delivery.complete_activity(request, response)
        else:
            # Not from here: making a call may mean fetching an access token first.
            self._async_results.submit((request, response))

    def _deliver(self, answer: tuple[pb.ActivityRequest, pb.ActivityResponse]) -> None:
        self._delivery.complete_activity(*answer)

    def _reject(self, item: pb.WorkItem) -> None:
        self._rejections.submit((time.monotonic() + REJECTION_PAUSE_SECONDS, item))

    def _give_back(self, rejection: tuple[float, pb.WorkItem]) -> None:
        due, item = rejection
        self._closing.wait(max(0.0, due - time.monotonic()))
        self._abandon(item)

    def _refuse_entity(self, item: pb.WorkItem) -> None:
        request = item.entityRequestV2
        result = entities.refuse(request, item.completionToken, self._worker_description)
        self._delivery.complete_entity(request.instanceId, result)

    def _abandon(self, item: pb.WorkItem) -> None:
        kind = item.WhichOneof("request")
        if kind == "orchestratorRequest":
            self._delivery.abandon_turn(item.completionToken, item.orchestratorRequest.instanceId)
        elif kind == "activityRequest":
            self._delivery.abandon_activity(
                item.completionToken, item.activityRequest.orchestrationInstance.instanceId
            )
        elif kind == "entityRequestV2":
            self._delivery.abandon_entity(item.completionToken, item.entityRequestV2.instanceId)


class InstanceGate:
    """Lets one turn of an instance through at a time; the others wait in line here, not in a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, deque[pb.WorkItem]] = {}

    def enter(self, instance_id: str, item: pb.WorkItem) -> bool:
        """Whether the item may run now; if not, it has been put in line behind one that runs."""
        with self._lock:
            line = self._lines.get(instance_id)
            if line is not None:
                line.append(item)
                return False
            self._lines[instance_id] = deque()
            return True

    def enter_if_free(self, instance_id: str) -> bool:
        """Whether no turn of the instance runs; then the caller's may, until it leaves."""
        with self._lock:
            if instance_id in self._lines:
                return False
            self._lines[instance_id] = deque()
            return True

    def leave(self, instance_id: str) -> pb.WorkItem | None:
        """The next item of the instance, which may run now; None when there is none."""
        with self._lock:
            line = self._lines[instance_id]
            if line:
                return line.popleft()
            del self._lines[instance_id]
            return None

    def drain(self) -> list[pb.WorkItem]:
        """Take everything out of the lines; what runs goes on."""
        with self._lock:
            waiting = [item for line in self._lines.values() for item in line]
            for line in self._lines.values():
                line.clear()
            return waiting
