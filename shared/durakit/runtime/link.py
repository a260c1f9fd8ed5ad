"""The worker's end of a link: answers leave in batches, on one stream, the one on which items come.

While a link is open, whatever is answered waits here until the stream takes the next message; that is the
batch. Results whose orchestration is kept here leave together with the turn that follows from them
(docs/link.md). Without a link, and for what a link cannot carry, the unary calls of `Delivery` do the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durakit.runtime.delivery import Delivery
from durakit.runtime.turns import MAX_RESPONSE_BYTES
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.runtime.turns import AheadTurn

#: What one message holds at most, by number of answers and, roughly, in bytes.
MOST_ANSWERS = 512
MOST_BYTES = 1024 * 1024
#: Answers that were sent and are not acknowledged, up to which more are sent.
MOST_UNACKNOWLEDGED = 4096

GoAhead = Callable[[Sequence[pb.ActivityResponse]], "AheadTurn | None"]

_PING = pb.WorkItem(healthPing=pb.HealthPing())


@dataclass(eq=False, slots=True)
class _Answer:
    """An answer on its way. Exactly one of the first three is set.

    Attributes:
        result: of an activity.
        turn: a turn's response.
        returned: completion token of an item that is given back.
        request: what `result` answers.
        done: told whether the scheduler has taken `turn`.
        refused: what the scheduler said against it.
    """

    result: pb.ActivityResponse | None = None
    turn: pb.OrchestratorResponse | None = None
    returned: str | None = None
    is_turn: bool = False
    request: pb.ActivityRequest | None = None
    done: Callable[[bool], None] | None = None
    refused: link.Refused | None = None

    @property
    def token(self) -> str:
        """Names it in a refusal."""
        if self.result is not None:
            return self.result.completionToken
        return self.turn.completionToken if self.turn is not None else self.returned or ""


class LinkedDelivery:
    """Delivers answers by the open link, if there is one, and by `unary` otherwise. Safe for threads.

    Args:
        drop_session: told the instance of a turn, sent ahead, that did not count.
    """

    def __init__(
        self, unary: Delivery, drop_session: Callable[[str], None], *, logger: logging.Logger
    ) -> None:
        self._unary = unary
        self._drop_session = drop_session
        self._logger = logger
        self._link: Link | None = None
        self.go_ahead: GoAhead = lambda results: None
        """Runs a turn ahead of being asked for; set by whoever runs turns."""

    @property
    def is_immediate(self) -> bool:
        """Whether answers can be handed over without a call being made."""
        return self._link is not None

    def open(self, opening: link.Opening) -> Link:
        """A link to be sent and read; answers go there from now on, until it is closed."""
        self._link = Link(opening, self.go_ahead, self._give_up, self._logger)
        return self._link

    def closed(self, ended: Link) -> None:
        """The link has ended: what was not acknowledged is delivered by calls, or void."""
        if self._link is ended:
            self._link = None
        for answer in ended.take_unacknowledged():
            self._give_up(answer)

    def reconnected(self) -> None:
        """The scheduler answers again."""
        self._unary.reconnected()

    def join(self, deadline: float) -> bool:
        """Wait until nothing is under way, at most until `time.monotonic()` is `deadline`; True if so."""
        open_link = self._link
        all_taken = open_link is None or open_link.join(deadline)
        return self._unary.join(deadline) and all_taken

    def close(self) -> None:
        """Give up what has not been begun."""
        self._unary.close()

    # --- answers

    def complete_turn(self, response: pb.OrchestratorResponse, done: Callable[[bool], None]) -> None:
        """Deliver a turn's response; `done`, which must not block, is told whether it is committed."""
        is_small = response.ByteSize() <= MAX_RESPONSE_BYTES
        if not (is_small and self._send(_Answer(turn=response, is_turn=True, done=done))):
            self._unary.complete_turn(response, done)

    def complete_activity(self, request: pb.ActivityRequest, response: pb.ActivityResponse) -> None:
        """Deliver an activity's response."""
        if not self._send(_Answer(result=response, request=request)):
            self._unary.complete_activity(request, response)

    def complete_entity(self, instance_id: str, result: pb.EntityBatchResult) -> None:
        """Deliver an entity batch's result."""
        self._unary.complete_entity(instance_id, result)

    def abandon_turn(self, token: str, instance_id: str) -> None:
        """Give an orchestrator item back."""
        if not self._send(_Answer(returned=token, is_turn=True)):
            self._unary.abandon_turn(token, instance_id)

    def abandon_activity(self, token: str, instance_id: str) -> None:
        """Give an activity item back."""
        if not self._send(_Answer(returned=token)):
            self._unary.abandon_activity(token, instance_id)

    def abandon_entity(self, token: str, instance_id: str) -> None:
        """Give an entity item back."""
        self._unary.abandon_entity(token, instance_id)

    def _send(self, answer: _Answer) -> bool:
        open_link = self._link
        return open_link is not None and open_link.send(answer)

    def _give_up(self, answer: _Answer | str) -> None:
        """The link cannot deliver this; a text is the instance of a turn sent ahead."""
        if isinstance(answer, str):
            self._drop_session(answer)
            return
        refused = answer.refused
        if answer.result is not None and answer.request is not None:
            if refused is None or refused.status != "NOT_FOUND":
                self._unary.complete_activity(answer.request, answer.result)
        elif answer.turn is not None and answer.done is not None:
            if refused is not None and refused.status != "NOT_FOUND":
                self._unary.complete_turn(answer.turn, answer.done)
                return
            # Without a link the scheduler has given the turn to somebody else.
            answer.done(False)


