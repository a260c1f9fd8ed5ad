"""Channels to a scheduler and the stubs on them, for threads and for asyncio.

Options every channel gets, calls built from the method table, and the metadata that goes with each call.
Addresses are in `address`, what status codes mean in `status`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.empty_pb2 import Empty

from durakit._version import __version__
from durakit.wire.address import Address
from durakit.wire.messages import link_pb2 as link
from durakit.wire.methods import BY_NAME, LINK_HEADER, LINK_METHOD, LINK_SERVICE, METHODS, SERVICE, Method

if TYPE_CHECKING:
    from google.protobuf.message import Message

Metadata = Sequence[tuple[str, str]]
#: Asked before every call: what to send as its metadata. May fetch a token.
MetadataSource = Callable[[], Metadata]
AsyncMetadataSource = Callable[[], Awaitable[Metadata]]

USER_AGENT = f"durakit-python/{__version__}"
#: Largest message either way. gRPC's own limit of 4 MiB is less than the history of a busy orchestration.
MAX_MESSAGE_BYTES = 128 * 1024 * 1024
#: Just above the five minutes below which servers, by default, hang up on clients that ping.
KEEPALIVE_MS = 330_000
KEEPALIVE_TIMEOUT_MS = 20_000
#: gRPC's own wait before it dials a lost server again; by default it starts at a second and grows to two
#: minutes.
RECONNECT_FIRST_MS, RECONNECT_MAX_MS = 100, 5_000

#: Calls that change nothing when made twice, so gRPC may repeat them when the connection breaks.
REPEATABLE_METHODS = (
    "Hello",
    "GetInstance",
    "QueryInstances",
    "ListInstanceIds",
    "TerminateInstance",
    "SuspendInstance",
    "ResumeInstance",
)
RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.25s",
    "backoffMultiplier": 2.0,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


def channel_options(address: Address, overrides: Iterable[tuple[str, Any]] = ()) -> list[tuple[str, Any]]:
    """The gRPC arguments of a channel to `address`; those in `overrides` win."""
    service_config = {
        "methodConfig": [
            {
                "name": [{"service": SERVICE, "method": name} for name in REPEATABLE_METHODS],
                "retryPolicy": RETRY_POLICY,
            }
        ]
    }
    options: dict[str, Any] = {
        "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
        "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
        "grpc.keepalive_time_ms": KEEPALIVE_MS,
        "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
        "grpc.initial_reconnect_backoff_ms": RECONNECT_FIRST_MS,
        "grpc.max_reconnect_backoff_ms": RECONNECT_MAX_MS,
        "grpc.service_config": json.dumps(service_config),
        # Otherwise a re-created channel would silently get the old connection back.
        "grpc.use_local_subchannel_pool": 1,
    }
    if address.is_loopback:
        options["grpc.enable_http_proxy"] = 0
    options.update(overrides)
    return list(options.items())


def open_channel(
    address: Address, *, options: Iterable[tuple[str, Any]] = (), interceptors: Sequence[Any] = ()
) -> grpc.Channel:
    """A channel for threads; it dials with the first call."""
    arguments = channel_options(address, options)
    if address.secure:
        channel = grpc.secure_channel(address.target, grpc.ssl_channel_credentials(), options=arguments)
    else:
        channel = grpc.insecure_channel(address.target, options=arguments)
    return grpc.intercept_channel(channel, *interceptors) if interceptors else channel


def open_async_channel(
    address: Address, *, options: Iterable[tuple[str, Any]] = (), interceptors: Sequence[Any] = ()
) -> grpc.aio.Channel:
    """A channel for the running event loop; it dials with the first call."""
    arguments = channel_options(address, options)
    if address.secure:
        credentials = grpc.ssl_channel_credentials()
        return grpc.aio.secure_channel(
            address.target, credentials, options=arguments, interceptors=list(interceptors)
        )
    return grpc.aio.insecure_channel(address.target, options=arguments, interceptors=list(interceptors))


class Stub:
    """The scheduler's methods as callables: `stub.StartInstance(request, timeout=seconds)`.

    Every call carries what `metadata` returns at that moment, plus the call's own `metadata=`. `future` of a
    unary method returns the call under way instead of waiting for its answer:
    `stub.StartInstance.future(request, timeout=seconds)`. `open_link(messages)` opens a link where
    `offers_links(timeout)`.
    """

    def __init__(self, channel: grpc.Channel, metadata: MetadataSource) -> None:
        for method in METHODS:
            setattr(self, method.name, _Method(_multicallable(channel, method), metadata))
        self.open_link = _Method(_link_multicallable(channel), metadata)

    def offers_links(self, timeout: float | None = None) -> bool:
        """Greet the scheduler; return whether it knows links."""
        hello = self.Hello.future(Empty(), timeout=timeout)
        hello.result()
        headers: Iterable[tuple[str, str]] = hello.initial_metadata() or ()
        return any(key == LINK_HEADER for key, _ in headers)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> _Method: ...


class _Method:
    """One method of a `Stub`."""

    __slots__ = ("_multicallable", "_source")

    def __init__(self, multicallable: Any, source: MetadataSource) -> None:
        self._multicallable = multicallable
        self._source = source

    def __call__(
        self, request: Message | Iterator[Message], timeout: float | None = None, metadata: Metadata = ()
    ) -> Any:
        return self._multicallable(request, timeout=timeout, metadata=(*self._source(), *metadata))

    def future(self, request: Message, timeout: float | None = None) -> grpc.Future[Any]:
        """Start the call; whoever adds a callback is called on a thread of gRPC, which must not block."""
        call: grpc.Future[Any] = self._multicallable.future(request, timeout=timeout, metadata=self._source())
        return call


class AsyncStub:
    """The same for asyncio: unary methods are awaited, streaming ones iterated after awaiting the call."""

    def __init__(self, channel: grpc.aio.Channel, metadata: AsyncMetadataSource) -> None:
        for method in METHODS:
            setattr(self, method.name, _async_call(_multicallable(channel, method), metadata, method.streams))
        self.open_link = _async_call(_link_multicallable(channel), metadata, streams=True)
        self._hello = _async_call(_multicallable(channel, BY_NAME["Hello"]), metadata, streams=True)

    async def offers_links(self, timeout: float | None = None) -> bool:
        """Greet the scheduler; return whether it knows links."""
        hello = await self._hello(Empty(), timeout=timeout)
        await hello
        return any(key == LINK_HEADER for key, _ in await hello.initial_metadata())

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]: ...


def _multicallable(channel: Any, method: Method) -> Callable[..., Any]:
    connect = channel.unary_stream if method.streams else channel.unary_unary
    call: Callable[..., Any] = connect(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    return call


def _link_multicallable(channel: Any) -> Callable[..., Any]:
    call: Callable[..., Any] = channel.stream_stream(
        f"/{LINK_SERVICE}/{LINK_METHOD}",
        request_serializer=link.Up.SerializeToString,
        response_deserializer=link.Down.FromString,
    )
    return call


def _async_call(
    multicallable: Callable[..., Any], source: AsyncMetadataSource, streams: bool
) -> Callable[..., Awaitable[Any]]:
    async def call(request: Any, timeout: float | None = None, metadata: Metadata = ()) -> Any:
        started = multicallable(request, timeout=timeout, metadata=(*await source(), *metadata))
        return started if streams else await started

    return call
