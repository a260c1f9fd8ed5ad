"""Questions about many instances (semantics 1.5, 1.6)."""

from __future__ import annotations

from typing import Any

import pytest
from durakit.scheduler.refusal import Refusal
from durakit.wire.messages import orchestration_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from .rig import (
    BEGINNING,
    COMPLETED,
    FAILED,
    PENDING,
    RUNNING,
    SECOND,
    TERMINATED,
    Rig,
    answer_to,
    complete,
    fail,
    stamp,
    text,
)


def many(count: int = 5) -> Rig:
    """Return a rig with instances `0`, `1`, ... created a second apart."""
    rig = Rig()
    for number in range(count):
        rig.start(str(number))
        rig.advance(1)
    return rig


def query(rig: Rig, token: str | None = None, **fields: Any) -> tuple[list[str], str]:
    """Return the ids of a page and the token of the next."""
    asked = pb.InstanceQuery(continuationToken=text(token), **fields)
    response = rig.request("QueryInstances", pb.QueryInstancesRequest(query=asked))
    return [state.instanceId for state in response.orchestrationState], response.continuationToken.value


def test_a_query_is_answered_oldest_first() -> None:
    assert query(many()) == (["0", "1", "2", "3", "4"], "")


def test_pages_follow_each_other_and_the_last_has_no_token() -> None:
    rig = many()

    first, token = query(rig, maxInstanceCount=2)
    second, after = query(rig, token, maxInstanceCount=2)
    third, end = query(rig, after, maxInstanceCount=2)

    assert [first, second, third] == [["0", "1"], ["2", "3"], ["4"]]
    assert end == ""


def test_a_page_that_is_just_full_is_the_last() -> None:
    assert query(many(2), maxInstanceCount=2) == (["0", "1"], "")


def test_pages_neither_skip_nor_repeat_when_instances_come_and_go_between_them() -> None:
    """Semantics 1.5 rule 3."""
    rig = many()
    first, token = query(rig, maxInstanceCount=2)

    rig.terminate("0")
    rig.purge("0")
    rig.start("new")
    rest, _ = query(rig, token)

    assert first + rest == ["0", "1", "2", "3", "4", "new"]


def test_instances_created_in_the_same_moment_are_all_found() -> None:
    rig = Rig()
    for number in range(4):
        rig.start(str(number))

    first, token = query(rig, maxInstanceCount=3)
    rest, _ = query(rig, token, maxInstanceCount=3)

    assert first + rest == ["0", "1", "2", "3"]


def test_a_token_of_another_scheduler_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        query(Rig(), "garbage")

    assert caught.value.status == "INVALID_ARGUMENT"
    assert caught.value.message == (
        "'garbage' is not a continuation token of this scheduler. Pass the token of the last page unchanged, "
        "or none for the first page."
    )


def test_a_range_includes_its_beginning_and_not_its_end() -> None:
    rig = many()

    found, _ = query(
        rig, createdTimeFrom=stamp(BEGINNING + SECOND), createdTimeTo=stamp(BEGINNING + 3 * SECOND)
    )

    assert found == ["1", "2"]


def test_a_range_may_end_in_the_year_9999() -> None:
    assert query(many(1), createdTimeTo=Timestamp(seconds=253_402_300_799)) == (["0"], "")
    assert query(many(1), createdTimeFrom=Timestamp(seconds=-62_135_596_800)) == (["0"], "")


def test_a_prefix_is_taken_literally_and_by_case() -> None:
    rig = Rig()
    for instance_id in ["Ab", "ab", "a%", "a_x"]:
        rig.start(instance_id)

    assert query(rig, instanceIdPrefix=text("a"))[0] == ["ab", "a%", "a_x"]
    assert query(rig, instanceIdPrefix=text("a%"))[0] == ["a%"]
    assert query(rig, instanceIdPrefix=text("a_"))[0] == ["a_x"]


def test_a_query_by_status_shows_nothing_that_has_just_left_it() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    rig.request("CompleteOrchestratorTask", answer_to(worker.item(), complete()))

    before, _ = query(rig, runtimeStatus=[PENDING])
    rig.commit()

    assert before == []
    assert query(rig, runtimeStatus=[COMPLETED])[0] == ["a"]


def test_a_status_the_protocol_does_not_know_finds_nothing() -> None:
    assert query(many(1), runtimeStatus=[77]) == ([], "")


def test_payloads_come_only_when_asked_for() -> None:
    rig = Rig()
    rig.start(input=text('"x"'))
    request = pb.QueryInstancesRequest()

    (bare,) = rig.request("QueryInstances", request).orchestrationState
    request.query.fetchInputsAndOutputs = True
    (full,) = rig.request("QueryInstances", request).orchestrationState

    assert not bare.HasField("input")
    assert full.input.value == '"x"'


# --- ids of ended instances


def ended(*endings: tuple[str, pb.OrchestratorAction]) -> Rig:
    rig = Rig()
    worker = rig.worker()
    for instance_id, action in endings:
        rig.start(instance_id)
        worker.do(action)
        rig.advance(1)
    return rig


def list_ids(rig: Rig, key: str | None = None, **fields: Any) -> tuple[list[str], str]:
    request = pb.ListInstanceIdsRequest(lastInstanceKey=text(key), **fields)
    response = rig.request("ListInstanceIds", request)
    return list(response.instanceIds), response.lastInstanceKey.value


def test_ids_come_in_the_order_in_which_their_instances_ended() -> None:
    rig = ended(("b", complete()), ("a", fail()))
    rig.start("running")

    assert list_ids(rig) == (["b", "a"], "")
    assert list_ids(rig, runtimeStatus=[FAILED]) == (["a"], "")


