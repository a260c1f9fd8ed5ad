"""Answers of a worker on the best way there is: the open link, or the calls of `Delivery`.

Calls carry what a link does not: entities, answers too large for it, what was left when it ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from durakit.runtime.delivery import Delivery
from durakit.runtime.link import Answer, GoAhead, Link
from durakit.runtime.turns import MAX_RESPONSE_BYTES
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb


class LinkedDelivery:
    """Delivers answers by the open link, if there is one, and by `unary` otherwise. Safe for threads.

    Args:
        drop_session: told the instance of a turn, sent ahead, that did not count; must not block.
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
        self._link = Link(opening, self.go_ahead, self._give_up, self._divert, self._logger)
        return self._link

    def closed(self, ended: Link) -> None:
        """The link has ended: what was not acknowledged is delivered by calls, or void."""
        if self._link is ended:
            self._link = None
        ended.close()

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
        # A larger one has to be split, and leaves by calls.
        is_small = response.ByteSize() <= MAX_RESPONSE_BYTES
        if not (is_small and self._send(Answer(turn=response, is_turn=True, done=done))):
            self._unary.complete_turn(response, done)

    def complete_activity(self, request: pb.ActivityRequest, response: pb.ActivityResponse) -> None:
        """Deliver an activity's response."""
        # One that the scheduler may find too large must not take the link with it.
        is_small = response.ByteSize() <= MAX_RESPONSE_BYTES
        if not (is_small and self._send(Answer(result=response, request=request))):
            self._unary.complete_activity(request, response)

    def complete_entity(self, instance_id: str, result: pb.EntityBatchResult) -> None:
        """Deliver an entity batch's result."""
        self._unary.complete_entity(instance_id, result)

    def abandon_turn(self, token: str, instance_id: str) -> None:
        """Give an orchestrator item back."""
        if not self._send(Answer(returned=token, is_turn=True)):
            self._unary.abandon_turn(token, instance_id)

    def abandon_activity(self, token: str, instance_id: str) -> None:
        """Give an activity item back."""
        if not self._send(Answer(returned=token)):
            self._unary.abandon_activity(token, instance_id)

    def abandon_entity(self, token: str, instance_id: str) -> None:
        """Give an entity item back."""
        self._unary.abandon_entity(token, instance_id)

    def _send(self, answer: Answer) -> bool:
        open_link = self._link
        return open_link is not None and open_link.send(answer)

    def _give_up(self, answer: Answer | str) -> None:
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

    def _divert(self, answer: Answer) -> None:
        """Deliver by a call what waits although the link is open."""
        if answer.result is not None and answer.request is not None:
            self._unary.complete_activity(answer.request, answer.result)
        elif answer.turn is not None and answer.done is not None:
            self._unary.complete_turn(answer.turn, answer.done)
        elif answer.is_turn:
            self._unary.abandon_turn(answer.token, "")
        else:
            self._unary.abandon_activity(answer.token, "")
