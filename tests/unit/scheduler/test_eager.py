"""Turns that a worker computes ahead of being asked: when they count, and that nothing is lost when not."""

from __future__ import annotations

from typing import Any

import pytest
from durakit.scheduler.eager import CLOCK_TOLERANCE_NS
from durakit.scheduler.refusal import Refusal
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

from .rig import (
    COMPLETED,
    RUNNING,
    SECOND,
    Rig,
    Worker,
    complete,
    facts,
    fail,
    kinds,
    rebuilt,
    result_of,
    schedule,
)


class Ahead:
    """An instance whose worker keeps it in memory and holds its activity, number 1 of many."""

    def __init__(self, *actions: pb.OrchestratorAction) -> None:
        self.rig = Rig()
        self.worker: Worker = self.rig.worker(sessions=10)
        self.rig.start(input=None)
        first = self.worker.do(*(actions or (schedule(1),)))
        self.execution_id = first.orchestratorRequest.executionId.value
        self.session = first.completionToken
        self.activities = self.worker.items()

    def turn(
        self, *actions: pb.OrchestratorAction, results: list[pb.ActivityResponse] | None = None, **fields: Any
    ) -> link.EagerTurn:
        """The turn that follows from the results, by default of all activities."""
        instance = self.rig.hub.machine.resident.get("a")
        known: dict[str, Any] = {
            "instance_id": "a",
            "session": self.session,
            "execution_id": self.execution_id,
            "committed_events": instance.events if instance is not None else 0,
            "started_ns": self.rig.now,
        }
        return link.EagerTurn(
            results=[result_of(item, '"ok"') for item in self.activities] if results is None else results,
            response=pb.OrchestratorResponse(instanceId="a", actions=actions),
            **{**known, **fields},
        )

    def send(self, turn: link.EagerTurn, worker: Worker | None = None) -> None:
        self.rig.hub.complete_eager_turn((worker or self.worker).stream, turn, self.rig.now)

    def refused(self, turn: link.EagerTurn, worker: Worker | None = None) -> str:
        """Send the turn, commit what it left, and return why it does not count."""
        with pytest.raises(Refusal) as refusal:
            self.send(turn, worker)
        self.rig.commit()
        assert refusal.value.status == "FAILED_PRECONDITION"
        return refusal.value.message


def test_results_and_the_turn_after_them_are_one_commit() -> None:
    ahead = Ahead()
    commits = ahead.rig.engine.journal.number

    ahead.send(ahead.turn(schedule(2)))
    ahead.rig.commit()

    assert ahead.rig.engine.journal.number == commits + 1
    assert kinds(ahead.rig.history())[-4:] == [
        "orchestratorStarted",
        "taskCompleted",
        "taskScheduled",
        "orchestratorCompleted",
    ]
    assert facts(ahead.rig) == rebuilt(ahead.rig)


def test_the_next_activity_leaves_only_when_the_turn_is_on_disk() -> None:
    ahead = Ahead()

    ahead.send(ahead.turn(schedule(2)))
    assert ahead.worker.items() == []
    ahead.rig.commit()

    assert ahead.worker.item().activityRequest.taskId == 2


def test_the_history_is_what_the_ordinary_way_would_have_written() -> None:
    eager, ordinary = Ahead(), Ahead()

    eager.send(eager.turn(complete('"done"')))
    eager.rig.commit()
    ordinary.worker.finish(ordinary.activities[0], '"ok"')
    ordinary.worker.do(complete('"done"'))

    assert eager.rig.history() == ordinary.rig.history()
    assert eager.rig.status() == COMPLETED


