"""The worker's end of a link against a scripted other end: which answer leaves when, and how none is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from queue import Queue

import pytest
from durakit.runtime import link as runtime_link
from durakit.runtime.turns import MAX_RESPONSE_BYTES
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

from .wires import SOON_SECONDS, Wire, refused


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.end()


# --- what leaves


def test_the_first_message_is_the_opening(wire: Wire) -> None:
    assert wire.opening == link.Up(opening=link.Opening(sessions=7))


def test_what_gathers_until_the_stream_takes_a_message_leaves_in_one(wire: Wire) -> None:
    wire.result("r")
    wire.turn("t")
    wire.delivery.abandon_turn("u", "a")
    wire.delivery.abandon_activity("v", "a")

    up = wire.up()

    assert [result.completionToken for result in up.tasks] == ["r"]
    assert [turn.completionToken for turn in up.turns] == ["t"]
    assert [*up.returned_turns, *up.returned_tasks] == ["u", "v"]
    assert wire.calls.so_far() == []


def test_a_message_holds_a_mebibyte_and_a_larger_answer_goes_alone(wire: Wire) -> None:
    for token, size in (("1", 600_000), ("2", 600_000), ("3", 2_000_000), ("4", 10)):
        wire.result(token, instance_id=token, size=size)

    held = [[result.completionToken for result in wire.up().tasks] for _ in range(4)]

    assert held == [["1"], ["2"], ["3"], ["4"]]


def test_an_answer_that_might_take_the_link_with_it_leaves_by_a_call(wire: Wire) -> None:
    wire.result("r", size=MAX_RESPONSE_BYTES + 1)
    wire.turn("t", size=MAX_RESPONSE_BYTES + 1)

    assert wire.calls.so_far() == [("result", "r"), ("turn", "t")]


def test_no_more_is_sent_than_may_be_unacknowledged(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_link, "MOST_UNACKNOWLEDGED", 2)
    monkeypatch.setattr(runtime_link, "MOST_ANSWERS", 1)
    for token in "123":
        wire.turn(token)
    sent: Queue[link.Up] = Queue()

    def send_all() -> None:
        for up in wire.messages:
            sent.put(up)

    threading.Thread(target=send_all, daemon=True).start()
    first_two = [sent.get(timeout=SOON_SECONDS).turns[0].completionToken for _ in "12"]
    assert not wire.link.join(time.monotonic())
    assert sent.empty()
    wire.down(2)

    assert first_two == ["1", "2"]
    assert sent.get(timeout=SOON_SECONDS).turns[0].completionToken == "3"


def test_messages_end_when_the_link_is_closed(wire: Wire) -> None:
    wire.end()

    assert list(wire.messages) == []


# --- acknowledged, refused, lost


def test_a_turn_counts_when_its_message_is_on_disk_and_not_before(wire: Wire) -> None:
    wire.turn("t")
    wire.up()

    wire.down(wire.sent - 1)
    assert wire.told == []
    wire.down(wire.sent)

    assert wire.told == [("t", True)]


def test_an_answer_that_came_too_late_is_forgotten(wire: Wire) -> None:
    wire.turn("t")
    wire.result("r")
    wire.up()

    wire.down(wire.sent, refused("t"), refused("r"))

    assert wire.told == [("t", False)]
    assert wire.calls.so_far() == []


def test_an_answer_that_is_refused_for_what_it_says_leaves_by_a_call_which_knows_what_to_do(
    wire: Wire,
) -> None:
    wire.turn("t")
    wire.result("r")
    wire.up()

    wire.down(wire.sent, refused("t", "INVALID_ARGUMENT"), refused("r", "INVALID_ARGUMENT"))

    assert sorted(wire.calls.so_far()) == [("result", "r"), ("turn", "t")]
    assert wire.told == []


def test_a_refusal_takes_effect_with_the_acknowledgement(wire: Wire) -> None:
    wire.turn("t")
    wire.up()

    wire.down(0, refused("t"))
    assert wire.told == []
    wire.down(wire.sent)

    assert wire.told == [("t", False)]


def test_when_the_link_ends_results_leave_by_calls_and_turns_are_void(wire: Wire) -> None:
    wire.turn("acknowledged")
    wire.result("acknowledged")
    wire.up()
    wire.down(wire.sent)
    wire.turn("sent")
    wire.result("sent")
    wire.up()
    wire.turn("waiting")
    wire.result("waiting")

    wire.end()

    assert wire.told == [("acknowledged", True), ("sent", False), ("waiting", False)]
    assert wire.calls.so_far() == [("result", "sent"), ("result", "waiting")]


def test_after_its_end_answers_leave_by_calls(wire: Wire) -> None:
    wire.end()

    wire.result("r")
    wire.turn("t")
    wire.delivery.abandon_turn("u", "a")

    assert wire.calls.so_far() == [("result", "r"), ("turn", "t"), ("returned turn", "u")]


def test_the_end_of_a_link_does_not_touch_its_successor(wire: Wire) -> None:
    first = wire.link
    second = wire.delivery.open(link.Opening())

    wire.delivery.closed(first)
    wire.result("r")

    assert wire.calls.so_far() == []
    wire.delivery.closed(second)
    assert wire.calls.so_far() == [("result", "r")]


def test_one_who_fails_on_being_told_keeps_nobody_from_being_told(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(accepted: bool) -> None:
        raise RuntimeError("no")

    wire.delivery.complete_turn(pb.OrchestratorResponse(completionToken="s"), fail)
    wire.turn("t")
    wire.up()

    wire.down(wire.sent)

    assert wire.told == [("t", True)]
    assert "The end of an answer could not be told" in caplog.text


def test_a_message_without_items_is_a_sign_of_life(wire: Wire) -> None:
    item = pb.WorkItem(completionToken="t", activityRequest=pb.ActivityRequest(name="a"))

    assert wire.down(items=[item]) == [item]
    assert [ping.WhichOneof("request") for ping in wire.down()] == ["healthPing"]


# --- draining


def test_draining_waits_for_what_is_not_acknowledged(wire: Wire) -> None:
    wire.result("r")
    assert not wire.delivery.join(time.monotonic())
    wire.up()
    assert not wire.delivery.join(time.monotonic())

    wire.down(wire.sent)

    assert wire.delivery.join(time.monotonic())


def test_draining_waits_for_the_message_that_is_being_composed(wire: Wire) -> None:
    waits: list[bool] = []

    def look() -> None:
        waits.append(not wire.delivery.join(time.monotonic()))

    wire.next_turn = look
    wire.result("r")
    wire.up()

    assert waits == [True]


def test_draining_ends_when_the_link_has_ended(wire: Wire) -> None:
    wire.result("r")

    wire.end()

    assert wire.delivery.join(time.monotonic())
    assert wire.calls.so_far() == [("result", "r")]
