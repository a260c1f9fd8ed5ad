"""Custom statuses over time: what is kept, how much of it, and for how long."""

from __future__ import annotations

import pytest
from durakit.scheduler.machine.status_record import CHARACTERS_KEPT, STATUSES_KEPT
from durakit.scheduler.store import StoreError
from durakit.scheduler.store import statements as sql
from durakit.wire.messages import link_pb2 as link
from durakit.wire.messages import orchestration_pb2 as pb

from ..rig import (
    COMPLETED,
    SECOND,
    TERMINATED,
    Rig,
    Worker,
    answer_to,
    complete,
    continue_as_new,
    facts,
    fail,
    rebuilt,
    result_of,
    schedule,
    text,
)


def begun() -> tuple[Rig, Worker]:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    return rig, worker


def say(rig: Rig, worker: Worker, *statuses: str | None) -> None:
    """Take a turn for each of these custom statuses; the first turn must be on offer."""
    for status in statuses:
        worker.do(status=status)
        rig.advance(1)
        rig.raise_event("next")


def texts(rig: Rig) -> list[str | None]:
    """Return the record's values, oldest first."""
    return [change.text for change in reversed(rig.record())]


# --- what is kept


def test_each_new_custom_status_is_kept_with_its_time() -> None:
    rig, worker = begun()
    began = rig.now

    say(rig, worker, '"one"', '"two"')

    newest, oldest = rig.record()
    assert (oldest.number, oldest.at_ns, oldest.text) == (1, began, '"one"')
    assert (newest.number, newest.at_ns, newest.text) == (2, began + SECOND, '"two"')


def test_a_custom_status_that_is_said_again_is_kept_once() -> None:
    rig, worker = begun()

    say(rig, worker, None, '"one"', '"one"', '"two"', '"one"')

    assert texts(rig) == ['"one"', '"two"', '"one"']


def test_a_custom_status_that_is_taken_back_leaves_a_none() -> None:
    rig, worker = begun()

    say(rig, worker, '"one"', None, "")

    assert texts(rig) == ['"one"', None]


def test_the_last_turn_may_say_something_too() -> None:
    rig, worker = begun()

    worker.do(complete(), status='"done"')

    assert texts(rig) == ['"done"']


def test_a_turn_that_was_computed_ahead_counts_like_any_other() -> None:
    rig = Rig()
    worker = rig.worker(sessions=10)
    rig.start()
    first = worker.do(schedule(1), status='"one"')
    rig.advance(1)
    turn = link.EagerTurn(
        instance_id="a",
        session=first.completionToken,
        execution_id=first.orchestratorRequest.executionId.value,
        committed_events=rig.hub.machine.resident["a"].events,
        started_ns=rig.now + SECOND,
        results=[result_of(worker.item(), "1")],
        response=pb.OrchestratorResponse(instanceId="a", actions=[complete()], customStatus=text('"two"')),
    )

    rig.hub.complete_eager_turn(worker.stream, turn, rig.now)
    rig.commit()

    assert texts(rig) == ['"one"', '"two"']
    # The orchestration's clock is the worker's here, and never runs backwards.
    assert rig.record()[0].at_ns == rig.now + SECOND


def test_an_answer_that_does_not_count_leaves_nothing() -> None:
    rig, worker = begun()
    stale = worker.item()
    rig.call("TerminateInstance", pb.TerminateRequest(instanceId="a"))

    with pytest.raises(Exception, match="no longer open"):
        worker.answer(stale, status='"late"')
    rig.commit()

    assert rig.status() == TERMINATED
    assert rig.record() == []


# --- how much


def test_the_latest_hundred_are_kept_and_older_ones_make_room() -> None:
    rig, worker = begun()

    say(rig, worker, *(str(number) for number in range(1, STATUSES_KEPT + 31)))

    assert texts(rig) == [str(number) for number in range(31, STATUSES_KEPT + 31)]
    assert rig.record()[0].number == STATUSES_KEPT + 30
    assert facts(rig) == rebuilt(rig)


def test_neighbours_keep_their_records_apart() -> None:
    rig = Rig()
    worker = rig.worker()
    for instance_id in "abc":
        rig.start(instance_id)
    for _ in range(STATUSES_KEPT + 1):
        for item in worker.items():
            instance_id = item.orchestratorRequest.instanceId
            worker.answer(item, status=f'"{instance_id} {rig.now}"')
            rig.raise_event("next", instance_id=instance_id)
        rig.advance(1)

    for instance_id in "abc":
        record = rig.record(instance_id)
        assert len(record) == STATUSES_KEPT
        assert {change.text[:2] for change in record if change.text} == {f'"{instance_id}'}


def test_of_a_long_custom_status_the_beginning_is_kept_and_the_size() -> None:
    rig, worker = begun()
    long = '"' + "ä" * CHARACTERS_KEPT + '"'

    say(rig, worker, long)

    (change,) = rig.record()
    assert change.text == long[:CHARACTERS_KEPT]
    assert change.bytes == 2 * CHARACTERS_KEPT + 2
    assert rig.state().customStatus.value == long


