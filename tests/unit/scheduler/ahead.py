"""Workers of the random interleavings that run turns ahead of being asked, as `eager` lets them.

They are faithful in what they compute: a turn follows from the copy of the execution they have. They are
unfaithful in all else: messages come twice, in another order, with a wrong clock, by another link, or long
after the copy has become void. What counts is decided here by content alone: a turn counts only if its copy
had seen exactly the turns that the model has.
"""

from __future__ import annotations

import copy
import itertools
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from durakit.scheduler.refusal import Refusal
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

from . import rig as build
from .model import Model
from .rig import SECOND, Rig, Worker, facts, result_of

CONFIRMED = ("scheduleTask", "createTimer", "createSubOrchestration", "sendEvent")
ALTERATIONS = [*[""] * 16, "execution", "one more", "link"]
TOLERANCE_NS = 5 * SECOND
SKEWS = [*[0] * 10, SECOND, -SECOND, 6 * SECOND, -6 * SECOND]


@dataclass
class Held:
    """An item in the hands of a worker; `execution` and `base`, the turn before it, as the model counts."""

    item: pb.WorkItem
    worker: Worker
    execution: int
    base: int


@dataclass
class Copy:
    """An execution in a worker's memory; `last_turn` names what it has seen."""

    worker: Worker
    instance_id: str
    execution: int
    execution_id: str
    session: str
    events: int
    clock_ns: int
    last_turn: int


@dataclass
class Sent:
    """An eager turn on its way. `base` is the turn before it, `becomes` its own name, if it counts."""

    message: link.EagerTurn
    worker: Worker
    held: list[Held]
    results: list[str]
    actions: list[pb.OrchestratorAction]
    end: str
    execution: int
    base: int
    becomes: int


