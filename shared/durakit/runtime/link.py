"""The worker's end of a link: answers leave in batches, on one stream, the one on which items come.

Whatever is answered waits here until the stream takes the next message; that is the batch. Results whose
orchestration is kept here leave together with the turn that follows from them (docs/link.md).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.runtime.turns import AheadTurn

#: What one message holds at most, by number of answers and in bytes; a single larger answer goes alone.
MOST_ANSWERS = 512
MOST_BYTES = 1024 * 1024
#: Answers that were sent and are not acknowledged, up to which more are sent.
MOST_UNACKNOWLEDGED = 4096
#: When a turn run ahead takes longer, what waits behind it goes by calls.
STALLED_SECONDS = 0.02
#: So many looks without a turn run ahead, and nobody looks any more until there is one.
QUIET_LOOKS = 50
#: After so many turns in a row that did not count, only one in so many is still run ahead: computing turns
#: twice, and then from the whole history, costs more than it saves.
MOST_REFUSALS, TRIED_AFTERWARDS = 8, 100

GoAhead = Callable[[Sequence[pb.ActivityResponse]], "AheadTurn | None"]

_PING = pb.WorkItem(healthPing=pb.HealthPing())


@dataclass(eq=False, slots=True)
class Answer:
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


class Link:
    """One open link: `messages` is what to send, `items` reads what comes.

    Args:
        give_up: called with answers that the link did not deliver, and with the instance of a turn sent ahead
            that did not count.
        divert: called with answers that must not wait any longer behind a slow turn.
    """

    def __init__(
        self,
        opening: link.Opening,
        go_ahead: GoAhead,
        give_up: Callable[[Answer | str], None],
        divert: Callable[[Answer], None],
        logger: logging.Logger,
    ) -> None:
        self._opening = opening
        self._go_ahead = go_ahead
        self._give_up = give_up
        self._divert = divert
        self._logger = logger
        self._lock = threading.Lock()
        self._emptied = threading.Condition(self._lock)
        self._is_joined = False
        # Wakes whoever takes the next batch: at most once until that has seen that there is nothing to take.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._is_woken = False
        self._waiting: deque[Answer] = deque()
        # The batch in hand: what has not been put into its message yet.
        self._is_composing = False
        self._results: dict[str, list[Answer]] = {}
        self._others: list[Answer] = []
        self._unacknowledged: deque[tuple[int, list[Answer], list[str]]] = deque()
        self._by_token: dict[str, Answer] = {}
        self._sent = 1
        self._is_closed = False
        self._is_over = False
        # Turns run ahead: how many, since when the present one, and how many did not count.
        self._begun = 0
        self._running_since: float | None = None
        self._is_stalled = False
        self._is_watched = False
        self._closing = threading.Event()
        self._refused_ahead: dict[str, int] = {}
        self._refusals = 0
        self._left_out = 0

    def send(self, answer: Answer) -> bool:
        """Let the answer leave with the next message; False when there will be none, or not soon."""
        with self._lock:
            if self._is_closed or self._is_stalled:
                return False
            self._waiting.append(answer)
            self._wake_up()
        return True

    def messages(self) -> Iterator[link.Up]:
        """Yield what to send, as soon as there is something; end when the link is closed.

        Turns are run ahead in between, so user code runs on the thread that iterates.
        """
        yield link.Up(opening=self._opening)
        while self._next_batch():
            taken: list[Answer] = []
            ahead: list[str] = []
            is_sent = False
            try:
                up = self._compose(taken, ahead)
                is_sent = self._note_sent(taken, ahead)
            finally:
                if not is_sent:
                    self._fail(taken, ahead)
            if not is_sent:
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
        """Wait until every answer is acknowledged, or given up; at most until `deadline`. True if so."""
        with self._lock:
            self._is_joined = True
            return self._emptied.wait_for(self._has_nothing, max(0.0, deadline - time.monotonic()))

    def _has_nothing(self) -> bool:
        under_way = self._waiting or self._unacknowledged or (self._is_closed and not self._is_over)
        return not (under_way or self._is_composing)

    def close(self) -> None:
        """Take no more answers, and give up those that the scheduler may not have taken."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            left: list[Answer | str] = []
            for _, batch, ahead in self._unacknowledged:
                left += batch
                left += ahead
            left += self._take_waiting()
            self._unacknowledged.clear()
            self._wake_up()
        self._closing.set()
        for answer in left:
            self._safely(self._give_up, answer)
        with self._lock:
            self._is_over = True
            self._emptied.notify_all()

    # --- out

    def _next_batch(self) -> bool:
        """Take the next batch in hand as soon as there is one; False when the link has been closed."""
        while not self._can_go_on():
            self._wake.get()
        with self._lock:
            if self._is_closed:
                return False
            self._is_composing = True
            count = 0
            room = MOST_BYTES
            while self._waiting and count < MOST_ANSWERS:
                size = _size(self._waiting[0])
                if size > room and count:
                    break
                answer = self._waiting.popleft()
                room -= size
                count += 1
                if answer.result is None:
                    self._others.append(answer)
                else:
                    self._results.setdefault(answer.result.instanceId, []).append(answer)
            return True

    def _can_go_on(self) -> bool:
        """Whether there is something to take, or never will be; if not, somebody will wake us."""
        with self._lock:
            has_room = len(self._by_token) < MOST_UNACKNOWLEDGED
            self._is_woken = self._is_closed or bool(self._waiting and has_room)
            return self._is_woken

    def _wake_up(self) -> None:
        """Let `_next_batch` look again; called with the lock."""
        if not self._is_woken:
            self._is_woken = True
            self._wake.put(None)

    def _compose(self, taken: list[Answer], ahead: list[str]) -> link.Up:
        """Return a message with what is in hand; note in `taken` what that is, and in `ahead` the instances
        whose next turns are in it.
        """
        up = link.Up()
        room = MOST_BYTES
        while of_instance := self._take_results():
            taken += of_instance
            results = [answer.result for answer in of_instance if answer.result is not None]
            turn = self._run_ahead(results) if room > 0 else None
            if turn is None:
                up.tasks.extend(results)
                continue
            room -= turn.response.ByteSize()
            ahead.append(results[0].instanceId)
            up.eager_turns.append(_eager_turn(turn, results))
        with self._lock:
            others, self._others = self._others, []
        taken += others
        for answer in others:
            if answer.turn is not None:
                up.turns.append(answer.turn)
            elif answer.returned is not None:
                (up.returned_turns if answer.is_turn else up.returned_tasks).append(answer.returned)
        return up

    def _take_results(self) -> list[Answer]:
        """Take the results of one instance that are in hand; none are left when there are none."""
        with self._lock:
            return self._results.pop(next(iter(self._results))) if self._results else []

    def _note_sent(self, taken: list[Answer], ahead: list[str]) -> bool:
        """Remember what leaves now until it is acknowledged; False when the link was closed meanwhile."""
        with self._lock:
            if self._is_closed:
                return False
            self._is_composing = False
            self._sent += 1
            self._unacknowledged.append((self._sent, taken, ahead))
            self._by_token.update((answer.token, answer) for answer in taken)
            return True

    def _fail(self, taken: list[Answer], ahead: list[str]) -> None:
        """The message in hand will not be sent."""
        with self._lock:
            left = [*taken, *ahead, *self._take_hand()]
        for answer in left:
            self._safely(self._give_up, answer)
        with self._lock:
            self._is_composing = False
            self._emptied.notify_all()

    def _take_hand(self) -> list[Answer]:
        left = [answer for of_instance in self._results.values() for answer in of_instance] + self._others
        self._results.clear()
        self._others = []
        return left

    def _take_waiting(self) -> list[Answer]:
        left = self._take_hand() + list(self._waiting)
        self._waiting.clear()
        return left

    # --- turns run ahead

    def _run_ahead(self, results: list[pb.ActivityResponse]) -> AheadTurn | None:
        if any(result.HasField("failureDetails") for result in results) or not self._pays():
            return None
        self._begun += 1
        self._running_since = time.monotonic()
        if not self._is_watched:
            self._is_watched = True
            threading.Thread(target=self._watch, name="durakit-link-watch", daemon=True).start()
        try:
            return self._go_ahead(results)
        except Exception:
            self._logger.exception("A turn of %s could not be run ahead", results[0].instanceId)
            return None
        finally:
            with self._lock:
                self._running_since = None
                self._is_stalled = False

    def _pays(self) -> bool:
        """Whether enough of the turns run ahead count."""
        if self._refusals < MOST_REFUSALS:
            return True
        self._left_out = (self._left_out + 1) % TRIED_AFTERWARDS
        return not self._left_out

    def _watch(self) -> None:
        """While turns are run ahead: if one takes long, let what waits behind it go by calls."""
        while True:
            seen = self._look(self._begun)
            self._is_watched = False
            if self._begun == seen or self._closing.is_set():
                return
            # That one was begun before it could see that nobody looks.
            self._is_watched = True

    def _look(self, seen: int) -> int:
        """Look until it has been quiet for a while; return how many turns had been run ahead until then."""
        quiet = 0
        while quiet < QUIET_LOOKS and not self._closing.wait(STALLED_SECONDS):
            since = self._running_since
            if since is not None and time.monotonic() - since >= STALLED_SECONDS:
                with self._lock:
                    # From now on, unless that turn has just ended.
                    self._is_stalled = self._running_since is not None
                    late = self._take_waiting() if self._is_stalled else []
                for answer in late:
                    self._safely(self._divert, answer)
                quiet = 0
            elif self._begun != seen:
                seen, quiet = self._begun, 0
            else:
                quiet += 1
        return seen

    # --- in

    def _was_refused(self, refused: link.Refused) -> None:
        if not refused.token:
            self._logger.debug("%s: %s", refused.instance_id, refused.message)
            known = self._refused_ahead.get(refused.instance_id, 0)
            self._refused_ahead[refused.instance_id] = known + 1
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
        acknowledged: list[Answer] = []
        ahead: list[str] = []
        with self._lock:
            while self._unacknowledged and self._unacknowledged[0][0] <= through:
                _, answers, instances = self._unacknowledged.popleft()
                acknowledged += answers
                ahead += instances
            for answer in acknowledged:
                self._by_token.pop(answer.token, None)
            if self._waiting:
                # There was no room for it.
                self._wake_up()
            if self._is_joined:
                self._emptied.notify_all()
        for instance_id in ahead:
            self._count(instance_id)
        for answer in acknowledged:
            if answer.refused is not None:
                self._safely(self._give_up, answer)
            elif answer.done is not None:
                self._safely(answer.done, True)

    def _count(self, instance_id: str) -> None:
        """Count a turn sent ahead whose fate is known."""
        refused = self._refused_ahead.pop(instance_id, 0)
        if not refused:
            self._refusals = 0
            return
        if refused > 1:
            self._refused_ahead[instance_id] = refused - 1
        self._refusals += 1
        if self._refusals == MOST_REFUSALS:
            self._logger.info(
                "%d turns in a row that were run ahead did not count; hardly any will be from now on. Do the "
                "clocks of this machine and the scheduler's agree?",
                MOST_REFUSALS,
            )

    def _safely(self, tell: Callable[[Any], None], what: Any) -> None:
        """One whose caller fails must not keep the others from being told."""
        try:
            tell(what)
        except Exception:
            self._logger.exception("The end of an answer could not be told")


def _eager_turn(turn: AheadTurn, results: list[pb.ActivityResponse]) -> link.EagerTurn:
    return link.EagerTurn(
        instance_id=results[0].instanceId,
        session=turn.session,
        execution_id=turn.execution_id,
        committed_events=turn.committed_events,
        started_ns=turn.started_ns,
        results=results,
        response=turn.response,
    )


def _size(answer: Answer) -> int:
    message: Any = answer.result if answer.result is not None else answer.turn
    return 64 if message is None else int(message.ByteSize())
