from __future__ import annotations

import logging
import threading
import time
from queue import Empty, Queue

import pytest
from durakit.runtime.threads import EAGER_THREADS, WorkerThreads

LOGGER = logging.getLogger("test.threads")
SOON_SECONDS = 20.0


def test_every_item_is_worked_on_once() -> None:
    done: Queue[int] = Queue()
    threads = WorkerThreads("t", 4, done.put, logger=LOGGER)

    for number in range(200):
        threads.submit(number)

    assert sorted(done.get(timeout=SOON_SECONDS) for _ in range(200)) == list(range(200))
    assert threads.stop() == []
    assert threads.join(time.monotonic() + SOON_SECONDS)


def test_items_that_hold_their_thread_in_user_code_all_run_at_once() -> None:
    together = threading.Barrier(4 * EAGER_THREADS)
    done: Queue[int] = Queue()

    def work(number: int) -> None:
        with threads.user_code():
            together.wait(SOON_SECONDS)
        done.put(number)

    threads: WorkerThreads[int] = WorkerThreads("t", 4 * EAGER_THREADS, work, logger=LOGGER)
    for number in range(4 * EAGER_THREADS):
        threads.submit(number)

    assert len([done.get(timeout=SOON_SECONDS) for _ in range(4 * EAGER_THREADS)]) == 4 * EAGER_THREADS
    threads.stop()


def test_an_item_never_waits_for_one_that_holds_its_thread() -> None:
    """Whatever the moment at which it comes: while a thread is idle, is waking up, or is at work."""
    for _ in range(200):
        held, go_on = threading.Event(), threading.Event()
        done: Queue[str] = Queue()

        def work(
            item: str, held: threading.Event = held, go_on: threading.Event = go_on, done: Queue[str] = done
        ) -> None:
            if item == "long":
                held.set()
                go_on.wait(SOON_SECONDS)
            done.put(item)

        threads: WorkerThreads[str] = WorkerThreads("t", 4, work, logger=LOGGER)
        threads.submit("short")
        threads.submit("long")
        threads.submit("next")

        assert {done.get(timeout=SOON_SECONDS), done.get(timeout=SOON_SECONDS)} == {"short", "next"}
        go_on.set()
        threads.stop()


def test_no_more_items_run_at_once_than_the_limit() -> None:
    running: Queue[int] = Queue()
    go_on = threading.Event()

    def work(number: int) -> None:
        running.put(number)
        go_on.wait(SOON_SECONDS)

    threads: WorkerThreads[int] = WorkerThreads("t", 2, work, logger=LOGGER)
    for number in range(5):
        threads.submit(number)
    first = {running.get(timeout=SOON_SECONDS), running.get(timeout=SOON_SECONDS)}

    waiting = threads.stop()
    go_on.set()

    assert first == {0, 1}
    assert waiting == [2, 3, 4], "what was not begun comes back, in order"
    assert threads.join(time.monotonic() + SOON_SECONDS)


def test_joining_gives_up_at_the_deadline() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(_: int) -> None:
        begun.set()
        go_on.wait(SOON_SECONDS)

    threads: WorkerThreads[int] = WorkerThreads("t", 1, work, logger=LOGGER)
    threads.submit(1)
    begun.wait(SOON_SECONDS)
    threads.stop()

    assert threads.join(time.monotonic()) is False
    go_on.set()
    assert threads.join(time.monotonic() + SOON_SECONDS) is True


def test_an_unexpected_error_costs_its_item_only(caplog: pytest.LogCaptureFixture) -> None:
    done: Queue[int] = Queue()

    def work(number: int) -> None:
        if number == 0:
            raise KeyError(number)
        done.put(number)

    threads: WorkerThreads[int] = WorkerThreads("t", 1, work, logger=LOGGER)
    threads.submit(0)
    threads.submit(1)

    assert done.get(timeout=SOON_SECONDS) == 1
    assert caplog.messages == ["t: an item was lost to an unexpected error"]
    threads.stop()


def test_an_item_may_be_worked_on_by_the_caller() -> None:
    workers: list[int] = []
    threads: WorkerThreads[str] = WorkerThreads(
        "t", 1, lambda _: workers.append(threading.get_ident()), logger=LOGGER
    )

    assert threads.run_here("item") is True
    assert workers == [threading.get_ident()]


def test_no_more_callers_work_at_once_than_the_limit() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(_: str) -> None:
        begun.set()
        go_on.wait(SOON_SECONDS)

    threads: WorkerThreads[str] = WorkerThreads("t", 1, work, logger=LOGGER)
    caller = threading.Thread(target=lambda: threads.run_here("held up"))
    caller.start()
    begun.wait(SOON_SECONDS)

    assert threads.run_here("one too many") is False
    go_on.set()
    caller.join(SOON_SECONDS)
    assert threads.run_here("again") is True


def test_callers_and_threads_together_are_no_more_than_the_limit() -> None:
    at_work: Queue[str] = Queue()
    go_on = threading.Event()

    def work(item: str) -> None:
        at_work.put(item)
        go_on.wait(SOON_SECONDS)

    threads: WorkerThreads[str] = WorkerThreads("t", 1, work, logger=LOGGER)
    caller = threading.Thread(target=lambda: threads.run_here("of the caller"))
    caller.start()
    assert at_work.get(timeout=SOON_SECONDS) == "of the caller"

    threads.submit("of a thread")

    # Nothing says that a thread waits; a short time in which it does not begin is all there is to see.
    with pytest.raises(Empty):
        at_work.get(timeout=0.05)
    go_on.set()
    assert at_work.get(timeout=SOON_SECONDS) == "of a thread"
    caller.join(SOON_SECONDS)
    threads.stop()


def test_joining_waits_for_callers_at_work() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(_: str) -> None:
        begun.set()
        go_on.wait(SOON_SECONDS)

    threads: WorkerThreads[str] = WorkerThreads("t", 1, work, logger=LOGGER)
    caller = threading.Thread(target=lambda: threads.run_here("held up"))
    caller.start()
    begun.wait(SOON_SECONDS)
    threads.stop()

    assert threads.join(time.monotonic()) is False
    go_on.set()
    assert threads.join(time.monotonic() + SOON_SECONDS) is True
    caller.join(SOON_SECONDS)


def test_an_unexpected_error_does_not_reach_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    def work(item: str) -> None:
        raise KeyError(item)

    threads: WorkerThreads[str] = WorkerThreads("t", 1, work, logger=LOGGER)

    assert threads.run_here("bad") is True
    assert caplog.messages == ["t: an item was lost to an unexpected error"]
