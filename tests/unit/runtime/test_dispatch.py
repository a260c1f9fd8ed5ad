from __future__ import annotations

from durakit.runtime.dispatch import InstanceGate
from durakit.wire.messages import orchestration_pb2 as pb


def item(token: str) -> pb.WorkItem:
    return pb.WorkItem(completionToken=token)


def test_one_turn_of_an_instance_runs_at_a_time_and_the_others_follow_in_order() -> None:
    gate = InstanceGate()
    first, second, third = item("1"), item("2"), item("3")

    assert gate.enter("a", first)
    assert not gate.enter("a", second)
    assert not gate.enter("a", third)

    assert [gate.leave("a"), gate.leave("a"), gate.leave("a")] == [second, third, None]


def test_instances_do_not_wait_for_each_other() -> None:
    gate = InstanceGate()
    gate.enter("a", item("1"))

    assert gate.enter("b", item("2"))


def test_an_instance_may_run_again_after_its_line_was_empty() -> None:
    gate = InstanceGate()
    gate.enter("a", item("1"))
    gate.leave("a")

    assert gate.enter("a", item("2"))


def test_draining_takes_what_waits_and_leaves_what_runs() -> None:
    gate = InstanceGate()
    running, waiting = item("1"), item("2")
    gate.enter("a", running)
    gate.enter("a", waiting)

    assert gate.drain() == [waiting]
    assert gate.leave("a") is None
