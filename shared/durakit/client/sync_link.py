"""The link of the client for threads: callers block on a lock each, one thread reads, one of gRPC's writes.

Opened in the background once it is worth it; until then, and whenever it cannot be used, calls are unary.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc
from grpc import StatusCode

from durakit.client.link import CLOSED, HELLO_SECONDS, Calls, Occasion, Replies, Waiting, lost
from durakit.errors import DurakitError
from durakit.wire.messages import link_pb2 as link
from durakit.wire.methods import LINK_METHOD
from durakit.wire.status import named_error

if TYPE_CHECKING:
    from durakit.client.operations import Call
    from durakit.wire.connection import Connection

#: How long to wait for a link that was ended; there is nothing left that could hold it up.
END_SECONDS = 5.0


class SyncLink:
    """Carries calls over the open link, if there is one. Safe for threads."""

    def __init__(self, connection: Connection, is_allowed: bool, logger: logging.Logger) -> None:
        self._connection = connection
        self._logger = logger
        self._occasion = Occasion(is_allowed)
        self._lock = threading.Lock()
        self._is_closed = False
        self._stream: Any = None
        self._open: _OpenLink | None = None
        self._serving: threading.Thread | None = None
        self.opened = threading.Event()
        """Set while there is an open link."""

    def exchange(self, calls: Sequence[Call]) -> Replies:
        """Send the calls in one message and wait for their replies, within their deadlines.

        The last call's deadline comes first: past it the caller still learns what became of those before.
        """
        open_link = self._open
        if open_link is not None:
            replies = open_link.exchange(calls)
            if replies is not None:
                return replies
        elif self._occasion.arises():
            self._serving = threading.Thread(target=self._serve, name="durakit-client-link", daemon=True)
            self._serving.start()
        return [None] * len(calls)

    def drop(self) -> None:
        """The connection is in doubt: end the link; calls on it count as broken."""
        with self._lock:
            if self._stream is not None:
                self._stream.cancel()

    def close(self) -> None:
        """End the link for good; calls on it are cancelled."""
        self._is_closed = True
        self._occasion.never()
        self.drop()

    def join(self) -> None:
        """Wait until a link that was closed has ended; to be called when its connection is closed, too."""
        if self._serving is not None:
            self._serving.join(END_SECONDS)

    def _serve(self) -> None:
        """Open a link and read it until it ends; a thread of its own."""
        opened_at: float | None = None
        open_link = _OpenLink()
        details = ""
        try:
            stub = self._connection.stub
            if not stub.offers_links(HELLO_SECONDS):
                self._occasion.never()
                return
            with self._lock:
                if self._is_closed:
                    return
                self._stream = stream = stub.open_link(open_link.messages())
            stream.initial_metadata()
            if stream.is_active():
                opened_at = time.monotonic()
                self._open = open_link
                self.opened.set()
            for down in stream:
                open_link.take(down)
        except grpc.RpcError as error:
            named = named_error(error, method=LINK_METHOD, address=str(self._connection.address))
            details = named.details()
            if named.code() is StatusCode.UNIMPLEMENTED:
                self._occasion.never()
        except (DurakitError, ValueError) as error:
            # No access token, or the channel was closed under our feet.
            details = str(error)
        finally:
            self._open = None
            self.opened.clear()
            with self._lock:
                self._stream = None
            open_link.close(CLOSED if self._is_closed else lost(details))
            self._occasion.ended(0.0 if opened_at is None else time.monotonic() - opened_at)
            self._logger.debug("The link to %s has ended. %s", self._connection.address, details)


class _OpenLink:
    """One stream's calls, and who moves them."""

    def __init__(self) -> None:
        self._calls = Calls()
        self._ticks: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def exchange(self, calls: Sequence[Call]) -> Replies | None:
        """None when the link has been closed, or the calls are too long for it."""
        settled = threading.Lock()
        settled.acquire()
        waiting = Waiting(calls, settled.release)
        if not self._calls.add(waiting):
            return None
        self._ticks.put(True)
        try:
            waited = 0.0
            for keep in reversed(range(len(calls))):
                seconds = calls[keep].timeout_seconds
                if settled.acquire(timeout=-1 if seconds is None else max(0.0, seconds - waited)):
                    break
                waited = max(waited, seconds or 0.0)
                self._give_up(waiting, keep)
                if waiting.is_settled:
                    break
        except BaseException:
            # Such as KeyboardInterrupt.
            self._give_up(waiting)
            raise
        return waiting.replies

    def _give_up(self, waiting: Waiting, keep: int = 0) -> None:
        self._calls.give_up(waiting, keep)
        self._ticks.put(True)

    def messages(self) -> Iterator[link.Up]:
        """Yield what to send as soon as there is something; what collects while gRPC writes is the batch."""
        yield link.Up(opening=link.Opening())
        while self._ticks.get():
            up = self._calls.next_message()
            if up is not None:
                yield up

    def take(self, down: link.Down) -> None:
        """Wake whoever is answered."""
        for waiting in self._calls.take(down.replies):
            waiting.wake()

    def close(self, failure: link.Reply) -> None:
        """End `messages`, and wake everybody."""
        for waiting in self._calls.close(failure):
            waiting.wake()
        self._ticks.put(False)
