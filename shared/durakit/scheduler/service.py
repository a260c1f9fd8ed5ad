"""The scheduler's gRPC face: which hub, who may, and answering only what is on disk.

What a request means is in `requests`; here it is read from the network and answered, refusals become
status codes, and the calls that wait or stream live. Nothing here knows a rule.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from durakit.scheduler import link
from durakit.scheduler.engine import Engine
from durakit.scheduler.group_commit import GroupCommit
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.requests import Request, Requests
from durakit.scheduler.states import response_for
from durakit.scheduler.store import StoreError
from durakit.scheduler.streams import Offer, StreamEnded, WorkerStream
from durakit.scheduler.waiters import WAITS, Waiter
from durakit.wire import framing
from durakit.wire.messages import link_pb2 as link_messages
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.methods import LINK_HEADER, LINK_METHOD, LINK_SERVICE, METHODS, SERVICE, Method

logger = logging.getLogger(__name__)

DEFAULT_HUB = "default"

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Metadata: TypeAlias = "Iterable[tuple[str, str | bytes]] | None"

_SESSIONS_KEY = "durakit-sessions"


class Service:
    """Handlers of `TaskHubSidecarService` over an engine.

    Args:
        token: when set, every call must carry it as bearer token.
    """

    def __init__(self, engine: Engine, commits: GroupCommit, token: str | None) -> None:
        self._engine = engine
        self._commits = commits
        self._token = token
        self._streams: dict[WorkerStream, TaskHub] = {}
        self._links: set[link.Link] = set()
        self._stopping = False
        self._woken = False
        self._requests = Requests(engine)
        self._special: dict[str, Callable[[Any, Context], Awaitable[Any]]] = {
            "Hello": _hello,
            **{name: self._wait_for(satisfied) for name, satisfied in WAITS.items()},
            "GetWorkItems": self._get_work_items,
            "StreamInstanceHistory": self._stream_history,
        }

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Return what a gRPC server needs for all methods, and for links."""
        methods = {method.name: self._handler(method) for method in METHODS}
        opening = grpc.stream_stream_rpc_method_handler(
            self._guarded(self._open_link), link_messages.Up.FromString, link_messages.Down.SerializeToString
        )
        return (
            grpc.method_handlers_generic_handler(SERVICE, methods),
            grpc.method_handlers_generic_handler(LINK_SERVICE, {LINK_METHOD: opening}),
        )

    def _handler(self, method: Method) -> grpc.RpcMethodHandler[Any, Any]:
        if method.name == "GetWorkItems":
            # Work items are serialised already.
            return grpc.unary_stream_rpc_method_handler(
                self._guarded(self._get_work_items), method.request.FromString, None
            )
        serialise = method.response.SerializeToString
        if method.streams:
            return grpc.unary_stream_rpc_method_handler(
                self._guarded(self._special[method.name]), method.request.FromString, serialise
            )
        if method.name in self._special:
            behaviour = self._guarded(self._special[method.name])
        elif method.name in self._requests.by_method:
            behaviour = self._answering(self._requests.by_method[method.name])
        else:
            behaviour = self._guarded(_unimplemented(method.name))
        return grpc.unary_unary_rpc_method_handler(behaviour, method.request.FromString, serialise)

    def _answering(self, work: Request) -> Callable[[Any, Context], Awaitable[Any]]:
        async def answer(request: Any, context: Context) -> Any:
            commits = self._commits
            try:
                metadata = context.invocation_metadata()
                self._check_token(metadata)
                commits.begin_request()
                self._woken = False
                response = work(request, self._hub(metadata))
            except BaseException as error:
                if isinstance(error, Refusal) or isinstance(request, _READS):
                    commits.end_request()
                else:
                    commits.fail_request(error)
                if isinstance(error, _TOLD):
                    return await _tell(error, context)
                raise
            try:
                pending = commits.durable()
                if pending is not None:
                    await pending
                elif self._woken:
                    # Somebody can work on what this released; let that leave before the reply does.
                    await asyncio.sleep(0)
            except StoreError as error:
                return await _tell(error, context)
            return response

        return answer

    async def answer(self, hub: str, method: str, request: Any) -> Any:
        """Answer a request of this process, once it is on disk.

        Raises:
            Refusal: nothing was changed.
            StoreError: nothing of it happened.
        """
        commits = self._commits
        commits.begin_request()
        try:
            response = self._requests.by_method[method](request, self._engine.hub(hub))
        except Refusal:
            commits.end_request()
            raise
        except BaseException as error:
            commits.fail_request(error)
            raise
        pending = commits.durable()
        if pending is not None:
            await pending
        return response

    def _guarded(
        self, work: Callable[[Any, Context], Awaitable[Any]]
    ) -> Callable[[Any, Context], Awaitable[Any]]:
        async def guarded(request: Any, context: Context) -> Any:
            try:
                self._check_token(context.invocation_metadata())
                return await work(request, context)
            except _TOLD as error:
                return await _tell(error, context)

        return guarded

    def _check_token(self, metadata: Metadata) -> None:
        if self._token is None:
            return
        sent = _value(metadata, "authorization")
        if not hmac.compare_digest(sent.encode(), f"Bearer {self._token}".encode()):
            what = "does not match" if sent else "is missing"
            raise Refusal(
                "UNAUTHENTICATED",
                f"The bearer token {what}. Set DURAKIT_TOKEN to the token the scheduler was started with.",
            )

    def _hub(self, metadata: Metadata) -> TaskHub:
        return self._engine.hub(_value(metadata, "taskhub") or DEFAULT_HUB)

    # --- waiting and streaming

    def _wait_for(
        self, satisfied: Callable[[Instance], bool]
    ) -> Callable[[pb.GetInstanceRequest, Context], Awaitable[Message]]:
        async def wait(request: pb.GetInstanceRequest, context: Context) -> Message:
            hub = self._hub(context.invocation_metadata())
            reached: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

            def resolve(instance: Instance) -> None:
                if not reached.done():
                    reached.set_result(response_for(instance, payloads=request.getInputsAndOutputs))

            def fail(error: Exception) -> None:
                if not reached.done():
                    reached.set_exception(error)

            waiter = Waiter(satisfied, resolve, fail)
            if not hub.wait(request.instanceId, waiter):
                answered: Message = await self._answering(self._requests.get)(request, context)
                return answered
            try:
                return await reached
            finally:
                hub.stop_waiting(request.instanceId, waiter)

        return wait

    async def _stream_history(self, request: pb.StreamInstanceHistoryRequest, context: Context) -> None:
        hub = self._hub(context.invocation_metadata())
        pending = self._commits.durable()
        if pending is not None:
            await pending
        for chunk in self._requests.history_chunks(request, hub):
            await context.write(chunk)

    async def _get_work_items(self, request: pb.GetWorkItemsRequest, context: Context) -> None:
        if self._stopping:
            raise StreamEnded
        metadata = context.invocation_metadata()
        hub = self._hub(metadata)
        offer = self._offer(context, request, _count(_value(metadata, _SESSIONS_KEY)))
        ready = asyncio.Event()

        def wake() -> None:
            self._woken = True
            ready.set()

        # Headers at once: clients and proxies may wait for them (semantics.md 2.1 rule 4).
        await context.send_initial_metadata(())
        stream = hub.open_stream(offer, wake)
        self._streams[stream] = hub
        outbox = stream.outbox
        try:
            while True:
                while outbox:
                    await context.write(outbox.popleft())
                if stream.failure is not None:
                    raise stream.failure
                ready.clear()
                await ready.wait()
        finally:
            del self._streams[stream]
            hub.close_stream(stream, self._engine.now())

    def _offer(self, context: Context, request: pb.GetWorkItemsRequest, sessions: int) -> Offer:
        metadata = context.invocation_metadata()
        return Offer(
            worker=_value(metadata, "workerid") or context.peer(),
            sdk=_value(metadata, "x-user-agent"),
            sessions=sessions,
            request=request,
            opened_ns=self._engine.now(),
        )

    async def _open_link(self, ups: AsyncIterator[link_messages.Up], context: Context) -> None:
        if self._stopping:
            raise StreamEnded
        hub = self._hub(context.invocation_metadata())
        opened = link.Link(self._engine, self._commits, self._requests, hub, partial(self._offer, context))
        await context.send_initial_metadata(())
        self._links.add(opened)
        try:
            await opened.serve(ups, context.write)
        finally:
            self._links.discard(opened)

    def ping(self) -> None:
        """Show every worker that its stream is alive (semantics.md 2.3)."""
        for stream in self._streams:
            stream.send(framing.HEALTH_PING)
        for opened in self._links:
            opened.ping()

    def stop(self) -> None:
        """Accept no more streams, end those that are open and all waiting; the callers will come again."""
        self._stopping = True
        for stream in self._streams:
            stream.end()
        for opened in list(self._links):
            opened.end()
        for hub in self._engine.hubs():
            hub.waiters.fail(StreamEnded())


