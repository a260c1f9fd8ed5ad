"""The link of the client for asyncio: one task reads, one writes, callers wait on a future each.

Opened in the background once it is worth it; until then, and whenever it cannot be used, calls are unary.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
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
    from durakit.wire.connection import AsyncConnection


class AsyncLink:
    """Carries calls over the open link, if there is one. Belongs to one event loop."""

    def __init__(self, connection: AsyncConnection, is_allowed: bool, logger: logging.Logger) -> None:
        self._connection = connection
        self._logger = logger
        self._occasion = Occasion(is_allowed)
        self._is_closed = False
        self._serving: asyncio.Task[None] | None = None
        self._stream: Any = None
        self._open: _OpenLink | None = None
        self.opened = asyncio.Event()
        """Set while there is an open link."""

    async def exchange(self, calls: Sequence[Call]) -> Replies:
        """Send the calls in one message and wait for their replies, within their deadlines.

        The last call's deadline comes first: past it the caller still learns what became of those before.
        """
        open_link = self._open
        if open_link is not None:
            replies = await open_link.exchange(calls)
            if replies is not None:
                return replies
        elif self._occasion.arises():
            self._serving = asyncio.create_task(self._serve())
        return [None] * len(calls)

    def drop(self) -> None:
        """The connection is in doubt: end the link; calls on it count as broken."""
        if self._stream is not None:
            self._stream.cancel()

    async def close(self) -> None:
        """End the link for good; calls on it are cancelled."""
        self._is_closed = True
        self._occasion.never()
        serving, self._serving = self._serving, None
        if serving is not None and not serving.done():
            serving.cancel()
            await asyncio.wait([serving])

    def abandon(self) -> None:
        """End the link of a client that nobody closed; called by the garbage collector, from any thread."""
        serving, self._is_closed = self._serving, True
        if serving is not None and not serving.get_loop().is_closed():
            serving.get_loop().call_soon_threadsafe(serving.cancel)

    async def _serve(self) -> None:
        """Open a link and read it until it ends."""
        opened_at: float | None = None
        open_link = _OpenLink()
        details = ""
        try:
            stub = self._connection.stub
            if not await stub.offers_links(HELLO_SECONDS):
                self._occasion.never()
                return
            self._stream = stream = await stub.open_link(open_link.messages())
            await stream.initial_metadata()
            if not stream.done():
                opened_at = time.monotonic()
                self._open = open_link
                self.opened.set()
            async for down in stream:
                open_link.take(down)
        except grpc.RpcError as error:
            named = named_error(error, method=LINK_METHOD, address=str(self._connection.address))
            details = named.details()
            if named.code() is StatusCode.UNIMPLEMENTED:
                self._occasion.never()
        except (DurakitError, grpc.aio.UsageError) as error:
            # No access token, or the channel was closed under our feet.
            details = str(error)
        except asyncio.CancelledError:
            # By `drop`, by `close`, or by a loop that ends: this task ends in any case.
            details = "The link was given up."
        finally:
            self._open = None
            self.opened.clear()
            if self._stream is not None:
                self._stream.cancel()
                self._stream = None
            open_link.close(CLOSED if self._is_closed else lost(details))
            self._occasion.ended(0.0 if opened_at is None else time.monotonic() - opened_at)
            self._logger.debug("The link to %s has ended. %s", self._connection.address, details)


class _OpenLink:
    """One stream's calls, and who moves them."""

    def __init__(self) -> None:
        self._calls = Calls()
        self._has_more = asyncio.Event()
        self._is_closed = False

    async def exchange(self, calls: Sequence[Call]) -> Replies | None:
        """None when the link has been closed, or the calls are too long for it."""
        waiting = Waiting(calls)
        if not self._calls.add(waiting):
            return None
        self._has_more.set()
        waited = 0.0
        try:
            for keep in reversed(range(len(calls))):
                seconds = calls[keep].timeout_seconds
                await _settled(waiting, None if seconds is None else max(0.0, seconds - waited))
                if not waiting.is_settled:
                    waited = max(waited, seconds or 0.0)
                    self._give_up(waiting, keep)
                if waiting.is_settled:
                    break
        except BaseException:
            # Such as the caller's being cancelled.
            self._give_up(waiting)
            raise
        return waiting.replies

    def _give_up(self, waiting: Waiting, keep: int = 0) -> None:
        self._calls.give_up(waiting, keep)
        self._has_more.set()

    async def messages(self) -> AsyncIterator[link.Up]:
        """Yield what to send as soon as there is something; what collects while gRPC writes is the batch."""
        yield link.Up(opening=link.Opening())
        while not self._is_closed:
            up = self._calls.next_message()
            if up is not None:
                yield up
            else:
                self._has_more.clear()
                await self._has_more.wait()

    def take(self, down: link.Down) -> None:
        """Wake whoever is answered."""
        for waiting in self._calls.take(down.replies):
            waiting.wake()

    def close(self, failure: link.Reply) -> None:
        """End `messages`, and wake everybody."""
        self._is_closed = True
        self._has_more.set()
        for waiting in self._calls.close(failure):
            waiting.wake()


async def _settled(waiting: Waiting, seconds: float | None) -> None:
    """Return when it is settled, or when the time is over."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not woken.done():
            woken.set_result(None)

    waiting.wake = wake
    timer = None if seconds is None else loop.call_later(seconds, wake)
    try:
        await woken
    finally:
        if timer is not None:
            timer.cancel()
