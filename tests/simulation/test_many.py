"""Finding and purging many instances: pages that inserts do not shift (semantics.md 1.5, 1.6)."""

from __future__ import annotations

import re
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.client import OrchestrationQuery, OrchestrationStatus
from durakit.errors import InvalidRequestError, InvalidStateError
from durakit.scheduler.refusal import Refusal
from durakit.testing import InProcessTaskHub
from durakit.wire.messages import orchestration_pb2 as pb

from .reading import end, register, status

Steps = Generator[Any, Any, Any]


def waiting(ctx: task.OrchestrationContext, given: Any) -> Steps:
    if given is None:
        yield ctx.wait_for_external_event("go")
    return given


def page(hub: InProcessTaskHub, token: str) -> pb.QueryInstancesResponse:
    request = pb.QueryInstancesRequest()
    request.query.maxInstanceCount = 3
    request.query.instanceIdPrefix.value = "n"
    if token:
        request.query.continuationToken.value = token
    response = hub.requests.by_method["QueryInstances"](request, hub.hub)
    assert isinstance(response, pb.QueryInstancesResponse)
    return response


def test_pages_show_each_instance_once_while_others_come_and_go(hub: InProcessTaskHub) -> None:
    register(hub, waiting)
    for number in range(10):
        hub.client.schedule_new_orchestration(waiting, input=number, instance_id=f"n{number}")
    seen: list[str] = []
    token, pages = "", 0

    while True:
        answer = page(hub, token)
        seen += [found.instanceId for found in answer.orchestrationState]
        pages += 1
        assert answer.continuationToken.value != token
        token = answer.continuationToken.value
        if not token:
            break
        # Among those seen and those to come, at the same instant and later.
        hub.client.schedule_new_orchestration(waiting, input=0, instance_id=f"other{pages}")
        end(hub, "n0") if pages == 1 else hub.advance(timedelta(seconds=1))
        if pages == 2:
            hub.client.purge_orchestration("n0")

    assert seen == [f"n{number}" for number in range(10)]
    assert pages == 4


def test_ids_of_ended_instances_come_in_pages_in_the_order_of_their_end(hub: InProcessTaskHub) -> None:
    register(hub, waiting)
    ids = [hub.client.schedule_new_orchestration(waiting, instance_id=f"i{n}") for n in range(6)]
    for instance_id in reversed(ids):
        hub.advance(timedelta(minutes=1))
        hub.client.raise_orchestration_event(instance_id, "go")
        hub.run_until_idle()
    seen: list[str] = []
    token = None

    while True:
        found = hub.client.list_instance_ids(page_size=2, continuation_token=token)
        seen += found.items
        token = found.continuation_token
        if token is None:
            break
        hub.client.schedule_new_orchestration(waiting)

    assert seen == ids[::-1]


def test_a_query_finds_by_status_time_and_prefix_together(hub: InProcessTaskHub) -> None:
    register(hub, waiting)
    for hour in range(4):
        for name, given in (("Aa", 1), ("Aa%", None), ("ab", None)):
            hub.client.schedule_new_orchestration(waiting, input=given, instance_id=f"{name}{hour}")
        hub.advance(timedelta(hours=1))

    found = hub.client.get_all_orchestration_states(
        OrchestrationQuery(
            created_time_from=hub.now - timedelta(hours=3),
            created_time_to=hub.now - timedelta(hours=1),
            runtime_status=[OrchestrationStatus.RUNNING],
        )
    )

    # From is inclusive, to exclusive, and '%' is no wildcard.
    assert [item.instance_id for item in found] == ["Aa%1", "ab1", "Aa%2", "ab2"]


def test_a_foreign_continuation_token_is_refused(hub: InProcessTaskHub) -> None:
    with pytest.raises(Refusal, match=re.escape("'17' is not a continuation token of this scheduler.")):
        page(hub, "17")
    with pytest.raises(InvalidRequestError, match=re.escape("'x' is not an instance key of this scheduler.")):
        hub.client.list_instance_ids(continuation_token="x")


def family(ctx: task.OrchestrationContext, depth: int) -> Steps:
    if depth:
        children = [
            ctx.call_sub_orchestrator(family, input=depth - 1, instance_id=f"{ctx.instance_id}.{n}")
            for n in range(2)
        ]
        yield task.when_all(children)
    return depth


