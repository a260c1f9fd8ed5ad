"""The scheduler's end of a link: batches in, batches out, acknowledged when they are on disk (docs/link.md).

Every message of a batch is handled like the unary call it stands for, by the same `Requests`; all of a
batch share one commit. Nothing here knows a rule.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from google.protobuf.message import DecodeError

from durakit.scheduler.engine import Engine
from durakit.scheduler.group_commit import GroupCommit
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.refusal import Refusal, invalid
from durakit.scheduler.requests import Requests
from durakit.scheduler.states import response_for
from durakit.scheduler.store import StoreError
from durakit.scheduler.streams import Offer, StreamEnded, WorkerStream
from durakit.scheduler.waiters import WAITS, Waiter
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.methods import BY_NAME

logger = logging.getLogger(__name__)

MOST_ITEMS = 100
"""What one message to the worker or client holds: half of what a worker on two processors works on at a time,
so that it works on one half while the other is under way."""
MOST_BYTES = 1024 * 1024
"""The same in bytes; a single larger item goes alone, a larger reply not at all: its caller is told to ask by
a unary call."""
MOST_REPLIES = 4096
"""Replies that the other end has not taken yet, up to which further messages are read."""

Answer = Callable[[], link.Reply]


class Link:
    """One open link, of a worker or a client, to one task hub.

    Args:
        offer: makes the worker's offer from its opening request and number of sessions.
    """

    def __init__(
        self,
        engine: Engine,
        commits: GroupCommit,
        requests: Requests,
        hub: TaskHub,
        offer: Callable[[pb.GetWorkItemsRequest, int], Offer],
    ) -> None:
        self._engine = engine
        self._commits = commits
        self._requests = requests
        self._hub = hub
        self._offer = offer
        self._ready = asyncio.Event()
        self._stream: WorkerStream | None = None
        self._items: deque[bytes] = deque()
        self._received = 0
        self._durable_through = 0
        self._told_through = 0
        self._refused: list[link.Refused] = []
        self._replies: deque[link.Reply] = deque()
        self._replies_taken = asyncio.Event()
        self._waiters: dict[int, tuple[str, Waiter]] = {}
        self._failure: BaseException | None = None

    async def serve(self, ups: AsyncIterator[link.Up], write: Callable[[link.Down], Awaitable[None]]) -> None:
        """Serve until the other end closes the link.

        Raises:
            StreamEnded: the scheduler stops.
            StoreError: a commit failed; what was not acknowledged did not happen.
            Refusal: the other end broke the rules of the link.
        """
        reader = asyncio.ensure_future(self._read(ups))
        reader.add_done_callback(self._reader_ended)
        try:
            while (failure := self._failure or self._stream_failure()) is None:
                down = self._next_batch()
                if down is not None:
                    await write(down)
                    continue
                if reader.done():
                    # It may have failed just now, and nobody has been told yet.
                    return reader.result()
                self._ready.clear()
                await self._ready.wait()
            raise failure
        finally:
            reader.cancel()
            self._close()

    def ping(self) -> None:
        """Make the worker see that the link is alive; an empty message says it."""
        self._told_through = -1
        self._ready.set()

    def end(self, failure: Exception | None = None) -> None:
        """Close the link from this side."""
        self._failure = self._failure or failure or StreamEnded()
        self._ready.set()

    # --- in

    async def _read(self, ups: AsyncIterator[link.Up]) -> None:
        async for up in ups:
            self._received += 1
            self._take(up)
            while len(self._replies) > MOST_REPLIES:
                self._replies_taken.clear()
                await self._replies_taken.wait()

    def _take(self, up: link.Up) -> None:
        """Handle a batch; what it changes is acknowledged, and calls are answered, once that is on disk."""
        answers: list[Answer] = []
        if (failure := self._failure or self._stream_failure()) is not None:
            # After a failed commit all of the hub is made anew; the old one must not be touched any more.
            raise failure
        self._commits.begin_request()
        try:
            self._hub = self._engine.hub(self._hub.name)
            if up.HasField("opening"):
                self._open(up.opening)
            self._take_work(up)
            for call in up.calls:
                answers.extend(self._begin(call))
            for call_id in up.cancelled:
                self._stop_waiting(call_id)
        except Refusal:
            self._commits.end_request()
            raise
        except BaseException as error:
            self._commits.fail_request(error)
            raise
        self._commits.tell(partial(self._settled, self._received, answers))

    def _open(self, opening: link.Opening) -> None:
        if self._received > 1:
            raise invalid("Only the first message of a link may have an opening.")
        if opening.HasField("work"):
            offer = self._offer(opening.work, opening.sessions)
            self._stream = self._hub.open_stream(offer, self._ready.set)
            self._items = self._stream.outbox

    def _take_work(self, up: link.Up) -> None:
        now = self._engine.now()
        hub = self._hub
        for result in up.tasks:
            self._try(partial(hub.complete_task, result, now), result.completionToken, result.instanceId)
        for turn in up.turns:
            self._try(partial(hub.complete_turn, turn, now), turn.completionToken, turn.instanceId)
        for eager_turn in up.eager_turns:
            if self._stream is None:
                raise invalid("A link without an opening for work cannot send turns.")
            complete = partial(hub.complete_eager_turn, self._stream, eager_turn, now)
            self._try(complete, "", eager_turn.instance_id)
        for token in up.returned_turns:
            self._try(partial(hub.abandon_turn, token, now), token, "")
        for token in up.returned_tasks:
            self._try(partial(hub.abandon_task, token, now), token, "")

    def _try(self, complete: Callable[[], None], token: str, instance_id: str) -> None:
        try:
            complete()
        except Refusal as refusal:
            self._refused.append(
                link.Refused(
                    token=token, instance_id=instance_id, status=refusal.status, message=refusal.message
                )
            )

    def _begin(self, call: link.Call) -> list[Answer]:
        """Do what a call asks for and return its answer, if it can be given yet."""
        method = BY_NAME.get(call.method)
        satisfied = WAITS.get(call.method)
        work = self._requests.by_method.get(call.method)
        if method is None or (work is None and satisfied is None):
            message = f"A link does not carry {call.method}."
            return [lambda: link.Reply(id=call.id, status="UNIMPLEMENTED", message=message)]
        try:
            if satisfied is not None:
                wanted = pb.GetInstanceRequest.FromString(call.request)
                return self._begin_waiting(call.id, wanted, satisfied)
            assert work is not None
            response = work(method.request.FromString(call.request), self._hub).SerializeToString()
        except DecodeError:
            refusal = invalid(f"The request of {call.method} cannot be read.")
        except Refusal as refused:
            refusal = refused
        else:
            return [partial(_reply, call.id, response)]
        return [lambda: link.Reply(id=call.id, status=refusal.status, message=refusal.message)]

    def _begin_waiting(
        self, call_id: int, request: pb.GetInstanceRequest, satisfied: Callable[[Instance], bool]
    ) -> list[Answer]:
        if call_id in self._waiters:
            raise invalid(f"There is a call with the id {call_id} on this link already.")

        def reply(instance: Instance | None) -> link.Reply:
            found = response_for(instance, payloads=request.getInputsAndOutputs)
            return _reply(call_id, found.SerializeToString())

        def resolve(instance: Instance) -> None:
            answer(reply(instance))

        def fail(error: Exception) -> None:
            answer(link.Reply(id=call_id, status="UNAVAILABLE", message=str(error)))

        def answer(told: link.Reply) -> None:
            self._waiters.pop(call_id, None)
            self._replies.append(told)
            self._ready.set()

        entry = request.instanceId, Waiter(satisfied, resolve, fail)
        if self._hub.wait(*entry):
            self._waiters[call_id] = entry
            return []
        now = reply(self._hub.machine.find(request.instanceId))
        return [lambda: now]

    def _stop_waiting(self, call_id: int) -> None:
        entry = self._waiters.pop(call_id, None)
        if entry is not None:
            self._hub.stop_waiting(*entry)

    # --- out

    def _settled(self, number: int, answers: list[Answer], error: StoreError | None) -> None:
        if error is not None:
            self.end(error)
            return
        self._durable_through = max(number, self._durable_through)
        self._replies.extend(answer() for answer in answers)
        self._ready.set()

    def _next_batch(self) -> link.Down | None:
        if not (self._items or self._refused or self._replies or self._told_through != self._durable_through):
            return None
        down = link.Down(durable_through=self._durable_through, refused=self._refused)
        self._told_through = self._durable_through
        self._refused = []
        room = MOST_BYTES
        while self._replies and len(down.replies) < MOST_ITEMS:
            size = self._replies[0].ByteSize()
            if size > room and down.replies:
                break
            room -= size
            down.replies.append(self._replies.popleft())
        self._replies_taken.set()
        while self._items and len(down.items) < MOST_ITEMS:
            size = len(self._items[0])
            if size > room and (down.items or down.replies):
                break
            room -= size
            down.items.append(self._items.popleft())
        return down

    def _reader_ended(self, reader: asyncio.Future[None]) -> None:
        error = None if reader.cancelled() else reader.exception()
        if error is not None:
            self._failure = self._failure or error
        self._ready.set()

    def _stream_failure(self) -> Exception | None:
        return None if self._stream is None else self._stream.failure

    def _close(self) -> None:
        for call_id in list(self._waiters):
            self._stop_waiting(call_id)
        if self._stream is not None:
            self._hub.close_stream(self._stream, self._engine.now())


def _reply(call_id: int, response: bytes) -> link.Reply:
    if len(response) <= MOST_BYTES:
        return link.Reply(id=call_id, response=response)
    # Only reads are answered at such length, so that the call may be made again.
    return link.Reply(id=call_id, status="UNIMPLEMENTED", message="The answer is too long for the link.")
