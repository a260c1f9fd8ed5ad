"""A scheduler that does what a test tells it: a real gRPC server with a handler for every method of the
table.

Every call is recorded with its metadata; work item streams and links are held open and fed by the test.
Waiting is always for a condition, with a deadline.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any

import grpc
from durakit.wire.messages import link_pb2
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.methods import BY_NAME, LINK_HEADER, LINK_METHOD, LINK_SERVICE, METHODS, SERVICE, Method
from google.protobuf.message import Message

DEADLINE_SECONDS = 20.0


@dataclass(frozen=True)
class Received:
    """One call as it arrived."""

    method: str
    request: Any
    metadata: dict[str, str]


class Stream:
    """One GetWorkItems call, from the scheduler's side."""

    def __init__(self, received: Received) -> None:
        self.request: pb.GetWorkItemsRequest = received.request
        self.metadata = received.metadata
        self.items: Queue[pb.WorkItem | grpc.StatusCode | None] = Queue()

    def send(self, item: pb.WorkItem) -> None:
        """Deliver an item."""
        self.items.put(item)

    def end(self, code: grpc.StatusCode | None = None) -> None:
        """End the stream, with OK unless a code is given."""
        self.items.put(code)


class FakeLink:
    """One link, from the scheduler's side."""

    def __init__(self, metadata: dict[str, str]) -> None:
        self.metadata = metadata
        self.has_ended = Event()
        self._ups: Queue[link_pb2.Up] = Queue()
        self._downs: Queue[link_pb2.Down | grpc.StatusCode | None] = Queue()

    def next_message(self) -> link_pb2.Up:
        """The next message that comes."""
        return self._ups.get(timeout=DEADLINE_SECONDS)

    def next_calls(self, count: int = 1) -> list[link_pb2.Call]:
        """The next calls, until there are so many."""
        calls: list[link_pb2.Call] = []
        while len(calls) < count:
            calls += self.next_message().calls
        return calls

    def reply(self, call: link_pb2.Call, response: Message) -> None:
        """Answer a call with OK."""
        reply = link_pb2.Reply(id=call.id, response=response.SerializeToString())
        self.send(link_pb2.Down(replies=[reply]))

    def refuse(self, call: link_pb2.Call, code: grpc.StatusCode, message: str) -> None:
        """Answer a call with an error."""
        self.send(link_pb2.Down(replies=[link_pb2.Reply(id=call.id, status=code.name, message=message)]))

    def send(self, down: link_pb2.Down) -> None:
        """Send a message."""
        self._downs.put(down)

    def end(self, code: grpc.StatusCode | None = None) -> None:
        """End the link, with OK unless a code is given."""
        self._downs.put(code)

    def serve(self, ups: Iterator[link_pb2.Up], context: Any) -> Iterator[link_pb2.Down]:
        """The handler."""

        def read() -> None:
            with contextlib.suppress(Exception):
                for up in ups:
                    self._ups.put(up)
            self.has_ended.set()

        Thread(target=read, daemon=True).start()
        while (down := self._downs.get()) is not None:
            if isinstance(down, grpc.StatusCode):
                context.abort(down, f"ended by the test with {down.name}")
            yield down


