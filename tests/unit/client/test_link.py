"""What becomes of calls on a link, and when one is opened; no I/O."""

from __future__ import annotations

import random

import grpc
import pytest
from durakit.client import link
from durakit.client.link import CLOSED, Calls, Occasion, Waiting, answer_in, lost, may_use_link
from durakit.client.operations import Call
from durakit.errors import NotFoundError, SettingsError
from durakit.grpc_options import GrpcChannelOptions, GrpcRetryPolicyOptions
from durakit.wire.messages import link_pb2
from durakit.wire.messages import orchestration_pb2 as pb

START = Call("StartInstance", pb.CreateInstanceRequest(instanceId="i1"))
WAIT = Call("WaitForInstanceCompletion", pb.GetInstanceRequest(instanceId="i1"))
GET = Call("GetInstance", pb.GetInstanceRequest(instanceId="i1"))
BY_UNARY = None


def ok(number: int) -> link_pb2.Reply:
    return link_pb2.Reply(id=number, response=b"")


def refused(number: int, status: str = "NOT_FOUND") -> link_pb2.Reply:
    return link_pb2.Reply(id=number, status=status, message="no")


def sent(calls: Calls, *what: Call) -> Waiting:
    waiting = Waiting(what)
    assert calls.add(waiting)
    up = calls.next_message()
    assert up is not None
    assert [call.method for call in up.calls] == [call.method for call in what]
    return waiting


# --- sending


def test_all_that_waits_leaves_in_one_message() -> None:
    calls = Calls()
    calls.add(Waiting([GET]))
    calls.add(Waiting([START, WAIT]))

    up = calls.next_message()

    assert up is not None
    assert [(call.id, call.method) for call in up.calls] == [
        (1, "GetInstance"),
        (2, "StartInstance"),
        (3, "WaitForInstanceCompletion"),
    ]
    assert pb.GetInstanceRequest.FromString(up.calls[0].request) == GET.request
    assert calls.next_message() is None


def test_a_message_holds_no_more_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MOST_CALLS", 2)
    calls = Calls()
    for _ in range(3):
        calls.add(Waiting([GET]))
    big = Call("StartInstance", pb.CreateInstanceRequest(instanceId="x" * 600_000))
    calls.add(Waiting([big]))
    calls.add(Waiting([big]))
    calls.add(Waiting([big]))

    sizes = []
    while (up := calls.next_message()) is not None:
        sizes.append(len(up.calls))

    assert sizes == [2, 2, 2]


def test_a_request_too_long_for_a_message_goes_by_a_unary_call() -> None:
    calls = Calls()

    big = Call("StartInstance", pb.CreateInstanceRequest(instanceId="x" * link.MOST_BYTES))

    assert not calls.add(Waiting([big]))
    assert calls.next_message() is None


# --- being answered


def test_only_whoever_is_answered_is_woken() -> None:
    calls = Calls()
    first, second = sent(calls, GET), sent(calls, GET)

    assert calls.take([ok(2), ok(77)]) == [second]

    assert second.replies == [ok(2)]
    assert not first.is_settled


def test_of_two_calls_the_last_answer_wakes() -> None:
    calls = Calls()
    both = sent(calls, START, WAIT)

    assert calls.take([ok(1)]) == []
    assert calls.take([ok(2)]) == [both]

    assert both.replies == [ok(1), ok(2)]


def test_when_the_first_of_two_is_refused_the_second_is_cancelled() -> None:
    calls = Calls()
    both = sent(calls, START, WAIT)

    assert calls.take([refused(1)]) == [both]

    assert both.replies[0] == refused(1)
    assert calls.next_message() == link_pb2.Up(cancelled=[2])
    assert calls.take([refused(2)]) == []


def test_what_the_link_does_not_carry_goes_by_a_unary_call() -> None:
    calls = Calls()
    waiting = sent(calls, GET)

    assert calls.take([refused(1, "UNIMPLEMENTED")]) == [waiting]

    assert waiting.replies == [BY_UNARY]


def test_an_answer_is_read_and_an_error_named() -> None:
    response = pb.CreateInstanceResponse(instanceId="i1")

    assert answer_in(link_pb2.Reply(response=response.SerializeToString()), START, "a") == response
    with pytest.raises(NotFoundError, match="The scheduler at a refused StartInstance: no") as caught:
        answer_in(refused(1), START, "a")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no")


def test_a_status_from_the_future_is_an_error_all_the_same() -> None:
    with pytest.raises(grpc.RpcError) as caught:
        answer_in(refused(1, "TOO_LATE"), START, "a")

    assert caught.value.code() is grpc.StatusCode.UNKNOWN


# --- being given up


def test_a_call_given_up_is_late_and_cancelled_there() -> None:
    calls = Calls()
    waiting = sent(calls, WAIT)

    calls.give_up(waiting)

    assert waiting.is_settled
    assert waiting.replies[0] is not None
    assert waiting.replies[0].status == "DEADLINE_EXCEEDED"
    assert calls.next_message() == link_pb2.Up(cancelled=[1])
    assert calls.take([ok(1)]) == []


def test_a_call_given_up_before_it_left_never_leaves() -> None:
    calls = Calls()
    waiting = Waiting([WAIT])
    calls.add(waiting)

    calls.give_up(waiting)

    assert calls.next_message() is None