def test_purging_a_tree_recursively_leaves_nothing(hub: InProcessTaskHub) -> None:
    register(hub, family)
    hub.client.schedule_new_orchestration(family, input=3, instance_id="root")
    end(hub, "root")

    assert hub.client.purge_orchestration("root.0", recursive=False).deleted_instance_count == 1
    hub.client.schedule_new_orchestration(family, input=0, instance_id="root.0")
    end(hub, "root.0")
    # The namesake in the place of the purged child is nobody's child, so it stays, and its orphans too.
    assert hub.client.purge_orchestration("root", recursive=True).deleted_instance_count == 8

    left = sorted(item.instance_id for item in hub.client.get_all_orchestration_states())
    assert left == ["root.0", *sorted(f"root.0.{a}{b}" for a in "01" for b in ("", ".0", ".1"))]


def test_purging_a_parent_whose_children_were_retried_takes_all_of_them(hub: InProcessTaskHub) -> None:
    """Trap 39."""

    def failing(ctx: task.OrchestrationContext, _: Any) -> None:
        raise ValueError("always")

    def parent(ctx: task.OrchestrationContext, _: Any) -> Steps:
        policy = task.RetryPolicy(first_retry_interval=timedelta(seconds=1), max_number_of_attempts=3)
        yield ctx.call_sub_orchestrator(failing, retry_policy=policy)

    register(hub, parent, failing)
    end(hub, hub.client.schedule_new_orchestration(parent, instance_id="parent"))
    before = len(hub.client.get_all_orchestration_states())

    assert hub.client.purge_orchestration("parent", recursive=True).deleted_instance_count == before == 4
    assert hub.client.get_all_orchestration_states() == []


def test_what_still_runs_is_never_purged(hub: InProcessTaskHub) -> None:
    register(hub, waiting)
    hub.client.schedule_new_orchestration(waiting, instance_id="runs")
    hub.client.schedule_new_orchestration(waiting, input=1, instance_id="ended")
    end(hub, "ended")

    with pytest.raises(InvalidStateError, match="'runs' is RUNNING; only instances that have ended"):
        hub.client.purge_orchestration("runs")
    everything = hub.client.purge_orchestrations_by(created_time_from=hub.now - timedelta(days=1))

    assert everything.deleted_instance_count == 1
    assert status(hub, "runs") == "RUNNING"
    assert hub.client.purge_orchestration("ended").deleted_instance_count == 0


def test_a_filter_purges_more_than_a_page(hub: InProcessTaskHub) -> None:
    """Trap 57: 1,000 is a page of a query, not a limit of purging."""
    register(hub, waiting)
    for number in range(1_200):
        hub.client.schedule_new_orchestration(waiting, input=number)
    hub.run_until_idle()

    assert len(hub.client.get_all_orchestration_states()) == 1_200
    purged = hub.client.purge_orchestrations_by(runtime_status=[OrchestrationStatus.COMPLETED])

    assert (purged.deleted_instance_count, purged.is_complete) == (1_200, True)


def test_a_batch_purges_what_has_ended_up_to_five_hundred(hub: InProcessTaskHub) -> None:
    register(hub, waiting)
    for number in range(3):
        hub.client.schedule_new_orchestration(waiting, input=number or None, instance_id=f"i{number}")
    hub.run_until_idle()
    purge = hub.requests.by_method["PurgeInstances"]
    batch = pb.InstanceBatch(instanceIds=["i0", "i1", "i2", "nobody"])

    answer = purge(pb.PurgeInstancesRequest(instanceBatch=batch), hub.hub)
    hub.commit()

    assert isinstance(answer, pb.PurgeInstancesResponse)
    assert answer.deletedInstanceCount == 2
    assert status(hub, "i0") == "RUNNING"
    too_many = pb.InstanceBatch(instanceIds=[str(n) for n in range(501)])
    with pytest.raises(Refusal, match=re.escape("The batch has 501 ids; at most 500 are allowed. Split it.")):
        purge(pb.PurgeInstancesRequest(instanceBatch=too_many), hub.hub)


def test_instances_that_ended_at_once_are_listed_by_the_bytes_of_their_ids(hub: InProcessTaskHub) -> None:
    """Trap 26: the same on every machine, whatever its language."""
    register(hub, waiting)
    ids = ["b", "B", "é", "a", "_", "Z", "ä", "10", "9"]
    for instance_id in ids:
        hub.client.schedule_new_orchestration(waiting, input=1, instance_id=instance_id)
    hub.run_until_idle()

    assert list(hub.client.list_instance_ids().items) == sorted(ids)
