"""Questions about many instances: query, list of ids, purge by filter."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from .stage import Stage


def quick(ctx: Any, _: Any) -> None:
    return None


def broken(ctx: Any, _: Any) -> None:
    raise ValueError("broken")


def sleeper(ctx: Any, _: Any) -> Any:
    yield ctx.wait_for_external_event("never")


def populate(stage: Stage) -> None:
    """Have three instances complete, two fail, one run."""
    stage.work(quick, broken, sleeper)
    ended = [stage.start(quick, instance_id=f"ok-{n}") for n in range(3)]
    ended += [stage.start(broken, instance_id=f"bad-{n}") for n in range(2)]
    running = stage.start(sleeper, instance_id="running")
    for instance_id in ended:
        stage.end(instance_id)
    stage.begun(running)


ALL = ["bad-0", "bad-1", "ok-0", "ok-1", "ok-2", "running"]


def test_a_query_finds_by_status_time_and_prefix(stage: Stage) -> None:
    before = datetime.now(timezone.utc) - timedelta(minutes=1)
    populate(stage)
    after = datetime.now(timezone.utc) + timedelta(minutes=1)

    assert stage.query() == ALL
    assert stage.query(runtime_status=stage.statuses("FAILED")) == ["bad-0", "bad-1"]
    assert stage.query(runtime_status=stage.statuses("RUNNING", "FAILED")) == ["bad-0", "bad-1", "running"]
    assert stage.query(created_time_from=before, created_time_to=after) == ALL
    assert stage.query(created_time_from=after) == []
    assert stage.query(created_time_to=before) == []


def test_a_query_finds_by_prefix_of_the_id(stage: Stage) -> None:
    populate(stage)

    assert stage.query(instance_id_prefix="ok-") == ["ok-0", "ok-1", "ok-2"]
    assert stage.query(instance_id_prefix="OK-") == []


def test_a_query_collects_all_its_pages(stage: Stage) -> None:
    populate(stage)

    assert stage.query(max_instance_count=2) == ALL


def test_a_query_fetches_payloads_only_when_asked(stage: Stage) -> None:
    stage.work(quick)
    stage.end(stage.start(quick, input="payload"))
    query = stage.client_module.OrchestrationQuery

    (bare,) = stage.client.get_all_orchestration_states(query(fetch_inputs_and_outputs=False))
    (full,) = stage.client.get_all_orchestration_states(query(fetch_inputs_and_outputs=True))

    assert bare.serialized_input is None
    assert full.serialized_input == '"payload"'


def test_ids_of_ended_instances_are_listed_in_pages(stage: Stage) -> None:
    """Semantics 1.5 rule 5."""
    populate(stage)
    found: list[str] = []
    token = None

    while True:
        page = stage.client.list_instance_ids(page_size=2, continuation_token=token)
        found += page.items
        token = page.continuation_token
        if not token:
            break

    assert sorted(found) == ["bad-0", "bad-1", "ok-0", "ok-1", "ok-2"]
    assert sorted(stage.client.list_instance_ids(stage.statuses("FAILED")).items) == ["bad-0", "bad-1"]


def test_one_ended_instance_is_purged_and_its_id_is_free_again(stage: Stage) -> None:
    populate(stage)

    purged = stage.client.purge_orchestration("ok-0")
    again = stage.client.purge_orchestration("ok-0")

    assert (purged.deleted_instance_count, again.deleted_instance_count) == (1, 0)
    assert stage.client.get_orchestration_state("ok-0") is None
    assert stage.start(quick, instance_id="ok-0") == "ok-0"


def test_a_filter_purges_what_has_ended_and_nothing_else(stage: Stage) -> None:
    before = datetime.now(timezone.utc) - timedelta(minutes=1)
    populate(stage)

    by_status = stage.client.purge_orchestrations_by(runtime_status=stage.statuses("FAILED"))
    by_time = stage.client.purge_orchestrations_by(created_time_from=before)

    assert (by_status.deleted_instance_count, by_time.deleted_instance_count) == (2, 3)
    assert stage.query() == ["running"]


@pytest.mark.embedded
def test_a_query_with_large_payloads_comes_in_pages_that_fit_a_message(stage: Stage) -> None:
    """Semantics 1.5 rule 2: the size of a page is a hint; a message over 4 MiB is none."""

    def echo(ctx: Any, value: str) -> str:
        return value

    stage.work(echo)
    ids = [stage.start(echo, input=f"{number}" + "x" * 900_000) for number in range(4)]
    for instance_id in ids:
        stage.end(instance_id)

    query = stage.client_module.OrchestrationQuery(fetch_inputs_and_outputs=True)
    found = stage.client.get_all_orchestration_states(query)

    assert sorted(state.instance_id for state in found) == sorted(ids)
    assert {len(state.serialized_output) for state in found} == {900_003}