def test_long_custom_statuses_that_begin_alike_are_told_apart() -> None:
    rig, worker = begun()
    alike = "1" * CHARACTERS_KEPT

    say(rig, worker, f"{alike}1", f"{alike}2", f"{alike}2")

    assert len(rig.record()) == 2


# --- how long


def test_the_record_goes_on_when_the_instance_continues_as_new() -> None:
    rig, worker = begun()

    say(rig, worker, '"one"')
    worker.do(continue_as_new())
    say(rig, worker, '"two"')

    assert texts(rig) == ['"one"', '"two"']


def test_what_a_new_execution_repeats_is_no_news() -> None:
    rig, worker = begun()

    for _ in range(3):
        say(rig, worker, '"waiting"')
        worker.do(continue_as_new())

    assert texts(rig) == ['"waiting"']


def test_a_new_execution_that_says_nothing_has_none_from_its_first_turn_on() -> None:
    rig, worker = begun()
    say(rig, worker, '"one"')
    worker.do(continue_as_new())

    worker.do()

    assert texts(rig) == ['"one"', None]


def test_a_new_execution_that_ends_before_its_first_turn_ends_with_none() -> None:
    rig, worker = begun()
    say(rig, worker, '"one"')
    worker.do(continue_as_new())

    rig.call("TerminateInstance", pb.TerminateRequest(instanceId="a"))

    assert texts(rig) == ['"one"', None]


def test_what_the_turn_says_that_continues_as_new_was_never_to_be_seen() -> None:
    rig, worker = begun()

    worker.do(continue_as_new(), status='"gone"')

    assert rig.record() == []


@pytest.mark.parametrize("between", [[], [None]])
def test_a_crash_forgets_neither_number_nor_last_value(between: list[None]) -> None:
    """Nor between two executions, when the instance itself has no custom status."""
    rig, worker = begun()
    say(rig, worker, '"one"')
    if between:
        worker.do(continue_as_new())

    rig.crash()
    worker = rig.worker()
    say(rig, worker, '"one"', '"two"')

    assert texts(rig) == ['"one"', '"two"']
    assert [change.number for change in rig.record()] == [2, 1]


def test_a_commit_that_fails_leaves_nothing() -> None:
    rig, worker = begun()
    say(rig, worker, '"one"')
    rig.request("CompleteOrchestratorTask", answer_to(worker.item(), status='"two"'))

    rig.cut()
    rig.engine.reload(StoreError("disk full"))
    rig.hub = rig.engine.hub("default")
    rig.commit()
    assert texts(rig) == ['"one"']
    say(rig, rig.worker(), '"three"')

    assert [(change.number, change.text) for change in rig.record()] == [(2, '"three"'), (1, '"one"')]


def test_a_rewound_instance_goes_on_with_its_record() -> None:
    rig, worker = begun()
    worker.do(schedule(1), status='"trying"')
    worker.finish(worker.item(), error="no")
    worker.do(fail(), status='"broken"')

    rig.call("RewindInstance", pb.RewindInstanceRequest(instanceId="a"))
    worker.do(schedule(1), status='"trying"')

    assert texts(rig) == ['"trying"', '"broken"', '"trying"']


def every_row(rig: Rig) -> list[str]:
    found = rig.store.reading.execute("SELECT text FROM custom_status ORDER BY slot").fetchall()
    return [value for (value,) in found]


def test_purging_removes_the_record_and_no_other() -> None:
    rig = Rig()
    worker = rig.worker()
    for instance_id in "abc":
        rig.start(instance_id)
        worker.do(complete(), status=f'"{instance_id}"')

    rig.call("PurgeInstances", pb.PurgeInstancesRequest(instanceId="b"))

    assert every_row(rig) == ['"a"', '"c"']


def test_a_restarted_instance_begins_without_record() -> None:
    rig, worker = begun()
    worker.do(complete(), status='"old"')

    rig.call("RestartInstance", pb.RestartInstanceRequest(instanceId="a"))

    assert every_row(rig) == []
    say(rig, worker, '"new"')
    assert texts(rig) == ['"new"']


def test_an_instance_that_replaces_another_begins_without_record() -> None:
    rig, worker = begun()
    worker.do(complete(), status='"old"')

    rig.start(orchestrationIdReusePolicy=pb.OrchestrationIdReusePolicy(replaceableStatus=[COMPLETED]))

    assert every_row(rig) == []


def test_a_status_and_the_purge_of_its_instance_in_one_group_are_not_written() -> None:
    rig, worker = begun()
    rig.request("CompleteOrchestratorTask", answer_to(worker.item(), complete(), status='"short"'))
    rig.request("PurgeInstances", pb.PurgeInstancesRequest(instanceId="a"))

    group = rig.cut()
    assert group.batch is not None
    assert sql.PUT_STATUS not in dict(group.batch.statements)
    rig.write(group)

    assert every_row(rig) == []
