"""Ready work to the streams of workers that take it; what nobody takes waits in line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from durakit.scheduler.agenda import SECOND
from durakit.scheduler.deliveries import Deliveries, TurnDelivery
from durakit.scheduler.machine import arrivals, turns
from durakit.scheduler.machine.instance import RESULT, Instance, OpenTask
from durakit.scheduler.machine.machine import Machine
from durakit.scheduler.queues import WorkQueue
from durakit.scheduler.reasons import nobody_offers
from durakit.scheduler.streams import Key, WorkerStream
from durakit.scheduler.work_items import turn_item
from durakit.wire import framing

logger = logging.getLogger(__name__)

UNSERVED_DELAY_NS = 10 * SECOND
"""How long work may wait for a worker that offers it before the log says so."""
REST_FACTOR = 4
"""For a worker without sessions a turn means to read the whole history. While it has more of an instance's
activities than it can take at once, that instance's turns follow one another at so many times the distance of
what the last one took: else a fan-in of n would cost n squared, and the worker would do nothing but read."""
LONGEST_REST_NS = 10 * SECOND
"""Whatever a turn took: a machine may have slept meanwhile, or its clock been set."""
SUSPICIOUS_OFFERS = 5
"""After so many deliveries without an answer the log says so: something is wrong with the item."""


class Dispatch:
    """The lines of one hub and the streams that they are handed out to.

    Args:
        at: puts something on the agenda, by time in nanoseconds since 1970.

    Attributes:
        streams: of connected workers, the one that was given work last at the end.
        turns: instances whose turn no worker has yet.
        tasks: activities that no worker has yet.
    """

    def __init__(
        self,
        hub_name: str,
        machine: Machine,
        deliveries: Deliveries,
        at: Callable[[int, Callable[[int], None]], None],
    ) -> None:
        self._hub_name = hub_name
        self._machine = machine
        self._deliveries = deliveries
        self._at = at
        self._watched: set[tuple[bool, Key]] = set()
        self.streams: list[WorkerStream] = []
        self.turns: WorkQueue[Instance] = WorkQueue()
        self.tasks: WorkQueue[OpenTask] = WorkQueue()

    def offer_turn(self, instance: Instance, now: int) -> None:
        """Put an instance that has something to do in line, or let it rest until more has come together."""
        if self._rests(instance, now):
            return
        instance.queued = True
        self.turns.push((instance.name, instance.version or ""), instance, instance.row)

    def let_rest(self, delivery: TurnDelivery, now: int) -> None:
        """A turn has been answered: its worker may be due for other work."""
        instance = delivery.turn.instance
        if not delivery.stream.offer.sessions and all(arrival.kind == RESULT for arrival in instance.inbox):
            rest_ns = min(REST_FACTOR * (now - delivery.given_ns), LONGEST_REST_NS)
            instance.rests_until_ns = now + rest_ns

    def _rests(self, instance: Instance, now: int) -> bool:
        if not instance.tasks_in_line or now >= instance.rests_until_ns:
            return False
        if not instance.rest_ends:
            instance.rest_ends = True

            def end(_: int) -> None:
                instance.rest_ends = False
                self._machine.journal.turns.append(instance)

            self._at(instance.rests_until_ns, end)
        return True

    def offer_task(self, task: OpenTask) -> None:
        """Put an activity in line."""
        task.instance.tasks_in_line += 1
        self.tasks.push((task.name, task.version), task, task.instance.row)

    def hand_out(self, now: int) -> None:
        """Give streams what they take."""
        self.turns.drain(lambda key, instance: self._place_turn(key, instance, now))
        self.tasks.drain(lambda key, task: self._place_task(key, task, now))

    def _place_turn(self, key: Key, instance: Instance, now: int) -> bool:
        if not instance.wants_turn(self._machine.journal.committed, now):
            instance.queued = False
            return True
        stream = self._stream_for_turn(key, instance)
        if stream is None:
            self._watch(key, self.turns, turn=True, now=now)
            return False
        instance.queued = False
        turn = turns.offer(instance, self._machine.journal.committed, now)
        delivery = self._deliveries.open_turn(stream, turn, now)
        keeps_session = instance.session is stream
        item = turn_item(self._machine, delivery, without_history=keeps_session)
        instance.offers += 1
        if instance.offers == SUSPICIOUS_OFFERS:
            logger.warning(
                "The turn of instance '%s' was delivered %d times and never answered; its item has %d bytes, "
                "this time it goes to worker %s. Does the worker crash on it, or refuse messages that large?",
                instance.id,
                instance.offers,
                len(item),
                stream.offer.worker,
            )
        stream.send(item)
        return True

    def _stream_for_turn(self, key: Key, instance: Instance) -> WorkerStream | None:
        preferred = instance.session
        if isinstance(preferred, WorkerStream) and preferred.takes_turn(key) and preferred in self.streams:
            return preferred
        for stream in self.streams:
            if stream.takes_turn(key):
                self._rotate(stream)
                return stream
        return None

    def _place_task(self, key: Key, task: OpenTask, now: int) -> bool:
        if not arrivals.is_open(task):
            task.instance.tasks_in_line -= 1
            return True
        for stream in self.streams:
            if stream.takes_task(key):
                delivery = self._deliveries.open_task(stream, task, now)
                stream.send(framing.activity_item(task.request, delivery.token))
                self._rotate(stream)
                task.instance.tasks_in_line -= 1
                return True
        self._watch(key, self.tasks, turn=False, now=now)
        return False

    def _watch(self, key: Key, queue: WorkQueue[Any], *, turn: bool, now: int) -> None:
        """Look again in a while at work that could not be placed; say so when nobody offers it still."""
        if (turn, key) in self._watched or nobody_offers(key, self.streams, turn=turn) is None:
            return
        self._watched.add((turn, key))

        def look_again(_: int) -> None:
            self._watched.discard((turn, key))
            sentence = nobody_offers(key, self.streams, turn=turn)
            if sentence is not None and queue.has(key):
                logger.warning("Work waits in hub '%s': %s", self._hub_name, sentence)

        self._at(now + UNSERVED_DELAY_NS, look_again)

    def _rotate(self, stream: WorkerStream) -> None:
        """Put a stream that was given work behind the others."""
        if len(self.streams) > 1:
            self.streams.remove(stream)
            self.streams.append(stream)
