from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

import grpc
import pytest
from durakit.errors import CredentialError
from durakit.grpc_options import GrpcWorkerResiliencyOptions
from durakit.runtime.stream import Backoff, Ended, StreamEnd, WorkItemStream
from durakit.wire.address import Address
from durakit.wire.connection import Connection
from durakit.wire.messages import orchestration_pb2 as pb
from durakit.worker import TaskHubGrpcWorker

from ..fake_scheduler import FakeScheduler, activity_item

SOON_SECONDS = 20.0
QUICK = GrpcWorkerResiliencyOptions(reconnect_backoff_base_seconds=0.01, reconnect_backoff_cap_seconds=0.02)


class Reader:
    """A stream that runs in a thread of its own, and what came out of it."""

    def __init__(
        self,
        port: int,
        resiliency: GrpcWorkerResiliencyOptions = QUICK,
        metadata: Callable[[], Any] = lambda: (),
    ) -> None:
        self.items: Queue[pb.WorkItem] = Queue()
        self.opened: Queue[bool] = Queue()
        self.connection = Connection(Address(f"127.0.0.1:{port}", False), metadata)
        self.stream = WorkItemStream(
            self.connection,
            pb.GetWorkItemsRequest,
            self.items.put,
            lambda: self.opened.put(True),
            resiliency,
            logger=logging.getLogger("test.stream"),
        )
        self.thread = threading.Thread(target=self.stream.run)
        self.thread.start()

    def stop(self) -> None:
        self.stream.stop()
        self.thread.join(SOON_SECONDS)
        assert not self.thread.is_alive()
        self.connection.close()


@contextmanager
def reading(scheduler: FakeScheduler, *arguments: Any) -> Iterator[Reader]:
    reader = Reader(scheduler.port, *arguments)
    try:
        yield reader
    finally:
        reader.stop()


def ended(kind: StreamEnd, open_seconds: float = 60.0, *, had_items: bool = False) -> Ended:
    return Ended(kind, None, open_seconds, had_items)


def test_items_are_handed_out_in_order() -> None:
    with FakeScheduler() as scheduler, reading(scheduler) as reader:
        stream = scheduler.next_stream()
        for token in "123":
            stream.send(activity_item("a", token=token))

        assert [reader.items.get(timeout=SOON_SECONDS).completionToken for _ in "123"] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "code", [None, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND]
)
def test_the_stream_is_opened_again_after_any_end(code: grpc.StatusCode | None) -> None:
    """Semantics 2.3 rules 4 and 5: a peer's CANCELLED or OK is a disconnect, not a request to stop."""
    with FakeScheduler() as scheduler, reading(scheduler) as reader:
        scheduler.next_stream().end(code)

        scheduler.next_stream().send(activity_item("a"))

        assert reader.items.get(timeout=SOON_SECONDS).activityRequest.name == "a"


def test_the_stream_is_opened_again_after_the_scheduler_was_restarted() -> None:
    with FakeScheduler() as first:
        reader = Reader(first.port)
        first.next_stream()
    try:
        with FakeScheduler(first.port) as second:
            second.next_stream().send(activity_item("a"))

            assert reader.items.get(timeout=SOON_SECONDS).activityRequest.name == "a"
            reader.stop()
    finally:
        reader.stop()


def test_every_stream_begins_with_hello() -> None:
    with FakeScheduler() as scheduler, reading(scheduler):
        scheduler.next_stream().end()
        scheduler.next_stream()

        methods = [scheduler.received.get_nowait().method for _ in range(4)]

    assert methods == ["Hello", "GetWorkItems", "Hello", "GetWorkItems"]


def test_being_open_is_told_before_any_item_arrives() -> None:
    with FakeScheduler() as scheduler, reading(scheduler) as reader:
        assert reader.opened.get(timeout=SOON_SECONDS)


def test_it_is_away_until_a_stream_is_open_and_again_after_it_ended() -> None:
    with FakeScheduler() as scheduler, reading(scheduler) as reader:
        assert reader.opened.get(timeout=SOON_SECONDS)
        assert reader.stream.away_seconds == 0

        scheduler.stop()

        deadline = time.monotonic() + SOON_SECONDS
        while reader.stream.away_seconds == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert reader.stream.away_seconds > 0


def test_a_refused_hello_opens_no_stream_and_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    with FakeScheduler() as scheduler:
        scheduler.answer("Hello", (grpc.StatusCode.UNAUTHENTICATED, "who are you"))
        with caplog.at_level(logging.INFO), reading(scheduler) as reader:
            for _ in range(4):
                scheduler.next_call("Hello")

            assert scheduler.streams.empty()
            assert reader.opened.empty()

    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(
        f"The scheduler at http://127.0.0.1:{scheduler.port} refused GetWorkItems: who are you "
        "(UNAUTHENTICATED). "
        "Check TASKHUB and the identity's rights; a scheduler of your own may want DURAKIT_TOKEN. "
        "Trying again until it succeeds; next attempt in 0.0 s"
    )


