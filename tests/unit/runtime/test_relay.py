"""Who reads on while somebody takes long over an item."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import Queue

import pytest
from durakit.runtime import relay
from durakit.runtime.relay import Relay

SOON_SECONDS = 20.0


class Items:
    """A stream that a test feeds; ends with None, fails with an exception."""

    def __init__(self) -> None:
        self.queue: Queue[int | Exception | None] = Queue()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        item = self.queue.get(timeout=SOON_SECONDS)
        if isinstance(item, Exception):
            raise item
        if item is None:
            raise StopIteration
        return item


def in_background(items: Items, take: Callable[[int], None]) -> threading.Thread:
    thread = threading.Thread(target=Relay(items, take, "test-reader").run)
    thread.start()
    return thread


def test_items_are_taken_in_order_by_the_thread_that_reads_them() -> None:
    taken: list[tuple[int, str]] = []

    Relay(
        iter(range(100)), lambda item: taken.append((item, threading.current_thread().name)), "test-reader"
    ).run()

    assert [item for item, _ in taken] == list(range(100))
    # One at a time: a busy machine may look like a slow item, and then another thread goes on.
    assert all(name.startswith("test-reader-") for _, name in taken)


def test_while_an_item_takes_long_others_are_taken() -> None:
    items, taken, go_on = Items(), Queue[int](), threading.Event()

    def take(item: int) -> None:
        if item == 1:
            go_on.wait(SOON_SECONDS)
        taken.put(item)

    running = in_background(items, take)
    for item in (1, 2, 3):
        items.queue.put(item)

    assert [taken.get(timeout=SOON_SECONDS) for _ in range(2)] == [2, 3]
    go_on.set()
    assert taken.get(timeout=SOON_SECONDS) == 1
    items.queue.put(None)
    running.join(SOON_SECONDS)
    assert not running.is_alive()


def test_one_after_the_other_may_take_long() -> None:
    items, go_on = Items(), threading.Event()
    at_work = threading.Barrier(6)

    def take(item: int) -> None:
        at_work.wait(SOON_SECONDS)
        go_on.wait(SOON_SECONDS)

    running = in_background(items, take)
    for item in range(5):
        items.queue.put(item)

    at_work.wait(SOON_SECONDS)
    go_on.set()
    items.queue.put(None)
    running.join(SOON_SECONDS)
    assert not running.is_alive()


def test_a_reader_that_was_relieved_reads_no_more() -> None:
    """Two at once would take items out of order, and gRPC forbids it."""
    items, go_on, reading = Items(), threading.Event(), Queue[str]()

    def take(item: int) -> None:
        if item == 1:
            go_on.wait(SOON_SECONDS)
        reading.put(threading.current_thread().name)

    running = in_background(items, take)
    items.queue.put(1)
    items.queue.put(2)
    second = reading.get(timeout=SOON_SECONDS)
    go_on.set()
    first = reading.get(timeout=SOON_SECONDS)
    for item in range(3, 53):
        items.queue.put(item)
    later = {reading.get(timeout=SOON_SECONDS) for _ in range(50)}
    items.queue.put(None)
    running.join(SOON_SECONDS)

    assert first != second
    assert first not in later


def test_items_that_come_after_a_pause_are_watched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "PATIENCE_SECONDS", 0.001)
    monkeypatch.setattr(relay, "QUIET_LOOKS", 1)
    items, taken, go_on = Items(), Queue[int](), threading.Event()

    def take(item: int) -> None:
        if item % 2:
            go_on.wait(SOON_SECONDS)
        taken.put(item)

    relaying = Relay(items, take, "test-reader")
    running = threading.Thread(target=relaying.run)
    running.start()
    for item in (1, 3, 5):
        deadline = time.monotonic() + SOON_SECONDS
        while relaying._is_watched and time.monotonic() < deadline:
            threading.Event().wait(0.001)
        items.queue.put(item)
        items.queue.put(item + 1)
        assert taken.get(timeout=SOON_SECONDS) == item + 1
    go_on.set()
    items.queue.put(None)
    running.join(SOON_SECONDS)
    assert not running.is_alive()


@pytest.mark.parametrize("where", ["reading", "taking"])
def test_errors_end_it_and_are_raised(where: str) -> None:
    items = Items()

    def take(item: int) -> None:
        raise KeyError(where)

    items.queue.put(KeyError(where) if where == "reading" else 1)

    with pytest.raises(KeyError, match=where):
        Relay(items, take, "test-reader").run()


def test_the_error_of_a_relieved_reader_is_raised_in_the_end() -> None:
    items, taken, go_on = Items(), Queue[int](), threading.Event()
    raised: list[BaseException] = []

    def take(item: int) -> None:
        if item == 1:
            go_on.wait(SOON_SECONDS)
            taken.put(item)
            raise KeyError("late")
        taken.put(item)

    def run() -> None:
        try:
            Relay(items, take, "test-reader").run()
        except KeyError as error:
            raised.append(error)

    running = threading.Thread(target=run)
    running.start()
    items.queue.put(1)
    items.queue.put(2)
    assert taken.get(timeout=SOON_SECONDS) == 2
    (slow,) = [thread for thread in threading.enumerate() if thread.name == "test-reader-0"]
    go_on.set()
    slow.join(SOON_SECONDS)
    items.queue.put(None)
    running.join(SOON_SECONDS)

    assert [str(error) for error in raised] == ["'late'"]
