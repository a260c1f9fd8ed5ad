"""An in-memory scheduler on a port of this process, with the signature `durabletask.testing` has."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

from durakit.scheduler.limits import AZURE_LIMITS
from durakit.scheduler.server import SchedulerServer, ServerOptions


class InMemoryBackend:
    """The embedded scheduler without a file, on a thread of its own.

    Args:
        port: 0 chooses a free one; see `address`.
        max_history_size: events a history may have; an orchestration that goes beyond fails.
    """

    def __init__(self, port: int = 50051, max_history_size: int = 10000) -> None:
        self._options = ServerOptions(
            grpc_port=port, limits=replace(AZURE_LIMITS, history_events=max_history_size)
        )
        self._server: SchedulerServer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """Host and port to connect to, once started."""
        port = self._server.grpc_port if self._server is not None else self._options.grpc_port
        return f"localhost:{port}"

    def start(self) -> str:
        """Start serving and return the address.

        Raises:
            PortBusy: the port is taken.
        """
        problem: list[BaseException] = []
        ready = threading.Event()

        async def serve() -> None:
            server = SchedulerServer(self._options)
            try:
                await server.start()
            except BaseException as error:
                problem.append(error)
                raise
            finally:
                self._server = server
                self._loop = asyncio.get_running_loop()
                self._stop = asyncio.Event()
                ready.set()
            await self._stop.wait()
            await server.stop(self._grace)

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException:
                if not problem:
                    raise

        self._grace = 0.0
        self._thread = threading.Thread(target=run, name="durakit-test-backend", daemon=True)
        self._thread.start()
        ready.wait()
        if problem:
            self._thread.join()
            raise problem[0]
        return self.address

    def stop(self, grace: float | None = None) -> None:
        """Stop serving; calls under way get `grace` seconds."""
        if self._loop is None or self._thread is None:
            return
        self._grace = grace or 0.0
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop = self._thread = None

    def reset(self) -> None:
        """Forget everything; streams are cut and workers reconnect to the same port.

        Stopped, it has forgotten everything already and stays stopped.
        """
        if self._thread is None:
            return
        port = self._server.grpc_port if self._server is not None else self._options.grpc_port
        self.stop()
        self._options = replace(self._options, grpc_port=port)
        self.start()

    def __enter__(self) -> InMemoryBackend:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def create_test_backend(port: int = 50051, max_history_size: int = 10000) -> InMemoryBackend:
    """Return a started in-memory scheduler; call `stop()` at the end of the test."""
    backend = InMemoryBackend(port, max_history_size)
    backend.start()
    return backend
