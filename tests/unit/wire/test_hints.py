"""Hints ride along in a standard message, and are found again or left out."""

from __future__ import annotations

from durakit.wire import hints
from durakit.wire.messages import orchestration_pb2 as pb


def response() -> pb.OrchestratorResponse:
    return pb.OrchestratorResponse(instanceId="po-1", completionToken="t")


def test_hints_survive_the_wire_and_disturb_nothing() -> None:
    sent = response()
    hints.give(sent, ["approval", "注文 " * 60], [2, 7], {1: 5})

    arrived = pb.OrchestratorResponse.FromString(sent.SerializeToString())

    found = hints.take(arrived)
    assert found is not None
    assert (list(found.events), list(found.timers)) == (["approval", "注文 " * 60], [2, 7])
    assert dict(found.attempts) == {1: 5}
    assert (arrived.instanceId, arrived.completionToken) == ("po-1", "t")


def test_a_response_without_hints_has_none() -> None:
    assert hints.take(response()) is None


def test_dropped_hints_leave_the_standard_message() -> None:
    sent = response()
    hints.give(sent, ["approval"], [], {})

    hints.drop(sent)

    assert sent.SerializeToString() == response().SerializeToString()


def test_hints_that_are_too_long_are_left_out() -> None:
    sent = response()

    hints.give(sent, ["x" * 5_000], [], {})

    assert hints.take(sent) is None