def test_what_else_arrived_waits_for_the_turn_after() -> None:
    ahead = Ahead()
    ahead.rig.raise_event("hurry")
    in_flight = ahead.worker.item()

    ahead.send(ahead.turn(schedule(2), committed_events=ahead.rig.hub.machine.resident["a"].events))
    ahead.rig.commit()

    events = kinds(ahead.rig.history())
    assert "eventRaised" not in events
    turn = next(item for item in ahead.worker.items() if item.HasField("orchestratorRequest"))
    assert kinds(turn.orchestratorRequest.newEvents) == ["orchestratorStarted", "eventRaised"]
    # The item that was under way asked for the turn that has been answered.
    with pytest.raises(Refusal):
        ahead.worker.answer(in_flight, schedule(3))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"session": "another"}, "a copy of the execution that counts no more"),
        ({"execution_id": "another"}, "another execution"),
        ({"committed_events": 2}, "the history has"),
        ({"started_ns": 0}, "its time is before that of the turn before"),
        ({"started_ns": 10**19}, "too far apart"),
    ],
)
def test_a_turn_that_is_not_the_next_one_does_not_count_but_its_results_do(
    change: dict[str, Any], why: str
) -> None:
    ahead = Ahead()

    assert why in ahead.refused(ahead.turn(schedule(2), **change))

    asked = ahead.worker.item().orchestratorRequest
    assert kinds(asked.newEvents) == ["orchestratorStarted", "taskCompleted"]
    # The worker's copy is not to be trusted any more, so it gets the history.
    assert kinds(asked.pastEvents)[0] == "orchestratorStarted"


def test_a_suspended_instance_keeps_the_results_and_refuses_the_turn() -> None:
    ahead = Ahead()
    ahead.rig.suspend()

    assert "the instance is suspended" in ahead.refused(ahead.turn(schedule(2)))
    assert ahead.worker.items() == []
    ahead.rig.resume()

    asked = ahead.worker.item().orchestratorRequest
    assert "taskCompleted" in kinds(asked.newEvents)


def test_an_instance_that_was_terminated_stays_so() -> None:
    ahead = Ahead()
    turn = ahead.turn(complete())
    ahead.rig.terminate()
    before = ahead.rig.history()

    ahead.refused(turn)

    assert ahead.rig.history() == before


def test_an_instance_that_was_purged_is_none() -> None:
    ahead = Ahead()
    turn = ahead.turn(complete())
    ahead.rig.terminate()
    ahead.rig.purge()

    assert "no such instance" in ahead.refused(turn)


def test_a_turn_sent_twice_counts_once() -> None:
    ahead = Ahead()
    turn = ahead.turn(schedule(2))
    ahead.send(turn)
    ahead.rig.commit()
    once = ahead.rig.history()

    ahead.refused(turn)

    assert ahead.rig.history() == once


def test_a_failed_activity_is_left_to_the_ordinary_way() -> None:
    ahead = Ahead()
    failed = [result_of(ahead.activities[0], error="no")]

    assert "not all results" in ahead.refused(ahead.turn(schedule(2), results=failed))

    assert kinds(ahead.worker.item().orchestratorRequest.newEvents)[-1] == "taskFailed"


def test_a_worker_that_does_not_keep_the_execution_cannot_go_ahead_with_it() -> None:
    ahead = Ahead()
    stranger = ahead.rig.worker("other", sessions=10)

    assert "another worker" in ahead.refused(ahead.turn(schedule(2)), stranger)


def test_results_of_another_instance_prove_nothing() -> None:
    ahead = Ahead()
    ahead.rig.start("b")
    ahead.worker.do(schedule(1))
    theirs = [result_of(ahead.worker.item(), '"ok"')]

    assert "another instance" in ahead.refused(ahead.turn(schedule(2), results=theirs))


def test_after_a_refusal_an_item_that_the_worker_may_have_dropped_comes_again() -> None:
    ahead = Ahead()
    ahead.rig.raise_event("hurry")
    ahead.worker.item()

    ahead.refused(ahead.turn(schedule(2), committed_events=1))

    asked = ahead.worker.item().orchestratorRequest
    assert kinds(asked.newEvents) == ["orchestratorStarted", "eventRaised", "taskCompleted"]


def test_a_turn_computed_from_nothing_does_not_count() -> None:
    ahead = Ahead()

    assert "not all results" in ahead.refused(ahead.turn(schedule(2), results=[]))


def test_a_refusal_makes_void_what_the_worker_sent_after_the_refused_turn() -> None:
    ahead = Ahead(schedule(1), schedule(2))
    first, second = ([result_of(item, '"ok"')] for item in ahead.activities)
    ahead.rig.suspend()
    ahead.refused(ahead.turn(schedule(3), results=first))
    ahead.rig.resume()
    asked = ahead.worker.item()
    before = ahead.rig.history()

    # Only the first of the two is refused for the suspension; both stem from a copy that is void by now.
    assert "kept by another worker, or by none" in ahead.refused(ahead.turn(schedule(4), results=second))

    assert ahead.rig.history() == before
    # The item with the whole history is still the worker's.
    ahead.worker.answer(asked, schedule(5))


