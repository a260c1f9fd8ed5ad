"""The dashboard on an open socket, loaded with its first visitor, on an event loop in a thread of its own.

Its web framework takes longer to import than the whole scheduler, and many a scheduler never gets a visitor.
Until then connections wait in the socket's queue, so nobody finds the door closed. Its thread makes pages
while the scheduler's one goes on deciding turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from durakit.dashboard.backend import Backend
    from durakit.dashboard.web import WebServer

logger = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0005
"""How long a thread that makes a page may keep the interpreter while the scheduler wants it; Python's own
choice is 5 ms, and the scheduler wants it again after each wait for disk or network."""


class Dashboard:
    """The pages of one scheduler. To be used on the scheduler's event loop.

    Args:
        listener: a socket that listens; it is closed here.
        backend: makes what the pages talk to, given the scheduler's loop; called in the pages' thread, on
            whose loop it is used and closed.
        options: what else the pages must know: arguments of `web.create_app`.
    """

    def __init__(
        self,
        listener: socket.socket,
        backend: Callable[[asyncio.AbstractEventLoop], Backend],
        **options: Any,
    ) -> None:
        self._listener = listener
        self._make_backend = backend
        self._options = options
        self._lock = threading.Lock()
        self._server: WebServer | None = None
        self._thread: threading.Thread | None = None
        self._ended = asyncio.Event()
        self._is_closing = False

    def open(self) -> None:
        """Be there for visitors from now on."""
        try:
            asyncio.get_running_loop().add_reader(self._listener, self._load)
        except NotImplementedError:  # Windows' event loop cannot watch sockets
            self._begin()

    def _load(self) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._begin()

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        # A daemon, so that it can hold up no exit that was not waited for.
        self._thread = threading.Thread(target=self._run, args=(loop,), name="durakit-pages", daemon=True)
        self._thread.start()

    def _run(self, scheduler: asyncio.AbstractEventLoop) -> None:
        try:
            with _short_turns():
                asyncio.run(self._serve(scheduler))
        except Exception:
            logger.exception("The dashboard failed; the scheduler runs on without it")
        finally:
            self._listener.close()
            with contextlib.suppress(RuntimeError):  # the scheduler ended without waiting
                scheduler.call_soon_threadsafe(self._ended.set)

    async def _serve(self, scheduler: asyncio.AbstractEventLoop) -> None:
        web = import_module("durakit.dashboard.web")
        backend = self._make_backend(scheduler)
        try:
            server: WebServer = web.WebServer(web.create_app(backend, **self._options))
            with self._lock:
                if self._is_closing:
                    return
                self._server = server
            await server.serve(sockets=[self._listener])
        finally:
            await backend.close()

    async def close(self) -> None:
        """Finish the answers under way and close the socket."""
        with self._lock:
            self._is_closing = True
            if self._server is not None:
                self._server.should_exit = True
        if self._thread is not None:
            await self._ended.wait()
            return
        try:
            asyncio.get_running_loop().remove_reader(self._listener)
        finally:
            self._listener.close()


@contextlib.contextmanager
def _short_turns() -> Iterator[None]:
    """Let the interpreter change threads often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