class GoesAhead:
    """What the interleavings know of eager turns."""

    rig: Rig
    model: Model
    workers: list[Worker]
    held: list[Held]
    answered: list[tuple[str, Any]]
    numbers: itertools.count[int]
    chance: random.Random

    def forget_copies(self) -> None:
        """Begin, or begin again after a crash: nobody remembers anything."""
        self.copies: dict[tuple[int, str], Copy] = {}
        self.on_their_way: list[Sent] = []
        self.arrived: list[tuple[Worker, link.EagerTurn]] = []

    def keep_copy(self, held: Held, end: str) -> None:
        """A turn that was asked for has been accepted; the worker may keep the execution."""
        instance_id = held.item.orchestratorRequest.instanceId
        self.copies.pop((id(held.worker), instance_id), None)
        instance = self.rig.hub.machine.resident.get(instance_id)
        if end or instance is None or not held.worker.stream.offer.sessions:
            return
        known = self.model.instances[instance_id]
        self.copies[id(held.worker), instance_id] = Copy(
            held.worker,
            instance_id,
            known.execution,
            instance.execution_id,
            held.item.completionToken,
            instance.events,
            instance.clock_ns,
            known.last_turn,
        )

    def lose_copies(self, worker: Worker) -> None:
        """A link ends: what was on its way is lost; results will be sent by calls, or never."""
        self.copies = {key: one for key, one in self.copies.items() if one.worker is not worker}
        for lost in [sent for sent in self.on_their_way if sent.worker is worker]:
            self.on_their_way.remove(lost)
            self.held += lost.held

    # --- the worker

    def able_to_go_ahead(self) -> list[Copy]:
        """Return the copies for which their workers hold activities."""
        return [one for one in self.copies.values() if self.activities_of(one)]

    def activities_of(self, kept: Copy) -> list[Held]:
        return [
            held
            for held in self.held
            if held.worker is kept.worker
            and held.item.activityRequest.orchestrationInstance.instanceId == kept.instance_id
        ]

    def go_ahead(self) -> None:
        """Finish activities and run the turn that follows, all in one message that is on its way now."""
        kept = self.chance.choice(self.able_to_go_ahead())
        mine = self.activities_of(kept)
        taken = self.chance.sample(mine, self.chance.randint(1, len(mine)))
        for held in taken:
            self.held.remove(held)
        results = [f"result {next(self.numbers)}" for _ in taken]
        actions, end = self.decide({held.item.activityRequest.taskId for held in taken}, kept.instance_id)
        started_ns = max(self.rig.now + self.chance.choice(SKEWS), kept.clock_ns)
        ending = self.ending(end, [])
        message = link.EagerTurn(
            instance_id=kept.instance_id,
            session=kept.session,
            execution_id=kept.execution_id,
            committed_events=kept.events,
            started_ns=started_ns,
            results=[result_of(held.item, result) for held, result in zip(taken, results, strict=True)],
            response=pb.OrchestratorResponse(
                instanceId=kept.instance_id,
                actions=[*actions, *ending],
                customStatus=build.text(self.draw_status()),
            ),
        )
        name = -next(self.numbers)
        self.on_their_way.append(
            Sent(message, kept.worker, taken, results, actions, end, kept.execution, kept.last_turn, name)
        )
        # Nobody waits for an answer: the next turn may follow at once.
        confirmed = sum(action.WhichOneof("orchestratorActionType") in CONFIRMED for action in actions)
        kept.events += 2 + len(results) + confirmed
        kept.clock_ns, kept.last_turn = started_ns, name
        if end:
            del self.copies[id(kept.worker), kept.instance_id]

    def decide(self, finished: set[int], instance_id: str) -> tuple[list[pb.OrchestratorAction], str]:
        wished = [self.action(number) for number in self.chance.sample([1, 2, 3], self.chance.randrange(4))]
        actions = [
            action
            for action in wished
            if action.id not in finished and self.model.free(instance_id, action.id)
        ]
        return actions, self.draw_end()

    if TYPE_CHECKING:
        # Of the state machine that this is mixed into.

        def action(self, number: int) -> pb.OrchestratorAction: ...

        def ending(self, end: str, carried: list[str]) -> list[pb.OrchestratorAction]: ...

        def draw_status(self) -> str | None: ...

        def draw_end(self) -> str: ...

    # --- the scheduler

    def deliver_ahead(self) -> None:
        """One of the messages arrives, mostly the oldest."""
        at = 0 if self.chance.random() < 0.8 else self.chance.randrange(len(self.on_their_way))
        sent = self.on_their_way.pop(at)
        if not all(self.model.free(sent.message.instance_id, action.id) for action in sent.actions):
            # No SDK gives an id again before it has read the answer; its result came by another message.
            self.held += sent.held
            self.copies.pop((id(sent.worker), sent.message.instance_id), None)
            return
        worker, alteration = self.alter(sent)
        counts = self.is_next(sent, worker) and not alteration
        message = copy.deepcopy(sent.message)
        self.arrived.append((sent.worker, sent.message))
        self.answered += [("CompleteActivityTask", result) for result in sent.message.results]

        why_not = self.send(worker, message)

        for held, result in zip(sent.held, sent.results, strict=True):
            asked = held.item.activityRequest
            self.model.result(
                sent.message.instance_id, held.execution, asked.taskId, asked.input.value, result
            )
        if why_not is not None:
            # What should have counted may be refused only because the scheduler has forgotten the copy.
            assert not counts or "kept by another" in why_not or "counts no more" in why_not, why_not
            self.told_of_refusal(sent)
            return
        assert counts, "a turn counted that was not the next one"
        self.model.eager_turn(sent.message.instance_id, sent.results, sent.actions, sent.end, [])
        if not sent.end:
            self.model.instances[sent.message.instance_id].last_turn = sent.becomes

    def is_next(self, sent: Sent, worker: Worker) -> bool:
        """Whether, by its content, this is the next turn of its instance."""
        known = self.model.live(sent.message.instance_id)
        if known is None:
            return False
        instance = self.rig.hub.machine.resident[sent.message.instance_id]
        asked = [held.item.activityRequest for held in sent.held]
        return (
            worker is sent.worker
            and known.status == build.RUNNING
            and (known.execution, known.last_turn) == (sent.execution, sent.base)
            and all(known.tasks.get(one.taskId) == one.input.value for one in asked)
            and all(held.execution == known.execution for held in sent.held)
            and abs(sent.message.started_ns - self.rig.now) <= TOLERANCE_NS
            and sent.message.started_ns >= instance.clock_ns
        )

    def alter(self, sent: Sent) -> tuple[Worker, bool]:
        """Falsify a message now and then; return the link it comes by, and whether it must be refused."""
        message, alteration = sent.message, self.chance.choice(ALTERATIONS)
        instance = self.rig.hub.machine.resident.get(message.instance_id)
        if instance is not None and message.session != instance.session_token and self.chance.random() < 0.7:
            # A copy that took another way may have as many events as there are, by chance.
            message.committed_events = instance.events
        if alteration == "execution":
            message.execution_id = "another"
            return sent.worker, True
        if alteration == "one more":
            message.committed_events += 1
            known = self.model.live(message.instance_id)
            return sent.worker, known is None or sent.base == known.last_turn
        if alteration == "link":
            return self.chance.choice(self.workers), False
        return sent.worker, False

    def send(self, worker: Worker, message: link.EagerTurn) -> str | None:
        """Send an eager turn; return why it does not count, None when it does."""
        refused: Refusal | None = None
        try:
            self.rig.hub.complete_eager_turn(worker.stream, message, self.rig.now)
        except Refusal as refusal:
            refused = refusal
        self.note_what_was_given_back()
        assert refused is None or refused.status == "FAILED_PRECONDITION"
        return None if refused is None else refused.message

    def note_what_was_given_back(self) -> None:
        """Items of turns that were answered ahead, or will be given again, are void."""
        for held in [one for one in self.held if one.item.HasField("orchestratorRequest")]:
            if self.rig.hub.deliveries.turn(held.item.completionToken) is None:
                self.held.remove(held)
                stale = build.answer_to(held.item, build.complete('"stale"'))
                self.answered.append(("CompleteOrchestratorTask", stale))

    def told_of_refusal(self, sent: Sent) -> None:
        """The worker drops its copy, unless it has not heard yet and goes on with it."""
        if self.chance.random() < 0.7:
            self.copies.pop((id(sent.worker), sent.message.instance_id), None)

    def send_ahead_again(self) -> None:
        """A message comes a second time."""
        worker, message = self.chance.choice(self.arrived)
        if worker not in self.workers:
            return
        before = facts(self.rig)
        with pytest.raises(Refusal):
            self.rig.hub.complete_eager_turn(worker.stream, copy.deepcopy(message), self.rig.now)
        self.note_what_was_given_back()
        assert facts(self.rig) == before
