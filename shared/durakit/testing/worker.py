"""A worker of the in-process task hub: the real runners, one work item at a time, and crashes on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from durakit.registry import Registry
from durakit.replay import ExecutionOptions, VersionMismatchReject
from durakit.runtime.activities import ActivityRunner
from durakit.runtime.filters import filters_of
from durakit.runtime.sessions import SessionCache
from durakit.runtime.turns import TurnRunner
from durakit.scheduler.engine import Engine
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.streams import Offer, WorkerStream
from durakit.testing.faults import Faults, WorkerCrash
from durakit.testing.stage import Delivery, Numbers, Stage, StagedRegistry
from durakit.wire.messages import orchestration_pb2 as pb


class Site(Protocol):
    """What a worker needs of the in-process hub it works for."""

    engine: Engine
    hub: TaskHub
    stage: Stage
    faults: Faults
    numbers: Numbers

    def has_item(self, worker: InProcessWorker) -> None:
        """An item is in the worker's outbox."""

    def has_none(self, worker: InProcessWorker) -> None:
        """What was in its outbox is gone."""


class InProcessWorker:
    """A worker that was made by `InProcessTaskHub`; it works when the hub says so.

    Args:
        filtered: ask only for what is registered here, as `run_worker` does; otherwise for everything.
    """

    def __init__(
        self, site: Site, name: str, options: ExecutionOptions, *, sessions: int, filtered: bool
    ) -> None:
        self.name = name
        self.registry: Registry = StagedRegistry(site.stage)
        self._site = site
        self._options = options
        self._filtered = filtered
        self._sessions = SessionCache(sessions)
        self._turns = TurnRunner(self.registry, options, sessions=self._sessions)
        self._activities = ActivityRunner(self.registry, options.converter)
        self._stream: WorkerStream | None = None
        self._life = 0

    # --- what a test may do with it

    def add_orchestrator(self, fn: Callable[..., Any], name: str | None = None) -> str:
        """Register an orchestrator and return its name."""
        added = self.registry.add_orchestrator(fn, name)
        self._filters_changed()
        return added

    def add_activity(self, fn: Callable[..., Any], name: str | None = None) -> str:
        """Register an activity and return its name."""
        added = self.registry.add_activity(fn, name)
        self._filters_changed()
        return added

    def start(self) -> None:
        """Connect to the hub; does nothing when it is connected."""
        if self._stream is None:
            filters = filters_of(self.registry, self._options.versioning) if self._filtered else None
            request = pb.GetWorkItemsRequest(workItemFilters=filters)
            offer = Offer(self.name, "", self._sessions.size, request)
            self._stream = self._site.hub.open_stream(offer, self._woken)

    def stop(self) -> None:
        """Disconnect; work waits for another worker, or for `start`. Does nothing when it is stopped."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._site.has_none(self)
            self._site.hub.close_stream(stream, self._site.engine.now())
            self._sessions.clear()

    def crash(self) -> None:
        """End as if killed, and start anew: nothing that was not answered is, nothing in memory is kept."""
        self._life += 1
        self.stop()
        self.start()

    def _filters_changed(self) -> None:
        if self._filtered and self._stream is not None:
            self.stop()
            self.start()

    # --- what the hub does with it

    def run_item(self, place: int) -> None:
        """Run the work item at that place of the outbox, which must be there."""
        assert self._stream is not None
        item = pb.WorkItem.FromString(self._stream.outbox[place])
        del self._stream.outbox[place]
        if item.HasField("activityRequest"):
            self._run_activity(item.activityRequest, item.completionToken)
        elif item.HasField("orchestratorRequest"):
            self._run_turn(item.orchestratorRequest, item.completionToken)

    def _woken(self) -> None:
        # The scheduler wakes a stream when it ends it, too.
        if self._stream is not None and self._stream.outbox:
            self._site.has_item(self)

    def _run_activity(self, request: pb.ActivityRequest, token: str) -> None:
        site = self._site
        instance = request.orchestrationInstance
        key = (instance.instanceId, instance.executionId.value, request.taskId)
        delivery = site.numbers.deliver(request.name, key)
        if site.faults.begin(delivery):
            self.crash()
            return
        try:
            answers = [self._perform(request, token, delivery)]
            if site.faults.is_delivered_twice(delivery):
                answers.append(self._perform(request, token, site.numbers.deliver(request.name, key)))
        except WorkerCrash:
            self.crash()
            return
        if site.faults.crashes_after(delivery):
            self.crash()
            return
        self._answer(answers, key, site.faults.delay_of(delivery))

    def _perform(self, request: pb.ActivityRequest, token: str, delivery: Delivery) -> pb.ActivityResponse:
        self._site.stage.delivery = delivery
        return self._activities.run(request, token)

    def _answer(self, answers: list[pb.ActivityResponse], key: tuple[Any, ...], delay: timedelta) -> None:
        site, life = self._site, self._life

        def arrive(now_ns: int) -> None:
            if self._life != life:
                return
            site.numbers.answered(key)
            for answer in answers:
                # Refused, as for any worker, when the instance was ended or replaced meanwhile.
                with contextlib.suppress(Refusal):
                    site.hub.complete_task(answer, now_ns)

        now_ns = site.engine.now()
        if delay:
            site.engine.agenda.add(now_ns + delay // timedelta(microseconds=1) * 1000, arrive)
        else:
            arrive(now_ns)

    def _run_turn(self, request: pb.OrchestratorRequest, token: str) -> None:
        site = self._site
        instance = site.hub.machine.get(request.instanceId)
        # Until the answer counts, the execution has the same number of events: delivered again, same key.
        key = (instance.id, instance.execution_id, instance.events, "turn")
        delivery = site.numbers.deliver(instance.name, key, is_turn=True)
        if site.faults.begin(delivery):
            self.crash()
            return
        if site.faults.loses_session(delivery):
            self._sessions.clear()
        now_ns = site.engine.now()
        try:
            outcome = self._turns.execute(request, token)
        except VersionMismatchReject:
            site.hub.abandon_turn(token, now_ns)
            return
        if site.faults.crashes_after(delivery):
            self._turns.dropped(outcome)
            self.crash()
            return
        try:
            site.hub.complete_turn(outcome.response, now_ns)
            if site.faults.is_delivered_twice(delivery):
                with contextlib.suppress(Refusal):
                    site.hub.complete_turn(outcome.response, now_ns)
        except Refusal:
            self._turns.dropped(outcome)
        else:
            self._turns.accepted(outcome)
            if not outcome.response.requiresHistory:
                site.numbers.answered(key)
