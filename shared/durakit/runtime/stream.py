"""The stream of work items: opened, read, and opened again after whatever ends it, until the worker stops.

Every way in which it can end has a name here, and from the name follows what happens next.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.empty_pb2 import Empty
from grpc import StatusCode

from durakit.errors import DurakitError
from durakit.runtime.relay import Relay
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.wire.methods import LINK_HEADER
from durakit.wire.status import named_error

if TYPE_CHECKING:
    from durakit.grpc_options import GrpcWorkerResiliencyOptions
    from durakit.runtime.link import Link
    from durakit.runtime.linked_delivery import LinkedDelivery
    from durakit.wire.channel import Metadata
    from durakit.wire.connection import Connection

#: A stream that lived this long was a good one, even if there was nothing to do.
GOOD_STREAM_SECONDS = 5.0
#: A scheduler that sends no headers before its first item counts as connected after this time.
HEADERS_TIMEOUT_SECONDS = 1.0
#: Tells a scheduler that knows sessions how many this worker keeps.
SESSIONS_HEADER = "durakit-sessions"


class StreamEnd(Enum):
    """Why a stream of work items ended."""

    STOPPED = "this worker is stopping"
    CLOSED = "the scheduler closed the stream"
    CANCELLED = "the scheduler or a proxy cancelled the stream"
    UNAVAILABLE = "the scheduler cannot be reached"
    TIMEOUT = "the scheduler did not answer in time"
    SILENT = "the scheduler has been silent for too long"
    DENIED = "the scheduler refused the credentials"
    UNKNOWN_HUB = "the scheduler does not know the task hub"
    FAILED = "the scheduler answered with an error"


_END_BY_CODE = {
    StatusCode.OK: StreamEnd.CLOSED,
    StatusCode.CANCELLED: StreamEnd.CANCELLED,
    StatusCode.UNAVAILABLE: StreamEnd.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED: StreamEnd.TIMEOUT,
    StatusCode.UNAUTHENTICATED: StreamEnd.DENIED,
    StatusCode.PERMISSION_DENIED: StreamEnd.DENIED,
    StatusCode.NOT_FOUND: StreamEnd.UNKNOWN_HUB,
}


@dataclass(frozen=True)
class Ended:
    """One end of a stream: its kind, the error if there was one, how long it was open, whether it had
    items.
    """

    kind: StreamEnd
    error: DurakitError | None = None
    open_seconds: float = 0.0
    had_items: bool = False

    @property
    def had_worked(self) -> bool:
        """Whether the trouble, if there is any, begins with this end."""
        return self.had_items or self.open_seconds >= GOOD_STREAM_SECONDS

    @property
    def is_drain(self) -> bool:
        """Whether the scheduler only moves its streams elsewhere; the next one need not wait."""
        return self.kind is StreamEnd.CLOSED and self.open_seconds >= GOOD_STREAM_SECONDS

    @property
    def is_doubtful(self) -> bool:
        """Whether the connection may be dead without gRPC knowing."""
        return self.kind in (StreamEnd.SILENT, StreamEnd.TIMEOUT)


class Backoff:
    """Pauses between streams: full jitter, doubling up to a cap (semantics 2.3 rule 3).

    A stream that is closed as soon as it opens counts as a failure too; reopening it at once would be a hot
    loop.
    """

    def __init__(
        self, base_seconds: float, cap_seconds: float, draw: Callable[[], float] = random.random
    ) -> None:
        self._base_seconds = base_seconds
        self._cap_seconds = cap_seconds
        self._draw = draw
        self.failures = 0

    def after(self, ended: Ended) -> float:
        """Seconds to wait before the next stream."""
        if ended.had_worked:
            self.failures = 0
        if ended.is_drain:
            return 0.0
        upper = min(self._cap_seconds, self._base_seconds * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return self._draw() * upper


class WorkItemStream:
    """Reads work items and hands them to `on_item`; `run` returns when `stop` was called.

    `request` makes the opening message and `sessions` says how many executions this worker keeps; `on_open`
    is told when a stream is open. A scheduler that offers links is opened one, unless `delivery` is None; if
    the link turns out not to be there, the next stream is an ordinary one.

    `on_item` may work on the item itself: if that takes long, further items are read by another thread.
    """

    def __init__(
        self,
        connection: Connection,
        request: Callable[[], pb.GetWorkItemsRequest],
        on_item: Callable[[pb.WorkItem], None],
        on_open: Callable[[], None],
        resiliency: GrpcWorkerResiliencyOptions,
        *,
        sessions: int = 0,
        delivery: LinkedDelivery | None = None,
        logger: logging.Logger,
    ) -> None:
        self._connection = connection
        self._request = request
        self._on_item = on_item
        self._on_open = on_open
        self._resiliency = resiliency
        self._sessions = sessions
        self._delivery = delivery
        self._logger = logger
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._call: Any = None
        self._skips_link = False
        self._is_troubled = False
        self._away_since: float | None = time.monotonic()

    @property
    def away_seconds(self) -> float:
        """How long there has been no open stream; 0 while there is one."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    def run(self) -> None:
        """Stream after stream, until stopped."""
        resiliency = self._resiliency
        backoff = Backoff(resiliency.reconnect_backoff_base_seconds, resiliency.reconnect_backoff_cap_seconds)
        while not self._stopping.is_set():
            ended = self._one_stream()
            if self._away_since is None:
                self._away_since = time.monotonic()
            if ended.kind is StreamEnd.STOPPED:
                return
            pause_seconds = backoff.after(ended)
            self._report(ended, pause_seconds)
            threshold = resiliency.channel_recreate_failure_threshold
            many_failures = backoff.failures > 0 and threshold > 0 and backoff.failures % threshold == 0
            if many_failures or (ended.is_doubtful and threshold > 0):
                self._connection.replace()
            self._stopping.wait(pause_seconds)

    def stop(self) -> None:
        """End the stream and `run`; items already handed out are not touched."""
        self._stopping.set()
        with self._lock:
            if self._call is not None:
                self._call.cancel()

    def _one_stream(self) -> Ended:
        error: DurakitError | None = None
        opened_at: float | None = None
        watch: StreamWatch | None = None
        opened_link: Link | None = None
        try:
            stub = self._connection.stub
            hello = stub.Hello.future(Empty(), timeout=self._resiliency.hello_timeout_seconds)
            hello.result()
            if self._delivery is not None and not self._skips_link and _offers_links(hello):
                opened_link = self._delivery.open(link.Opening(work=self._request(), sessions=self._sessions))
            with self._lock:
                if self._stopping.is_set():
                    return Ended(StreamEnd.STOPPED)
                if opened_link is not None:
                    self._call = stub.open_link(opened_link.messages())
                else:
                    self._call = stub.GetWorkItems(self._request(), metadata=self._metadata)
            opened_at = time.monotonic()
            watch = StreamWatch(self._call, self._opened, self._resiliency.silent_disconnect_timeout_seconds)
            self._read(self._call if opened_link is None else opened_link.items(self._call), watch)
            code = StatusCode.OK
        except grpc.RpcError as raw:
            error = named_error(raw, method="GetWorkItems", address=str(self._connection.address))
            code = error.code()
        except DurakitError as refusal:
            code, error = StatusCode.UNAUTHENTICATED, refusal
        except Exception:
            # While stopping, the channel may be closed under our feet.
            if not self._stopping.is_set():
                self._logger.exception("A work item could not be taken; the stream is opened anew")
            code = StatusCode.UNKNOWN
        finally:
            if watch is not None:
                watch.end()
            if opened_link is not None and self._delivery is not None:
                self._delivery.closed(opened_link)
            with self._lock:
                self._call = None
        if self._stopping.is_set():
            return Ended(StreamEnd.STOPPED)
        # What answers here may not know what was offered, as a proxy that lets only known methods through.
        self._skips_link = opened_link is not None and code is StatusCode.UNIMPLEMENTED
        open_seconds = 0.0 if opened_at is None else time.monotonic() - opened_at
        kind = _END_BY_CODE.get(code, StreamEnd.FAILED)
        if watch is not None and watch.fell_silent:
            # The error is our own cancellation, which would not say why.
            kind, error = StreamEnd.SILENT, None
        return Ended(kind, error, open_seconds, had_items=watch is not None and watch.had_items)

    @property
    def _metadata(self) -> Metadata:
        return ((SESSIONS_HEADER, str(self._sessions)),) if self._sessions else ()

    def _read(self, items: Iterable[pb.WorkItem], watch: StreamWatch) -> None:
        def take(item: pb.WorkItem) -> None:
            watch.saw(item)
            self._on_item(item)

        Relay(iter(items), take, "durakit-reader").run()

    def _opened(self) -> None:
        self._away_since = None
        if self._is_troubled:
            self._is_troubled = False
            self._logger.info("Connected to %s again", self._connection.address)
        self._on_open()

    def _report(self, ended: Ended, pause_seconds: float) -> None:
        """One line when trouble begins; the attempts that follow are only for those who debug."""
        if ended.is_drain:
            self._logger.info("The scheduler closed the stream of work items; opening the next one")
            return
        level = logging.DEBUG if self._is_troubled else logging.WARNING
        self._is_troubled = True
        self._logger.log(
            level,
            "%s. Trying again until it succeeds; next attempt in %.1f s",
            str(ended.error or f"Lost {self._connection.address}: {ended.kind.value}").rstrip("."),
            pause_seconds,
        )