def test_a_credential_that_cannot_be_had_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    attempts = iter([CredentialError("No access token for x could be had: not logged in.")])

    def metadata() -> tuple[()]:
        for error in attempts:
            raise error
        return ()

    with FakeScheduler() as scheduler, reading(scheduler, QUICK, metadata):
        scheduler.next_stream()

    assert caplog.messages[0].startswith(
        "No access token for x could be had: not logged in. Trying again until it succeeds"
    )


def test_silence_after_a_ping_is_a_disconnect() -> None:
    quick = GrpcWorkerResiliencyOptions(
        silent_disconnect_timeout_seconds=0.05,
        reconnect_backoff_base_seconds=0.01,
        reconnect_backoff_cap_seconds=0.02,
    )
    with FakeScheduler() as scheduler, reading(scheduler, quick):
        scheduler.next_stream().send(pb.WorkItem(healthPing={}))

        scheduler.next_stream()


def test_silence_without_pings_is_none() -> None:
    """Semantics 2.3 rule 1: several schedulers never ping; their streams may be silent for days."""
    quick = GrpcWorkerResiliencyOptions(silent_disconnect_timeout_seconds=0.001)
    with FakeScheduler() as scheduler, reading(scheduler, quick) as reader:
        stream = scheduler.next_stream()
        reader.opened.get(timeout=SOON_SECONDS)

        stream.send(activity_item("a"))
        stream.send(activity_item("b"))

        assert reader.items.get(timeout=SOON_SECONDS).activityRequest.name == "a"
        assert reader.items.get(timeout=SOON_SECONDS).activityRequest.name == "b"
        assert scheduler.streams.empty()


def test_after_five_failures_the_channel_is_replaced() -> None:
    with FakeScheduler() as scheduler:
        scheduler.answer("Hello", (grpc.StatusCode.INTERNAL, "broken"))
        with reading(scheduler) as reader:
            first = reader.connection.stub
            for _ in range(6):
                scheduler.next_call("Hello")

            assert reader.connection.stub is not first


def test_pauses_grow_with_full_jitter_up_to_the_cap() -> None:
    backoff = Backoff(1.0, 30.0, draw=lambda: 1.0)

    pauses = [backoff.after(ended(StreamEnd.UNAVAILABLE, open_seconds=0.0)) for _ in range(7)]

    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert Backoff(1.0, 30.0, draw=lambda: 0.25).after(ended(StreamEnd.UNAVAILABLE)) == 0.25


def test_a_drained_stream_is_opened_again_without_delay() -> None:
    backoff = Backoff(1.0, 30.0, draw=lambda: 1.0)
    backoff.after(ended(StreamEnd.UNAVAILABLE, open_seconds=0.0))

    assert backoff.after(ended(StreamEnd.CLOSED)) == 0.0
    assert backoff.failures == 0


def test_a_stream_that_closes_at_once_is_no_hot_loop() -> None:
    """Semantics 2.3 rule 4: a scheduler that accepts and closes would otherwise be called without end."""
    backoff = Backoff(1.0, 30.0, draw=lambda: 1.0)

    pauses = [backoff.after(ended(StreamEnd.CLOSED, open_seconds=0.01)) for _ in range(3)]

    assert pauses == [1.0, 2.0, 4.0]


def test_pauses_begin_anew_after_a_stream_that_had_worked() -> None:
    backoff = Backoff(1.0, 30.0, draw=lambda: 1.0)
    for _ in range(3):
        backoff.after(ended(StreamEnd.UNAVAILABLE, open_seconds=0.0))

    assert backoff.after(ended(StreamEnd.UNAVAILABLE, open_seconds=0.1, had_items=True)) == 1.0


def test_a_stream_with_items_that_closes_at_once_is_no_hot_loop_either() -> None:
    backoff = Backoff(1.0, 30.0, draw=lambda: 1.0)

    assert backoff.after(ended(StreamEnd.CLOSED, open_seconds=0.1, had_items=True)) == 1.0


def test_a_connection_that_may_be_dead_is_replaced_at_once(caplog: pytest.LogCaptureFixture) -> None:
    quick = GrpcWorkerResiliencyOptions(
        silent_disconnect_timeout_seconds=0.05,
        reconnect_backoff_base_seconds=0.01,
        reconnect_backoff_cap_seconds=0.02,
    )
    with FakeScheduler() as scheduler, reading(scheduler, quick) as reader:
        first = reader.connection.stub
        scheduler.next_stream().send(pb.WorkItem(healthPing={}))
        scheduler.next_stream()

        assert reader.connection.stub is not first

    assert caplog.messages[0].startswith(
        f"Lost http://127.0.0.1:{scheduler.port}: the scheduler has been silent for too long. Trying again"
    )


def test_a_greeting_that_nobody_answers_does_not_hold_up_the_stop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        worker = TaskHubGrpcWorker(host_address=f"127.0.0.1:{deaf.getsockname()[1]}")
        worker.start()
        connection, _ = deaf.accept()

        assert worker.stop() is True
        connection.close()


def test_stopping_before_anything_answers_ends_the_stream() -> None:
    with FakeScheduler() as scheduler:
        port = scheduler.port
    reader = Reader(port)

    reader.stop()
