"""The cleanup on a virtual clock: hours between sweeps pass at once, the files are real."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from durakit.client import OrchestrationState, OrchestrationStatus
from durakit.task import ActivityContext
from durakit.testing import InProcessTaskHub

from workflow import (
    ACTIVITIES,
    STOP,
    CleanupError,
    Iteration,
    Plan,
    Progress,
    Report,
    Sweep,
    Swept,
    Totals,
    cleanup_delete_expired,
    periodic_cleanup,
)

HOUR = 3600.0
MakeFile = Callable[[str, float], Path]


@pytest.fixture(params=[100, 0], ids=["live", "replayed"])
def hub(request: pytest.FixtureRequest) -> Iterator[InProcessTaskHub]:
    """Twice: with the execution kept in memory between turns, and replayed from history at each."""
    with InProcessTaskHub(sessions=request.param) as hub:
        hub.add_orchestrator(periodic_cleanup)
        for activity in ACTIVITIES:
            hub.add_activity(activity)
        yield hub


@pytest.fixture
def make_file(hub: InProcessTaskHub, tmp_path: Path) -> MakeFile:
    """Return a function that makes a file of 10 bytes, last written so many hours before the beginning."""

    def make(name: str, hours_old: float) -> Path:
        path = tmp_path / name
        path.write_bytes(b"0123456789")
        written = hub.now.timestamp() - hours_old * HOUR
        os.utime(path, (written, written))
        return path

    return make


def start(hub: InProcessTaskHub, folder: Path, iterations: int | None = 5) -> str:
    plan = Plan(str(folder), max_age_seconds=10 * HOUR, interval_seconds=HOUR, iterations=iterations)
    return hub.client.schedule_new_orchestration(periodic_cleanup, input=Iteration(plan))


def end(hub: InProcessTaskHub, instance_id: str) -> OrchestrationState:
    state = hub.client.wait_for_orchestration_completion(instance_id)
    assert state is not None
    return state


def report(hub: InProcessTaskHub, instance_id: str) -> Report:
    found = end(hub, instance_id).get_output(Report)
    assert found is not None
    return found


def sweeps_so_far(hub: InProcessTaskHub, instance_id: str) -> int:
    state = hub.client.get_orchestration_state(instance_id)
    assert state is not None
    progress = state.get_custom_status(Progress)
    return progress.iteration if progress else 0


def test_files_are_deleted_in_the_iteration_in_which_they_expire(
    hub: InProcessTaskHub, make_file: MakeFile, tmp_path: Path
) -> None:
    make_file("old", 11)
    make_file("expires in the third sweep", 8.5)
    young = make_file("young", 0)

    result = report(hub, start(hub, tmp_path))

    assert result == Report(Totals(iterations=5, files=2, bytes=20), "all 5 iterations are done")
    assert list(tmp_path.iterdir()) == [young]


def test_each_iteration_waits_for_the_interval(hub: InProcessTaskHub, tmp_path: Path) -> None:
    began = hub.now

    report(hub, start(hub, tmp_path, iterations=5))

    assert hub.now - began == timedelta(hours=4)


def test_the_history_is_as_long_after_fifty_iterations_as_after_one(
    hub: InProcessTaskHub, tmp_path: Path
) -> None:
    instance_id = start(hub, tmp_path, iterations=None)

    lengths = set()
    for _ in range(50):
        hub.advance(timedelta(hours=1))
        lengths.add(len(hub.client.get_orchestration_history(instance_id)))

    assert sweeps_so_far(hub, instance_id) == 51
    assert len(lengths) == 1
    assert lengths.pop() < 10


def test_for_ever_means_until_the_stop_event(hub: InProcessTaskHub, tmp_path: Path) -> None:
    instance_id = start(hub, tmp_path, iterations=None)
    hub.advance(timedelta(hours=99, minutes=30))

    hub.client.raise_orchestration_event(instance_id, STOP, data="moving house")
    stopped_at = hub.now

    assert report(hub, instance_id) == Report(Totals(iterations=100), "moving house")
    assert hub.now == stopped_at, "the timer that lost should not be waited for"


def test_a_stop_without_a_reason_is_one_too(hub: InProcessTaskHub, tmp_path: Path) -> None:
    instance_id = start(hub, tmp_path)
    hub.run_until_idle()
    hub.client.raise_orchestration_event(instance_id, STOP)

    assert report(hub, instance_id).reason == "stopped"


def test_a_stop_before_the_first_sweep_lets_that_one_finish(
    hub: InProcessTaskHub, make_file: MakeFile, tmp_path: Path
) -> None:
    make_file("old", 11)
    instance_id = start(hub, tmp_path)
    hub.client.raise_orchestration_event(instance_id, STOP, data="now")

    assert report(hub, instance_id) == Report(Totals(iterations=1, files=1, bytes=10), "now")


def test_a_stop_that_meets_the_end_of_an_iteration_is_carried_over_to_the_next(
    hub: InProcessTaskHub, tmp_path: Path
) -> None:
    instance_id = start(hub, tmp_path, iterations=None)
    hub.run_until_idle()
    # While it is suspended the timer fires and then the stop arrives: it learns of both in one turn.
    hub.client.suspend_orchestration(instance_id)
    hub.advance(timedelta(hours=1))
    hub.client.raise_orchestration_event(instance_id, STOP, data="just in time")
    hub.client.resume_orchestration(instance_id)

    assert report(hub, instance_id) == Report(Totals(iterations=2), "just in time")


def test_a_folder_that_never_was_there_fails_the_cleanup_at_once(
    hub: InProcessTaskHub, tmp_path: Path
) -> None:
    state = end(hub, start(hub, tmp_path / "missing"))

    assert state.failure_details is not None
    assert state.failure_details.message == f"{tmp_path / 'missing'} does not exist on the worker's machine"


def test_a_failed_sweep_is_made_up_for_by_the_next(
    hub: InProcessTaskHub, make_file: MakeFile, tmp_path: Path
) -> None:
    make_file("old", 11)
    instance_id = start(hub, tmp_path, iterations=4)
    hub.run_until_idle()
    away = tmp_path.rename(tmp_path.with_name("away"))
    hub.advance(timedelta(hours=2))
    away.rename(tmp_path)

    assert report(hub, instance_id).totals == Totals(iterations=4, files=1, bytes=10, failures_in_a_row=0)


def test_three_failed_sweeps_in_a_row_end_the_cleanup_with_the_reason(
    hub: InProcessTaskHub, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    instance_id = start(hub, folder, iterations=None)
    hub.run_until_idle()
    folder.rmdir()

    state = end(hub, instance_id)

    assert state.runtime_status is OrchestrationStatus.FAILED
    assert state.failure_details is not None
    assert state.failure_details.message == (
        f"gave up after 3 failed sweeps in a row: {folder} does not exist on the worker's machine"
    )
    assert sweeps_so_far(hub, instance_id) == 4


def test_the_log_tells_each_iteration_once(
    hub: InProcessTaskHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "periodic_cleanup"):
        report(hub, start(hub, tmp_path, iterations=3))

    assert [record.getMessage() for record in caplog.records if record.name == "periodic_cleanup"] == [
        f"iteration {number}: deleted 0 files (0 bytes), kept 0" for number in (1, 2, 3)
    ]


def sweep(hub: InProcessTaskHub, folder: Path) -> Swept:
    limit = (hub.now - timedelta(hours=10)).replace(tzinfo=None)
    return cleanup_delete_expired(ActivityContext("test", 0), Sweep(str(folder), limit))


def test_folders_links_and_what_is_in_them_are_left_alone(
    hub: InProcessTaskHub, make_file: MakeFile, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    inner = make_file("inner/old", 11)
    (tmp_path / "link").symlink_to(inner)
    os.utime(tmp_path / "inner", (0, 0))
    os.utime(tmp_path / "link", (0, 0), follow_symlinks=False)

    assert sweep(hub, tmp_path) == Swept()
    assert inner.exists()


def test_a_file_that_cannot_be_deleted_is_named_and_the_others_are_deleted(
    hub: InProcessTaskHub, make_file: MakeFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        make_file(name, 11)

    unlink = Path.unlink

    def guarded(path: Path) -> None:
        if path.name == "b":
            raise PermissionError(13, "Permission denied")
        unlink(path)

    monkeypatch.setattr(Path, "unlink", guarded)

    assert sweep(hub, tmp_path) == Swept(2, 20, 0, ["b is still there: Permission denied"])


def test_a_file_in_place_of_the_folder_is_an_error_in_words(
    hub: InProcessTaskHub, make_file: MakeFile
) -> None:
    path = make_file("file", 1)

    with pytest.raises(CleanupError, match=r"file cannot be read: Not a directory"):
        sweep(hub, path)
