"""The word count on a task hub inside this process: no scheduler, no worker process, no waiting."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from durakit.client import OrchestrationState, OrchestrationStatus
from durakit.history import TaskCompletedEvent, TaskFailedEvent, TaskScheduledEvent
from durakit.task import ActivityContext
from durakit.testing import InProcessTaskHub, every_crash

from demo_folder import make_demo_folder
from workflow import (
    ACTIVITIES,
    CountFile,
    CountRequest,
    FileCount,
    FolderCount,
    ListFiles,
    Progress,
    wordcount_count_file,
    wordcount_folder,
    wordcount_list_files,
)

CONTEXT = ActivityContext("test", 0)


class WordCount:
    """Runs the orchestration; `count` may stand in for the activity that counts one file."""

    def __init__(
        self, folder: Path, count: Callable[..., FileCount] = wordcount_count_file, sessions: int = 100
    ) -> None:
        self.folder = folder
        self.hub = InProcessTaskHub(
            orchestrators=[wordcount_folder], activities=ACTIVITIES, sessions=sessions
        )
        self.hub.replace_activity(wordcount_count_file, count)

    def run(self, parallel: int = 32) -> OrchestrationState:
        request = CountRequest(str(self.folder), str(self.folder.parent / "output"), parallel)
        return self.hub.run(wordcount_folder, input=request)

    def result(self, parallel: int = 32) -> FolderCount:
        result = self.run(parallel).get_output(FolderCount)
        assert result is not None
        return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files: two texts with 2 and 3 words, and a picture."""
    folder = tmp_path / "files"
    (folder / "below").mkdir(parents=True)
    (folder / "a.txt").write_text("two words", "utf-8")
    (folder / "below" / "b.txt").write_text("these are three\n", "utf-8")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


