"""Commit before effect: nothing leaves before what makes it true is on disk."""

from __future__ import annotations

import pytest
from durakit.scheduler.engine import Engine
from durakit.scheduler.refusal import Refusal
from durakit.scheduler.store import StoreError
from durakit.scheduler.waiters import has_begun
from durakit.wire.messages import orchestration_pb2 as pb

from .rig import COMPLETED, PENDING, RUNNING, TERMINATED, Rig, answer_to, complete, facts, result_of, schedule


def start_request(instance_id: str = "a") -> pb.CreateInstanceRequest:
    return pb.CreateInstanceRequest(instanceId=instance_id, name="flow")


def test_no_turn_leaves_before_the_start_is_on_disk() -> None:
    rig = Rig()
    worker = rig.worker()

    rig.request("StartInstance", start_request())
    group = rig.cut()
    before_write = worker.items()
    rig.write(group)
    before_release = worker.items()
    rig.engine.release(group)

    assert (before_write, before_release) == ([], [])
    assert worker.item().orchestratorRequest.instanceId == "a"


def test_no_activity_leaves_before_its_turn_is_on_disk() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    turn = worker.item()

    rig.request("CompleteOrchestratorTask", answer_to(turn, schedule(1)))
    before = worker.items()
    rig.commit()

    assert before == []
    assert worker.item().activityRequest.name == "work"


def test_an_event_of_the_group_being_collected_waits_for_the_next_turn() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do()

    rig.request("RaiseEvent", pb.RaiseEventRequest(instanceId="a", name="first"))
    group = rig.cut()
    rig.request("RaiseEvent", pb.RaiseEventRequest(instanceId="a", name="second"))
    rig.write(group)
    rig.engine.release(group)
    item = worker.item()
    rig.commit()
    worker.answer(item)

    assert [event.eventRaised.name for event in item.orchestratorRequest.newEvents[1:]] == ["first"]
    assert [event.eventRaised.name for event in worker.item().orchestratorRequest.newEvents[1:]] == ["second"]


def test_a_waiter_is_told_of_an_end_only_when_it_is_on_disk() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    told = rig.wait()

    rig.request("CompleteOrchestratorTask", answer_to(worker.item(), complete()))
    before = list(told)
    rig.commit()

    assert before == []
    assert [int(instance.status) for instance in told] == [COMPLETED]


def test_a_waiter_is_not_told_of_an_end_in_the_group_behind_the_one_on_disk() -> None:
    rig = Rig()
    told, begun = rig.wait(), rig.wait(until=has_begun)

    rig.request("StartInstance", start_request())
    group = rig.cut()
    rig.request("TerminateInstance", pb.TerminateRequest(instanceId="a"))
    rig.write(group)
    rig.engine.release(group)
    early = [*told, *begun]
    rig.commit()

    assert early == []
    assert [int(instance.status) for instance in (*told, *begun)] == [TERMINATED, TERMINATED]


def test_an_end_that_is_not_on_disk_is_what_requests_see() -> None:
    rig = Rig()

    rig.request("StartInstance", start_request())
    group = rig.cut()
    rig.request("TerminateInstance", pb.TerminateRequest(instanceId="a"))
    rig.write(group)
    rig.engine.release(group)
    rig.raise_event("late")

    assert rig.status() == TERMINATED
    assert rig.store.inbox() == {}
    assert rig.worker().items() == []


def test_what_was_purged_is_gone_for_all_that_follows() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    purge = pb.PurgeInstancesRequest(instanceId="a")

    rig.request("TerminateInstance", pb.TerminateRequest(instanceId="a"))
    first = rig.request("PurgeInstances", purge).deletedInstanceCount
    group = rig.cut()
    second = rig.request("PurgeInstances", purge).deletedInstanceCount
    with pytest.raises(Refusal, match="There is no orchestration instance 'a' in this task hub"):
        rig.request("RaiseEvent", pb.RaiseEventRequest(instanceId="a", name="e"))
    rig.write(group)
    rig.engine.release(group)
    rig.commit()

    assert (first, second) == (1, 0)
    assert len(worker.items()) == 1  # the turn that was on its way before
    assert rig.store.inbox() == {}


def test_after_a_failed_commit_only_what_is_on_disk_counts() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start("kept")
    rig.request("StartInstance", start_request("lost"))

    rig.engine.reload(StoreError("disk full"))
    rig.hub = rig.engine.hub("default")

    assert facts(rig).keys() == {"kept"}
    assert str(worker.stream.failure) == "disk full"


def test_after_a_failed_commit_everybody_who_waits_is_told() -> None:
    rig = Rig()
    rig.start()

    rig.wait()

    with pytest.raises(StoreError, match="disk full"):
        rig.engine.reload(StoreError("disk full"))


def test_tokens_from_before_a_failed_commit_or_a_crash_are_stale() -> None:
    rig = Rig()
    rig.start()
    before = rig.worker().item()
    rig.engine.reload(StoreError("disk full"))
    rig.hub = rig.engine.hub("default")
    between = rig.worker().item()
    rig.crash()
    after = rig.worker().item()

    tokens = {before.completionToken, between.completionToken, after.completionToken}
    assert len(tokens) == 3
    for stale in (before, between):
        with pytest.raises(Refusal, match="no longer open"):
            rig.request("CompleteOrchestratorTask", answer_to(stale, complete()))


def test_two_schedulers_in_memory_make_different_tokens() -> None:
    first, second = Rig(), Rig()
    first.start()
    second.start()

    assert first.worker().item().completionToken != second.worker().item().completionToken


def test_offering_a_turn_writes_nothing() -> None:
    rig = Rig()
    rig.start()

    rig.worker()

    assert rig.engine.is_idle
    assert not rig.engine.journal.has_rows


def test_a_hub_is_made_on_first_use_and_still_there_after_a_crash() -> None:
    rig = Rig()
    rig.engine.hub("other")
    rig.commit()

    rig.crash()

    assert [hub.name for hub in rig.engine.hubs()] == ["default", "other"]


@pytest.mark.parametrize("name", ["", "x" * 101, "new\nline"])
def test_a_name_that_cannot_be_a_hubs_is_refused(name: str) -> None:
    rig = Rig()

    with pytest.raises(Refusal) as refusal:
        rig.engine.hub(name)

    assert refusal.value.status == "INVALID_ARGUMENT"
    assert refusal.value.message == (
        f"'{name}' cannot be the name of a task hub: it must have 1 to 100 printable characters. "
        f"Set TASKHUB to such a name."
    )


def test_hubs_do_not_see_each_other() -> None:
    rig = Rig()
    rig.start()

    rig.hub = rig.engine.hub("other")

    assert not rig.exists()


def test_a_result_is_kept_when_its_scheduler_crashes_right_after_the_commit() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(schedule(1))
    worker.finish(worker.item(), '"kept"')

    rig.crash()

    (event,) = rig.worker().item().orchestratorRequest.newEvents[1:]
    assert event.taskCompleted.result.value == '"kept"'


def test_a_result_that_was_not_committed_makes_the_activity_run_again() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(schedule(1))
    rig.request("CompleteActivityTask", result_of(worker.item(), '"lost"'))

    rig.crash()

    assert rig.worker().item().activityRequest.taskId == 1
    assert rig.status() == RUNNING


def test_an_engine_needs_nothing_but_a_store() -> None:
    rig = Rig()
    rig.start()

    other = Engine(rig.store, new_id=lambda: "x", now=lambda: rig.now)

    (loaded,) = other.hub("default").machine.resident.values()
    assert int(loaded.status) == PENDING
