"""The scheduler as a gRPC server: start, stop, and what the dashboard asks of it.

Everything of the scheduler runs on the event loop that calls `start`.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from durakit.scheduler.engine import Engine
from durakit.scheduler.group_commit import GroupCommit
from durakit.scheduler.limits import AZURE_LIMITS, Limits
from durakit.scheduler.retention import Retention, RetentionPolicy
from durakit.scheduler.service import DEFAULT_HUB, Service
from durakit.scheduler.store import Store

logger = logging.getLogger(__name__)

PING_SECONDS = 30.0
LARGEST_MESSAGE_BYTES = 64 * 1024 * 1024

_OPTIONS = (
    ("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    # Find peers that died without a word: ping every 20 s, give them 10 s.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Let clients ping as they like; some SDKs do so without calls.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
    # A second scheduler on the same port must be an error, not a silent sharing.
    ("grpc.so_reuseport", 0),
)


class PortBusy(Exception):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"Port {port} on {host} is busy.")
        self.host = host
        self.port = port


@dataclass(frozen=True)
class ServerOptions:
    """How to run a scheduler.

    Attributes:
        grpc_port: 0 means choose a free one.
        db: the file, or None for memory only.
        task_hubs: made at the start; others are made on first use.
        token: bearer token every caller must send, or None.
        activity_grace_seconds: how long after a worker left the results of its activities are awaited.
        retention: for how long ended instances are kept; by default for ever.
    """

    host: str = "127.0.0.1"
    grpc_port: int = 8080
    db: Path | None = None
    task_hubs: tuple[str, ...] = (DEFAULT_HUB,)
    limits: Limits = AZURE_LIMITS
    token: str | None = None
    activity_grace_seconds: float = 5.0
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)


class SchedulerServer:
    """One scheduler on one port over one file.

    Raises (from `start`):
        StoreError: the file cannot be used.
        PortBusy: the port is taken.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.options = options
        self.grpc_port = options.grpc_port

    async def start(self) -> None:
        """Open the file and the port; on return the scheduler serves."""
        options = self.options
        loop = asyncio.get_running_loop()
        self._store = Store(options.db)
        self._engine = Engine(
            self._store,
            new_id=lambda: uuid.uuid4().hex,
            now=time.time_ns,
            limits=options.limits,
            activity_grace_seconds=options.activity_grace_seconds,
        )
        Retention(self._engine, options.retention)
        self._commits = GroupCommit(self._engine, loop)
        for name in options.task_hubs:
            self._engine.hub(name)
        self._service = Service(self._engine, self._commits, options.token)
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers(self._service.handlers())
        host = f"[{options.host}]" if ":" in options.host else options.host
        try:
            self.grpc_port = self._server.add_insecure_port(f"{host}:{options.grpc_port}")
        except RuntimeError:
            self.grpc_port = 0
        if self.grpc_port == 0:
            self._close()
            raise PortBusy(options.host, options.grpc_port)
        await self._server.start()
        self._pings = loop.create_task(self._ping_for_ever())

    async def _ping_for_ever(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            self._service.ping()

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """End all streams, let calls under way finish, put everything on disk, close the file."""
        self._pings.cancel()
        self._service.stop()
        await self._server.stop(grace_seconds)
        await self._commits.drained()
        self._close()

    def _close(self) -> None:
        self._commits.close()
        self._store.close()

    # --- for the dashboard

    @property
    def engine(self) -> Engine:
        """The hubs and their store, for those who look on from the same event loop."""
        return self._engine

    async def call(self, hub: str, method: str, request: Any) -> Any:
        """Answer a unary request as if it had come over the network, once it is on disk.

        Args:
            method: its name in the protocol.

        Raises:
            Refusal: it is refused; nothing was changed.
            StoreError: it could not be written; nothing of it happened.
        """
        return await self._service.answer(hub, method, request)
