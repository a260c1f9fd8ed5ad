"""Scheduler, worker and client in one thread, on a clock that only moves when nothing else can happen.

It is the scheduler's own engine over an in-memory store and the worker's own runners, so what passes here
follows the same rules as in production. Same seed, same run.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from durakit.client import OrchestrationState, TaskHubGrpcClient
from durakit.replay import ExecutionOptions
from durakit.replay.versioning import VersioningOptions
from durakit.scheduler.engine import Engine
from durakit.scheduler.limits import AZURE_LIMITS, Limits
from durakit.scheduler.requests import Requests
from durakit.scheduler.store import Store
from durakit.serialization import DataConverter, JsonDataConverter
from durakit.testing.channel import InProcessChannel
from durakit.testing.faults import Faults
from durakit.testing.stage import ActivityCall, Named, Numbers, Stage, name_of
from durakit.testing.worker import InProcessWorker

BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""Where the virtual clock starts unless told otherwise."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class NeverEnds(AssertionError):
    """More work items were run than a test can mean; something loops."""


class InProcessTaskHub:
    """A task hub for tests.

        with InProcessTaskHub(orchestrators=[greet], activities=[hello]) as hub:
            assert hub.run(greet, input="Ada").get_output() == "Hello, Ada!"

    Timers of days pass at once: whenever nothing is ready, the clock jumps to what is due next. A wait
    whose goal cannot be reached any more raises `TimeoutError` at once, whatever its timeout.

    Args:
        orchestrators: to be registered; more by `add_orchestrator`.
        activities: to be registered; more by `add_activity`.
        start: where the virtual clock begins; aware.
        seed: of the ids that are made, and of the order with `shuffle`.
        shuffle: run what is ready in an order drawn from the seed; by default the oldest first.
        sessions: how many executions the worker keeps in memory; 0 replays every turn from history.
        db: keep the data in this file; by default in memory.
        limits: the limits to enforce, by default Azure's.
        data_converter: of worker and client.
        maximum_timer_interval: split longer timers, as for schedulers that do not take them; None: never.
        max_items: how many work items may run before `NeverEnds` is raised.

    Attributes:
        client: a client of the hub; the real one.
        faults: what shall go wrong, see `Faults`.
        worker: what runs orchestrators and activities, see `InProcessWorker`.
    """

    def __init__(
        self,
        *,
        orchestrators: Iterable[Callable[..., Any]] = (),
        activities: Iterable[Callable[..., Any]] = (),
        start: datetime = BEGINNING,
        seed: int = 0,
        shuffle: bool = False,
        sessions: int = 100,
        db: Path | None = None,
        limits: Limits = AZURE_LIMITS,
        data_converter: DataConverter | None = None,
        maximum_timer_interval: timedelta | None = None,
        max_items: int = 100_000,
    ) -> None:
        self._converter = data_converter or JsonDataConverter()
        self._maximum_timer_interval = maximum_timer_interval
        self._randomness = random.Random(seed)
        self._order = random.Random(f"order {seed}") if shuffle else None
        self._session_count = sessions
        self._now_ns = (start - _EPOCH) // _MICROSECOND * 1000
        self._items_left = max_items
        self._store = Store(db)
        self.engine = Engine(self._store, new_id=self._new_id, now=lambda: self._now_ns, limits=limits)
        self.hub = self.engine.hub("default")
        self.requests = Requests(self.engine)
        self.numbers = Numbers()
        self.faults = Faults(self.numbers.calls)
        self.stage = Stage(lambda: self.now, self.faults.error_for)
        self._ready: list[InProcessWorker] = []
        self._workers: list[InProcessWorker] = []
        self.worker = self._new_worker("in-process worker", None, filtered=False)
        self.client: TaskHubGrpcClient = _SeededClient(self._new_id, InProcessChannel(self), self._converter)
        for orchestrator in orchestrators:
            self.add_orchestrator(orchestrator)
        for activity in activities:
            self.add_activity(activity)

    def __enter__(self) -> InProcessTaskHub:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close()
        if kind is None:
            self.faults.check_all_reached()

    def close(self) -> None:
        """Free the store."""
        self.client.close()
        self._store.close()

    # --- workers

    def add_orchestrator(self, fn: Callable[..., Any], name: str | None = None) -> str:
        """Register an orchestrator and return its name."""
        return self.worker.add_orchestrator(fn, name)

    def add_activity(self, fn: Callable[..., Any], name: str | None = None) -> str:
        """Register an activity and return its name; pass `name` to stand in for another."""
        return self.worker.add_activity(fn, name)

    def add_worker(
        self,
        *,
        orchestrators: Iterable[Callable[..., Any]] = (),
        activities: Iterable[Callable[..., Any]] = (),
        versioning: VersioningOptions | None = None,
    ) -> InProcessWorker:
        """Start another worker, which asks for what is registered with it only, as `run_worker` does.

        The hub's own worker takes everything, so stop it (`hub.worker.stop()`) where the others shall divide
        the work among them.
        """
        worker = self._new_worker(f"in-process worker {len(self._workers) + 1}", versioning, filtered=True)
        for orchestrator in orchestrators:
            worker.add_orchestrator(orchestrator)
        for activity in activities:
            worker.add_activity(activity)
        return worker

    def _new_worker(
        self, name: str, versioning: VersioningOptions | None, *, filtered: bool
    ) -> InProcessWorker:
        options = ExecutionOptions(
            converter=self._converter,
            maximum_timer_interval=self._maximum_timer_interval,
            versioning=versioning,
        )
        worker = InProcessWorker(self, name, options, sessions=self._session_count, filtered=filtered)
        self._workers.append(worker)
        worker.start()
        return worker

    def replace_activity(self, activity: Named, fake: Callable[..., Any]) -> None:
        """Run `fake` wherever `activity`, a name or a function, is called from now on.

        `fake` takes context and input, or the context alone; without an annotation of its own it gets the
        input as the real one would. The real one need not be registered.
        """
        self.stage.replace(activity, fake)

    @property
    def calls(self) -> list[ActivityCall]:
        """All runs of activities so far, in order."""
        return list(self.stage.calls)

    def calls_of(self, activity: Named) -> list[ActivityCall]:
        """The runs of one activity so far, in order; a redelivered call ran more than once."""
        name = name_of(activity)
        return [call for call in self.stage.calls if call.name == name]

    # --- orchestrations

    def run(
        self,
        orchestrator: Callable[..., Any] | str,
        *,
        input: Any = None,
        instance_id: str | None = None,
        **options: Any,
    ) -> OrchestrationState:
        """Start an orchestration, let time pass until it has ended, and return its state.

        `options` are those of `schedule_new_orchestration`. Raises `TimeoutError` when it cannot end.
        """
        instance_id = self.client.schedule_new_orchestration(
            orchestrator, input=input, instance_id=instance_id, **options
        )
        state = self.client.wait_for_orchestration_completion(instance_id)
        assert state is not None
        return state

    # --- time and work

    @property
    def now(self) -> datetime:
        """The virtual time, aware, in UTC."""
        return _EPOCH + self._now_ns // 1000 * _MICROSECOND

    def commit(self) -> None:
        """Put on disk, and release, what a request changed."""
        self.engine.commit()

    def run_until_idle(self) -> None:
        """Run all work that is ready, without letting time pass."""
        self.commit()
        while self._run_one():
            pass

    def advance(self, length: timedelta) -> None:
        """Let `length` of virtual time pass, doing everything at the moment it is due."""
        end_ns = self._now_ns + length // _MICROSECOND * 1000
        self.run_until_idle()
        while (due_ns := self.engine.agenda.next_due_ns) is not None and due_ns <= end_ns:
            self._jump(due_ns)
            self.run_until_idle()
        self._now_ns = end_ns

    def run_until(self, reached: Callable[[], bool]) -> bool:
        """Work, and let time pass, until `reached`; return False when nothing more can happen."""
        self.commit()
        while not reached():
            due_ns = self.engine.agenda.next_due_ns
            # What is due already does not wait for those who never rest.
            if (due_ns is None or due_ns > self._now_ns) and self._run_one():
                continue
            if due_ns is None:
                return False
            self._jump(due_ns)
        return True

    def _jump(self, due_ns: int) -> None:
        self._now_ns = max(self._now_ns, due_ns)
        self.engine.run_due()
        self.commit()

    def _run_one(self) -> bool:
        """Run the next work item; return False when none is ready."""
        if not self._ready:
            return False
        self._items_left -= 1
        if self._items_left < 0:
            raise NeverEnds(
                "The task hub ran through its max_items work items. An orchestration seems to loop for ever; "
                "raise max_items if that many are meant."
            )
        at = self._order.randrange(len(self._ready)) if self._order is not None else 0
        worker = self._ready[at]
        place = sum(other is worker for other in self._ready[:at])
        del self._ready[at]
        worker.run_item(place)
        self.commit()
        return True

    def has_item(self, worker: InProcessWorker) -> None:
        """An item is in the worker's outbox."""
        self._ready.append(worker)

    def has_none(self, worker: InProcessWorker) -> None:
        """What was in its outbox is gone."""
        self._ready = [other for other in self._ready if other is not worker]

    def _new_id(self) -> str:
        return uuid.UUID(int=self._randomness.getrandbits(128), version=4).hex


class _SeededClient(TaskHubGrpcClient):
    """The real client, except that ids of instances come from the hub's seed."""

    def __init__(
        self, new_id: Callable[[], str], channel: InProcessChannel, converter: DataConverter
    ) -> None:
        super().__init__(channel=channel, data_converter=converter)
        self._new_id = new_id

    def schedule_new_orchestration(
        self, orchestrator: Any, *, instance_id: str | None = None, **options: Any
    ) -> str:
        """Start an orchestration and return its instance id."""
        return super().schedule_new_orchestration(
            orchestrator, instance_id=instance_id or self._new_id(), **options
        )
