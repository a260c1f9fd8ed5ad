"""The dashboard on an open socket, loaded with its first visitor.

Its web framework takes longer to import than the whole scheduler, and many a scheduler never gets a visitor.
Until then connections wait in the socket's queue, so nobody finds the door closed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from durakit.dashboard.backend import Backend
    from durakit.dashboard.web import WebServer

logger = logging.getLogger(__name__)


class Dashboard:
    """The pages of one scheduler.

    Args:
        listener: a socket that listens; it is closed here.
        backend: makes what the pages talk to, in a thread; it is closed here.
        options: what else the pages must know: arguments of `web.create_app`.
    """

    def __init__(self, listener: socket.socket, backend: Callable[[], Backend], **options: Any) -> None:
        self._listener = listener
        self._make_backend = backend
        self._backend: Backend | None = None
        self._options = options
        self._server: WebServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._is_closing = False

    def open(self) -> None:
        """Be there for visitors from now on. To be called on the event loop that shall serve them."""
        try:
            asyncio.get_running_loop().add_reader(self._listener, self._load)
        except NotImplementedError:  # Windows' event loop cannot watch sockets
            self._begin()

    def _load(self) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._begin()

    def _begin(self) -> None:
        self._serving = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        try:
            # In a thread: the scheduler goes on meanwhile.
            web = await asyncio.to_thread(import_module, "durakit.dashboard.web")
            self._backend = await asyncio.to_thread(self._make_backend)
            app = web.create_app(self._backend, **self._options)
            if self._is_closing:
                return
            self._server = web.WebServer(app)
            await self._server.serve(sockets=[self._listener])
        except Exception:
            logger.exception("The dashboard failed; the scheduler runs on without it")
        finally:
            self._listener.close()
            if self._backend is not None:
                await self._backend.close()

    async def close(self) -> None:
        """Finish the answers under way and close the socket."""
        self._is_closing = True
        if self._serving is None:
            try:
                asyncio.get_running_loop().remove_reader(self._listener)
            finally:
                self._listener.close()
            return
        if self._server is not None:
            self._server.should_exit = True
        await self._serving
