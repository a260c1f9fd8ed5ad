"""One party's connection to a scheduler: the channel in use, its stub, and how to start afresh with a new
one.

A channel that the caller brought is used as it is and never replaced or closed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import grpc

from durakit.wire.address import Address, parse_address
from durakit.wire.channel import (
    AsyncMetadataSource,
    AsyncStub,
    MetadataSource,
    Stub,
    open_async_channel,
    open_channel,
)

#: Where a Durable Task sidecar listens when nobody says otherwise.
DEFAULT_HOST_ADDRESS = "localhost:4001"


class Connection:
    """A connection for threads. `stub` is always the one to use now; `address` is for people."""

    def __init__(
        self,
        address: Address | str,
        metadata: MetadataSource,
        *,
        channel: grpc.Channel | None = None,
        options: Iterable[tuple[str, Any]] = (),
        interceptors: Sequence[Any] = (),
    ) -> None:
        self.address = address
        self.owns_channel = channel is None
        self._metadata = metadata
        self._options = list(options)
        self._interceptors = list(interceptors)
        self._lock = threading.Lock()
        self._retired: grpc.Channel | None = None
        if channel is None:
            self._channel = self._open()
        else:
            self._channel = grpc.intercept_channel(channel, *interceptors) if interceptors else channel
        self.stub = Stub(self._channel, metadata)

    def replace(self) -> bool:
        """Go on with a new channel; True when there is one.

        The old channel stays open for the calls on it until the next replacement, so at most two are alive.
        """
        if not self.owns_channel:
            return False
        with self._lock:
            retired, self._retired, self._channel = self._retired, self._channel, self._open()
            self.stub = Stub(self._channel, self._metadata)
        if retired is not None:
            retired.close()
        return True

    def close(self) -> None:
        """Close the channel; calls still under way are cancelled."""
        if not self.owns_channel:
            return
        with self._lock:
            if self._retired is not None:
                self._retired.close()
            self._channel.close()

    def _open(self) -> grpc.Channel:
        # An owned channel implies an address; a mere text belongs to a channel from outside.
        assert isinstance(self.address, Address)
        return open_channel(self.address, options=self._options, interceptors=self._interceptors)


class AsyncConnection:
    """The same for asyncio. The channel is opened with the first call, because it belongs to the running
    loop.
    """

    def __init__(
        self,
        address: Address | str,
        metadata: AsyncMetadataSource,
        *,
        channel: grpc.aio.Channel | None = None,
        options: Iterable[tuple[str, Any]] = (),
        interceptors: Sequence[Any] = (),
    ) -> None:
        self.address = address
        self.owns_channel = channel is None
        self._metadata = metadata
        self._options = list(options)
        self._interceptors = list(interceptors)
        self._channel = channel
        self._retired: grpc.aio.Channel | None = None
        self._stub: AsyncStub | None = None if channel is None else AsyncStub(channel, metadata)

    @property
    def stub(self) -> AsyncStub:
        """The stub to use now."""
        if self._stub is None:
            assert isinstance(self.address, Address)
            self._channel = open_async_channel(
                self.address, options=self._options, interceptors=self._interceptors
            )
            self._stub = AsyncStub(self._channel, self._metadata)
        return self._stub

    async def replace(self) -> bool:
        """Go on with a new channel; True when there is one."""
        if not self.owns_channel:
            return False
        retired, self._retired = self._retired, self._channel
        self._channel = self._stub = None
        if retired is not None:
            await retired.close()
        return True

    async def close(self) -> None:
        """Close the channel; calls still under way are cancelled."""
        if not self.owns_channel:
            return
        for channel in (self._retired, self._channel):
            if channel is not None:
                await channel.close()
        self._retired = self._channel = self._stub = None


def address_for(host_address: str | None, channel: object | None, secure: bool) -> Address | str:
    """Where a connection leads; only a text for people when the caller brought a channel."""
    if channel is None:
        return parse_address(host_address or DEFAULT_HOST_ADDRESS, secure=secure)
    return host_address or "the given channel"
