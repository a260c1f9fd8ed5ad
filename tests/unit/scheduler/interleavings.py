"""The engine under random interleavings of clients, workers, time, commits and crashes, held to a model.

After every step: what was sent to a worker is on disk, nothing was told twice or out of order, no timer was
early. Whenever all is committed: a scheduler built from the file alone knows the same. In the end: every
instance can be brought to its end.

`test_interleavings` runs them. DURAKIT_SEED repeats a run, DURAKIT_STEPS makes it longer, DURAKIT_SHRINK
finds the fewest steps that fail, which can take minutes.
"""

from __future__ import annotations

import copy
import itertools
import os
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import hypothesis
from durakit.scheduler.engine import Group
from durakit.scheduler.machine.status_record import STATUSES_KEPT
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.store import StoreError
from durakit.scheduler.streams import Offer
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from . import rig as build
from .ahead import GoesAhead, Held
from .clients import IDS, ActsForClients
from .model import Model, marks_of
from .rig import SECOND, Rig, Worker, answer_to, facts, kinds, rebuilt, result_of

STEPS = int(os.environ.get("DURAKIT_STEPS", "10000"))
STEPS_PER_RUN = 100
PHASES = [hypothesis.Phase.generate, *[hypothesis.Phase.shrink] * ("DURAKIT_SHRINK" in os.environ)]
SEED = int(os.environ.get("DURAKIT_SEED", random.randrange(2**32)))

WISHES = ["task", "task", "timer", "child", "send", "kill"]
STATUSES = [None, None, '"busy"', '"idle"']
ENDS = [""] * 8 + ["complete", "fail", "continue", "continue"]