class Link:
    """One open link: `messages` is what to send, `items` reads what comes.

    Args:
        give_up: called with answers that were refused, and with the instance of a turn sent ahead that was.
    """

    def __init__(
        self,
        opening: link.Opening,
        go_ahead: GoAhead,
        give_up: Callable[[_Answer | str], None],
        logger: logging.Logger,
    ) -> None:
        self._opening = opening
        self._go_ahead = go_ahead
        self._give_up = give_up
        self._logger = logger
        self._changed = threading.Condition()
        self._waiting: deque[_Answer] = deque()
        self._unacknowledged: deque[tuple[int, list[_Answer], list[str]]] = deque()
        self._by_token: dict[str, _Answer] = {}
        self._sent = 0
        self._is_closed = False

    def send(self, answer: _Answer) -> bool:
        """Let the answer leave with the next message; False when the link has been closed."""
        with self._changed:
            if self._is_closed:
                return False
            self._waiting.append(answer)
            if len(self._waiting) == 1:
                self._changed.notify_all()
        return True

    def messages(self) -> Iterator[link.Up]:
        """Yield what to send, as soon as there is something; end when the link is closed."""
        yield link.Up(opening=self._opening)
        self._sent = 1
        while (batch := self._next_batch()) is not None:
            up, ahead = self._message(batch)
            if not self._note_sent(batch, ahead):
                for answer in batch:
                    self._give_up(answer)
                for instance_id in ahead:
                    self._give_up(instance_id)
                return
            yield up

    def items(self, downs: Iterator[link.Down]) -> Iterator[pb.WorkItem]:
        """Yield the work items that come; what else comes is seen to on the way."""
        for down in downs:
            # First what was refused: an item of the same message may depend on its being forgotten.
            for refused in down.refused:
                self._was_refused(refused)
            if down.durable_through:
                self._is_durable(down.durable_through)
            for item in down.items:
                yield pb.WorkItem.FromString(item)
            if not down.items:
                yield _PING

    def join(self, deadline: float) -> bool:
        """Wait until every answer is acknowledged, at most until `deadline`; True if so."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._is_closed or not (self._waiting or self._unacknowledged),
                max(0.0, deadline - time.monotonic()),
            )

    def take_unacknowledged(self) -> list[_Answer | str]:
        """Close the link; return what the scheduler may not have taken, turns sent ahead as instances."""
        with self._changed:
            self._is_closed = True
            left: list[_Answer | str] = []
            for _, batch, ahead in self._unacknowledged:
                left += batch
                left += ahead
            left += self._waiting
            self._waiting.clear()
            self._unacknowledged.clear()
            self._changed.notify_all()
        return left

    # --- out

    def _note_sent(self, batch: list[_Answer], ahead: list[str]) -> bool:
        """Remember what leaves now until it is acknowledged; False when the link was closed meanwhile."""
        with self._changed:
            if self._is_closed:
                return False
            self._sent += 1
            self._unacknowledged.append((self._sent, batch, ahead))
            self._by_token.update((answer.token, answer) for answer in batch)
            return True

    def _next_batch(self) -> list[_Answer] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or (self._waiting and self._has_room()))
            if self._is_closed:
                return None
            batch: list[_Answer] = []
            room = MOST_BYTES
            while self._waiting and len(batch) < MOST_ANSWERS and room > 0:
                answer = self._waiting.popleft()
                room -= _size(answer)
                batch.append(answer)
            return batch

    def _has_room(self) -> bool:
        return len(self._by_token) < MOST_UNACKNOWLEDGED

    def _message(self, batch: list[_Answer]) -> tuple[link.Up, list[str]]:
        """Return the message for these answers, and the instances whose next turns are in it."""
        up = link.Up()
        results: dict[str, list[pb.ActivityResponse]] = {}
        for answer in batch:
            if answer.turn is not None:
                up.turns.append(answer.turn)
            elif answer.returned is not None:
                (up.returned_turns if answer.is_turn else up.returned_tasks).append(answer.returned)
            elif answer.result is not None:
                results.setdefault(answer.result.instanceId, []).append(answer.result)
        ahead = []
        for instance_id, of_instance in results.items():
            turn = None
            if not any(result.HasField("failureDetails") for result in of_instance):
                turn = self._try_ahead(of_instance)
            if turn is None:
                up.tasks.extend(of_instance)
                continue
            ahead.append(instance_id)
            up.eager_turns.append(
                link.EagerTurn(
                    instance_id=instance_id,
                    execution_id=turn.execution_id,
                    committed_events=turn.committed_events,
                    started_ns=turn.started_ns,
                    results=of_instance,
                    response=turn.response,
                )
            )
        return up, ahead

    def _try_ahead(self, results: list[pb.ActivityResponse]) -> AheadTurn | None:
        try:
            return self._go_ahead(results)
        except Exception:
            self._logger.exception("A turn of %s could not be run ahead", results[0].instanceId)
            return None

    # --- in

    def _was_refused(self, refused: link.Refused) -> None:
        if not refused.token:
            self._logger.debug("%s: %s", refused.instance_id, refused.message)
            self._give_up(refused.instance_id)
            return
        answer = self._by_token.get(refused.token)
        if answer is None:
            return
        answer.refused = refused
        if answer.returned is None:
            level = logging.INFO if refused.status == "NOT_FOUND" else logging.WARNING
            self._logger.log(level, "An answer for %s was refused: %s", refused.instance_id, refused.message)

    def _is_durable(self, through: int) -> None:
        acknowledged: list[_Answer] = []
        with self._changed:
            while self._unacknowledged and self._unacknowledged[0][0] <= through:
                acknowledged += self._unacknowledged.popleft()[1]
            for answer in acknowledged:
                self._by_token.pop(answer.token, None)
            self._changed.notify_all()
        for answer in acknowledged:
            if answer.refused is not None:
                self._give_up(answer)
            elif answer.done is not None:
                answer.done(True)


def _size(answer: _Answer) -> int:
    message: Any = answer.result if answer.result is not None else answer.turn
    return 64 if message is None else int(message.ByteSize())
