"""What a group of messages comes to when it is written at once."""

from __future__ import annotations

from typing import Any

from durakit.scheduler.store import statements as sql
from durakit.wire.messages import orchestration_pb2 as pb

from ..rig import Rig, answer_to, complete, continue_as_new, facts, rebuilt, schedule


def rows(rig: Rig) -> dict[str, list[tuple[Any, ...]]]:
    """Cut the group that is being collected; return its rows by statement, and write and release it."""
    group = rig.cut()
    statements = dict(group.batch.statements) if group.batch is not None else {}
    rig.write(group)
    rig.engine.release(group)
    return statements


def raise_event(rig: Rig, name: str) -> None:
    rig.request("RaiseEvent", pb.RaiseEventRequest(instanceId="a", name=name))


def test_nothing_to_write_is_no_batch() -> None:
    assert rows(Rig()) == {}


def test_an_instance_is_written_once_however_often_it_changed() -> None:
    rig = Rig()
    rig.request("StartInstance", pb.CreateInstanceRequest(instanceId="a", name="flow"))
    rig.request("SuspendInstance", pb.SuspendRequest(instanceId="a"))
    rig.request("ResumeInstance", pb.ResumeRequest(instanceId="a"))

    written = rows(rig)

    assert len(written[sql.INSERT_INSTANCE]) == 1
    assert sql.UPDATE_INSTANCE not in written


def test_an_event_that_came_and_was_read_in_one_group_is_not_written() -> None:
    rig = Rig()
    rig.request("StartInstance", pb.CreateInstanceRequest(instanceId="a", name="flow"))
    rig.request("TerminateInstance", pb.TerminateRequest(instanceId="a"))

    written = rows(rig)

    assert sql.INSERT_ARRIVAL not in written
    assert sql.DELETE_ARRIVAL not in written
    assert len(written[sql.INSERT_TURN]) == 1


def test_an_instance_that_came_and_went_in_one_group_is_not_written() -> None:
    rig = Rig()
    rig.request("StartInstance", pb.CreateInstanceRequest(instanceId="a", name="flow"))
    rig.request("TerminateInstance", pb.TerminateRequest(instanceId="a"))
    rig.request("PurgeInstances", pb.PurgeInstancesRequest(instanceId="a"))

    written = rows(rig)

    assert written.keys() <= {
        sql.DELETE_INSTANCE,
        sql.DELETE_INPUT,
        sql.DELETE_HISTORY,
        sql.DELETE_STATUSES,
    }
    assert facts(rig) == rebuilt(rig)


def test_a_turn_appends_one_row_and_rewrites_nothing() -> None:
    """Rule 5 of the design: cost follows the change."""
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(schedule(1))
    worker.finish(worker.item(), "1")

    rig.request("CompleteOrchestratorTask", answer_to(worker.item(), schedule(2)))

    written = rows(rig)
    assert written.keys() == {sql.INSERT_TURN, sql.DELETE_ARRIVAL}
    assert [len(found) for found in written.values()] == [1, 1]


def test_a_custom_status_is_one_more_row_only_in_the_turn_that_changes_it() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(schedule(1))
    worker.finish(worker.item(), "1")

    rig.request("CompleteOrchestratorTask", answer_to(worker.item(), schedule(2), status='"busy"'))
    changed = rows(rig)
    worker.finish(worker.item(), "2")
    rig.request("CompleteOrchestratorTask", answer_to(worker.item(), schedule(3), status='"busy"'))
    unchanged = rows(rig)

    usual = {sql.INSERT_TURN, sql.DELETE_ARRIVAL}
    assert changed.keys() == usual | {sql.UPDATE_INSTANCE, sql.PUT_STATUS}
    assert {len(found) for found in changed.values()} == {1}
    assert unchanged.keys() == usual


def test_turns_that_continue_as_new_drop_are_not_written() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()

    rig.request("CompleteOrchestratorTask", answer_to(worker.item(), continue_as_new()))

    assert sql.INSERT_TURN not in rows(rig)
    assert facts(rig) == rebuilt(rig)


def test_events_of_many_requests_share_one_group() -> None:
    rig = Rig()
    rig.start()
    for number in range(10):
        raise_event(rig, str(number))

    written = rows(rig)

    assert [(statement, len(found)) for statement, found in written.items()] == [(sql.INSERT_ARRIVAL, 10)]


def test_a_group_is_closed_for_good_when_it_is_cut() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    turn = worker.item()
    raise_event(rig, "first")
    group = rig.cut()

    rig.request("CompleteOrchestratorTask", answer_to(turn, complete()))

    assert group.batch is not None
    assert [statement for statement, _ in group.batch.statements] == [sql.INSERT_ARRIVAL]
