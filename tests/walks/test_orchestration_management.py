"""The tour, and each of its stations by hand, as real processes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fresh_clone import eventually
from tests.walks.stage import Stage


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage("orchestration_management", tmp_path_factory.mktemp("stage")) as stage:
        stage.worker()
        yield stage


def client(stage: Stage, *arguments: str, code: int = 0) -> list[str]:
    return stage.python("client.py", *arguments).finish(code)


def listed(stage: Stage, *arguments: str) -> list[str]:
    """What `list` shows, without the time and the name."""
    return [line.split("  ")[-1] for line in client(stage, "list", *arguments)[:-1]]


def becomes(stage: Stage, prefix: str, line: str) -> bool:
    return eventually(lambda: line in listed(stage, "--prefix", prefix))


def start(stage: Stage, instance_id: str, folder: Path, *, held: bool = False) -> None:
    request = {"folder": str(folder), "files": ["a.csv"], "held": held}
    stage.connect().schedule_new_orchestration("managed_import", input=request, instance_id=instance_id)


def test_the_tour_sees_everything_happen(stage: Stage) -> None:
    lines = client(stage)

    text = re.sub(r"import-[0-9a-f]{8}", "IMPORT", "\n".join(lines))
    assert "suspend   IMPORT-held-january.csv is SUSPENDED\n" in text
    assert "resume    IMPORT-held-january.csv is COMPLETED: rows 2, amount 200.50\n" in text
    assert "terminate IMPORT-held is TERMINATED: no longer wanted\n" in text
    assert re.search(r"^restart   \w+ is RUNNING \(same input, new id\)$", text, re.MULTILINE)
    assert "rewind    IMPORT-failing is COMPLETED: rows 5, amount 400.10 (" in text
    assert lines[-1] == "4 left: the terminated import and its children"


def test_a_held_import_is_suspended_released_and_resumed_by_hand(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("day,amount\n2026-01-01,5\n")
    start(stage, "held", tmp_path, held=True)
    assert becomes(stage, "held", "held-a.csv is RUNNING")

    assert client(stage, "suspend", "held-a.csv") == ["suspend held-a.csv: accepted"]
    assert becomes(stage, "held", "held-a.csv is SUSPENDED")
    client(stage, "release", "held-a.csv")
    client(stage, "resume", "held-a.csv")

    assert becomes(stage, "held", "held is COMPLETED: rows 1, amount 5")


def test_a_terminated_import_is_restarted_and_purged_by_hand(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("day,amount\n2026-01-01,5\n")
    start(stage, "ended", tmp_path, held=True)
    assert becomes(stage, "ended", "ended-a.csv is RUNNING")

    client(stage, "terminate", "ended")
    assert becomes(stage, "ended", "ended-a.csv is TERMINATED: by hand")
    again = client(stage, "restart", "ended")[0].split()[-1]
    assert becomes(stage, again, f"{again}-a.csv is RUNNING")

    assert client(stage, "purge", "ended") == ["2 deleted"]
    assert listed(stage, "--prefix", "ended") == []
    assert client(stage, "list", "--prefix", again)[-1] == "2 found"


def test_a_failed_import_is_rewound_by_hand_once_the_file_is_there(stage: Stage, tmp_path: Path) -> None:
    start(stage, "mended", tmp_path)
    missing = f"{tmp_path / 'a.csv'} does not exist on the worker's machine"
    assert becomes(stage, "mended", f"mended is FAILED: {missing}")
    (tmp_path / "a.csv").write_text("day,amount\n2026-01-01,5\n")

    client(stage, "rewind", "mended")

    assert becomes(stage, "mended", "mended is COMPLETED: rows 1, amount 5")


def test_lists_and_purges_are_filtered_by_status_and_age(stage: Stage, tmp_path: Path) -> None:
    start(stage, "filtered", tmp_path)
    assert eventually(lambda: len(listed(stage, "--prefix", "filtered", "--status", "failed")) == 2)

    assert listed(stage, "--prefix", "filtered", "--status", "completed") == []
    assert listed(stage, "--prefix", "filtered", "--minutes", "0") == []
    assert client(stage, "purge", "--status", "failed", "--minutes", "5")[-1].endswith(" deleted")
    assert listed(stage, "--prefix", "filtered") == []


@pytest.mark.parametrize("action", ["suspend", "resume", "release", "terminate", "restart", "rewind"])
def test_an_id_that_nobody_has_is_answered_with_a_sentence(stage: Stage, action: str) -> None:
    lines = client(stage, action, "nobody", code=1)

    assert len(lines) == 1
    assert lines[0].startswith("client.py: ")
    assert "'nobody'" in lines[0]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["purge", "nobody"], 1, "client.py: nothing that has ended is called nobody"),
        (["purge"], 1, "client.py: say what to purge, by id or with --status"),
        (["list", "--minutes", "inf"], 2, "inf is not a number of minutes from 0 to a million"),
        (["list", "--status", "tired"], 2, "argument --status: invalid choice: 'tired'"),
        (["explode"], 2, "invalid choice: 'explode'"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(
    stage: Stage, arguments: list[str], code: int, sentence: str
) -> None:
    lines = client(stage, *arguments, code=code)

    assert sentence in lines[-1]
    assert "Traceback" not in "\n".join(lines)
