"""What both clients' links have in common: which calls go over one, and what becomes of each of them.

A link (docs/link.md) carries the unary calls of many callers on one stream, many in a message. No I/O here:
`sync_link` moves the messages for threads, `aio_link` for asyncio.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from grpc import StatusCode

from durakit.settings import uses_link
from durakit.wire.channel import REPEATABLE_METHODS
from durakit.wire.messages import link_pb2 as link
from durakit.wire.methods import BY_NAME
from durakit.wire.status import ERROR_BY_CODE

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from durakit.client.operations import Call

#: Unary calls a client makes before it opens a link: one that starts an instance and waits needs none.
CALLS_BEFORE_LINK = 3
#: What one message holds at most. A single larger request is made as a unary call.
MOST_CALLS = 512
MOST_BYTES = 1024 * 1024
#: Deadline of the greeting that asks whether the scheduler offers links.
HELLO_SECONDS = 10.0
#: Pause after a link has ended, before the next one is opened; it doubles with each that fails soon.
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.5, 30.0
#: A link that lived this long was a good one.
GOOD_LINK_SECONDS = 5.0

#: Channel options that are about single calls or their size, which a link would not keep to.
_OPTIONS_ABOUT_CALLS = frozenset(
    {"grpc.service_config", "grpc.max_receive_message_length", "grpc.max_send_message_length"}
)

Replies = list["link.Reply | None"]
"""One for each of the calls that were sent; None: make this one as a unary call."""


def may_use_link(*, channel: object, interceptors: object, options: Iterable[tuple[str, Any]]) -> bool:
    """Whether a client so made may use a link: not if its calls go through something of the caller's.

    Raises `SettingsError` when DURAKIT_LINK has no value that there is.
    """
    about_calls = any(name in _OPTIONS_ABOUT_CALLS for name, _ in options)
    return uses_link() and channel is None and not interceptors and not about_calls


def answer_in(reply: link.Reply, call: Call, address: str) -> Message:
    """Return the answer that a reply carries; raise the named error if it carries one."""
    if not reply.status:
        return BY_NAME[call.method].response.FromString(reply.response)
    code = StatusCode[reply.status] if reply.status in StatusCode.__members__ else StatusCode.UNKNOWN
    kind = ERROR_BY_CODE[code]
    raise kind(code, reply.message, method=call.method, address=address)


class Waiting:
    """One caller and the calls it has sent at once: settled when the last is answered or one has failed.

    Attributes:
        replies: so far; once it is settled, None is for calls that are to be made as unary calls.
        last: index of the call whose answer settles it.
        wake: called once, when it is settled by anybody but its caller.
    """

    __slots__ = ("calls", "is_sent", "is_settled", "last", "numbers", "replies", "requests", "wake")

    def __init__(self, calls: Sequence[Call], wake: Callable[[], object] = lambda: None) -> None:
        self.calls = calls
        self.requests = [call.request.SerializeToString() for call in calls]
        self.wake = wake
        self.numbers: list[int] = []
        self.replies: Replies = [None] * len(calls)
        self.last = len(calls) - 1
        self.is_sent = False
        self.is_settled = False

    @property
    def size(self) -> int:
        """Bytes of its requests, about."""
        return sum(len(request) + 64 for request in self.requests)


class Calls:
    """The calls on one link: those to be sent, and those to be answered. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_number = 0
        self._unsent: deque[Waiting] = deque()
        self._unanswered: dict[int, tuple[Waiting, int]] = {}
        self._given_up: list[int] = []
        self._is_closed = False

    def add(self, waiting: Waiting) -> bool:
        """Let the calls leave with the next message; False when the link is closed or they are too long."""
        if waiting.size > MOST_BYTES:
            return False
        with self._lock:
            if self._is_closed:
                return False
            for index in range(len(waiting.calls)):
                self._last_number += 1
                waiting.numbers.append(self._last_number)
                self._unanswered[self._last_number] = waiting, index
            self._unsent.append(waiting)
        return True

    def next_message(self) -> link.Up | None:
        """What to send now; None when there is nothing."""
        with self._lock:
            if not (self._unsent or self._given_up):
                return None
            up = link.Up(cancelled=self._given_up)
            self._given_up = []
            room = MOST_BYTES
            while self._unsent and room > 0 and len(up.calls) < MOST_CALLS:
                waiting = self._unsent.popleft()
                if waiting.is_settled:
                    continue
                room -= waiting.size
                waiting.is_sent = True
                for number, call, request in zip(
                    waiting.numbers, waiting.calls, waiting.requests, strict=True
                ):
                    if number in self._unanswered:
                        up.calls.add(id=number, method=call.method, request=request)
        return up if up.calls or up.cancelled else None

    def take(self, replies: Iterable[link.Reply]) -> list[Waiting]:
        """Note what was answered; return those to be woken."""
        settled: list[Waiting] = []
        with self._lock:
            for reply in replies:
                waiting, index = self._unanswered.pop(reply.id, (None, 0))
                if waiting is None:
                    continue
                # What the link does not carry is asked for by a unary call.
                waiting.replies[index] = None if reply.status == "UNIMPLEMENTED" else reply
                if reply.status or index == waiting.last:
                    self._settle(waiting)
                    settled.append(waiting)
        return settled

    def give_up(self, waiting: Waiting, keep: int = 0) -> None:
        """Its caller waits no more, or only for the first `keep` of its calls.

        What was not answered until now counts as not answered in time.
        """
        with self._lock:
            if waiting.is_settled:
                return
            late = link.Reply(status="DEADLINE_EXCEEDED", message="Deadline Exceeded")
            for index in range(keep, len(waiting.calls)):
                if waiting.replies[index] is None:
                    waiting.replies[index] = late
            if keep == 0 or waiting.replies[keep - 1] is not None:
                self._settle(waiting)
            else:
                waiting.last = keep - 1
                self._forget(waiting, keep)

    def close(self, failure: link.Reply) -> list[Waiting]:
        """The link has ended; return those to be woken.

        Calls that never left and those that may be repeated are to be made as unary calls; `failure` is what
        the others are told.
        """
        with self._lock:
            self._is_closed = True
            left = {id(waiting): waiting for waiting, _ in self._unanswered.values()}
            for waiting in left.values():
                for index, call in enumerate(waiting.calls):
                    is_open = waiting.numbers[index] in self._unanswered
                    if is_open and waiting.is_sent and call.method not in REPEATABLE_METHODS:
                        waiting.replies[index] = failure
                waiting.is_settled = True
            self._unanswered.clear()
            self._unsent.clear()
        return list(left.values())

    def _settle(self, waiting: Waiting) -> None:
        waiting.is_settled = True
        self._forget(waiting, 0)

    def _forget(self, waiting: Waiting, first: int) -> None:
        for number in waiting.numbers[first:]:
            if self._unanswered.pop(number, None) is not None and waiting.is_sent:
                self._given_up.append(number)


