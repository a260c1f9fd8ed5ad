"""The scheduler's engine driven directly: clients and workers as plain calls, on a virtual clock.

Orchestrators are those of `pure_programs`, so that what fails here is the scheduler. Everything is drawn
from a seed. The rig keeps book of what was acknowledged; `check_kept` and `finish` compare that with what an
engine knows that was opened later on the same file.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from durakit.scheduler.engine import Engine
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.store import Store
from durakit.scheduler.streams import Offer, WorkerStream
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

from tests.faults.checks import check_history, check_statuses
from tests.faults.pure_programs import PROGRAMS, play

START_NS = 1_700_000_000 * 10**9
TICK_NS = 10_000_000
GRACE_SECONDS = 0.5


# --- the book of what was acknowledged


@dataclass
class Book:
    """Facts that the system has confirmed; a later engine must know all of them."""

    started: dict[str, tuple[str, int]] = field(default_factory=dict)
    events: list[tuple[str, int]] = field(default_factory=list)
    results: set[str] = field(default_factory=set)
    turns: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Per instance: its execution, and how many events are in that execution's history."""
    ended: dict[str, str | None] = field(default_factory=dict)

    def copy(self) -> Book:
        """Return a copy that later facts do not change."""
        return Book(
            dict(self.started), list(self.events), set(self.results), dict(self.turns), dict(self.ended)
        )


Fact = Callable[[Book], None]


def execution_number(instance: Instance) -> int:
    """The rig's ids are numbers, so executions of an instance can be put in order."""
    return int(instance.execution_id)