def test_who_gives_up_the_second_still_learns_of_the_first() -> None:
    calls = Calls()
    both = sent(calls, START, WAIT)

    calls.give_up(both, keep=1)
    assert not both.is_settled
    assert calls.next_message() == link_pb2.Up(cancelled=[2])

    assert calls.take([ok(1)]) == [both]
    assert both.replies[0] == ok(1)
    assert both.replies[1] is not None
    assert both.replies[1].status == "DEADLINE_EXCEEDED"


def test_who_knows_of_the_first_and_gives_up_the_second_is_settled() -> None:
    calls = Calls()
    both = sent(calls, START, WAIT)
    calls.take([ok(1)])

    calls.give_up(both, keep=1)

    assert both.is_settled


# --- the link breaks


def test_calls_on_their_way_are_told_of_the_break_unless_they_may_be_repeated() -> None:
    calls = Calls()
    get, start, both = sent(calls, GET), sent(calls, START), sent(calls, START, WAIT)
    answered = sent(calls, GET)
    calls.take([ok(3), ok(5)])
    unsent = Waiting([START])
    calls.add(unsent)
    failure = lost("Socket closed")

    assert set(calls.close(failure)) == {get, start, both, unsent}

    assert failure.status == "UNAVAILABLE"
    assert get.replies == [BY_UNARY]
    assert start.replies == [failure]
    assert both.replies == [ok(3), failure]
    assert unsent.replies == [BY_UNARY]
    assert answered.replies == [ok(5)]
    assert not calls.add(Waiting([GET]))
    assert calls.close(failure) == []


def test_a_closed_client_tells_what_grpc_tells() -> None:
    calls = Calls()
    waiting = sent(calls, WAIT)

    calls.close(CLOSED)

    with pytest.raises(grpc.RpcError) as caught:
        answer_in(waiting.replies[0] or ok(1), WAIT, "a")
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.CANCELLED, "Channel closed!")


@pytest.mark.parametrize("seed", range(50))
def test_whatever_happens_each_caller_is_settled_once_and_nothing_is_left(seed: int) -> None:
    """Random sends, answers, refusals, losses of patience, a break at the end."""
    chance = random.Random(seed)
    calls, everybody, woken, known = Calls(), [], [], []
    for _ in range(200):
        match chance.choice(["add", "add", "send", "answer", "give up"]):
            case "add":
                waiting = Waiting(chance.choice([[GET], [START], [START, WAIT]]))
                calls.add(waiting)
                everybody.append(waiting)
            case "send":
                up = calls.next_message() or link_pb2.Up()
                known += [call.id for call in up.calls]
            case "answer" if known:
                number = known.pop(0)
                woken += calls.take([chance.choice([ok, refused])(number)])
            case "give up" if everybody:
                calls.give_up(chance.choice(everybody), keep=chance.choice([0, 0, 1]))
    woken += calls.close(lost(""))

    assert all(waiting.is_settled for waiting in everybody)
    assert len(woken) == len({id(waiting) for waiting in woken})
    assert not calls._unanswered
    assert not calls._unsent


# --- when to open one


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def occasions(occasion: Occasion, calls: int) -> list[bool]:
    return [occasion.arises() for _ in range(calls)]


def test_the_third_call_is_worth_a_link_and_only_one() -> None:
    assert occasions(Occasion(True), 5) == [False, False, True, False, False]


def test_where_no_link_is_allowed_no_call_is() -> None:
    assert occasions(Occasion(False), 5) == [False] * 5


def test_after_a_lost_link_there_is_a_pause_that_grows_until_one_holds() -> None:
    clock = Clock()
    occasion = Occasion(True, clock)
    occasions(occasion, 3)
    pauses = []
    for open_seconds in (0.0, 0.0, 0.0, 60.0, *[0.0] * 9):
        occasion.ended(open_seconds)
        lost_at = clock.now
        while not occasion.arises():
            clock.now += 0.25
        pauses.append(clock.now - lost_at)

    assert pauses == [0.5, 1, 2, 0.5, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_where_no_link_is_offered_nobody_asks_again() -> None:
    clock = Clock()
    occasion = Occasion(True, clock)
    occasions(occasion, 3)
    occasion.never()
    occasion.ended(0.0)
    clock.now += 3600

    assert not occasion.arises()


@pytest.mark.parametrize(
    ("channel", "interceptors", "options", "link_setting", "expected"),
    [
        (None, (), GrpcChannelOptions(), "on", True),
        (None, None, GrpcChannelOptions(keepalive_time_ms=1000), "on", True),
        (object(), (), GrpcChannelOptions(), "on", False),
        (None, [object()], GrpcChannelOptions(), "on", False),
        (None, (), GrpcChannelOptions(max_receive_message_length=-1), "on", False),
        (None, (), GrpcChannelOptions(max_send_message_length=1024), "on", False),
        (None, (), GrpcChannelOptions(retry_policy=GrpcRetryPolicyOptions()), "on", False),
        (None, (), GrpcChannelOptions(), "off", False),
    ],
)
def test_calls_go_over_a_link_unless_they_go_through_something_of_the_callers(
    monkeypatch: pytest.MonkeyPatch,
    channel: object,
    interceptors: object,
    options: GrpcChannelOptions,
    link_setting: str,
    expected: bool,
) -> None:
    monkeypatch.setenv("DURAKIT_LINK", link_setting)

    found = may_use_link(channel=channel, interceptors=interceptors, options=options.to_grpc_options())

    assert found is expected


def test_a_setting_that_is_neither_on_nor_off_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAKIT_LINK", "maybe")

    with pytest.raises(SettingsError, match="DURAKIT_LINK"):
        may_use_link(channel=None, interceptors=(), options=())
