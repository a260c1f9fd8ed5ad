"""The dashboard on an open socket, loaded with its first visitor.

Its web framework takes longer to import than the whole scheduler, and many a scheduler never gets a visitor.
Until then connections wait in the socket's queue, so nobody finds the door closed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from durakit.dashboard.views import Source
    from durakit.dashboard.web import WebServer

logger = logging.getLogger(__name__)


class Dashboard:
    """The pages of one scheduler.

    Args:
        listener: a socket that listens; it is closed here.
        source: what the pages show.
        host: what the socket is bound to, as the user wrote it.
        grpc_port: where workers and clients connect.
        token: what visitors must have, or None.
    """

    def __init__(
        self, listener: socket.socket, source: Source, *, host: str, grpc_port: int, token: str | None
    ) -> None:
        self._listener = listener
        self._source = source
        self._host = host
        self._grpc_port = grpc_port
        self._token = token
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
            app = web.create_app(self._source, host=self._host, grpc_port=self._grpc_port, token=self._token)
            if self._is_closing:
                return
            self._server = web.WebServer(app)
            await self._server.serve(sockets=[self._listener])
        except Exception:
            logger.exception("The dashboard failed; the scheduler runs on without it")
        finally:
            self._listener.close()

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