def _value(metadata: Metadata, key: str) -> str:
    for name, value in metadata or ():
        if name == key:
            return value if isinstance(value, str) else value.decode()
    return ""


_READS = (pb.GetInstanceRequest, pb.QueryInstancesRequest, pb.ListInstanceIdsRequest)
"""Requests that change nothing, however they end."""
_TOLD = (Refusal, StoreError, StreamEnded)
"""What callers are told by a status code and a sentence."""


async def _tell(error: Exception, context: Context) -> None:
    if isinstance(error, Refusal):
        await context.abort(grpc.StatusCode[error.status], error.message)
    if isinstance(error, StreamEnded):
        await context.abort(grpc.StatusCode.UNAVAILABLE, "The scheduler is stopping. Reconnect.")
    await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))


def _count(text: str) -> int:
    return int(text) if text.isdigit() else 0


async def _hello(request: Empty, context: Context) -> Empty:
    """Answer without touching a hub: asking whether somebody is there must not make one."""
    await context.send_initial_metadata(((LINK_HEADER, "1"),))
    return request


def _unimplemented(name: str) -> Callable[[Any, Context], Awaitable[Any]]:
    async def refuse(request: Any, context: Context) -> None:
        raise Refusal("UNIMPLEMENTED", f"The embedded scheduler does not serve {name}.")

    return refuse
