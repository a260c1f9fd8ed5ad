"""The switchboard of one task hub: messages to rules, ready work to streams, ends to those who wait.

It holds no truth of its own. What it knows beside the machine's instances (queues, tokens, streams) is
rebuilt from the store after a crash. Nothing here waits or does I/O; time comes in as `now`
(nanoseconds since 1970), and nothing leaves before `release` is told that its group is on disk.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from durakit.scheduler import eager
from durakit.scheduler.agenda import SECOND, Agenda
from durakit.scheduler.answers import check_addressee, joined, refuse_late
from durakit.scheduler.deliveries import Deliveries, TaskDelivery, TurnDelivery
from durakit.scheduler.dispatch import Dispatch
from durakit.scheduler.histories import HistoryCache
from durakit.scheduler.machine import arrivals, ending, rewind, starting, turns
from durakit.scheduler.machine.instance import Arrival, Instance, OpenTask, OpenTimer
from durakit.scheduler.machine.machine import Machine
from durakit.scheduler.queues import WorkQueue
from durakit.scheduler.refusal import Refusal, not_now, stale
from durakit.scheduler.streams import Offer, WorkerStream
from durakit.scheduler.waiters import Waiter, Waiters
from durakit.wire import hints
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

logger = logging.getLogger(__name__)

DEPARTURES_KEPT = 50
"""How many of the workers that left are remembered for those who ask."""
ABANDON_DELAY_NS = SECOND // 5
"""How long an item that a worker gave back waits, so that a refusing worker cannot spin."""


@dataclass(frozen=True)
class Departure:
    """A stream that has ended, and how many items went to others because of that."""

    stream: WorkerStream
    left_ns: int
    handed_over: int


class TaskHub:
    """One task hub.

    Args:
        boot: names the present loading of the store; makes tokens unique across restarts and reloads.
        histories: keeps the histories in memory within bounds, shared by all hubs.
        agenda: where things due later are put, shared by all hubs.
        activity_grace_ns: how long the result of an activity may still come after its stream ended.
        touched: called when something may be ready to commit or dispatch.
    """

    def __init__(
        self,
        name: str,
        machine: Machine,
        boot: str,
        histories: HistoryCache,
        agenda: Agenda,
        activity_grace_ns: int,
        touched: Callable[[TaskHub], None],
    ) -> None:
        self.name = name
        self.machine = machine
        self._agenda = agenda
        self._deliveries = Deliveries(boot, machine.hub_row)
        self._dispatch = Dispatch(name, machine, self._deliveries, self._at)
        self.streams = self._dispatch.streams
        self.waiters = Waiters()
        self._histories = histories
        self._grace_ns = activity_grace_ns
        self._touched = touched
        self.departures: deque[Departure] = deque(maxlen=DEPARTURES_KEPT)

    # --- from clients

    def start(self, request: pb.CreateInstanceRequest, now: int) -> Instance:
        """Create an instance."""
        instance = starting.start(self.machine, request, now)
        self._touched(self)
        return instance

    def raise_event(self, request: pb.RaiseEventRequest, now: int) -> None:
        """Deliver an external event."""
        instance = self.machine.get(request.instanceId)
        data = request.input if request.HasField("input") else None
        arrivals.raise_event(self.machine, instance, request.name, data, now)
        self._touched(self)

    def suspend(self, request: pb.SuspendRequest, now: int) -> None:
        """Withhold turns from an instance."""
        reason = request.reason.value if request.HasField("reason") else None
        arrivals.suspend(self.machine, self.machine.get(request.instanceId), reason, now)
        self._touched(self)

    def resume(self, request: pb.ResumeRequest, now: int) -> None:
        """Let a suspended instance go on."""
        reason = request.reason.value if request.HasField("reason") else None
        arrivals.resume(self.machine, self.machine.get(request.instanceId), reason, now)
        self._touched(self)

    def terminate(self, request: pb.TerminateRequest, now: int) -> None:
        """End an instance, and its descendants if asked."""
        output = request.output if request.HasField("output") else None
        self.machine.limits.check_payload("output", request.output.value)
        instance = self.machine.get(request.instanceId)
        ending.terminate(self.machine, instance, output, recurse=request.recursive, now=now)
        self._touched(self)

    def restart(self, request: pb.RestartInstanceRequest, now: int) -> Instance:
        """Start an ended instance again."""
        instance = starting.restart(self.machine, request, now)
        self._touched(self)
        return instance

    def rewind(self, request: pb.RewindInstanceRequest, now: int) -> None:
        """Run a failed instance again from its last good point."""
        instance = self.machine.get(request.instanceId)
        rewind.rewind(self.machine, instance, now)
        logger.info("Instance '%s' rewound: %s", instance.id, request.reason.value or "no reason given")
        self._touched(self)

    def purge(self, instance_id: str, *, recursive: bool) -> int:
        """Delete one ended instance; return how many were deleted with it."""
        deleted = ending.purge_one(self.machine, instance_id, recursive=recursive)
        self._touched(self)
        return deleted

    def changed(self) -> None:
        """Somebody changed instances of this hub through the machine."""
        self._touched(self)

    def skip_graceful(self, request: pb.SkipGracefulOrchestrationTerminationsRequest, now: int) -> list[str]:
        """Terminate a batch; return the ids for which that was not possible."""
        reason = request.reason if request.HasField("reason") else None
        self.machine.limits.check_payload("reason", request.reason.value)
        refused = ending.skip_graceful(self.machine, list(request.instanceBatch.instanceIds), reason, now)
        self._touched(self)
        return refused

    def wait(self, instance_id: str, waiter: Waiter) -> bool:
        """Register a waiter; return False, without registering, when it is satisfied already.

        An instance that does not exist yet can be waited for (semantics.md 1.4 rule 7).
        """
        instance = self.machine.find(instance_id)
        if instance is not None and waiter.satisfied(instance):
            return False
        self.waiters.add(instance_id, waiter)
        return True

    def stop_waiting(self, instance_id: str, waiter: Waiter) -> None:
        """Forget a waiter that gave up."""
        self.waiters.remove(instance_id, waiter)

    # --- from workers

    def open_stream(self, offer: Offer, wake: Callable[[], None]) -> WorkerStream:
        """Register a worker's stream; work follows as soon as there is some it accepts."""
        stream = WorkerStream(offer, wake)
        self.streams.append(stream)
        logger.info("Worker %s connected to hub '%s'.", offer.worker, self.name)
        self._touched(self)
        return stream

    def close_stream(self, stream: WorkerStream, now: int) -> None:
        """A worker's stream has ended: give its turns to others now, its activities after the grace."""
        if stream not in self.streams:
            return
        self.streams.remove(stream)
        logger.info("Worker %s left hub '%s'.", stream.offer.worker, self.name)
        self.departures.append(Departure(stream, now, len(stream.held)))
        for token in list(stream.held):
            turn = self._deliveries.turn(token)
            if turn is not None:
                self._give_back_turn(turn)
            elif (task := self._deliveries.task(token)) is not None:
                self._after_grace(task, now)
        self._touched(self)

    def _give_back_turn(self, delivery: TurnDelivery) -> None:
        self._deliveries.close(delivery)
        instance = delivery.turn.instance
        turns.withdraw(delivery.turn)
        instance.session = None
        self.machine.journal.turns.append(instance)

    def _after_grace(self, delivery: TaskDelivery, now: int) -> None:
        def expire(_: int) -> None:
            if self._deliveries.task(delivery.token) is delivery:
                self._deliveries.close(delivery)
                self.machine.journal.activities.append(delivery.task)

        self._at(now + self._grace_ns, expire)

    def complete_turn(self, response: pb.OrchestratorResponse, now: int) -> None:
        """Apply a worker's answer to a turn; without a token, a late one is dropped.

        Raises:
            Refusal: NOT_FOUND when the token names no open delivery; INVALID_ARGUMENT when the answer is
                for another instance than the token, or parts of it are missing.
        """
        token = response.completionToken
        if self._deliveries.is_spent(token):
            return
        delivery = self._deliveries.turn(token) if token else self._deliveries.turn_of(response.instanceId)
        if delivery is None:
            refuse_late("orchestrator", token)
            return
        instance = delivery.turn.instance
        check_addressee(response.instanceId, instance)
        if instance.turn is not delivery.turn:
            self._deliveries.close(delivery)
            self._touched(self)
            refuse_late("orchestrator", token)
            return
        if response.requiresHistory:
            self._give_back_turn(delivery)
        elif response.isPartial:
            # By number, so that a part sent twice, because its first answer was lost, counts once.
            number = response.chunkIndex.value if response.HasField("chunkIndex") else len(delivery.chunks)
            delivery.chunks[number] = response
            return
        else:
            whole = joined(delivery.chunks, response)
            self._deliveries.spend(delivery, self.machine.journal.number)
            delivery.stream.answered += 1
            delivery.stream.seen_ns = now
            turns.complete(self.machine, delivery.turn, whole, now)
            self._dispatch.let_rest(delivery, now)
            instance.offers = 0
            instance.hints = hints.take(whole)
            instance.session = delivery.stream if delivery.stream.offer.sessions else None
            instance.session_token = token or delivery.token
            if not instance.is_terminal:
                self._histories.used(instance)
        self._touched(self)

    def complete_eager_turn(self, stream: WorkerStream, eager_turn: link.EagerTurn, now: int) -> None:
        """Record results, and apply the turn that a worker computed from them ahead of being asked.

        Raises:
            Refusal: FAILED_PRECONDITION when it is not the instance's next turn; the results count all the
                same, and the turn will be asked for.
        """
        results = [self._arrival_of(result, now) for result in eager_turn.results]
        instance = self.machine.find(eager_turn.instance_id)
        self._touched(self)
        if instance is None:
            raise not_now("There is no such instance any more.")
        claim = eager.claim_of(eager_turn)
        why_not = eager.objection(instance, claim, stream, results, now)
        in_flight = self._deliveries.of_turn(instance.turn) if instance.turn is not None else None
        if why_not is not None:
            if instance.session is stream:
                # The worker's copy has passed what is on record, and is void on both sides. The next turn
                # begins with the history; so does the one it was asked for already and may have passed too.
                instance.session = None
                if in_flight is not None and in_flight.stream is stream:
                    self._give_back_turn(in_flight)
            raise not_now(f"The eager turn does not count: {why_not}.")
        if in_flight is not None:
            # It asked for the turn that is answered here; what it took from the inbox is there still.
            self._deliveries.close(in_flight)
        instance.turn = turn = eager.turn_for(instance, claim, [found for found in results if found])
        eager_turn.response.ClearField("numEventsProcessed")
        turns.complete(self.machine, turn, eager_turn.response, now)
        instance.offers = 0
        instance.hints = hints.take(eager_turn.response)
        stream.answered += 1
        stream.seen_ns = now
        if not instance.is_terminal:
            self._histories.used(instance)

    def _arrival_of(self, result: pb.ActivityResponse, now: int) -> Arrival | None:
        """Record a result and return the event it became; None when it does not count."""
        delivery = self._deliveries.task(result.completionToken)
        if delivery is None:
            return None
        inbox = delivery.task.instance.inbox
        before = len(inbox)
        try:
            self.complete_task(result, now)
        except Refusal:
            return None
        return inbox[-1] if len(inbox) > before else None

    def complete_task(self, response: pb.ActivityResponse, now: int) -> None:
        """Record the result of an activity. For an instance that has ended it is dropped; so is a late one
        without a token.

        Raises:
            Refusal: NOT_FOUND when the token names no open delivery; INVALID_ARGUMENT when the answer is
                for another instance than the token.
        """
        token = response.completionToken
        if self._deliveries.is_spent(token):
            return
        if token:
            delivery = self._deliveries.task(token)
        else:
            delivery = self._deliveries.task_of(response.instanceId, response.taskId)
        if delivery is None:
            refuse_late("activity", token)
            return
        check_addressee(response.instanceId, delivery.task.instance)
        self._deliveries.spend(delivery, self.machine.journal.number)
        delivery.stream.answered += 1
        delivery.stream.seen_ns = now
        arrivals.complete_task(self.machine, delivery.task, response, now)
        self._touched(self)

    def abandon_turn(self, token: str, now: int) -> None:
        """A worker gives a turn back; it is offered again after a short delay."""
        delivery = self._deliveries.turn(token)
        if delivery is None:
            raise stale("orchestrator")
        self._deliveries.close(delivery)
        instance = delivery.turn.instance
        instance.session = None

        def offer_again(_: int) -> None:
            turns.withdraw(delivery.turn)
            self.machine.journal.turns.append(instance)

        self._at(now + ABANDON_DELAY_NS, offer_again)
        self._touched(self)

    def abandon_task(self, token: str, now: int) -> None:
        """A worker gives an activity back; it is offered again after a short delay."""
        delivery = self._deliveries.task(token)
        if delivery is None:
            raise stale("activity")
        self._deliveries.close(delivery)
        task = delivery.task
        self._at(now + ABANDON_DELAY_NS, lambda _: self.machine.journal.activities.append(task))
        self._touched(self)

    # --- for those who look on

    @property
    def waiting_turns(self) -> WorkQueue[Instance]:
        """Instances whose turn no worker has yet."""
        return self._dispatch.turns

    @property
    def waiting_tasks(self) -> WorkQueue[OpenTask]:
        """Activities that no worker has yet."""
        return self._dispatch.tasks

    @property
    def deliveries(self) -> Deliveries:
        """What workers have in their hands."""
        return self._deliveries

    # --- from the clock and the store

    def resume_work(self, now: int) -> None:
        """After loading: put everything that is open in line, on the agenda, on offer."""
        journal = self.machine.journal
        for instance in self.machine.resident.values():
            journal.activities.extend(instance.tasks.values())
            journal.timers.extend(instance.timers.values())
            journal.turns.append(instance)
        self._touched(self)

    def _at(
        self, due_ns: int, action: Callable[[int], None], alive: Callable[[], bool] | None = None
    ) -> None:
        def run(now: int) -> None:
            action(now)
            self._touched(self)

        self._agenda.add(due_ns, run, alive)

    def release_turn(self, instance: Instance, now: int) -> None:
        """A group is on disk that gave this instance something to do."""
        if instance.queued or instance.is_terminal:
            return
        scheduled = instance.scheduled_ns
        if scheduled is not None and scheduled > now and not instance.has_started:
            self._at(scheduled, lambda _: self.machine.journal.turns.append(instance))
            return
        if instance.wants_turn(self.machine.journal.committed, now):
            self._dispatch.offer_turn(instance, now)

    def release_task(self, task: OpenTask) -> None:
        """A group is on disk that scheduled this activity, or its delivery came to nothing."""
        if arrivals.is_open(task):
            self._dispatch.offer_task(task)

    def release_timer(self, timer: OpenTimer) -> None:
        """A group is on disk that created this timer."""
        self._at(
            timer.due_ns,
            lambda now: arrivals.fire_timer(self.machine, timer, now),
            lambda: arrivals.is_pending(timer),
        )

    def release_settled(self, instance: Instance) -> None:
        """A group is on disk that changed this instance's status."""
        if instance.group > self.machine.journal.committed:
            # It changed again meanwhile. What it is now may be told, and forgotten, when that is on disk too.
            self.machine.journal.settled.append(instance)
            return
        self.waiters.tell(instance)
        if instance.is_terminal and self.machine.resident.get(instance.id) is instance:
            del self.machine.resident[instance.id]
            self._histories.forget(instance)

    def committed(self, group: int, now: int) -> None:
        """All of `group` has been released: hand ready work to streams."""
        self.machine.forget_removed(group)
        self._deliveries.forget_spent(group)
        self.hand_out(now)

    def hand_out(self, now: int) -> None:
        """Give workers what is in line, which is all on disk, as far as they have room."""
        self._dispatch.hand_out(now)

    def abort(self, error: Exception) -> None:
        """The scheduler cannot go on with this hub: tell every stream and everyone who waits."""
        for stream in self.streams:
            stream.end(error)
        self.streams.clear()
        self.waiters.fail(error)
