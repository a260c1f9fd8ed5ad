"""The import on a test kit's task hub, whose clock jumps, and once on an embedded one, with a file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from durakit.client import OrchestrationState, OrchestrationStatus
from durakit.history import history_as_json
from durakit.testing import InProcessTaskHub, every_crash

from hub import make_hub
from visits import Pseudonyms, VisitsError, key_in, row_problem, rows_of, write_table
from workflow import ACTIVITIES, ANSWER, Night, Progress, Visits, import_id, visits_import

INBOX = Path(__file__).parent / "data" / "2026-03-02"
HEADER = "time,email,amount\n"
BAD, GOOD = "25:07,ada@example.com,8.90\n", "18:30,ada@example.com,8.90\n"
QUESTION = "1 bad rows in vienna: go on without them, or read the files again?"


@pytest.fixture
def hub() -> Iterator[InProcessTaskHub]:
    with InProcessTaskHub(orchestrators=[visits_import], activities=ACTIVITIES) as hub:
        yield hub


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A night with two branches and without bad rows, hashed quickly."""
    inbox = tmp_path / "2026-03-04"
    inbox.mkdir()
    (inbox / "graz.csv").write_text(f"{HEADER}09:00,Ada@example.com,1.50\n09:10,ben@example.com,2.00\n")
    (inbox / "vienna.csv").write_text(HEADER + GOOD)
    return Night(str(inbox), str(tmp_path / "output"), cost=2)


def begin(hub: InProcessTaskHub, night: Night) -> str:
    run = hub.client.schedule_new_orchestration(visits_import, input=night, instance_id="night")
    hub.run_until_idle()
    return run


def look(hub: InProcessTaskHub) -> tuple[OrchestrationState, Progress]:
    state = hub.client.get_orchestration_state("night")
    assert state is not None
    return state, state.get_custom_status(Progress) or Progress()


def answer(hub: InProcessTaskHub, said: Any) -> None:
    hub.client.raise_orchestration_event("night", ANSWER, data=said)
    hub.run_until_idle()


def test_the_sample_night_becomes_one_table_of_customers(hub: InProcessTaskHub, tmp_path: Path) -> None:
    visits = hub.run(visits_import, input=Night(str(INBOX), str(tmp_path), cost=2)).get_output(Visits)

    assert visits is not None
    assert (visits.visits, visits.customers, visits.in_several_branches) == (120, 41, 30)
    assert visits.bad_rows == 3
    assert len(Path(visits.table).read_text().splitlines()) == 1 + 41


def test_a_customer_is_one_customer_in_all_branches(hub: InProcessTaskHub, night: Night) -> None:
    visits = hub.run(visits_import, input=night).get_output(Visits)

    assert visits is not None
    rows = [line.split(",")[1:] for line in Path(visits.table).read_text().splitlines()]
    assert sorted(rows[1:]) == [["1", "graz", "2.00"], ["2", "graz vienna", "10.40"]]
    assert visits.amount == Decimal("12.40")


def test_the_custom_status_tells_each_step(hub: InProcessTaskHub, night: Night) -> None:
    begin(hub, night)

    assert look(hub)[1] == Progress(
        3, ["graz: 2 visits", "vienna: 1 visits", "3 visits of 2 customers in one table"]
    )


def test_no_address_gets_into_the_history_or_into_a_result(hub: InProcessTaskHub, tmp_path: Path) -> None:
    run = begin(hub, Night(str(INBOX), str(tmp_path), cost=2))

    written = [path.read_text() for path in tmp_path.rglob("*.csv")]
    assert len(written) == 9
    assert "example" not in history_as_json(hub.client.get_orchestration_history(run)) + "".join(written)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "vienna.csv begins with ''; expected 'time,email,amount'"),
        (b"a,b\n1,2\n", "vienna.csv begins with 'a,b'; expected 'time,email,amount'"),
        (b"\xff\xfe", "vienna.csv is not text in UTF-8"),
        (None, "vienna.csv cannot be read: Is a directory"),
    ],
)
def test_a_file_that_is_none_fails_the_import_and_a_mended_one_goes_on(
    hub: InProcessTaskHub, night: Night, content: bytes | None, problem: str
) -> None:
    vienna = Path(night.inbox, "vienna.csv")
    vienna.unlink()
    vienna.mkdir() if content is None else vienna.write_bytes(content)
    run = begin(hub, night)
    failed, _ = look(hub)

    vienna.rmdir() if content is None else vienna.unlink()
    vienna.write_text(HEADER + GOOD)
    hub.client.rewind_orchestration(run)
    hub.run_until_idle()

    assert failed.failure_details is not None
    assert failed.failure_details.message == f"{vienna.parent}/{problem}"
    assert look(hub)[0].runtime_status is OrchestrationStatus.COMPLETED
    assert [Path(call.input.name).name for call in hub.calls_of("visits_hide_addresses")] == [
        "graz",
        "vienna",
        "vienna",
    ]