def test_ids_come_in_pages() -> None:
    rig = ended(("b", complete()), ("a", fail()), ("c", complete()))

    first, key = list_ids(rig, pageSize=2)
    second, end = list_ids(rig, key, pageSize=2)

    assert (first, second, end) == (["b", "a"], ["c"], "")


def test_an_empty_key_means_the_first_page() -> None:
    """Semantics 1.5 rule 5: the .NET SDK sends one."""
    assert list_ids(ended(("b", complete())), "") == (["b"], "")


def test_a_key_of_another_scheduler_is_refused() -> None:
    with pytest.raises(Refusal, match="'garbage' is not an instance key of this scheduler"):
        list_ids(Rig(), "garbage")


# --- purge by filter and batch


def purge_by(rig: Rig, recursive: bool = False, **fields: Any) -> int:
    chosen = pb.PurgeInstanceFilter(**fields)
    request = pb.PurgeInstancesRequest(purgeInstanceFilter=chosen, recursive=recursive)
    response: pb.PurgeInstancesResponse = rig.call("PurgeInstances", request)
    assert response.isComplete.value
    return response.deletedInstanceCount


def test_a_filter_without_statuses_purges_all_that_has_ended() -> None:
    rig = ended(("a", complete()), ("b", fail()))
    rig.start("running")

    assert purge_by(rig) == 2
    assert query(rig)[0] == ["running"]


def test_a_filter_of_statuses_that_are_no_end_purges_nothing() -> None:
    rig = ended(("a", complete()))

    assert purge_by(rig, runtimeStatus=[RUNNING]) == 0
    assert purge_by(rig, runtimeStatus=[77]) == 0
    assert purge_by(rig, runtimeStatus=[RUNNING, COMPLETED]) == 1


def test_a_batch_purges_what_has_ended_and_passes_over_the_rest() -> None:
    rig = ended(("a", complete()), ("b", fail()))
    rig.start("running")
    batch = pb.InstanceBatch(instanceIds=["a", "running", "nobody"])

    response = rig.call("PurgeInstances", pb.PurgeInstancesRequest(instanceBatch=batch))

    assert response.deletedInstanceCount == 1
    assert query(rig)[0] == ["b", "running"]


def test_a_batch_over_its_limit_is_refused() -> None:
    batch = pb.InstanceBatch(instanceIds=["x"] * 501)

    with pytest.raises(Refusal, match=r"The batch has 501 ids; at most 500 are allowed\. Split it\."):
        Rig().call("PurgeInstances", pb.PurgeInstancesRequest(instanceBatch=batch))


def test_a_purge_of_nothing_in_particular_is_refused() -> None:
    with pytest.raises(Refusal, match="Nothing to purge was named"):
        Rig().call("PurgeInstances", pb.PurgeInstancesRequest())


# --- states and histories


def test_a_state_has_its_times_and_leaves_payloads_out_when_not_asked_for() -> None:
    """Semantics 1.4."""
    rig = Rig()
    worker = rig.worker()
    rig.start(input=text('"in"'))
    rig.advance(2)
    worker.do(complete('"out"'), status='"s"')

    state = rig.request("GetInstance", pb.GetInstanceRequest(instanceId="a")).orchestrationState

    assert state.createdTimestamp == stamp(BEGINNING)
    assert state.lastUpdatedTimestamp == state.completedTimestamp == stamp(BEGINNING + 2 * SECOND)
    assert not any(state.HasField(field) for field in ("input", "output", "customStatus", "failureDetails"))


def test_a_missing_instance_is_not_an_error() -> None:
    assert not Rig().request("GetInstance", pb.GetInstanceRequest(instanceId="nobody")).exists


def test_a_history_comes_in_pieces_smaller_than_clients_receive() -> None:
    """Semantics 1.10 rule 1: one turn may be larger than that."""
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do(*[pb.OrchestratorAction(id=n, scheduleTask=large_task()) for n in range(60)])

    request = pb.StreamInstanceHistoryRequest(instanceId="a")
    chunks = list(rig.requests.history_chunks(request, rig.hub))

    assert max(chunk.ByteSize() for chunk in chunks) < 512 * 1024
    assert [event for chunk in chunks for event in chunk.events] == rig.history()
    assert len(rig.history()) == 63


def large_task() -> pb.ScheduleTaskAction:
    return pb.ScheduleTaskAction(name="work", input=text("x" * 100_000))


def test_the_history_of_an_execution_that_is_gone_is_refused() -> None:
    rig = Rig()
    rig.start()
    request = pb.StreamInstanceHistoryRequest(instanceId="a", executionId=text("old"))

    with pytest.raises(Refusal, match="Orchestration instance 'a' no longer has execution 'old'"):
        list(rig.requests.history_chunks(request, rig.hub))


def test_a_history_that_left_memory_is_read_whole_even_between_commits() -> None:
    rig = Rig()
    worker = rig.worker()
    rig.start()
    worker.do()
    rig.raise_event("e")
    turn = worker.item()
    rig.hub.machine.resident["a"].history = None
    rig.request("CompleteOrchestratorTask", answer_to(turn))
    rig.history()  # somebody reads while the last turn is not on disk
    rig.commit()

    rig.raise_event("e")

    assert len(worker.item().orchestratorRequest.pastEvents) == 6


def test_status_numbers_are_those_of_the_wire() -> None:
    rig = ended(("a", complete()), ("b", fail()))
    rig.start("c")
    rig.terminate("c")

    assert [rig.status(one) for one in "abc"] == [COMPLETED, FAILED, TERMINATED]
