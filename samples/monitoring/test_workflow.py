"""The monitor on a task hub inside this process; its looks over HTTP against the job service itself."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from durakit.task import ActivityContext
from durakit.testing import InProcessTaskHub

import job_service
from job_service import JobService
from jobs import JobServiceError, Look, look_at, post
from workflow import ACTIVITIES, LOOKS_PER_EXECUTION, Monitor, Progress, Report, Watch, job_monitor

RUNNING = Look("running", "running, 10 % done")
UNKNOWN = Look("unknown", "the service did not answer: timed out")
DONE = Look("done", "done: 5 rows")
FAILED = Look("failed", "the job failed: row 7 cannot be read")
BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)

Script = Callable[..., list[float]]


@pytest.fixture
def hub() -> Iterator[InProcessTaskHub]:
    with InProcessTaskHub(orchestrators=[job_monitor], activities=ACTIVITIES) as hub:
        yield hub


@pytest.fixture
def script(hub: InProcessTaskHub) -> Script:
    """Return a function that says what looks will see, the last again and again; and gets their seconds."""

    def see(*looks: Look) -> list[float]:
        seconds: list[float] = []

        def look(_: ActivityContext, __: str) -> Look:
            seconds.append((hub.now - BEGINNING).total_seconds())
            return looks[min(len(seconds), len(looks)) - 1]

        hub.replace_activity("monitor_look_at_job", look)
        return seconds

    return see


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobService]:
    """A job service whose exports take no time."""
    monkeypatch.setattr(job_service, "SECONDS_PER_ROW", 0)
    with JobService(tmp_path / "service") as service:
        yield service


def watch(tmp_path: Path, **changes: Any) -> Watch:
    return replace(Watch(job="http://jobs.example/1", output=str(tmp_path)), **changes)


def run(hub: InProcessTaskHub, watched: Watch) -> Report:
    state = hub.run(job_monitor, input=Monitor(watched), instance_id="m/1")
    report = state.get_output(Report)
    assert report is not None
    return report


def alert_of(report: Report) -> dict[str, str]:
    assert report.alert is not None
    facts: dict[str, str] = json.loads(Path(report.alert).read_text("utf-8"))
    return facts


def test_a_job_that_is_done_ends_the_monitor_without_an_alert(
    hub: InProcessTaskHub, script: Script, tmp_path: Path
) -> None:
    script(RUNNING, DONE)

    assert run(hub, watch(tmp_path)) == Report(True, "done: 5 rows", 2)
    assert list(tmp_path.iterdir()) == []


def test_it_looks_less_and_less_often(hub: InProcessTaskHub, script: Script, tmp_path: Path) -> None:
    looks = script(*[RUNNING] * 6, DONE)
    run(hub, watch(tmp_path, first_wait_seconds=1, backoff=2, longest_wait_seconds=8))

    assert [round(later - earlier) for earlier, later in pairwise(looks)] == [
        1,
        2,
        4,
        8,
        8,
        8,
    ]


def test_a_job_that_is_late_raises_an_alert_at_the_deadline(
    hub: InProcessTaskHub, script: Script, tmp_path: Path
) -> None:
    looks = script(RUNNING)
    report = run(hub, watch(tmp_path, within_seconds=10))

    assert [round(second) for second in looks] == [0, 1, 3, 7, 10]
    assert report.sentence == "not done within 10 s; the last look: running, 10 % done"
    facts = alert_of(report)
    assert facts["problem"] == report.sentence
    assert facts["raised_at"].startswith("2026-01-01T00:00:10")


def test_a_job_that_is_done_at_the_last_look_is_not_late(
    hub: InProcessTaskHub, script: Script, tmp_path: Path
) -> None:
    script(RUNNING, RUNNING, RUNNING, RUNNING, DONE)

    assert run(hub, watch(tmp_path, within_seconds=10)).done


def test_a_failed_job_raises_an_alert_at_once(hub: InProcessTaskHub, script: Script, tmp_path: Path) -> None:
    script(RUNNING, FAILED)
    report = run(hub, watch(tmp_path))

    assert (report.done, report.looks, report.sentence) == (False, 2, "the job failed: row 7 cannot be read")
    assert alert_of(report)["job"] == "http://jobs.example/1"
    assert report.alert == str(tmp_path / "alert-m_1.json")


def test_a_service_that_is_away_for_a_while_is_no_reason_for_an_alert(
    hub: InProcessTaskHub, script: Script, tmp_path: Path
) -> None:
    script(UNKNOWN, UNKNOWN, RUNNING, DONE)

    assert run(hub, watch(tmp_path)).done


def test_the_history_stays_short_however_long_the_job_takes(
    hub: InProcessTaskHub, script: Script, tmp_path: Path
) -> None:
    script(*[RUNNING] * 199, DONE)
    report = run(hub, watch(tmp_path, within_seconds=10**6))

    assert report.looks == 200
    assert len(hub.client.get_orchestration_history("m/1")) < 10 * LOOKS_PER_EXECUTION


def test_deadline_and_waits_are_carried_over(hub: InProcessTaskHub, script: Script, tmp_path: Path) -> None:
    looks = script(RUNNING)
    report = run(hub, watch(tmp_path, within_seconds=100, longest_wait_seconds=2))

    assert report.looks == len(looks) > 2 * LOOKS_PER_EXECUTION
    assert round(looks[-1]) == 100
    assert {round(later - earlier) for earlier, later in pairwise(looks)} <= {1, 2}


def test_the_custom_status_says_what_was_seen_and_when_the_next_look_is(
    hub: InProcessTaskHub, script: Script, tmp_path: Path
) -> None:
    script(RUNNING)
    hub.client.schedule_new_orchestration(job_monitor, input=Monitor(watch(tmp_path)), instance_id="m")
    hub.run_until_idle()

    state = hub.client.get_orchestration_state("m")
    assert state is not None
    progress = state.get_custom_status(Progress)
    assert progress is not None
    assert (progress.looks, progress.sentence) == (1, "running, 10 % done")
    assert progress.next_look == BEGINNING + timedelta(seconds=1)
    assert progress.deadline == BEGINNING + timedelta(hours=1)


def test_the_webhook_is_told_once_although_the_worker_dies_afterwards(
    hub: InProcessTaskHub, script: Script, tmp_path: Path, service: JobService
) -> None:
    script(FAILED)
    hub.faults.crash_worker(after="monitor_post_alert")
    report = run(hub, watch(tmp_path, webhook=f"{service.url}/alerts"))

    assert report.webhook_problem is None
    assert [alert["problem"] for alert in service.alerts.values()] == [FAILED.sentence]


def test_a_webhook_that_is_away_is_tried_again_and_then_the_file_must_do(
    hub: InProcessTaskHub, script: Script, tmp_path: Path
) -> None:
    script(FAILED)
    hub.faults.fail("monitor_post_alert", error=JobServiceError("nobody is there"))
    report = run(hub, watch(tmp_path, webhook="http://jobs.example/alerts"))

    assert len(hub.calls_of("monitor_post_alert")) == 4
    assert report.webhook_problem == "nobody is there"
    assert alert_of(report)["problem"] == FAILED.sentence


def test_a_job_watched_over_http_from_its_start_to_its_end(
    hub: InProcessTaskHub, tmp_path: Path, service: JobService
) -> None:
    job = post(f"{service.url}/jobs", {"rows": 3})
    # The virtual clock does not wait for real threads: as many looks as it takes.
    report = run(hub, watch(tmp_path, job=f"{service.url}/jobs/{job['id']}", within_seconds=10**7))

    file = service.jobs["1"].file
    assert report.sentence == f"done: 3 rows in {file}"
    assert file.read_text() == "1,1\n2,4\n3,9\n"


def test_a_broken_job_is_seen_as_failed(service: JobService) -> None:
    job = service.begin(5, breaks_at=2)
    assert job.ended.wait(10)

    assert look_at(f"{service.url}/jobs/{job.id}") == Look("failed", "the job failed: row 3 cannot be read")


def test_an_unknown_job_is_a_failed_one(service: JobService) -> None:
    assert look_at(f"{service.url}/jobs/99") == Look("failed", f"nobody knows a job at {service.url}/jobs/99")


def test_whatever_else_comes_back_is_unknown(service: JobService, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        nobody = f"http://127.0.0.1:{deaf.getsockname()[1]}/jobs/1"
    (tmp_path / "job").write_text('{"status": "done"}')

    assert look_at(nobody).status == "unknown"
    assert look_at(f"{service.url}/alerts") == Look(
        "unknown", 'the service answered something else: {"alerts": []}'
    )
    assert look_at(f"file://{tmp_path}/job").status == "unknown"


def test_what_the_service_refuses_is_said_in_one_sentence(service: JobService) -> None:
    with pytest.raises(JobServiceError, match=r"/jobs did not take it: Unprocessable Entity"):
        post(f"{service.url}/jobs", {"rows": 0})
