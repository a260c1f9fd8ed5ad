"""What can be done to an orchestration from outside, on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from durakit.client import OrchestrationQuery, OrchestrationState, OrchestrationStatus
from durakit.errors import InvalidStateError, NotFoundError
from durakit.task import ActivityContext
from durakit.testing import InProcessTaskHub

from tour import FILES, Tour, describe
from workflow import (
    ACTIVITIES,
    ORCHESTRATORS,
    RELEASE,
    Imported,
    ImportFailed,
    ImportRequest,
    managed_import,
    managed_read_file,
)

NAMES = list(FILES)
ALL = Imported(6, Decimal("500.00"))


@pytest.fixture
def hub() -> Iterator[InProcessTaskHub]:
    with InProcessTaskHub(orchestrators=ORCHESTRATORS, activities=ACTIVITIES) as hub:
        yield hub


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of the tour."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def start(hub: InProcessTaskHub, folder: Path, *, held: bool = True) -> str:
    request = ImportRequest(str(folder), NAMES, held)
    hub.client.schedule_new_orchestration(managed_import, input=request, instance_id="sales")
    hub.run_until_idle()
    return "sales"


def release(hub: InProcessTaskHub, parent: str) -> None:
    for name in NAMES:
        hub.client.raise_orchestration_event(f"{parent}-{name}", RELEASE)
    hub.run_until_idle()


def state(hub: InProcessTaskHub, instance_id: str) -> OrchestrationState:
    found = hub.client.get_orchestration_state(instance_id)
    assert found is not None
    return found


def statuses(hub: InProcessTaskHub, prefix: str = "sales") -> dict[str, str]:
    found = hub.client.get_all_orchestration_states(OrchestrationQuery(instance_id_prefix=prefix))
    return {one.instance_id.removeprefix(prefix): str(one.runtime_status) for one in found}


def test_an_import_sums_up_its_files(hub: InProcessTaskHub, folder: Path) -> None:
    assert state(hub, start(hub, folder, held=False)).get_output(Imported) == ALL


def test_a_held_import_waits_until_each_file_is_released(hub: InProcessTaskHub, folder: Path) -> None:
    parent = start(hub, folder)
    hub.advance(timedelta(days=30))
    assert hub.calls == []
    assert state(hub, f"{parent}-{NAMES[0]}").get_custom_status() == "waiting for the event 'release'"

    release(hub, parent)

    assert state(hub, parent).get_output(Imported) == ALL


def test_what_reaches_a_suspended_one_is_kept_until_it_is_resumed(
    hub: InProcessTaskHub, folder: Path
) -> None:
    child = f"{start(hub, folder)}-{NAMES[0]}"
    hub.client.suspend_orchestration(child)
    hub.client.raise_orchestration_event(child, RELEASE)
    hub.run_until_idle()
    assert (state(hub, child).runtime_status, hub.calls) == (OrchestrationStatus.SUSPENDED, [])

    hub.client.resume_orchestration(child)
    hub.run_until_idle()

    assert state(hub, child).runtime_status is OrchestrationStatus.COMPLETED


def test_terminating_takes_the_children_that_have_not_ended_along(
    hub: InProcessTaskHub, folder: Path
) -> None:
    parent = start(hub, folder)
    hub.client.raise_orchestration_event(f"{parent}-{NAMES[0]}", RELEASE)
    hub.run_until_idle()

    hub.client.terminate_orchestration(parent, output="enough")
    hub.run_until_idle()

    assert statuses(hub) == {
        "": "TERMINATED",
        "-january.csv": "COMPLETED",
        "-february.csv": "TERMINATED",
        "-march.csv": "TERMINATED",
    }
    assert state(hub, parent).get_output() == "enough"


def test_terminating_the_parent_only_leaves_the_children_waiting(hub: InProcessTaskHub, folder: Path) -> None:
    parent = start(hub, folder)

    hub.client.terminate_orchestration(parent, recursive=False)
    hub.run_until_idle()

    assert set(statuses(hub).values()) == {"TERMINATED", "RUNNING"}


def test_a_restart_runs_the_same_input_under_a_new_id(hub: InProcessTaskHub, folder: Path) -> None:
    parent = start(hub, folder)
    hub.client.terminate_orchestration(parent)
    hub.run_until_idle()

    again = hub.client.restart_orchestration(parent, restart_with_new_instance_id=True)
    hub.run_until_idle()
    release(hub, again)

    assert again != parent
    assert state(hub, again).get_output(Imported) == ALL
    assert state(hub, parent).runtime_status is OrchestrationStatus.TERMINATED


def test_a_missing_file_fails_the_import_with_the_reason(hub: InProcessTaskHub, folder: Path) -> None:
    (folder / "march.csv").unlink()

    failure = state(hub, start(hub, folder, held=False)).failure_details

    assert failure is not None
    assert failure.message == f"{folder / 'march.csv'} does not exist on the worker's machine"


def test_a_rewound_import_reads_only_what_failed(hub: InProcessTaskHub, folder: Path) -> None:
    march = (folder / "march.csv").rename(folder / "elsewhere")
    parent = start(hub, folder, held=False)
    march.rename(folder / "march.csv")

    hub.client.rewind_orchestration(parent)
    hub.run_until_idle()

    assert state(hub, parent).get_output(Imported) == ALL
    assert [Path(call.input).name for call in hub.calls] == [*NAMES, "march.csv"]


def test_an_import_that_is_rewound_too_early_fails_again(hub: InProcessTaskHub, folder: Path) -> None:
    (folder / "march.csv").unlink()
    parent = start(hub, folder, held=False)

    hub.client.rewind_orchestration(parent)
    hub.run_until_idle()

    assert state(hub, parent).runtime_status is OrchestrationStatus.FAILED


def test_only_what_failed_can_be_rewound(hub: InProcessTaskHub, folder: Path) -> None:
    with pytest.raises(InvalidStateError, match="only failed instances can be rewound"):
        hub.client.rewind_orchestration(start(hub, folder))


def test_purging_the_parent_takes_its_children_along(hub: InProcessTaskHub, folder: Path) -> None:
    parent = start(hub, folder, held=False)

    assert hub.client.purge_orchestration(parent).deleted_instance_count == 4
    assert statuses(hub) == {}


def test_what_has_not_ended_is_not_purged(hub: InProcessTaskHub, folder: Path) -> None:
    start(hub, folder)

    deleted = hub.client.purge_orchestrations_by(runtime_status=[OrchestrationStatus.RUNNING])

    assert deleted.deleted_instance_count == 0
    assert len(statuses(hub)) == 4


def test_a_query_filters_by_status_and_time(hub: InProcessTaskHub, folder: Path) -> None:
    start(hub, folder)
    later = hub.now + timedelta(hours=1)
    hub.advance(timedelta(hours=2))
    hub.run(managed_import, input=ImportRequest(str(folder), NAMES[:1]), instance_id="later")

    def found(query: OrchestrationQuery) -> set[str]:
        return {one.instance_id for one in hub.client.get_all_orchestration_states(query)}

    assert found(OrchestrationQuery(created_time_from=later)) == {"later", "later-january.csv"}
    assert found(OrchestrationQuery(created_time_to=later)).isdisjoint({"later", "later-january.csv"})
    assert found(OrchestrationQuery(runtime_status=[OrchestrationStatus.COMPLETED])) == {
        "later",
        "later-january.csv",
    }


@pytest.mark.parametrize(
    "order",
    ["suspend_orchestration", "resume_orchestration", "terminate_orchestration", "rewind_orchestration"],
)
def test_an_id_that_nobody_has_is_an_error(hub: InProcessTaskHub, order: str) -> None:
    with pytest.raises(NotFoundError, match="There is no orchestration instance 'nobody'"):
        getattr(hub.client, order)("nobody")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "file.csv begins with '', expected 'day,amount'"),
        (b"a;b\n", "file.csv begins with 'a;b', expected 'day,amount'"),
        (b"day,amount\n2026-01-01,ten\n", "file.csv, line 2: no day and amount in '2026-01-01,ten'"),
        (b"day,amount\n2026-01-01,1\n2\n", "file.csv, line 3: no day and amount in '2'"),
        (b"\xff\xfe", "file.csv cannot be read: 'utf-8' codec can't decode"),
    ],
)
def test_a_file_that_is_no_table_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)

    with pytest.raises(ImportFailed) as refusal:
        managed_read_file(ActivityContext("test", 0), str(path))

    assert sentence in str(refusal.value)


@pytest.fixture
def tour(hub: InProcessTaskHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tour:
    """The client's tour; whenever it looks, the hub has worked for a second."""

    def look(_client: object, instance_id: str, **_: object) -> Iterator[OrchestrationState]:
        hub.advance(timedelta(seconds=1))
        yield state(hub, instance_id)

    monkeypatch.setattr("durakit.watch", look)
    return Tour(hub.client, tmp_path)


def test_the_tour_ends_with_what_nobody_purged(
    hub: InProcessTaskHub, tour: Tour, capsys: pytest.CaptureFixture[str]
) -> None:
    tour.walk()

    assert capsys.readouterr().out.splitlines()[-1] == "4 left: the terminated import and its children"
    assert sorted(statuses(hub, "import-").values()) == ["COMPLETED", *["TERMINATED"] * 3]


def test_a_tour_that_sees_something_else_ends_with_a_sentence(hub: InProcessTaskHub, tour: Tour) -> None:
    hub.faults.fail(managed_read_file, error=OSError("disk on fire"))

    with pytest.raises(
        SystemExit, match=r"should be COMPLETED: import-\w+-held-january.csv is FAILED: disk on fire"
    ):
        tour.walk()


def test_an_outcome_is_described_in_a_line(hub: InProcessTaskHub, folder: Path) -> None:
    start(hub, folder)
    running = describe(state(hub, "sales"))
    release(hub, "sales")

    assert running == "sales is RUNNING"
    assert describe(state(hub, "sales")) == "sales is COMPLETED: rows 6, amount 500.00"