def rows(result: FolderCount) -> list[list[str]]:
    with open(result.report, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_every_file_is_counted_and_the_counts_are_added_up(folder: Path) -> None:
    (folder / "picture.png").unlink()

    result = WordCount(folder).result()

    assert (result.counted, result.failed, result.words, result.problems) == (2, 0, 5, {})
    assert rows(result) == [["file", "words", "problem"], ["a.txt", "2", ""], ["below/b.txt", "3", ""]]


def test_a_file_that_cannot_be_counted_is_reported_and_the_others_count(folder: Path) -> None:
    result = WordCount(folder).result()

    assert (result.counted, result.failed, result.words) == (2, 1, 5)
    assert result.problems == {"not a text in UTF-8": 1}
    assert rows(result)[-1] == ["picture.png", "", "not a text in UTF-8"]


def test_a_thousand_files_are_counted(tmp_path: Path) -> None:
    state = WordCount(make_demo_folder(tmp_path / "demo", 1000)).run()

    result = state.get_output(FolderCount)
    assert result is not None
    assert (result.counted, result.failed, result.words) == (995, 5, 61_645)
    assert len(rows(result)) == 1 + 1000
    assert state.get_custom_status(Progress) == Progress(files=1000, done=1000, failed=5)


def test_nothing_that_is_stored_grows_near_the_limit_of_a_payload(tmp_path: Path) -> None:
    word_count = WordCount(make_demo_folder(tmp_path / "demo", 300))

    state = word_count.run()

    history = word_count.hub.client.get_orchestration_history(state.instance_id)
    inputs = [event.input or "" for event in history if isinstance(event, TaskScheduledEvent)]
    assert max(map(len, inputs)) < 300 * len("1234, ")  # 100,000 files fit


@pytest.mark.parametrize("parallel", [1, 7])
def test_no_more_than_the_wanted_number_are_under_way(tmp_path: Path, parallel: int) -> None:
    word_count = WordCount(make_demo_folder(tmp_path / "demo", 20))

    state = word_count.run(parallel)

    under_way, most = 0, 0
    for event in word_count.hub.client.get_orchestration_history(state.instance_id):
        under_way += isinstance(event, TaskScheduledEvent)
        under_way -= isinstance(event, (TaskCompletedEvent, TaskFailedEvent))
        most = max(most, under_way)
    assert most == parallel


def test_a_slow_file_holds_nobody_up(tmp_path: Path) -> None:
    """The first file of the window needs a second attempt, a second later; all others end before that."""
    ended: list[str] = []
    attempts: Counter[int] = Counter()

    def count(ctx: ActivityContext, item: CountFile) -> FileCount:
        attempts[item.number] += 1
        if item.number == 0 and attempts[0] == 1:
            raise OSError("Stale file handle")
        ended.append(wordcount_count_file(ctx, item).name)
        return FileCount("", 1)

    result = WordCount(make_demo_folder(tmp_path / "demo", 10), count).result(parallel=2)

    assert (result.counted, result.failed) == (10, 0)
    assert ended[-1] == "part-00/note-0000.txt"


def test_a_file_that_stays_unreadable_is_tried_three_times(folder: Path) -> None:
    attempts: Counter[int] = Counter()

    def count(ctx: ActivityContext, item: CountFile) -> FileCount:
        attempts[item.number] += 1
        if item.number == 0:
            raise OSError("Stale file handle")
        return wordcount_count_file(ctx, item)

    result = WordCount(folder, count).result()

    assert attempts == {0: 3, 1: 1, 2: 1}
    assert result.problems == {"not a text in UTF-8": 1, "Stale file handle": 1}


def test_a_file_that_went_away_after_the_listing_is_reported(folder: Path) -> None:
    def count(ctx: ActivityContext, item: CountFile) -> FileCount:
        (folder / "a.txt").unlink(missing_ok=True)
        return wordcount_count_file(ctx, item)

    assert WordCount(folder, count).result().problems["gone since the folder was listed"] == 1


def test_all_files_may_fail_and_the_run_still_ends_with_a_report(folder: Path) -> None:
    def count(ctx: ActivityContext, item: CountFile) -> FileCount:
        raise RuntimeError("x" * 100_000)

    result = WordCount(folder, count).result()

    assert (result.counted, result.failed, result.problems) == (0, 3, {"x" * 80: 3})


@pytest.mark.parametrize(
    ("path", "problem"),
    [("missing", "is not a folder on the worker's machine"), ("empty", "holds no files")],
)
def test_without_files_the_run_fails_with_the_reason(tmp_path: Path, path: str, problem: str) -> None:
    (tmp_path / "empty").mkdir()

    state = WordCount(tmp_path / path).run()

    assert state.runtime_status is OrchestrationStatus.FAILED
    assert state.failure_details is not None
    assert state.failure_details.message == f"{tmp_path / path} {problem}"


def test_nobody_waits_for_no_files_at_a_time(folder: Path) -> None:
    failure = WordCount(folder).run(parallel=0).failure_details

    assert failure is not None
    assert failure.message == "0 files at a time can never be all; ask for 1 or more"


def test_wherever_a_worker_crashes_the_report_is_the_same(folder: Path) -> None:
    for crash in every_crash(orchestrators=[wordcount_folder], activities=ACTIVITIES):
        output = folder.parent / f"{crash.number}-{crash.moment}"
        with crash as hub:
            state = hub.run(wordcount_folder, input=CountRequest(str(folder), str(output), parallel=2))
            result = state.get_output(FolderCount)
            assert result is not None
            assert (result.counted, result.failed, result.words, len(rows(result))) == (2, 1, 5, 4)


def test_a_listing_that_is_made_again_disturbs_nobody_who_works_with_the_first(folder: Path) -> None:
    first = wordcount_list_files(CONTEXT, ListFiles(str(folder), str(folder.parent / "run")))
    (folder / "0-comes-first.txt").write_text("new", "utf-8")
    wordcount_list_files(CONTEXT, ListFiles(str(folder), str(folder.parent / "run")))

    assert wordcount_count_file(CONTEXT, CountFile(first, 0)) == FileCount("a.txt", 2)


def test_the_log_says_everything_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fan_out_fan_in"):
        WordCount(folder, sessions=0).run(parallel=1)  # every turn is a replay of all before

    assert caplog.messages == ["3 files to count, 1 at a time", "all counted, adding up"]