class Interleavings(ActsForClients, GoesAhead, RuleBasedStateMachine):
    """One scheduler, some workers, and the model.

    `durable` is the model as of what is on disk, `cut` as of the group that is being written.
    """

    sessions: Sequence[int] = (0, 10)
    wishes: Sequence[str] = WISHES
    ends: Sequence[str] = ENDS
    likely: Mapping[str, float] = {}
    """Weights of steps, by name, where they are not the usual ones."""

    @initialize()
    def begin(self) -> None:
        self.has_failed = False
        self.rig = Rig()
        self.model = Model()
        self.durable = Model()
        self.cut: tuple[Group, Model] | None = None
        self.written = False
        self.workers: list[Worker] = []
        self.held: list[Held] = []
        self.answered: list[tuple[str, Any]] = []
        self.numbers = itertools.count(1)
        self.chance = random.Random(0)
        self.forget_copies()
        self.open_worker()
        for instance_id in "ab":
            self.start(instance_id)
        self.commit()

    @rule(seed=st.integers(0, 2**32 - 1))
    def step(self, seed: int) -> None:
        """Do one thing that can be done now. Its seed decides all about it, so steps can be left out."""
        self.has_failed = True
        self.chance = random.Random(seed)
        possible: dict[Callable[[], None], int] = {
            self.ask: 8,
            self.wait_for_an_end: 1,
            self.go_one_phase_on: 6,
            self.hand_out: 4,
            self.let_time_pass: 2,
            self.fail: 1,
            self.commit: 4,
            self.open_worker: 2 if len(self.workers) < 2 else 0,
            self.close_worker: 1 if len(self.workers) == 2 else 0,
            self.answer_turn: 12 if self.held_of("orchestratorRequest") else 0,
            self.finish_task: 8 if self.held_of("activityRequest") else 0,
            self.ask_for_history: 1 if self.held_of("orchestratorRequest") else 0,
            self.abandon: 1 if self.held else 0,
            self.answer_again: 2 if self.answered else 0,
            self.go_ahead: 12 if self.able_to_go_ahead() else 0,
            self.deliver_ahead: 8 if self.on_their_way else 0,
            self.send_ahead_again: 1 if self.arrived else 0,
        }
        weights = [self.likely.get(one.__name__, usual) if usual else 0 for one, usual in possible.items()]
        (chosen,) = self.chance.choices(list(possible), weights)
        hypothesis.note(chosen.__name__)
        chosen()
        if self.chance.random() < 0.3:
            self.commit()
        for instance_id in IDS:
            # A request sees what was accepted before it, on disk or not; its answer waits for the disk.
            known = self.model.instances.get(instance_id)
            assert self.rig.exists(instance_id) == (known is not None)
            assert known is None or known.looks(self.rig.status(instance_id))
        self.has_failed = False

    # --- commits and crashes

    def commit(self) -> None:
        """Write and release everything, then compare memory with what is on disk."""
        if self.cut is not None:
            if not self.written:
                self.write()
            self.release()
        while not self.rig.engine.is_idle:
            self.cut_group()
            self.write()
            self.release()
        self.durable = copy.deepcopy(self.model)
        self.compare()

    def go_one_phase_on(self) -> None:
        """Cut a group, or write the one that was cut, or release the one that was written."""
        if self.cut is None:
            self.cut_group()
        elif not self.written:
            self.write()
        else:
            self.release()

    def hand_out(self) -> None:
        """Give workers what is in line, whatever is not on disk yet."""
        self.rig.engine.hand_out()
        self.collect()

    def cut_group(self) -> None:
        self.cut = (self.rig.cut(), copy.deepcopy(self.model))
        self.written = False

    def write(self) -> None:
        assert self.cut is not None
        group, model = self.cut
        self.rig.write(group)
        self.durable = model
        self.written = True

    def release(self) -> None:
        assert self.cut is not None
        self.rig.engine.release(self.cut[0])
        self.cut = None
        self.collect()

    def fail(self) -> None:
        """Kill the scheduler, or refuse a commit: only what is on disk remains."""
        if self.chance.random() < 0.5:
            self.rig.crash()
        else:
            if self.cut is not None and self.written:
                self.release()
            self.rig.engine.reload(StoreError("disk full"))
            self.rig.hub = self.rig.engine.hub("default")
            self.rig.commit()
        self.forget_memory()

    def forget_memory(self) -> None:
        self.model = copy.deepcopy(self.durable)
        self.cut = None
        self.answered += [(self.method_of(held.item), self.any_answer(held.item)) for held in self.held]
        self.held.clear()
        self.workers.clear()
        self.forget_copies()
        self.compare()

    # --- time

    def let_time_pass(self) -> None:
        self.rig.now += round(self.chance.choice([0.1, 0.5, 1, 6]) * SECOND)
        self.rig.engine.run_due()

    # --- workers

    def open_worker(self) -> None:
        credit, sessions = self.chance.choice([0, 0, 1]), self.chance.choice(self.sessions)
        request = pb.GetWorkItemsRequest(
            maxConcurrentOrchestrationWorkItems=credit, maxConcurrentActivityWorkItems=credit
        )
        self.workers.append(Worker(self.rig, Offer("w", "", sessions, request), commit=False))

    def close_worker(self) -> None:
        worker = self.workers.pop(self.chance.randrange(len(self.workers)))
        self.rig.hub.close_stream(worker.stream, self.rig.now)
        self.lose_copies(worker)
        gone = [held for held in self.held if held.worker is worker]
        # Turns are given to others at once; an activity's result may still come.
        for held in gone:
            if held.item.HasField("orchestratorRequest"):
                self.held.remove(held)
                self.answered.append((self.method_of(held.item), self.any_answer(held.item)))

    def held_of(self, kind: str) -> list[Held]:
        return [held for held in self.held if held.item.HasField(kind)]

    def take(self, kind: str) -> Held:
        """Take one of the items that workers hold."""
        held = self.chance.choice(self.held_of(kind))
        self.held.remove(held)
        return held

    def answer_turn(self) -> None:
        held = self.take("orchestratorRequest")
        request = held.item.orchestratorRequest
        partly = self.chance.random() < 0.2
        end = self.draw_end()
        new = list(request.newEvents)
        count = max(1, len(new) - 1) if partly else len(new)
        marks = marks_of(new[:count])
        carry = end == "continue" and self.chance.random() < 0.5
        carried = [data for kind, data in marks if kind == "event"] if carry else []
        wished = [self.action(number) for number in self.chance.sample([1, 2, 3], self.chance.randrange(4))]
        actions = [action for action in wished if self.model.free(request.instanceId, action.id)]
        response = answer_to(
            held.item,
            *actions,
            *self.ending(end, carried),
            events=count if partly else None,
            status=self.draw_status(),
        )
        self.answered.append(("CompleteOrchestratorTask", response))

        if self.is_current(request.instanceId, held):
            self.rig.request("CompleteOrchestratorTask", response)
            self.model.turn(request.instanceId, len(marks), actions, end, carried)
            self.keep_copy(held, end)
        else:
            self.refused("CompleteOrchestratorTask", response)

    def is_current(self, instance_id: str, held: Held) -> bool:
        known = self.model.live(instance_id)
        return known is not None and (known.execution, known.last_turn) == (held.execution, held.base)

    def draw_end(self) -> str:
        return self.chance.choice(self.ends)

    def draw_status(self) -> str | None:
        return self.chance.choice(STATUSES)

    def action(self, number: int) -> pb.OrchestratorAction:
        kind, other = self.chance.choice(self.wishes), self.chance.choice(IDS)
        if kind == "task":
            return build.schedule(number, input=build.text(f"given {next(self.numbers)}"))
        if kind == "timer":
            return build.timer(next(self.numbers), self.rig.now + number * SECOND // 2)
        if kind == "child":
            return build.child(number, other)
        if kind == "send":
            return build.send(number, other, "e", f"event {next(self.numbers)}")
        return build.terminate_other(number, other, recurse=number > 1)

    def ending(self, end: str, carried: list[str]) -> list[pb.OrchestratorAction]:
        if end == "complete":
            return [build.complete('"done"')]
        if end == "fail":
            return [build.fail()]
        if end == "continue":
            action = build.continue_as_new('"again"')
            for data in carried:
                raised = pb.EventRaisedEvent(name="e", input=build.text(data))
                action.completeOrchestration.carryoverEvents.add(eventRaised=raised)
            return [action]
        return []

    def finish_task(self) -> None:
        held = self.take("activityRequest")
        result = f"result {next(self.numbers)}"
        broken = self.chance.random() < 0.3
        response = result_of(held.item, error=result) if broken else result_of(held.item, result)
        self.answered.append(("CompleteActivityTask", response))
        self.apply_result(held, response, result)

    def apply_result(self, held: Held, response: pb.ActivityResponse, result: str) -> None:
        if not self.accepted("CompleteActivityTask", response):
            # Its worker left, the grace is over, and it was given to another.
            assert held.worker not in self.workers
            return
        asked = held.item.activityRequest
        instance_id = asked.orchestrationInstance.instanceId
        self.model.result(instance_id, held.execution, asked.taskId, asked.input.value, result)

    def abandon(self) -> None:
        held = self.held.pop(self.chance.randrange(len(self.held)))
        token = held.item.completionToken
        self.answered.append((self.method_of(held.item), self.any_answer(held.item)))
        if held.item.HasField("activityRequest"):
            method, request = (
                "AbandonTaskActivityWorkItem",
                pb.AbandonActivityTaskRequest(completionToken=token),
            )
        else:
            method = "AbandonTaskOrchestratorWorkItem"
            request = pb.AbandonOrchestrationTaskRequest(completionToken=token)  # type: ignore[assignment]
        self.accepted(method, request)

    def answer_again(self) -> None:
        """Send an answer a second time, or one for an item that is no longer the worker's."""
        method, response = self.chance.choice(self.answered)
        self.refused(method, response)

    def refused(self, method: str, response: Any) -> None:
        """Send an answer that must change nothing, whether it is refused or accepted as a twin."""
        before = facts(self.rig)
        self.accepted(method, response)
        assert facts(self.rig) == before

    def accepted(self, method: str, request: Any) -> bool:
        """Send what a worker sends; return whether it was taken. If not, because it came too late."""
        refusal: Refusal | None = None
        try:
            self.rig.request(method, request)
        except Refusal as caught:
            refusal = caught
        assert refusal is None or (refusal.status == "NOT_FOUND" and "no longer open" in refusal.message)
        return refusal is None

    def ask_for_history(self) -> None:
        held = self.take("orchestratorRequest")
        response = answer_to(held.item, requiresHistory=True)
        if not self.accepted("CompleteOrchestratorTask", response):
            assert not self.is_current(held.item.orchestratorRequest.instanceId, held)

    def method_of(self, item: pb.WorkItem) -> str:
        return "CompleteActivityTask" if item.HasField("activityRequest") else "CompleteOrchestratorTask"

    def any_answer(self, item: pb.WorkItem) -> Any:
        if item.HasField("activityRequest"):
            return result_of(item, "stale")
        return answer_to(item, build.complete('"stale"'))

    # --- what must hold

    def collect(self) -> None:
        """Look at all that was sent: it must be on disk, complete, in order and not early."""
        for worker in self.workers:
            for item in worker.items():
                if item.HasField("orchestratorRequest"):
                    self.check_turn(item.orchestratorRequest)
                    instance_id = item.orchestratorRequest.instanceId
                else:
                    self.check_task(item.activityRequest)
                    instance_id = item.activityRequest.orchestrationInstance.instanceId
                known = self.durable.instances[instance_id]
                self.held.append(Held(item, worker, known.execution, known.last_turn))

    def check_turn(self, request: pb.OrchestratorRequest) -> None:
        stored = self.rig.store.find(self.rig.hub.machine.hub_row, request.instanceId)
        assert stored is not None
        assert stored.execution_id == request.executionId.value
        history = framing.events_of(b"".join(self.rig.store.history(stored.row)))
        if "durakit.committedEvents" in request.properties:
            assert request.properties["durakit.committedEvents"].number_value == len(history)
            assert not request.pastEvents
        else:
            assert list(request.pastEvents) == history
        known = self.durable.instances[request.instanceId]
        assert known.status != build.SUSPENDED
        assert not known.ended
        new = marks_of(request.newEvents)
        assert new == known.unread[: len(new)]
        self.check_clock([*history, *request.newEvents])

    def check_clock(self, events: list[pb.HistoryEvent]) -> None:
        clock = 0
        created: dict[int, int] = {}
        for event in events:
            if event.HasField("orchestratorStarted"):
                now = event.timestamp.seconds * SECOND + event.timestamp.nanos
                assert now >= clock
                clock = now
            elif event.HasField("timerCreated"):
                due = event.timerCreated.fireAt
                created[event.eventId] = due.seconds * SECOND + due.nanos
            elif event.HasField("timerFired"):
                # Only once, and not before it is due.
                assert created.pop(event.timerFired.timerId) <= clock

    def check_task(self, request: pb.ActivityRequest) -> None:
        instance_id = request.orchestrationInstance.instanceId
        stored = self.rig.store.find(self.rig.hub.machine.hub_row, instance_id)
        assert stored is not None
        history = framing.events_of(b"".join(self.rig.store.history(stored.row)))
        inputs = [event.taskScheduled.input.value for event in history if event.HasField("taskScheduled")]
        assert request.input.value in inputs
        assert self.durable.instances[instance_id].tasks.get(request.taskId) == request.input.value

    def compare(self) -> None:
        """Compare the engine with the model, and with what another would make of the file."""
        assert facts(self.rig) == rebuilt(self.rig)
        for instance_id in IDS:
            known = self.model.instances.get(instance_id)
            if known is None:
                continue
            self.check_record(instance_id)
            history = self.rig.history(instance_id)
            assert marks_of(history) == known.read
            assert kinds(history).count("executionCompleted") == known.ended
            self.check_clock(history)
            instance = self.rig.hub.machine.resident.get(instance_id)
            if instance is not None:
                assert instance.children == known.children
                assert {task_id: self.given(task.request) for task_id, task in instance.tasks.items()} == (
                    known.tasks
                )

    def check_record(self, instance_id: str) -> None:
        """Custom statuses over time: no change twice, only the oldest missing, the present one last."""
        stored = self.rig.store.find(self.rig.hub.machine.hub_row, instance_id)
        assert stored is not None
        record = self.rig.record(instance_id)
        numbers = [change.number for change in record]
        assert numbers == list(range(stored.statuses, max(0, stored.statuses - STATUSES_KEPT), -1))
        texts = [change.text for change in record]
        assert all(text != before for text, before in itertools.pairwise([*texts, None]))
        assert [change.at_ns for change in record] == sorted((c.at_ns for c in record), reverse=True)
        if stored.turns:
            assert (texts or [None])[0] == stored.custom_status

    def given(self, request: bytes) -> str:
        return pb.ActivityRequest.FromString(request).input.value

    def teardown(self) -> None:
        """Bring everything to its end: nothing may be stuck."""
        if not hasattr(self, "rig") or self.has_failed:
            return
        self.commit()
        for worker in self.workers:
            worker.leave()
        for instance_id in self.model.instances:
            self.rig.resume(instance_id)
        self.rig.advance(10)
        worker = self.rig.worker()
        while items := worker.items():
            for item in items:
                if item.HasField("orchestratorRequest"):
                    worker.answer(item, build.complete())
                else:
                    worker.finish(item, "late")
        # Who has not ended waits for something that nobody will send; nothing that could be done is left.
        for instance in self.rig.hub.machine.resident.values():
            assert not instance.inbox
            assert not instance.tasks
            assert not instance.timers


class InterleavingsAhead(Interleavings):
    """The same with workers that mostly run turns ahead."""

    sessions = (10, 10, 0)
    wishes = ("task",) * 6 + tuple(WISHES)
    ends = ("",) * 16 + tuple(ENDS)
    likely: Mapping[str, float] = {
        "fail": 0.3,
        "close_worker": 0.5,
        "ask_for_history": 0.5,
        "finish_task": 2,
        "go_ahead": 20,
        "deliver_ahead": 20,
        "send_ahead_again": 2,
    }


def interleave(machine: type[Interleavings], steps: int, seed: int = SEED) -> None:
    run_state_machine_as_test(
        hypothesis.seed(seed)(machine),
        settings=hypothesis.settings(
            max_examples=max(1, steps // STEPS_PER_RUN),
            stateful_step_count=STEPS_PER_RUN,
            deadline=None,
            database=None,
            phases=PHASES,
            suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )
