"""Terminating, continuing as new, purging (semantics 3.9, 3.12, 1.6)."""

from __future__ import annotations

import pytest
from durakit.scheduler.refusal import Refusal
from durakit.wire.messages import orchestration_pb2 as pb

from ..rig import (
    BEGINNING,
    COMPLETED,
    RUNNING,
    SECOND,
    TERMINATED,
    Rig,
    Worker,
    child,
    complete,
    continue_as_new,
    facts,
    kinds,
    rebuilt,
    schedule,
    send,
    text,
    timer,
)


def begun() -> tuple[Rig, Worker]:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    return rig, worker


# --- terminate


def test_a_pending_instance_is_terminated_without_a_worker() -> None:
    rig = Rig()
    rig.start()

    rig.terminate(output='"why"')

    assert (rig.status(), rig.state().output.value) == (TERMINATED, '"why"')
    assert kinds(rig.history()) == [
        "orchestratorStarted",
        "executionStarted",
        "executionTerminated",
        "orchestratorCompleted",
        "executionCompleted",
    ]


def test_a_suspended_instance_is_terminated_and_its_held_events_are_recorded_first() -> None:
    rig, worker = begun()
    worker.do()
    rig.suspend()
    rig.raise_event("held")

    rig.terminate()

    assert rig.status() == TERMINATED
    assert kinds(rig.history())[-5:] == [
        "executionSuspended",
        "eventRaised",
        "executionTerminated",
        "orchestratorCompleted",
        "executionCompleted",
    ]


def test_a_turn_under_way_when_its_instance_is_terminated_is_stale() -> None:
    rig, worker = begun()
    turn = worker.item()

    rig.terminate()

    with pytest.raises(Refusal, match="no longer open"):
        worker.answer(turn, complete('"too late"'))
    assert (rig.status(), rig.state().output.value) == (TERMINATED, '"over"')


def test_terminating_what_has_ended_changes_nothing() -> None:
    rig, worker = begun()
    worker.do(complete('"done"'))

    rig.terminate()

    assert (rig.status(), rig.state().output.value) == (COMPLETED, '"done"')


def test_terminating_nobody_is_refused() -> None:
    with pytest.raises(Refusal, match="There is no orchestration instance 'nobody' in this task hub"):
        Rig().terminate("nobody")


def family() -> tuple[Rig, Worker]:
    """Return a rig where `a` waits for `b`, and `b` for `c`."""
    rig, worker = begun()
    worker.do(child(1, "b"))
    worker.do(child(1, "c"))
    worker.do()
    return rig, worker


def test_a_recursive_termination_reaches_all_below() -> None:
    rig, _ = family()

    rig.terminate(recursive=True)

    assert [rig.status(one) for one in "abc"] == [TERMINATED] * 3


def test_a_termination_that_is_not_recursive_leaves_children_alone() -> None:
    rig, _ = family()

    rig.terminate()

    assert [rig.status(one) for one in "abc"] == [TERMINATED, RUNNING, RUNNING]


def test_a_recursive_termination_after_a_crash_reaches_all_below_too() -> None:
    rig, _ = family()
    rig.crash()

    rig.terminate(recursive=True)

    assert [rig.status(one) for one in "abc"] == [TERMINATED] * 3


def test_a_batch_is_terminated_at_once_and_the_answer_names_those_that_were_not() -> None:
    rig, worker = begun()
    worker.do(complete())
    rig.start("b")
    request = pb.SkipGracefulOrchestrationTerminationsRequest(
        instanceBatch=pb.InstanceBatch(instanceIds=["a", "b", "nobody"])
    )

    answer = rig.call("SkipGracefulOrchestrationTerminations", request)

    assert list(answer.unterminatedInstanceIds) == ["a", "nobody"]
    assert rig.status("b") == TERMINATED


# --- continue as new


def test_a_new_execution_has_a_new_id_and_a_history_of_its_own() -> None:
    _, worker = begun()
    first = worker.do(continue_as_new("2"))

    second = worker.item().orchestratorRequest

    assert second.executionId.value != first.orchestratorRequest.executionId.value
    assert not second.pastEvents
    assert kinds(second.newEvents) == ["orchestratorStarted", "executionStarted"]
    assert second.newEvents[1].executionStarted.input.value == "2"


def test_name_tags_version_and_creation_time_stay_and_the_input_changes() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start(input=text("1"), version=text("v"), tags={"a": "b"})
    created = rig.state().createdTimestamp
    rig.advance(5)

    worker.do(continue_as_new("2"), status='"gone"')

    state = rig.state()
    assert (state.input.value, state.version.value, dict(state.tags)) == ("2", "v", {"a": "b"})
    assert state.createdTimestamp == created
    assert not state.HasField("customStatus")
    assert rig.status() == RUNNING


def test_a_new_version_is_taken() -> None:
    _, worker = begun()

    worker.do(continue_as_new(version="2"))

    assert worker.item().orchestratorRequest.newEvents[1].executionStarted.version.value == "2"