@pytest.mark.parametrize(
    ("inbox", "problem"),
    [("empty", "has no CSV files"), ("none", "cannot be read: No such file or directory")],
)
def test_a_folder_without_files_fails_the_import(
    hub: InProcessTaskHub, night: Night, tmp_path: Path, inbox: str, problem: str
) -> None:
    (tmp_path / "empty").mkdir()

    state = hub.run(visits_import, input=replace(night, inbox=str(tmp_path / inbox)))

    assert state.failure_details is not None
    assert state.failure_details.message == f"{tmp_path / inbox} {problem}"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("25:07,ada@example.com,8.90", "25:07 is no time as in 18:30"),
        ("18:30,ada at example.com,8.90", "no e-mail address"),
        ("18:30,ada@example.com,minus 3", "minus 3 is no amount as in 12.50"),
        ("18:30,ada@example.com", "2 values where 3 belong"),
        ("18:30,ada@example.com,8.90", None),
    ],
)
def test_what_is_wrong_with_a_row_is_said_without_naming_anybody(row: str, problem: str | None) -> None:
    assert row_problem(row.split(",")) == problem


def test_an_import_that_may_not_ask_leaves_bad_rows_out(hub: InProcessTaskHub, night: Night) -> None:
    Path(night.inbox, "vienna.csv").write_text(HEADER + GOOD + BAD)

    visits = hub.run(visits_import, input=night).get_output(Visits)

    assert visits is not None
    assert (visits.visits, visits.bad_rows) == (3, 1)


def test_an_import_that_may_ask_waits_for_the_answer_to_go_on(hub: InProcessTaskHub, night: Night) -> None:
    Path(night.inbox, "vienna.csv").write_text(HEADER + BAD)
    begin(hub, replace(night, asks=True))
    asked = look(hub)[1].question

    answer(hub, {"what": "?"})
    still_asked = look(hub)[1].question
    answer(hub, "go on")

    state, progress = look(hub)
    visits = state.get_output(Visits)
    assert (asked, still_asked, progress.question) == (QUESTION, QUESTION, None)
    assert visits is not None
    assert (visits.visits, visits.bad_rows) == (2, 1)


def test_mended_files_are_read_again_and_the_good_ones_are_not(hub: InProcessTaskHub, night: Night) -> None:
    vienna = Path(night.inbox, "vienna.csv")
    vienna.write_text(HEADER + BAD)
    begin(hub, replace(night, asks=True))

    vienna.write_text(HEADER + GOOD)
    answer(hub, "again")

    state, progress = look(hub)
    visits = state.get_output(Visits)
    assert visits is not None
    assert (visits.visits, visits.bad_rows, progress.steps) == (3, 0, len(progress.done))
    assert [call.input.name for call in hub.calls_of("visits_hide_addresses")] == ["graz", "vienna", "vienna"]


def test_when_nobody_answers_bad_rows_are_left_out_after_a_day(hub: InProcessTaskHub, night: Night) -> None:
    Path(night.inbox, "vienna.csv").write_text(HEADER + BAD)

    state = hub.run(visits_import, input=replace(night, asks=True))

    assert state.runtime_status is OrchestrationStatus.COMPLETED
    assert state.last_updated_at - state.created_at >= timedelta(days=1)


def test_a_crash_at_any_point_changes_no_result(night: Night, tmp_path: Path) -> None:
    tables = set()
    for crash in every_crash(orchestrators=[visits_import], activities=ACTIVITIES):
        output = tmp_path / f"{crash.number}-{crash.moment}"
        output.mkdir()
        (output / "visits.key").write_bytes(b"the same for all")
        with crash as hub:
            visits = hub.run(visits_import, input=replace(night, output=str(output))).get_output(Visits)
        assert visits is not None
        tables.add(Path(visits.table).read_bytes())

    assert len(tables) == 1


def test_a_pseudonym_is_the_same_tomorrow_and_another_with_another_key(tmp_path: Path) -> None:
    def pseudonym(folder: str, email: str) -> str:
        return Pseudonyms(key_in(tmp_path / folder), 2).of(email)

    assert pseudonym("a", "ada@example.com") == pseudonym("a", "ADA@example.com")
    assert pseudonym("a", "ada@example.com") != pseudonym("b", "ada@example.com")


def test_a_table_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    write_table(table, ["x"], [["1"]])

    with pytest.raises(ZeroDivisionError):
        write_table(table, ["x"], ([1 // 0] for _ in range(1)))

    assert table.read_text() == "x\n1\n"


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "graz.csv"
    path.write_text(f"\ufeff{HEADER}\n{GOOD}", "utf-8")

    assert [line for line, _ in rows_of(path)] == [3]
    with pytest.raises(VisitsError, match="cannot be read: No such file"):
        next(rows_of(tmp_path / "none.csv"))


# As it is used: embedded, on a file.


def test_another_hub_on_the_same_file_goes_on_where_the_first_one_stopped(night: Night) -> None:
    vienna = Path(night.inbox, "vienna.csv")
    shutil.move(vienna, vienna.with_suffix(".late"))
    vienna.write_text("not yet")
    run = import_id(Path(night.inbox))
    with make_hub(Path(night.output)) as first:
        first.client.schedule_new_orchestration(visits_import, input=night, instance_id=run)
        first.client.wait_for_orchestration_completion(run, timeout=30)
    written = Path(night.output, "2026-03-04", "graz.csv").stat().st_mtime_ns

    shutil.move(vienna.with_suffix(".late"), vienna)
    with make_hub(Path(night.output)) as second:
        second.client.rewind_orchestration(run)
        state = second.client.wait_for_orchestration_completion(run, timeout=30)

    assert state is not None
    assert state.runtime_status is OrchestrationStatus.COMPLETED
    assert Path(night.output, "2026-03-04", "graz.csv").stat().st_mtime_ns == written
