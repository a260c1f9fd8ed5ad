"""What a soak calls flat, bounded and quiet, on samples made by hand; its jobs know their results."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from durakit.testing import InProcessTaskHub

from benchmarks import soak
from benchmarks.actors import mixed
from benchmarks.steadiness import MEBIBYTE, Sample, grave_lines, growth, largest_wal_mib


def samples(resident_mib: Sequence[float], each: int = 100) -> list[Sample]:
    return [
        Sample({"scheduler": int(mib * MEBIBYTE)}, wal_bytes=number * MEBIBYTE, done=number * each)
        for number, mib in enumerate(resident_mib)
    ]


def test_what_grows_while_it_warms_up_and_then_stays_is_flat() -> None:
    grown = growth(samples([20, 30, 40, 50, 50, 50, 50, 51, 50]), "scheduler")

    assert (grown.before_mib, grown.after_mib, grown.is_flat) == (50, 50, True)


def test_a_leak_is_growth_and_is_told_per_instance() -> None:
    grown = growth(samples([40 + 2 * number for number in range(9)]), "scheduler")

    assert not grown.is_flat
    assert grown.mib == 6
    assert grown.bytes_per_instance == 6 * MEBIBYTE / 300


def test_one_peak_is_no_growth() -> None:
    assert growth(samples([50, 50, 50, 50, 50, 50, 50, 90, 50]), "scheduler").is_flat


def test_too_few_samples_tell_nothing() -> None:
    with pytest.raises(ValueError, match="8 samples are too few: nine are needed"):
        growth(samples([50] * 8), "scheduler")


def test_the_log_is_judged_by_the_most_it_ever_held() -> None:
    assert largest_wal_mib(samples([50] * 9)) == 8.0


def test_warnings_errors_and_tracebacks_are_grave_and_other_lines_are_not() -> None:
    lines = [
        json.dumps({"level": "info", "message": "Task hub 'default' created."}),
        json.dumps({"level": "warning", "message": "late"}),
        json.dumps({"level": "error", "message": "broken"}),
        "Traceback (most recent call last):",
    ]

    assert grave_lines("\n".join(lines)) == lines[1:]


def soaked(**changed: Any) -> Any:
    facts: dict[str, Any] = {
        "samples": samples([50] * 9),
        "done": dict.fromkeys(mixed.MAKERS, 7),
        "wrong": [],
        "logs": {"scheduler": ""},
        "not_completed": 0,
        "inbox": 0,
        "integrity": "ok",
    }
    return soak.Soaked(**{**facts, **changed})


def failed(result: Any) -> list[str]:
    return [check.text for check in soak.judge(result) if not check.holds]


def test_a_soak_in_which_all_went_well_passes() -> None:
    assert failed(soaked()) == []
    assert "| every result is right | 0 wrong of 42 | yes |" in soak.report(
        soaked(), soak.judge(soaked()), seconds=9
    )


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"samples": samples(range(40, 67, 3))}, "memory of the scheduler grows by at most 4 MiB"),
        ({"samples": samples([50] * 40)}, "the write-ahead log never exceeds 32 MiB"),
        ({"logs": {"scheduler": "Traceback"}}, "no warning or error in the log of the scheduler"),
        ({"wrong": ["chain(3): x returned 1, not 2"]}, "every result is right"),
        ({"done": dict.fromkeys(mixed.MAKERS, 0)}, "every kind of instance ran"),
        ({"done": {"chain": 5}}, "every kind of instance ran"),
        ({"not_completed": 1}, "every instance in the file completed"),
        ({"inbox": 1}, "nothing waits in an inbox"),
        ({"integrity": "row 3 missing"}, "the file is sound"),
    ],
)
def test_each_fault_fails_its_check_alone(changed: dict[str, Any], text: str) -> None:
    assert failed(soaked(**changed)) == [text]


def test_a_soak_too_short_to_tell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        soak.main(["--minutes", "0.1"])
    assert "--minutes 0.1 tells nothing of growth: at least 0.2" in capsys.readouterr().err


@pytest.mark.parametrize("kind", mixed.MAKERS)
def test_a_job_knows_what_its_orchestrator_returns(kind: str) -> None:
    job = mixed.MAKERS[kind][1](random.Random(3))
    with InProcessTaskHub(orchestrators=mixed.ORCHESTRATORS, activities=mixed.ACTIVITIES) as hub:
        instance_id = hub.client.schedule_new_orchestration(job.orchestrator, input=job.size)
        for event in job.events:
            hub.client.raise_orchestration_event(instance_id, mixed.EVENT, data=event)
        state: Any = hub.client.wait_for_orchestration_completion(instance_id)
        assert json.loads(state.serialized_output) == job.result
