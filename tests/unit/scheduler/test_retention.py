"""Ended instances are purged by age and status, in small batches, and the file shrinks afterwards."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from durakit.scheduler import retention
from durakit.scheduler.machine.instance import Status
from durakit.scheduler.retention import Retention, RetentionPolicy, parse_retention
from durakit.scheduler.store import Batch, StoreError
from durakit.testing import InProcessTaskHub

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def succeed(ctx: Any, payload: Any) -> Any:
    return payload


def fail(ctx: Any, _: Any) -> Any:
    raise ValueError("no")


def wait(ctx: Any, _: Any) -> Generator[Any, Any, Any]:
    yield ctx.wait_for_external_event("go")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[InProcessTaskHub]:
    with InProcessTaskHub(orchestrators=[succeed, fail, wait], db=tmp_path / "hub.db") as task_hub:
        yield task_hub


def ids(hub: InProcessTaskHub) -> set[str]:
    return {state.instance_id for state in hub.client.get_all_orchestration_states()}


def one_of_each(hub: InProcessTaskHub) -> None:
    hub.run(succeed, instance_id="completed")
    hub.run(fail, instance_id="failed")
    for instance_id in ("terminated", "running"):
        hub.client.schedule_new_orchestration(wait, instance_id=instance_id)
    hub.run_until_idle()
    hub.client.terminate_orchestration("terminated")
    hub.run_until_idle()


def test_what_has_ended_goes_when_it_is_old_enough_and_what_runs_stays(hub: InProcessTaskHub) -> None:
    one_of_each(hub)
    Retention(hub.engine, RetentionPolicy(30))

    hub.advance(30 * DAY - HOUR)
    assert ids(hub) == {"completed", "failed", "terminated", "running"}

    hub.advance(2 * HOUR)
    assert ids(hub) == {"running"}


def test_age_counts_from_the_end_not_from_the_start(hub: InProcessTaskHub) -> None:
    hub.client.schedule_new_orchestration(wait, instance_id="long")
    Retention(hub.engine, RetentionPolicy(1))
    hub.advance(10 * DAY)
    hub.client.raise_orchestration_event("long", "go")
    hub.advance(HOUR)

    assert ids(hub) == {"long"}


def test_statuses_may_have_ages_of_their_own(hub: InProcessTaskHub) -> None:
    one_of_each(hub)
    Retention(hub.engine, RetentionPolicy(2, {Status.FAILED: 5, Status.TERMINATED: None}))

    hub.advance(3 * DAY)
    assert ids(hub) == {"failed", "terminated", "running"}

    hub.advance(300 * DAY)
    assert ids(hub) == {"terminated", "running"}


def test_zero_days_purge_at_the_next_look(hub: InProcessTaskHub) -> None:
    one_of_each(hub)
    Retention(hub.engine, RetentionPolicy(0))

    hub.advance(timedelta(minutes=1))

    assert ids(hub) == {"running"}


def test_off_keeps_everything(hub: InProcessTaskHub) -> None:
    one_of_each(hub)
    Retention(hub.engine, RetentionPolicy())

    hub.advance(1000 * DAY)

    assert len(ids(hub)) == 4


def test_a_batch_is_small_and_the_next_one_follows_after_a_pause(
    hub: InProcessTaskHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        hub.run(succeed, instance_id=f"n{number}")
    monkeypatch.setattr(retention, "BATCH_INSTANCES", 10)
    deleted: list[int] = []
    hub.engine.on_released.append(lambda journal: deleted.append(len(journal.deleted)))
    Retention(hub.engine, RetentionPolicy(0))

    hub.advance(timedelta(seconds=11))

    assert [count for count in deleted if count] == [10, 10, 5]


def test_it_goes_on_after_a_failed_commit(hub: InProcessTaskHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.run(succeed, instance_id="old")
    Retention(hub.engine, RetentionPolicy(1))

    def refuse(batch: Batch) -> None:
        raise StoreError("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(hub.engine.store, "commit", refuse)
        with pytest.raises(StoreError) as failure:
            hub.advance(2 * DAY)
    hub.engine.reload(failure.value)
    hub.engine.commit()
    hub.advance(2 * DAY)

    assert hub.engine.store.find(hub.hub.machine.hub_row, "old") is None


def test_the_file_shrinks_after_a_purge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FREE_PAGES_KEPT", 10)
    path = tmp_path / "hub.db"
    with InProcessTaskHub(orchestrators=[succeed], db=path) as hub:
        for number in range(60):
            hub.run(succeed, input="x" * 100_000, instance_id=f"n{number}")
        Retention(hub.engine, RetentionPolicy(1))
    full = path.stat().st_size
    with InProcessTaskHub(orchestrators=[succeed], db=path, start=hub.now + 2 * DAY) as later:
        Retention(later.engine, RetentionPolicy(1))
        later.advance(timedelta(minutes=5))

        assert ids(later) == set()
        assert later.engine.store.free_pages() <= retention.FREE_PAGES_KEPT

    assert full > 10_000_000
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("30", RetentionPolicy(30)),
        ("0.5", RetentionPolicy(0.5)),
        ("off", RetentionPolicy()),
        ("30, failed=90,completed=OFF", RetentionPolicy(30, {Status.FAILED: 90, Status.COMPLETED: None})),
        ("terminated=1", RetentionPolicy(None, {Status.TERMINATED: 1})),
    ],
)
def test_a_policy_can_be_written_in_a_line(text: str, policy: RetentionPolicy) -> None:
    assert parse_retention(text).ages() == policy.ages()


@pytest.mark.parametrize("text", ["", "-1", "thirty", "running=3", "30;failed=90"])
def test_what_is_no_policy_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"30,failed=90,completed=off"):
        parse_retention(text)
