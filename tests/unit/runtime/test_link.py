"""The worker's end of a link against a scripted other end: which answer leaves when, and how none is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import Queue
from typing import Any, cast

import pytest
from durakit.runtime import link as runtime_link
from durakit.runtime.link import MOST_REFUSALS, TRIED_AFTERWARDS, Link
from durakit.runtime.linked_delivery import LinkedDelivery
from durakit.runtime.turns import MAX_RESPONSE_BYTES, AheadTurn
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

SOON_SECONDS = 20.0
LOGGER = logging.getLogger("test.link")


class Calls:
    """Stands for `Delivery`: writes down which answers left by calls."""

    def __init__(self) -> None:
        self.made: Queue[tuple[str, str]] = Queue()

    def complete_activity(self, request: pb.ActivityRequest, response: pb.ActivityResponse) -> None:
        self.made.put(("result", response.completionToken))

    def complete_turn(self, response: pb.OrchestratorResponse, done: Callable[[bool], None]) -> None:
        self.made.put(("turn", response.completionToken))

    def abandon_turn(self, token: str, instance_id: str) -> None:
        self.made.put(("returned turn", token))

    def abandon_activity(self, token: str, instance_id: str) -> None:
        self.made.put(("returned task", token))

    def join(self, deadline: float) -> bool:
        return True

    def so_far(self) -> list[tuple[str, str]]:
        return [self.made.get_nowait() for _ in range(self.made.qsize())]


class Wire:
    """An open link whose other end is the test."""

    def __init__(self) -> None:
        self.calls = Calls()
        self.dropped: list[str] = []
        self.told: list[tuple[str, bool]] = []
        self.asked: list[list[str]] = []
        self.next_turn: Callable[[], AheadTurn | None] = lambda: None
        self.delivery = LinkedDelivery(cast("Any", self.calls), self.dropped.append, logger=LOGGER)
        self.delivery.go_ahead = self.go_ahead
        self.link: Link = self.delivery.open(link.Opening(sessions=7))
        self.messages = self.link.messages()
        self.opening = next(self.messages)
        self.sent = 1

    def go_ahead(self, results: Sequence[pb.ActivityResponse]) -> AheadTurn | None:
        self.asked.append([result.completionToken for result in results])
        return self.next_turn()

    # --- the worker

    def result(self, token: str, instance_id: str = "a", *, failed: bool = False, size: int = 0) -> None:
        response = pb.ActivityResponse(completionToken=token, instanceId=instance_id)
        response.result.value = "x" * size
        if failed:
            response.failureDetails.errorMessage = "no"
        self.delivery.complete_activity(pb.ActivityRequest(), response)

    def turn(self, token: str, *, size: int = 0) -> None:
        response = pb.OrchestratorResponse(completionToken=token, instanceId="a")
        response.customStatus.value = "x" * size
        self.delivery.complete_turn(response, lambda accepted: self.told.append((token, accepted)))

    def end(self) -> None:
        self.delivery.closed(self.link)

    # --- the scheduler

    def up(self) -> link.Up:
        """The next message; only when something waits to be sent."""
        self.sent += 1
        return next(self.messages)

    def down(self, through: int = 0, *refused: link.Refused, items: Sequence[pb.WorkItem] = ()) -> list[Any]:
        """Send a message; return what the reader hands out."""
        blobs = [item.SerializeToString() for item in items]
        sent = link.Down(durable_through=through, refused=refused, items=blobs)
        return list(self.link.items(iter([sent])))


def ahead(instance_id: str = "a", size: int = 0) -> AheadTurn:
    response = pb.OrchestratorResponse(instanceId=instance_id)
    response.customStatus.value = "x" * size
    return AheadTurn(response, "the session", "e1", 4, 5)


def refused(token: str, status: str = "NOT_FOUND", instance_id: str = "a") -> link.Refused:
    return link.Refused(token=token, status=status, instance_id=instance_id, message="because")


def refused_turn(instance_id: str = "a") -> link.Refused:
    return refused("", "FAILED_PRECONDITION", instance_id)


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


# --- turns run ahead


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
