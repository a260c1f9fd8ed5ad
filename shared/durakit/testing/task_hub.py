"""Scheduler, worker and client in one thread, on a clock that only moves when nothing else can happen.

It is the scheduler's own engine over an in-memory store and the worker's own runners, so what passes here
follows the same rules as in production. Same seed, same run.
"""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from durakit.client import TaskHubGrpcClient
from durakit.registry import Registry
from durakit.replay import ExecutionOptions
from durakit.runtime.activities import ActivityRunner
from durakit.runtime.sessions import SessionCache
from durakit.runtime.turns import TurnRunner
from durakit.scheduler.engine import Engine
from durakit.scheduler.limits import AZURE_LIMITS, Limits
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.requests import Requests
from durakit.scheduler.store import Store
from durakit.scheduler.streams import Offer
from durakit.serialization import DataConverter, JsonDataConverter
from durakit.testing.channel import InProcessChannel
from durakit.wire.messages import orchestration_pb2 as pb

BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""Where the virtual clock starts unless told otherwise."""


class NeverEnds(AssertionError):
    """More work items were run than a test can mean; something loops."""


class InProcessTaskHub:
    """A task hub for tests.

        with InProcessTaskHub() as hub:
            hub.add_orchestrator(greet)
            hub.add_activity(hello)
            instance_id = hub.client.schedule_new_orchestration(greet, input="Ada")
            state = hub.client.wait_for_orchestration_completion(instance_id)

    Timers of days pass at once: whenever nothing is ready, the clock jumps to what is due next. A wait
    whose goal cannot be reached any more raises `TimeoutError` at once, whatever its timeout.

    Args:
        start: where the virtual clock begins; aware.
        seed: of the ids that are made.
        sessions: how many executions the worker keeps in memory; 0 replays every turn from history.
        db: keep the data in this file; by default in memory.
        limits: the limits to enforce, by default Azure's.
        data_converter: of worker and client.
        maximum_timer_interval: split longer timers, as for schedulers that do not take them; None: never.
        max_items: how many work items may run before `NeverEnds` is raised.
    """

    def __init__(
        self,
        *,
        start: datetime = BEGINNING,
        seed: int = 0,
        sessions: int = 100,
        db: Path | None = None,
        limits: Limits = AZURE_LIMITS,
        data_converter: DataConverter | None = None,
        maximum_timer_interval: timedelta | None = None,
        max_items: int = 100_000,
    ) -> None:
        converter = data_converter or JsonDataConverter()
        randomness = random.Random(seed)
        self._now_ns = round(start.timestamp()) * 1_000_000_000
        self._items_left = max_items
        self._store = Store(db)
        self._engine = Engine(
            self._store,
            new_id=lambda: uuid.UUID(int=randomness.getrandbits(128), version=4).hex,
            now=lambda: self._now_ns,
            limits=limits,
        )
        self.hub = self._engine.hub("default")
        self.requests = Requests(self._engine)
        self._registry = Registry()
        self._turns = TurnRunner(
            self._registry,
            ExecutionOptions(converter=converter, maximum_timer_interval=maximum_timer_interval),
            sessions=SessionCache(sessions),
        )
        self._activities = ActivityRunner(self._registry, converter)
        offer = Offer("in-process worker", "", sessions, pb.GetWorkItemsRequest())
        self._stream = self.hub.open_stream(offer, lambda: None)
        self.client = TaskHubGrpcClient(channel=InProcessChannel(self), data_converter=converter)

    def __enter__(self) -> InProcessTaskHub:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the store."""
        self.client.close()
        self._store.close()

    # --- the worker

    def add_orchestrator(self, fn: Callable[..., Any], name: str | None = None) -> str:
        """Register an orchestrator and return its name."""
        return self._registry.add_orchestrator(fn, name)

    def add_activity(self, fn: Callable[..., Any], name: str | None = None) -> str:
        """Register an activity and return its name; pass `name` to stand in for another."""
        return self._registry.add_activity(fn, name)

    # --- time and work

    @property
    def now(self) -> datetime:
        """The virtual time, aware, in UTC."""
        seconds, nanoseconds = divmod(self._now_ns, 1_000_000_000)
        moment = datetime.fromtimestamp(seconds, timezone.utc)
        return moment + timedelta(microseconds=nanoseconds // 1000)

    def commit(self) -> None:
        """Put on disk, and release, what a request changed."""
        self._engine.commit()

    def run_until_idle(self) -> None:
        """Run all work that is ready, without letting time pass."""
        self.commit()
        while self._run_one():
            pass

    def advance(self, length: timedelta) -> None:
        """Let `length` of virtual time pass, doing everything at the moment it is due."""
        end_ns = self._now_ns + round(length / timedelta(microseconds=1)) * 1000
        self.run_until_idle()
        while (due_ns := self._engine.agenda.next_due_ns) is not None and due_ns <= end_ns:
            self._jump(due_ns)
            self.run_until_idle()
        self._now_ns = end_ns

    def run_until(self, reached: Callable[[], bool]) -> bool:
        """Work, and let time pass, until `reached`; return False when nothing more can happen."""
        self.commit()
        while not reached():
            due_ns = self._engine.agenda.next_due_ns
            # What is due already does not wait for those who never rest.
            if (due_ns is None or due_ns > self._now_ns) and self._run_one():
                continue
            if due_ns is None:
                return False
            self._jump(due_ns)
        return True

    def _jump(self, due_ns: int) -> None:
        self._now_ns = max(self._now_ns, due_ns)
        self._engine.run_due()
        self.commit()

    def _run_one(self) -> bool:
        """Run the next work item; return False when none is ready."""
        if not self._stream.outbox:
            return False
        self._items_left -= 1
        if self._items_left < 0:
            raise NeverEnds(
                "The task hub ran through its max_items work items. An orchestration seems to loop for ever; "
                "raise max_items if that many are meant."
            )
        item = pb.WorkItem.FromString(self._stream.outbox.popleft())
        if item.HasField("activityRequest"):
            done = self._activities.run(item.activityRequest, item.completionToken)
            # Refused, as for any worker, when the instance was ended or replaced meanwhile.
            with contextlib.suppress(Refusal):
                self.hub.complete_task(done, self._now_ns)
        elif item.HasField("orchestratorRequest"):
            outcome = self._turns.execute(item.orchestratorRequest, item.completionToken)
            try:
                self.hub.complete_turn(outcome.response, self._now_ns)
            except Refusal:
                self._turns.dropped(outcome)
            else:
                self._turns.accepted(outcome)
        self.commit()
        return True