def _offers_links(hello: Any) -> bool:
    """Whether the answer to Hello came from a scheduler that knows links."""
    return any(key == LINK_HEADER for key, _ in hello.initial_metadata() or ())


class StreamWatch:
    """A second pair of eyes on one stream: tells when it is open, and cancels it when it has fallen silent.

    Silence counts only after a ping was seen: a scheduler that sends none may be silent for days (semantics
    2.3).
    """

    def __init__(self, call: Any, on_open: Callable[[], None], silence_seconds: float) -> None:
        self._call = call
        self._on_open = on_open
        self._silence_seconds = silence_seconds
        self._lock = threading.Lock()
        self._is_open = False
        self._changed = threading.Event()
        self._ended = False
        self._pings = False
        self._last_seen = time.monotonic()
        self.fell_silent = False
        self.had_items = False
        threading.Thread(target=self._await_headers, name="durakit-stream-open", daemon=True).start()
        self._timer = threading.Thread(target=self._watch, name="durakit-stream-watch", daemon=True)
        self._timer.start()

    def saw(self, item: pb.WorkItem) -> None:
        """An item has arrived."""
        self._last_seen = time.monotonic()
        if not self._is_open:
            self._open()
        if not item.HasField("healthPing"):
            self.had_items = True
        elif not self._pings:
            self._pings = True
            self._changed.set()

    def end(self) -> None:
        """The stream has ended; nothing is told any more."""
        self._ended = True
        self._changed.set()

    def _open(self) -> None:
        with self._lock:
            if self._is_open or self._ended:
                return
            self._is_open = True
        self._on_open()

    def _await_headers(self) -> None:
        if self._call.initial_metadata() is not None and self._call.is_active():
            self._open()

    def _watch(self) -> None:
        if not self._changed.wait(HEADERS_TIMEOUT_SECONDS):
            self._open()
        while not self._ended:
            if not self._pings or self._silence_seconds <= 0:
                self._changed.wait()
                self._changed.clear()
                continue
            left = self._last_seen + self._silence_seconds - time.monotonic()
            if left <= 0:
                self.fell_silent = True
                self._call.cancel()
                return
            self._changed.wait(left)
            self._changed.clear()
