"""Turns that a worker runs ahead of being asked, on its end of a link: which, and what becomes of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from queue import Queue

import pytest
from durakit.runtime.link import MOST_REFUSALS, TRIED_AFTERWARDS
from durakit.runtime.turns import AheadTurn
from durakit.wire.messages import link_pb2 as link

from .wires import SOON_SECONDS, Wire, ahead, refused_turn


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.end()


def test_results_leave_together_with_the_turn_that_follows_from_them(wire: Wire) -> None:
    wire.next_turn = ahead
    wire.result("1")
    wire.result("2")

    up = wire.up()

    (turn,) = up.eager_turns
    assert not up.tasks
    assert [result.completionToken for result in turn.results] == ["1", "2"]
    assert (turn.instance_id, turn.session, turn.execution_id) == ("a", "the session", "e1")
    assert (turn.committed_events, turn.started_ns) == (4, 5)


def test_each_instance_has_a_turn_of_its_own(wire: Wire) -> None:
    wire.next_turn = ahead
    for token, instance_id in (("1", "a"), ("2", "b"), ("3", "a")):
        wire.result(token, instance_id)

    assert len(wire.up().eager_turns) == 2
    assert wire.asked == [["1", "3"], ["2"]]


def test_a_failed_activity_is_left_to_the_ordinary_way(wire: Wire) -> None:
    wire.next_turn = ahead
    wire.result("1")
    wire.result("2", failed=True)

    up = wire.up()

    assert [result.completionToken for result in up.tasks] == ["1", "2"]
    assert wire.asked == []


def test_results_leave_alone_when_their_turn_cannot_be_run(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> AheadTurn:
        raise RuntimeError("no")

    wire.next_turn = broken
    wire.result("1")

    assert [result.completionToken for result in wire.up().tasks] == ["1"]
    assert "A turn of a could not be run ahead" in caplog.text


def test_turns_run_ahead_count_against_the_size_of_the_message(wire: Wire) -> None:
    wire.next_turn = lambda: ahead(size=700_000)
    for instance_id in "abcd":
        wire.result(instance_id, instance_id)

    up = wire.up()

    assert len(up.eager_turns) == 2
    assert [result.completionToken for result in up.tasks] == ["c", "d"]


def test_a_refused_turn_costs_the_session_before_any_item_of_the_same_message_is_seen(wire: Wire) -> None:
    wire.next_turn = ahead
    wire.result("1")
    wire.up()
    down = link.Down(durable_through=wire.sent, refused=[refused_turn()], items=[b""])

    next(wire.link.items(iter([down])))

    assert wire.dropped == ["a"]
    assert wire.calls.so_far() == []


def test_when_the_link_ends_the_session_of_a_turn_sent_ahead_is_void_and_its_results_leave_by_calls(
    wire: Wire,
) -> None:
    wire.next_turn = ahead
    wire.result("1")
    wire.up()

    wire.end()

    assert wire.dropped == ["a"]
    assert wire.calls.so_far() == [("result", "1")]


def test_when_the_link_ends_while_a_turn_is_run_ahead_nothing_is_lost(wire: Wire) -> None:
    def end_meanwhile() -> AheadTurn:
        wire.end()
        return ahead()

    wire.next_turn = end_meanwhile
    wire.result("1")
    wire.turn("t")

    assert list(wire.messages) == []

    assert wire.dropped == ["a"]
    assert wire.calls.so_far() == [("result", "1")]
    assert wire.told == [("t", False)]
    assert wire.delivery.join(time.monotonic())


def test_when_the_sender_breaks_nothing_is_lost(wire: Wire) -> None:
    class Broken(BaseException):
        pass

    def broken() -> AheadTurn:
        raise Broken

    wire.next_turn = broken
    wire.result("1")
    wire.turn("t")

    with pytest.raises(Broken):
        wire.up()

    assert wire.calls.so_far() == [("result", "1")]
    assert wire.told == [("t", False)]


def test_nobody_waits_for_a_slow_turn_that_is_run_ahead(wire: Wire) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait(SOON_SECONDS)

    wire.next_turn = slow
    wire.result("slow")
    wire.turn("of the same message")
    sent: Queue[link.Up] = Queue()
    threading.Thread(target=lambda: sent.put(next(wire.messages)), daemon=True).start()
    assert begun.wait(SOON_SECONDS)

    wire.result("later", "b")

    left = sorted(wire.calls.made.get(timeout=SOON_SECONDS) for _ in range(2))
    assert left == [("result", "later"), ("turn", "of the same message")]
    wire.result("still later", "c")
    assert wire.calls.so_far() == [("result", "still later")]
    assert sent.empty()
    go_on.set()
    up = sent.get(timeout=SOON_SECONDS)
    assert [result.completionToken for result in up.tasks] == ["slow"]
    assert not up.turns
    wire.result("after that", "d")
    assert wire.calls.so_far() == []


def test_turns_that_never_count_are_hardly_run_ahead_any_more(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    def one_more(*refusal: link.Refused) -> None:
        wire.result("r")
        wire.up()
        wire.down(wire.sent, *refusal)

    wire.next_turn = ahead
    with caplog.at_level(logging.INFO):
        for _ in range(MOST_REFUSALS):
            one_more(refused_turn())
    assert len(wire.asked) == MOST_REFUSALS
    assert caplog.messages == [
        "8 turns in a row that were run ahead did not count; hardly any will be from now on. "
        "Do the clocks of this machine and the scheduler's agree?"
    ]

    for _ in range(TRIED_AFTERWARDS):
        one_more()
    assert len(wire.asked) == MOST_REFUSALS + 1

    # That one counted, so they are worth while again.
    one_more()
    assert len(wire.asked) == MOST_REFUSALS + 2