class Rig:
    """One life of the scheduler, with a client and workers.

    Args:
        connect: how the store opens its file; None for Python's own sqlite3.
        book: facts of earlier lives.
    """

    def __init__(
        self,
        path: Path | None,
        draw: random.Random,
        *,
        connect: Any = None,
        error: type[Exception] | None = None,
        book: Book | None = None,
        now: int = START_NS,
        ids_from: int = 1,
    ) -> None:
        self.draw = draw
        self.now = now
        self.book = book or Book()
        self.ids = ids_from
        options = {} if connect is None else {"connect": connect, "error": error}
        self.store = Store(path, **options)
        self.engine = Engine(
            self.store, new_id=self._new_id, now=lambda: self.now, activity_grace_seconds=GRACE_SECONDS
        )
        self.pending: list[Fact] = []
        self.streams: list[WorkerStream] = []
        self.hands: list[tuple[WorkerStream, pb.WorkItem]] = []
        self.past: list[pb.WorkItem] = []
        self.count = 0
        self.on_sent: Callable[[WorkerStream], None] = lambda stream: None

    def _new_id(self) -> str:
        self.ids += 1
        return str(self.ids)

    @property
    def hub(self) -> TaskHub:
        """The task hub everything happens in."""
        return self.engine.hub("default")

    # --- deeds of clients

    def start(self, name: str, size: int, instance_id: str | None = None) -> str:
        """Start an instance."""
        self.count += 1
        instance_id = instance_id or f"{name}-{len(self.book.started)}-{self.count}"
        request = pb.CreateInstanceRequest(instanceId=instance_id, name=name)
        request.input.value = json.dumps({"size": size})
        self.hub.start(request, self.now)
        self.pending.append(lambda book: book.started.__setitem__(instance_id, (name, size)))
        return instance_id

    def raise_event(self, instance_id: str, number: int) -> None:
        """Raise a numbered event."""
        request = pb.RaiseEventRequest(instanceId=instance_id, name="e")
        request.input.value = json.dumps(number)
        self.hub.raise_event(request, self.now)
        self.pending.append(lambda book: book.events.append((instance_id, number)))

    # --- deeds of workers

    def open_stream(self, *, turns: int = 10, tasks: int = 10) -> WorkerStream:
        """Connect a worker."""
        request = pb.GetWorkItemsRequest(
            maxConcurrentOrchestrationWorkItems=turns, maxConcurrentActivityWorkItems=tasks
        )
        stream = self.hub.open_stream(Offer("worker", "", 0, request), lambda: self.on_sent(stream))
        self.streams.append(stream)
        return stream

    def close_stream(self, stream: WorkerStream) -> None:
        """A worker vanishes with everything in its hands."""
        self.streams.remove(stream)
        self.hands = [(owner, item) for owner, item in self.hands if owner is not stream]
        self.hub.close_stream(stream, self.now)

    def collect(self) -> None:
        """Workers take what was sent to them."""
        for stream in self.streams:
            while stream.outbox:
                self.hands.append((stream, pb.WorkItem.FromString(stream.outbox.popleft())))

    def answer(self, item: pb.WorkItem) -> None:
        """Do what an item asks for and answer it.

        Raises:
            Refusal: the delivery no longer counts.
        """
        if item.HasField("orchestratorRequest"):
            self._answer_turn(play(item.orchestratorRequest, item.completionToken))
        elif item.HasField("activityRequest"):
            self._answer_task(item.activityRequest, item.completionToken)

    def _answer_turn(self, response: pb.OrchestratorResponse) -> None:
        self.hub.complete_turn(response, self.now)
        instance = self.hub.machine.resident[response.instanceId]
        turn = (execution_number(instance), instance.events)
        ended, output = instance.is_terminal, instance.output

        def note(book: Book) -> None:
            book.turns[instance.id] = max(turn, book.turns.get(instance.id, turn))
            if ended:
                book.ended[instance.id] = output

        self.pending.append(note)

    def _answer_task(self, request: pb.ActivityRequest, token: str) -> None:
        self.count += 1
        key = json.loads(request.input.value)
        # Unlike any other execution of the same activity, in this life or another.
        nonce = f"{key}#{self.count}.{self.draw.randrange(10**9)}"
        response = pb.ActivityResponse(
            instanceId=request.orchestrationInstance.instanceId,
            taskId=request.taskId,
            completionToken=token,
        )
        response.result.value = json.dumps(nonce)
        instance = self.hub.machine.resident.get(response.instanceId)
        counts = instance is not None and request.taskId in instance.tasks
        self.hub.complete_task(response, self.now)
        if counts:
            self.pending.append(lambda book: book.results.add(nonce))

    # --- time and commits

    def advance(self, nanoseconds: int = TICK_NS) -> None:
        """Let time pass."""
        self.now += nanoseconds
        self.engine.run_due()

    def commit(self) -> None:
        """Commit everything; then, and only then, what was done counts as acknowledged.

        Raises:
            StoreError: nothing of it counts.
        """
        self.engine.commit()
        for fact in self.pending:
            fact(self.book)
        self.pending.clear()
        self.collect()

    def commit_meanwhile(self, deeds: int) -> None:
        """Commit as the writer thread does: while one group is written, the next one is collected."""
        group = self.engine.cut()
        facts, self.pending = self.pending, []
        for _ in range(deeds):
            self.do_something()
        if group.batch is not None:
            self.store.commit(group.batch)
        for fact in facts:
            fact(self.book)
        self.engine.release(group)
        self.collect()

    def lose(self, error: Exception) -> None:
        """A commit has failed: nothing of it counts, and all workers are told."""
        self.pending.clear()
        self.engine.reload(error)
        assert all(stream.failure is error for stream in self.streams), "a worker was not told"
        self.streams.clear()
        self.hands.clear()

    def recover(self, error: Exception) -> None:
        """A commit has failed, and a worker connects again."""
        self.lose(error)
        self.open_stream()

    # --- a random life

    def step(self) -> None:
        """Do something, drawn at random; most of the time commit after it."""
        self.do_something()
        kind = self.draw.random()
        if kind < 0.5:
            self.commit()
        elif kind < 0.8:
            self.commit_meanwhile(self.draw.randint(0, 3))

    def do_something(self) -> None:
        """Do something, drawn at random, and do not commit it."""
        draw = self.draw
        deed = draw.choices(
            (
                self._start_some,
                self._raise_some,
                self._answer_some,
                self._repeat_some,
                self._swap_worker,
                self.advance,
            ),
            (3, 3, 14, 1, 1, 3),
        )[0]
        deed()

    def _start_some(self) -> None:
        if len(self.book.started) - len(self.book.ended) < 12:
            self.start(self.draw.choice(list(PROGRAMS)), self.draw.randint(1, 4))

    def waiting_for_events(self) -> list[str]:
        """Return the instances for which the client raises events."""
        return [
            instance_id
            for instance_id, (name, _) in self.book.started.items()
            if name in ("listener", "eternal") and instance_id not in self.book.ended
        ]

    def _raise_some(self) -> None:
        waiting = self.waiting_for_events()
        if waiting:
            self.count += 1
            self.raise_event(self.draw.choice(waiting), self.count)

    def _answer_some(self) -> None:
        if self.hands:
            _, item = self.hands.pop(self.draw.randrange(len(self.hands)))
            self.past.append(item)
            try:
                self.answer(item)
            except Refusal as refusal:
                assert refusal.status == "NOT_FOUND", refusal  # noqa: PT017 - which refusal it may be

    def _repeat_some(self) -> None:
        """Send an answer once more that was sent before."""
        if not self.past:
            return
        item = self.draw.choice(self.past)
        before = len(self.pending)
        try:
            self.answer(item)
        except Refusal as refusal:
            assert refusal.status == "NOT_FOUND", refusal  # noqa: PT017
        except KeyError:
            pass  # a twin of an answer that waits for its commit: accepted, and nothing to note
        del self.pending[before:]

    def _swap_worker(self) -> None:
        if self.streams:
            self.close_stream(self.draw.choice(self.streams))
        self.open_stream()

    # --- after a fault

    def check_kept(self) -> None:
        """Everything in the book is known to this engine, which was opened after it was written."""
        hub = self.hub
        for instance_id in self.book.started:
            assert hub.machine.find(instance_id) is not None, f"{instance_id} was accepted and is gone"
        for instance_id, acknowledged in self.book.turns.items():
            instance = hub.machine.find(instance_id)
            assert instance is not None, f"{instance_id} had a turn and is gone"
            events = framing.events_of(b"".join(hub.machine.history(instance)))
            known = (execution_number(instance), len(events))
            assert known >= acknowledged, f"{instance_id}: history is gone: {known}, not {acknowledged}"
        for instance_id, output in self.book.ended.items():
            instance = hub.machine.find(instance_id)
            assert instance is not None
            assert instance.is_terminal, f"{instance_id} had ended and runs again"
            assert instance.output == output, f"{instance_id} changed its result"
        check_statuses(self.store.reading)
        self._adopt()

    def _adopt(self) -> None:
        """What was started and not acknowledged may be there as well; the client's retry would tell it."""
        for instance in self.store.select("WHERE parent_id IS NULL", (), inputs=True):
            size = json.loads(instance.input or "{}")["size"]
            self.book.started.setdefault(instance.id, (instance.name, size))

    def finish(self) -> None:
        """Run on without faults until everything has ended; then check results and histories."""
        if not self.streams:
            self.open_stream(turns=1000, tasks=1000)
        for _ in range(10_000):
            self.commit()
            if self.hands:
                hands, self.hands = self.hands, []
                for _, item in hands:
                    self.answer(item)
                continue
            if not self.hub.machine.resident:
                break
            for instance in list(self.hub.machine.resident.values()):
                if instance.name in ("listener", "eternal") and instance.parent is None:
                    self.count += 1
                    self.raise_event(instance.id, 1_000_000 + self.count)
            self.advance()
        assert not self.hub.machine.resident, f"never ended: {sorted(self.hub.machine.resident)}"
        self._check_results()

    def _check_results(self) -> None:
        outputs: dict[str, Any] = {}
        for instance in self.store.select("", (), inputs=False):
            events = framing.events_of(b"".join(self.store.history(instance.row)))
            check_history(instance.id, events, has_ended=True)
            assert instance.status.name == "COMPLETED", f"{instance.id}: {instance.status.name}"
            outputs[instance.id] = json.loads(instance.output or "null")
        check_statuses(self.store.reading)
        assert not self.store.inbox(), "events wait for instances that have ended"
        counted: set[str] = set()
        for instance_id, (name, size) in self.book.started.items():
            result = outputs[instance_id]
            if name in ("chain", "fan"):
                keys = sorted(word.partition("#")[0] for word in result)
                assert keys == [f"{instance_id}/{number}" for number in range(size)], result
                counted.update(result)
            elif name == "parent":
                assert len({word.partition("#")[0] for word in result}) == len(result) == 2 * size, result
                counted.update(result)
            elif name == "alarm":
                assert result == size
            elif name == "sender":
                assert result == list(range(size)), f"{instance_id} sent 0 to {size - 1}, arrived {result}"
            else:
                assert len(set(result)) == len(result) >= size, f"{instance_id} took events twice: {result}"
                self._check_order(instance_id, result)
        lost = {word for word in self.book.results - counted if not word.startswith("sender")}
        assert not lost, f"acknowledged results of activities are gone: {sorted(lost)}"

    def _check_order(self, instance_id: str, taken: list[int]) -> None:
        """Acknowledged events come first come first served; none is skipped."""
        acknowledged = [number for who, number in self.book.events if who == instance_id]
        expected = [number for number in acknowledged if number in taken]
        assert [number for number in taken if number in set(acknowledged)] == expected
        assert acknowledged[: len(expected)] == expected, f"{instance_id} skipped one of {acknowledged}"
