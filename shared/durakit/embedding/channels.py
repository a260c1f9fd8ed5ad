"""gRPC channels that end in the engine of this process, so that programs use the clients they know."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import grpc.aio

from durakit.embedding.core import Closed, Core, Job, Later
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.in_process import HISTORY, ConnectedChannel, InProcessRpcError, name_of
from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.states import response_for
from durakit.scheduler.waiters import WAITS, Waiter
from durakit.wire.messages import orchestration_pb2 as pb


class Calls:
    """Begins calls on a core, and gives up those that take too long."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def begin(self, method: str, request: Any, finished: Callable[[Job], None]) -> Callable[[], None]:
        """Begin a call; `finished` is told its job, on any thread. Returns what gives it up."""
        core = self._core
        satisfied = WAITS.get(method)
        if satisfied is not None:
            return self._begin_waiting(request, satisfied, finished)
        work = core.requests.by_method.get(method)
        if method == HISTORY:
            core.submit(Job(lambda hub: list(core.requests.history_chunks(request, hub)), finished))
        elif work is not None:
            core.submit(Job(lambda hub: work(request, hub), finished))
        else:
            job = Job(lambda hub: None, finished)
            job.error = Refusal("UNIMPLEMENTED", f"An embedded task hub has no {method}.")
            job.finish()
        return lambda: None

    def _begin_waiting(
        self,
        request: pb.GetInstanceRequest,
        satisfied: Callable[[Instance], bool],
        finished: Callable[[Job], None],
    ) -> Callable[[], None]:
        core, instance_id = self._core, request.instanceId

        def answer(instance: Instance | None) -> pb.GetInstanceResponse:
            return response_for(instance, payloads=request.getInputsAndOutputs)

        def resolve(instance: Instance) -> None:
            job.value = answer(instance)
            job.finish()

        def fail(error: Exception) -> None:
            job.value, job.error = None, error
            job.finish()

        def wait(hub: TaskHub) -> Any:
            return Later if hub.wait(instance_id, waiter) else answer(hub.machine.find(instance_id))

        waiter = Waiter(satisfied, resolve, fail)
        job = Job(wait, finished)
        core.submit(job)
        return lambda: core.submit(Job(lambda hub: hub.stop_waiting(instance_id, waiter)))


class EmbeddedChannel(ConnectedChannel):
    """The channel of a client for threads."""

    def __init__(self, core: Core) -> None:
        self._calls = Calls(core)

    def unary_unary(self, method: str, *_: Any, **__: Any) -> Any:
        name = name_of(method)
        return lambda request, timeout=None, metadata=None, **__: self._call(name, request, timeout)

    def unary_stream(self, method: str, *_: Any, **__: Any) -> Any:
        name = name_of(method)

        def call(
            request: Any, timeout: float | None = None, metadata: Any = None, **__: Any
        ) -> Iterator[Any]:
            return iter(self._call(name, request, timeout))

        return call

    def stream_unary(self, method: str, *_: Any, **__: Any) -> Any:
        return self.unary_unary(method)

    def stream_stream(self, method: str, *_: Any, **__: Any) -> Any:
        return self.unary_stream(method)

    def _call(self, method: str, request: Any, timeout: float | None) -> Any:
        # A lock is the cheapest thing to wait for.
        ended = threading.Lock()
        ended.acquire()
        jobs: list[Job] = []

        def finished(job: Job) -> None:
            jobs.append(job)
            ended.release()

        give_up = self._calls.begin(method, request, finished)
        has_ended = False
        try:
            has_ended = ended.acquire(timeout=-1 if timeout is None else max(0.0, timeout))
        finally:
            # After Ctrl-C, too.
            if not has_ended:
                give_up()
        if not has_ended:
            raise _too_late(method, timeout)
        return _outcome(jobs[0])


class AsyncEmbeddedChannel:
    """The channel of a client for asyncio; usable from every event loop."""

    def __init__(self, core: Core) -> None:
        self._calls = Calls(core)

    def unary_unary(self, method: str, *_: Any, **__: Any) -> Callable[..., Awaitable[Any]]:
        """Return what makes a call when awaited."""
        name = name_of(method)
        return lambda request, timeout=None, metadata=None: self._call(name, request, timeout)

    def unary_stream(self, method: str, *_: Any, **__: Any) -> Callable[..., AsyncIterator[Any]]:
        """Return what makes a call when iterated over."""
        name = name_of(method)

        async def call(
            request: Any, timeout: float | None = None, metadata: Any = None
        ) -> AsyncIterator[Any]:
            for message in await self._call(name, request, timeout):
                yield message

        return call

    def stream_stream(self, method: str, *_: Any, **__: Any) -> Callable[..., AsyncIterator[Any]]:
        """Return what refuses to be iterated over."""
        return self.unary_stream(method)

    async def close(self, grace: float | None = None) -> None:
        """Nothing: the channel lives as long as its task hub."""

    async def _call(self, method: str, request: Any, timeout: float | None) -> Any:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Job] = loop.create_future()

        def finished(job: Job) -> None:
            # The loop may have been closed by a caller who left.
            if not loop.is_closed():
                loop.call_soon_threadsafe(_set_unless_done, ended, job)

        give_up = self._calls.begin(method, request, finished)
        try:
            job = await asyncio.wait_for(ended, timeout)
        except asyncio.TimeoutError:
            give_up()
            raise _too_late(method, timeout) from None
        except asyncio.CancelledError:
            give_up()
            raise
        return _outcome(job)


def _set_unless_done(future: asyncio.Future[Job], job: Job) -> None:
    if not future.done():
        future.set_result(job)


def _name_of(method: str) -> str:
    return method.rpartition("/")[2]


def _too_late(method: str, timeout: float | None) -> InProcessRpcError:
    return InProcessRpcError(
        grpc.StatusCode.DEADLINE_EXCEEDED, f"{method} was not answered within {timeout or 0:g} s."
    )


def _outcome(job: Job) -> Any:
    error = job.error
    if error is None:
        return job.value
    if isinstance(error, Refusal):
        raise InProcessRpcError.of(error) from error
    code = grpc.StatusCode.FAILED_PRECONDITION if isinstance(error, Closed) else grpc.StatusCode.UNAVAILABLE
    raise InProcessRpcError(code, str(error)) from error