def test_carried_events_come_before_those_that_arrived_meanwhile() -> None:
    """Semantics 3.9 rule 3."""
    rig, worker = begun()
    turn = worker.item()
    rig.raise_event("during")

    worker.answer(turn, continue_as_new(carried=["carried 1", "carried 2"]))

    events = worker.item().orchestratorRequest.newEvents[2:]
    assert [event.eventRaised.name for event in events] == ["carried 1", "carried 2", "during"]


def test_only_raised_events_can_be_carried() -> None:
    _, worker = begun()
    action = continue_as_new(carried=["e"])
    action.completeOrchestration.carryoverEvents.add(taskCompleted=pb.TaskCompletedEvent(taskScheduledId=1))
    action.completeOrchestration.carryoverEvents.add()

    worker.do(action)

    assert kinds(worker.item().orchestratorRequest.newEvents[2:]) == ["eventRaised"]


def test_results_for_the_old_execution_are_dropped() -> None:
    """Semantics 3.9 rule 5."""
    rig, worker = begun()
    worker.do(schedule(1), timer(2, BEGINNING + SECOND), child(3, "kid"))
    items = worker.items()
    task = next(item for item in items if item.HasField("activityRequest"))
    kid = next(item for item in items if item.HasField("orchestratorRequest"))
    rig.raise_event("go on")
    worker.do(continue_as_new())
    worker.do()

    worker.finish(task, "late")
    worker.answer(kid, complete())
    rig.advance(10)

    assert worker.items() == []
    assert facts(rig)["a"]["inbox"] == []


def test_a_result_that_waits_while_the_execution_changes_is_dropped() -> None:
    rig, worker = begun()
    worker.do(schedule(1))
    task = worker.item()
    rig.raise_event("go on")
    turn = worker.item()
    worker.finish(task, "late")

    worker.answer(turn, continue_as_new())

    assert kinds(worker.item().orchestratorRequest.newEvents) == ["orchestratorStarted", "executionStarted"]
    assert facts(rig) == rebuilt(rig)


def test_other_actions_of_the_turn_happen() -> None:
    """Semantics 3.9 rule 3, trap 7."""
    rig, worker = begun()

    worker.do(child(1, "kid"), send(2, "a", "to myself"), continue_as_new())

    assert rig.exists("kid")
    own = next(item for item in worker.items() if item.orchestratorRequest.instanceId == "a")
    assert kinds(own.orchestratorRequest.newEvents)[-1] == "eventRaised"


def test_the_parent_is_told_of_the_last_execution_only() -> None:
    _, worker = begun()
    worker.do(child(1, "kid"))
    worker.do(continue_as_new())

    worker.do(complete('"last"'))

    item = worker.item()
    assert item.orchestratorRequest.instanceId == "a"
    assert item.orchestratorRequest.newEvents[1].subOrchestrationInstanceCompleted.result.value == '"last"'


def test_the_file_holds_only_the_history_of_the_last_execution() -> None:
    rig, worker = begun()
    row = rig.hub.machine.resident["a"].row
    for _ in range(20):
        worker.do(schedule(1))
        worker.finish(worker.item(), "1")
        worker.do(continue_as_new())
    worker.do(schedule(1))

    assert len(rig.store.history(row)) == 1
    assert facts(rig) == rebuilt(rig)


def test_continuing_as_new_in_memory_equals_continuing_after_a_crash() -> None:
    rig, worker = begun()
    worker.do(continue_as_new("2", carried=["e"]))

    rig.crash()

    events = rig.worker().item().orchestratorRequest.newEvents
    assert kinds(events) == ["orchestratorStarted", "executionStarted", "eventRaised"]


# --- purge


def test_a_purged_instance_leaves_nothing_behind() -> None:
    rig, worker = begun()
    row = rig.hub.machine.resident["a"].row
    rig.raise_event("e", "1")
    worker.do(schedule(1), complete())

    assert rig.purge() == 1

    assert not rig.exists()
    assert rig.store.history(row) == []
    assert rig.store.inbox() == {}


def test_what_runs_is_not_purged() -> None:
    rig, _ = begun()

    with pytest.raises(Refusal) as caught:
        rig.purge()

    assert caught.value.status == "FAILED_PRECONDITION"
    assert caught.value.message == (
        "Orchestration instance 'a' is PENDING; only instances that have ended can be purged. Terminate it "
        "first."
    )


def test_purging_nobody_purges_nothing() -> None:
    assert Rig().purge("nobody") == 0


def test_a_recursive_purge_takes_all_below_that_has_ended() -> None:
    rig, _ = family()
    rig.terminate("a")
    rig.terminate("c")

    assert rig.purge("a", recursive=True) == 1
    assert rig.exists("b")


def test_a_recursive_purge_counts_every_generation() -> None:
    rig, _ = family()
    rig.terminate(recursive=True)

    assert rig.purge("a", recursive=True) == 3
    assert not any(rig.exists(one) for one in "abc")


def test_a_purged_id_is_free_and_old_timers_do_not_reach_its_next_owner() -> None:
    """Trap 56."""
    rig, worker = begun()
    worker.do(timer(1, BEGINNING + SECOND))
    rig.terminate()
    rig.purge()
    rig.start()
    worker.do()

    rig.advance(5)

    assert worker.items() == []