def test_a_copy_from_before_an_ordinary_turn_counts_no_more_even_if_it_has_as_many_events() -> None:
    """A turn whose answer is too large for the link leaves by a call, and may overtake."""
    ahead = Ahead(schedule(1), schedule(2))
    overtaken = ahead.turn(schedule(3), results=[result_of(ahead.activities[0], '"ok"')])
    ahead.rig.raise_event("hurry")
    ahead.worker.do()

    overtaken.committed_events = ahead.rig.hub.machine.resident["a"].events

    assert "a copy of the execution that counts no more" in ahead.refused(overtaken)


def test_a_rewound_instance_takes_no_turn_of_a_copy_from_before() -> None:
    ahead = Ahead(schedule(1), schedule(2))
    late = ahead.turn(schedule(3), results=[result_of(ahead.activities[0], '"ok"')])
    ahead.worker.finish(ahead.activities[1], error="no")
    ahead.worker.do(fail())
    ahead.rig.call("RewindInstance", pb.RewindInstanceRequest(instanceId="a"))
    before = ahead.rig.history()

    ahead.refused(late)

    assert ahead.rig.history() == before
    assert ahead.rig.status() == RUNNING


def test_a_replaced_instance_is_not_taken_for_the_one_before() -> None:
    """Its worker may still hold an item of the earlier one, under the same id."""
    ahead = Ahead()
    ahead.rig.raise_event("hurry")
    of_the_earlier = ahead.worker.item()
    ahead.rig.terminate()
    ahead.rig.purge()
    ahead.rig.start(input=None)
    first = ahead.worker.do(schedule(1))
    ahead.session, ahead.execution_id = first.completionToken, first.orchestratorRequest.executionId.value
    ahead.activities = ahead.worker.items()
    ahead.rig.raise_event("hurry again")
    in_flight = ahead.worker.item()

    ahead.send(ahead.turn(schedule(2)))
    ahead.rig.commit()

    # The item that asked for this turn is void, and makes room; the earlier one is still out.
    held = ahead.worker.stream.held
    assert in_flight.completionToken not in held
    assert of_the_earlier.completionToken in held


def test_an_item_that_a_copy_had_passed_when_its_instance_ended_makes_room_when_it_is_given_back() -> None:
    ahead = Ahead()
    ahead.rig.raise_event("hurry")
    passed = ahead.worker.item()
    ahead.rig.terminate()
    ahead.refused(ahead.turn(schedule(2)))

    ahead.rig.hub.abandon_turn(passed.completionToken, ahead.rig.now)

    assert ahead.worker.stream.turns_held == 0
    ahead.rig.advance(1)
    assert ahead.worker.items() == []


def test_a_termination_is_not_dated_before_a_turn_of_a_worker_whose_clock_is_fast() -> None:
    ahead = Ahead()
    ahead.send(ahead.turn(schedule(2), started_ns=ahead.rig.now + SECOND))
    ahead.rig.commit()

    ahead.rig.terminate()

    started = [event for event in ahead.rig.history() if event.HasField("orchestratorStarted")]
    moments = [event.timestamp.ToNanoseconds() for event in started]
    assert moments == sorted(moments)


def test_a_crash_before_the_commit_leaves_results_and_turn_undone() -> None:
    ahead = Ahead()
    before = facts(ahead.rig)

    ahead.send(ahead.turn(schedule(2)))
    ahead.rig.crash()

    assert facts(ahead.rig) == before
    assert ahead.rig.status() == RUNNING


def test_a_clock_a_little_off_is_tolerated() -> None:
    ahead = Ahead()

    ahead.send(ahead.turn(schedule(2), started_ns=ahead.rig.now + CLOCK_TOLERANCE_NS - SECOND))
    ahead.rig.commit()

    assert kinds(ahead.rig.history())[-1] == "orchestratorCompleted"
