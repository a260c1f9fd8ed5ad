"""A gRPC channel that ends in an engine of the same process, so that tests use the real client.

Waiting calls drive the hub until what they wait for has happened or nothing more can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from durakit.errors import WaitTimeoutError
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.in_process import HISTORY, ConnectedChannel, InProcessRpcError, name_of
from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.requests import Requests
from durakit.scheduler.waiters import WAITS
from durakit.wire.messages import orchestration_pb2 as pb


class Driver(Protocol):
    """What the channel needs of the hub that owns it."""

    requests: Requests
    hub: TaskHub

    def commit(self) -> None:
        """Put on disk, and release, what a request changed."""

    def run_until(self, reached: Callable[[], bool]) -> bool:
        """Work, and let time pass, until `reached`; return False when nothing more can happen."""


class InProcessChannel(ConnectedChannel):
    """Calls go to the driver's engine; nothing is serialised on the way."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def unary_unary(self, method: str, *_: Any, **__: Any) -> Any:
        name = name_of(method)
        return lambda request, timeout=None, metadata=None, **__: self._answer(name, request)

    def unary_stream(self, method: str, *_: Any, **__: Any) -> Any:
        name = name_of(method)
        if name != HISTORY:
            return _not_here(name)
        return lambda request, timeout=None, metadata=None, **__: self._history(request)

    def stream_unary(self, method: str, *_: Any, **__: Any) -> Any:
        return _not_here(method)

    def stream_stream(self, method: str, *_: Any, **__: Any) -> Any:
        return _not_here(method)

    def _answer(self, name: str, request: Any) -> Message:
        driver = self._driver
        if name in WAITS:
            return self._wait(WAITS[name], request)
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
        raise InProcessRpcError.of(refusal) from refusal


def _not_here(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise InProcessRpcError(grpc.StatusCode.UNIMPLEMENTED, f"{name} is not served in process.")

    return refuse