class FakeScheduler:
    """Serves on a port of its own, or on `port`; by TLS when given `credentials`. A context manager."""

    def __init__(
        self,
        port: int = 0,
        *,
        credentials: grpc.ServerCredentials | None = None,
        interceptors: Sequence[grpc.ServerInterceptor] = (),
        offers_links: bool = False,
    ) -> None:
        self.links: Queue[FakeLink] = Queue()
        self._open_links: list[FakeLink] = []
        self._offers_links = offers_links
        self.received: Queue[Received] = Queue()
        self.streams: Queue[Stream] = Queue()
        self._answers: dict[str, Callable[[Any], Message | grpc.StatusCode | Exception]] = {}
        options = [("grpc.so_reuseport", 0)]
        self._server = grpc.server(ThreadPoolExecutor(16), interceptors=interceptors, options=options)
        handlers = {method.name: self._handler(method) for method in METHODS}
        opening = grpc.stream_stream_rpc_method_handler(
            self._link, link_pb2.Up.FromString, link_pb2.Down.SerializeToString
        )
        services = {SERVICE: handlers, LINK_SERVICE: {LINK_METHOD: opening}}
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(*service) for service in services.items()]
        )
        if credentials is None:
            self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
            self.address = f"http://127.0.0.1:{self.port}"
        else:
            self.port = self._server.add_secure_port(f"127.0.0.1:{port}", credentials)
            self.address = f"https://localhost:{self.port}"
        self._open_streams: list[Stream] = []

    def __enter__(self) -> FakeScheduler:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Go away like a process that ends: GOAWAY, every call cancelled."""
        for stream in self._open_streams:
            stream.end()
        for opened in self._open_links:
            opened.end()
        self._server.stop(None).wait()

    def answer(self, method: str, *answers: Message | tuple[grpc.StatusCode, str]) -> None:
        """Answer the calls of a method with these, one after the other; the last one for ever."""
        left = list(answers)

        def next_answer(_: Any) -> Any:
            return left.pop(0) if len(left) > 1 else left[0]

        self._answers[method] = next_answer

    def hold(self, method: str) -> Event:
        """Answer the calls of a method only once the event that is returned has been set."""
        go_on, answer = Event(), BY_NAME[method].response()

        def held_answer(_: Any) -> Any:
            go_on.wait(DEADLINE_SECONDS)
            return answer

        self._answers[method] = held_answer
        return go_on

    def next_stream(self) -> Stream:
        """The next work item stream that a worker opens."""
        return self.streams.get(timeout=DEADLINE_SECONDS)

    def next_link(self) -> FakeLink:
        """The next link that is opened; its opening has been read."""
        opened = self.links.get(timeout=DEADLINE_SECONDS)
        assert opened.next_message().HasField("opening")
        return opened

    def next_call(self, method: str) -> Received:
        """The next call of that method; others before it are skipped."""
        try:
            while True:
                received = self.received.get(timeout=DEADLINE_SECONDS)
                if received.method == method:
                    return received
        except Empty:
            raise AssertionError(f"{method} was not called within {DEADLINE_SECONDS:g} s") from None

    def calls(self, method: str) -> list[Received]:
        """The calls of that method so far that were not taken by `next_call`; forgets all others."""
        found = []
        while not self.received.empty():
            received = self.received.get_nowait()
            if received.method == method:
                found.append(received)
        return found

    def _handler(self, method: Method) -> Any:
        kind = grpc.unary_stream_rpc_method_handler if method.streams else grpc.unary_unary_rpc_method_handler
        behaviour = self._work_items if method.name == "GetWorkItems" else self._behaviour(method)
        return kind(
            behaviour,
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )

    def _behaviour(self, method: Method) -> Callable[[Any, Any], Any]:
        def unary(request: Any, context: Any) -> Any:
            self.received.put(_received(method.name, request, context))
            if method.name == "Hello" and self._offers_links:
                context.send_initial_metadata(((LINK_HEADER, "1"),))
            answer = self._answers.get(method.name, lambda _: method.response())(request)
            if isinstance(answer, tuple):
                context.abort(*answer)
            return answer

        def stream(request: Any, context: Any) -> Iterator[Any]:
            yield unary(request, context)

        return stream if method.streams else unary

    def _link(self, ups: Iterator[link_pb2.Up], context: Any) -> Iterator[link_pb2.Down]:
        opened = FakeLink(dict(context.invocation_metadata()))
        self._open_links.append(opened)
        # The other end has gone: end the handler's thread.
        context.add_callback(opened.end)
        context.send_initial_metadata(())
        self.links.put(opened)
        yield from opened.serve(ups, context)

    def _work_items(self, request: pb.GetWorkItemsRequest, context: Any) -> Iterator[pb.WorkItem]:
        received = _received("GetWorkItems", request, context)
        stream = Stream(received)
        self._open_streams.append(stream)
        # The worker has gone: end the handler's thread.
        context.add_callback(stream.end)
        context.send_initial_metadata(())
        self.received.put(received)
        self.streams.put(stream)
        while (item := stream.items.get()) is not None:
            if isinstance(item, grpc.StatusCode):
                context.abort(item, f"ended by the test with {item.name}")
            yield item


def activity_item(name: str, instance_id: str = "i1", *, token: str = "t1", **fields: Any) -> pb.WorkItem:
    """A work item that asks for an activity."""
    request = pb.ActivityRequest(name=name, taskId=1, **fields)
    request.orchestrationInstance.instanceId = instance_id
    return pb.WorkItem(activityRequest=request, completionToken=token)


def first_turn_item(name: str, instance_id: str = "i1", *, token: str = "t1") -> pb.WorkItem:
    """A work item with the first turn of an orchestration."""
    request = pb.OrchestratorRequest(instanceId=instance_id)
    request.executionId.value = "e1"
    started = request.newEvents.add(eventId=-1)
    started.timestamp.FromSeconds(1_700_000_000)
    started.orchestratorStarted.SetInParent()
    event = request.newEvents.add(eventId=-1)
    event.executionStarted.name = name
    event.executionStarted.orchestrationInstance.instanceId = instance_id
    event.executionStarted.orchestrationInstance.executionId.value = "e1"
    return pb.WorkItem(orchestratorRequest=request, completionToken=token)


def _received(method: str, request: Any, context: Any) -> Received:
    return Received(method, request, dict(context.invocation_metadata()))
