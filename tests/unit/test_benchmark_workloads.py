"""What a benchmark's plan chooses, and how the client side judges results; no process is started."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from durakit.scheduler.machine.journal import Journal
from durakit.scheduler.store import Batch, Store

from benchmarks import goals, large
from benchmarks.actors import driver, slow_scheduler
from benchmarks.figures import Record
from benchmarks.filling import fill
from benchmarks.plan import UnknownSelection, full_plan, quick_plan, select
from benchmarks.slow_disk import on_slow_disk
from benchmarks.variants.durakit_dev import DURAKIT
from benchmarks.variants.embedded import EMBEDDED


class Answers:
    """A `Driver` whose instances end at once with the result that `answer` makes of their argument."""

    def __init__(self, answer: Any) -> None:
        self.arguments: list[Any] = []
        self._answer = answer

    def start(self, workflow: str, argument: object) -> str:
        self.arguments.append(argument)
        return str(len(self.arguments) - 1)

    def wait_until_running(self, instance: str, timeout: float) -> None:
        """They all are."""

    def wait(self, instance: str, timeout: float) -> object:
        return self._answer(self.arguments[int(instance)])

    def raise_event(self, instance: str, data: object) -> None:
        """Nobody listens."""


def timers(spread_ms: int) -> dict[str, Any]:
    return {"workload": "timers", "size": 4, "delay_ms": 0, "spread_ms": spread_ms, "timeout": 1}


def test_timers_are_due_evenly_over_their_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "QUIET_AFTER_TIMERS", 0.0)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    answers = Answers(lambda due_us: [2.5, 100.0])

    reply = driver.timers(answers, timers(spread_ms=1000))

    assert sorted(due - min(answers.arguments) for due in answers.arguments) == [0, 250_000, 500_000, 750_000]
    assert reply["samples_ms"] == [2.5] * 4


def test_a_timer_that_was_set_when_it_was_due_fails_the_measurement() -> None:
    with pytest.raises(driver.WrongResult, match="1 of 2 timers were only set when they were already due"):
        driver.lateness_ms([[3.0, 100.0], [3.0, -2.0]])


def test_a_timer_that_fired_early_fails_the_measurement() -> None:
    with pytest.raises(driver.WrongResult, match=r"1 of 2 timers fired early, by up to 7\.0 ms"):
        driver.lateness_ms([[3.0, 100.0], [-7.0, 100.0]])


def test_a_due_time_kept_in_whole_milliseconds_is_no_early_timer() -> None:
    assert driver.lateness_ms([[-0.9, 100.0]]) == [-0.9]


def test_a_history_that_lost_a_payload_fails_the_measurement() -> None:
    request = {"workload": "hoard", "size": 3, "bytes": 10, "timeout": 1}

    assert driver.hoard(Answers(lambda work: work[0] * work[1]), request)["samples_ms"]
    with pytest.raises(driver.WrongResult, match="hoard should have returned '30', got '20'"):
        driver.hoard(Answers(lambda work: 20), request)


def test_a_workload_is_named_by_family_and_any_size() -> None:
    plan = full_plan()

    assert [each.name for each in select(plan, ["timers:50", "timers-burst:50", "histories:7"])] == [
        "timers(50)",
        "timers-burst(50)",
        "histories(7)",
    ]
    with pytest.raises(UnknownSelection, match="There is no workload 'speed'"):
        select(plan, ["speed"])


def test_sequences_that_would_take_the_peer_half_an_hour_are_taken_of_ours_only() -> None:
    long, short = select(full_plan(), ["sequence:10000", "sequence:1000"])

    assert long.is_taken_of("durakit", 1)
    assert not long.is_taken_of("peer", 1)
    assert short.is_taken_of("peer", 1)
    assert short.is_taken_of("peer", 2)


def test_sequences_that_take_the_peer_minutes_are_repeated_for_ours_only() -> None:
    (each,) = select(full_plan(), ["sequence:3000"])

    assert each.is_taken_of("peer", 1)
    assert not each.is_taken_of("peer", 2)
    assert each.is_taken_of("durakit", 2)


def test_the_plans_measure_nothing_twice() -> None:
    for plan in (full_plan(), quick_plan()):
        names = [each.name for each in plan]
        assert len(names) == len(set(names))


def test_a_share_of_the_peers_figure_is_met_at_or_below_its_bar() -> None:
    goal = next(goal for goal in goals.EVERY if goal.text == "latency p50, of peer's")

    def records(ours: float) -> list[Record]:
        return [
            Record(1, "peer", "latency", "ok", {"p50": 20.0}),
            Record(1, "durakit", "latency", "ok", {"p50": ours}),
        ]

    assert goal.actual(records(5.0)) == 0.25
    assert goal.is_met(0.25)
    assert not goal.is_met(0.26)


def test_every_bar_of_a_figure_is_about_one_that_the_full_plan_takes() -> None:
    figures = {(each.name, figure.name): 1.0 for each in full_plan() for figure in each.figures}
    records = [
        Record(1, variant, name, "ok", {figure: 1.0}, {"scheduler": 1.0, "worker": 1.0})
        for variant in ("peer", "durakit", "durakit-standard", "embedded", "ms-on-durakit")
        for name, figure in figures
    ]

    assert [goal.text for goal in goals.EVERY if goal.actual(records) is None] == []


def test_a_million_instances_are_filled_for_one_variant_and_once() -> None:
    (each,) = select(full_plan(), ["large:1000000"])

    assert each.is_taken_of("durakit", 1)
    assert not each.is_taken_of("durakit", 2)
    assert not each.is_taken_of("peer", 1)


def test_what_a_file_was_filled_with_is_old_and_counts_until_it_is_purged(tmp_path: Path) -> None:
    file = tmp_path / "filled.db"
    fill(file, 60, 20, now_ns=time.time_ns() - large.AGE_DAYS * large.DAY_NS)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        running = connection.execute("SELECT count(*) FROM instance WHERE completed_ns IS NULL").fetchone()[0]

        assert large.old_instances(file) == 60 - running
        connection.execute("DELETE FROM instance WHERE row BETWEEN 2 AND 5")
        connection.commit()
    assert large.old_instances(file) == 60 - running - 4


def test_only_the_scheduler_is_slow_on_a_slow_disk() -> None:
    slowed = on_slow_disk(DURAKIT, 20)

    assert slowed.program[-2:] == ("benchmarks.actors.slow_scheduler", "20")
    assert DURAKIT.program == type(DURAKIT).program
    with pytest.raises(TypeError, match="embedded has no scheduler whose commits could be slowed down"):
        on_slow_disk(EMBEDDED, 20)


def test_a_slow_commit_still_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(Store, "commit", Store.commit)  # put back at the end
    slow_scheduler.slow_down(0.02)
    store = Store(tmp_path / "slow.db")

    journal = Journal()
    journal.hubs.append((1, "default", 0))
    store.commit(Batch(journal))

    assert slept == [0.02]
    assert store.hubs() == [(1, "default")]
    store.close()
