"""The schedulers under test, each on threads of this process."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from pathlib import Path
from typing import Any

from durabletask.testing import create_test_backend
from durakit.scheduler.server import SchedulerServer, ServerOptions


class EmbeddedScheduler:
    """Our scheduler on disk, as `durakit dev` runs it, on an event loop of its own.

    Args:
        db: the file.
        port: 0 chooses a free one.
    """

    def __init__(self, db: Path, port: int = 0) -> None:
        self._db = db
        self._port = port
        self._start()

    def _start(self) -> None:
        ready = threading.Event()
        self._problem: BaseException | None = None

        async def serve() -> None:
            server = SchedulerServer(ServerOptions(grpc_port=self._port, db=self._db))
            self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
            try:
                await server.start()
            except BaseException as problem:
                self._problem = problem
                return
            finally:
                ready.set()
            self._port = server.grpc_port
            await self._ending.wait()
            await server.stop(grace_seconds=0)

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), name="scheduler", daemon=True)
        self._thread.start()
        ready.wait()
        if self._problem is not None:
            raise self._problem

    @property
    def address(self) -> str:
        """Where to connect."""
        return f"127.0.0.1:{self._port}"

    def stop(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    def restart(self) -> None:
        """Stop, and start again on the same port and file."""
        self.stop()
        self._start()


class InMemoryBackendOfTheirs:
    """The in-memory backend inside PyPI's `durabletask`; it knows no task hubs, so each test has its own."""

    def __init__(self) -> None:
        with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
            probe.bind(("::1", 0))
            port: int = probe.getsockname()[1]
        self._backend: Any = create_test_backend(port=port)
        self.address = f"localhost:{port}"

    def stop(self) -> None:
        """Stop serving."""
        self._backend.stop()