class Occasion:
    """When a link is worth opening: after some calls, not where there is none, and after a pause when one
    was lost. Safe for threads.
    """

    def __init__(self, is_allowed: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_allowed = is_allowed
        self._clock = clock
        self._lock = threading.Lock()
        self._calls = 0
        self._is_taken = False
        self._not_before = float("-inf")
        self._failures = 0

    def arises(self) -> bool:
        """A unary call was made; True when a link is to be opened now, which is the caller's task then."""
        if not self._is_allowed:
            return False
        with self._lock:
            self._calls += 1
            if self._is_taken or self._calls < CALLS_BEFORE_LINK or self._clock() < self._not_before:
                return False
            self._is_taken = True
            return True

    def never(self) -> None:
        """This scheduler offers no links, or the client is closed."""
        self._is_allowed = False

    def ended(self, open_seconds: float) -> None:
        """The link that was opened is no more; 0 seconds: it never opened."""
        with self._lock:
            self._failures = 0 if open_seconds >= GOOD_LINK_SECONDS else self._failures + 1
            pause = FIRST_PAUSE_SECONDS * 2.0 ** max(0, min(self._failures, 10) - 1)
            self._not_before = self._clock() + min(pause, MAX_PAUSE_SECONDS)
            self._is_taken = False


def lost(details: str) -> link.Reply:
    """What callers are told whose call was on its way when the link broke: as of any broken connection."""
    return link.Reply(status="UNAVAILABLE", message=details or "The link to the scheduler broke.")


#: What gRPC tells callers of a channel that is closed under their feet.
CLOSED = link.Reply(status="CANCELLED", message="Channel closed!")
