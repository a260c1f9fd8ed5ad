"""A gRPC channel that ends in an engine of the same process, so that tests use the real client.

Only what a client needs: unary calls and the history stream. Waiting calls drive the hub until what they
wait for has happened or nothing more can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from durakit.errors import WaitTimeoutError
from durakit.scheduler.hub import TaskHub, has_begun, has_ended
from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.requests import Requests
from durakit.wire.messages import orchestration_pb2 as pb

_WAITS: dict[str, Callable[[Instance], bool]] = {
    "WaitForInstanceStart": has_begun,
    "WaitForInstanceCompletion": has_ended,
}


class Driver(Protocol):
    """What the channel needs of the hub that owns it."""

    requests: Requests
    hub: TaskHub

    def commit(self) -> None:
        """Put on disk, and release, what a request changed."""

    def run_until(self, reached: Callable[[], bool]) -> bool:
        """Work, and let time pass, until `reached`; return False when nothing more can happen."""


class InProcessRpcError(grpc.RpcError):  # type: ignore[misc]  # grpc has no types
    """What a refused or unanswered call raises, as a real channel would."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self._code = code
        self._details = details

    def code(self) -> grpc.StatusCode:
        """Return the status code."""
        return self._code

    def details(self) -> str:
        """Return the sentence that came with it."""
        return self._details


class InProcessChannel(grpc.Channel):  # type: ignore[misc]  # grpc has no types
    """Calls go to the driver's engine; nothing is serialised on the way."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def unary_unary(self, method: str, *_: Any, **__: Any) -> Any:
        name = method.rpartition("/")[2]
        return lambda request, timeout=None, metadata=None, **__: self._answer(name, request)

    def unary_stream(self, method: str, *_: Any, **__: Any) -> Any:
        name = method.rpartition("/")[2]
        if name != "StreamInstanceHistory":
            return _not_here(name)
        return lambda request, timeout=None, metadata=None, **__: self._history(request)

    def stream_unary(self, method: str, *_: Any, **__: Any) -> Any:
        return _not_here(method)

    def stream_stream(self, method: str, *_: Any, **__: Any) -> Any:
        return _not_here(method)

    def subscribe(self, callback: Any, try_to_connect: bool | None = False) -> None:
        callback(grpc.ChannelConnectivity.READY)

    def unsubscribe(self, callback: Any) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> InProcessChannel:
        return self

    def __exit__(self, *_: object) -> None: ...

    def _answer(self, name: str, request: Any) -> Message:
        driver = self._driver
        if name in _WAITS:
            return self._wait(_WAITS[name], request)
        work = driver.requests.by_method.get(name)
        if work is None:
            raise InProcessRpcError(grpc.StatusCode.UNIMPLEMENTED, f"{name} is not served in process.")
        response: Message = _mapped(lambda: work(request, driver.hub))
        driver.commit()
        return response

    def _wait(self, satisfied: Callable[[Instance], bool], request: pb.GetInstanceRequest) -> Message:
        driver = self._driver

        def reached() -> bool:
            instance = driver.hub.machine.find(request.instanceId)
            return instance is not None and satisfied(instance)

        if not driver.run_until(reached):
            # No DEADLINE_EXCEEDED: after that, a client waits again until its own time is over.
            raise WaitTimeoutError(
                f"Nothing more can happen, and instance '{request.instanceId}' has not got there: it waits "
                f"for an event that nobody raised, or for something no worker has registered."
            )
        return driver.requests.get(request, driver.hub)

    def _history(self, request: pb.StreamInstanceHistoryRequest) -> Iterator[pb.HistoryChunk]:
        driver = self._driver
        yield from _mapped(lambda: list(driver.requests.history_chunks(request, driver.hub)))


def _mapped(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Refusal as refusal:
        raise InProcessRpcError(grpc.StatusCode[refusal.status], refusal.message) from refusal


def _not_here(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise InProcessRpcError(grpc.StatusCode.UNIMPLEMENTED, f"{name} is not served in process.")

    return refuse
