"""What must be true after a round: of the results, of the ledger, of the database.

The rules are those of the design: every accepted instance ends with the right result, every activity runs at
least once, no effect of an orchestrator happens twice.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from durakit.scheduler.machine.instance import TERMINAL, Status
from durakit.scheduler.machine.status_record import STATUSES_KEPT
from durakit.scheduler.store import statements as sql
from durakit.wire import framing
from durakit.wire.messages import orchestration_pb2 as pb

from tests.faults.ledger import Entry, entries
from tests.faults.workload import Job


def check_client(code: int | None, ledger: Path) -> None:
    """The client's last life ended well."""
    written = entries(ledger)
    gone = [entry["instance"] for entry in written if entry["kind"] == "gone"]
    assert not gone, f"accepted, and then gone: {gone}"
    missing = {entry["instance"] for entry in written if entry["kind"] == "accepted"} - {
        entry["instance"] for entry in written if entry["kind"] == "result"
    }
    assert code is not None, f"accepted and not ended in time: {sorted(missing)}"
    assert code == 0, f"the client ended with exit code {code}"


def check_ledger(jobs: list[Job], ledger: Path) -> None:
    """Results and ledger agree with the jobs and with each other."""
    written = entries(ledger)
    by_kind: dict[str, list[Entry]] = {}
    for entry in written:
        by_kind.setdefault(entry["kind"], []).append(entry)
    begun = Counter((entry["instance"], entry["key"]) for entry in by_kind.get("activity begun", ()))
    ended = {entry["nonce"]: (entry["instance"], entry["key"]) for entry in by_kind.get("activity ended", ())}
    results: dict[str, Entry] = {}
    for entry in by_kind["result"]:
        earlier = results.setdefault(entry["instance"], entry)
        assert earlier["output"] == entry["output"], f"{entry['instance']} changed its result after its end"
    for job in jobs:
        assert job.id in results, f"{job.id} was accepted and never ended"
        result = results[job.id]
        assert result["status"] == "COMPLETED", f"{job.id} ended as {result['status']}: {result['failure']}"
        output = result["output"]
        assert output["value"] == job.value, f"{job.id}: {output['value']!r} is not {job.value!r}"
        _check_activities(job.id, job.keys, output.get("counted", []), begun, ended)
        for number, counted in enumerate(output.get("children", [])):
            child = None if number % 2 else f"{job.id}-child{number}"
            _check_activities(child, ("chain-0", "chain-1"), counted, begun, ended)
        _check_events(job, output.get("events", []), written)
    for entry in by_kind.get("timer fired", ()):
        assert entry["early_seconds"] <= 0, f"a timer of {entry['instance']} fired too early: {entry}"


def _check_activities(
    instance: str | None,
    keys: Iterable[str],
    counted: list[list[str]],
    begun: Counter[tuple[str, str]],
    ended: dict[str, tuple[str, str]],
) -> None:
    """Each activity is in the result once, with the word of an execution that the ledger saw end."""
    assert sorted(key for key, _ in counted) == sorted(keys), f"{instance} counted {counted}, not {keys}"
    for key, nonce in counted:
        assert nonce in ended, f"{instance}: no execution of {key} returned {nonce}"
        where, ended_key = ended[nonce]
        assert (where, ended_key) == (instance or where, key), f"{nonce} is of {where}, {ended_key}"
        assert begun[where, key] >= 1, f"{where}: {key} ended without having begun"


def _check_events(job: Job, taken: list[str], written: list[Entry]) -> None:
    """Events were consumed at most once, acknowledged ones exactly once, in order."""
    mine = [entry for entry in written if entry.get("instance") == job.id]
    raised = {entry["word"] for entry in mine if entry["kind"] == "event raised"}
    acknowledged = [entry["word"] for entry in mine if entry["kind"] == "event acknowledged"]
    doubled = [word for word, count in Counter(taken).items() if count > 1]
    assert not doubled, f"{job.id} consumed twice: {doubled}"
    assert set(taken) <= raised, f"{job.id} consumed what nobody raised: {set(taken) - raised}"
    # The last ones may be repetitions that came after the instance had all it waits for.
    numbers = {word.partition("-")[0] for word in taken}
    lost = [word for word in acknowledged if word not in taken and word.partition("-")[0] not in numbers]
    assert not lost, f"{job.id} never got {lost}, which were acknowledged"
    consumed = {entry["word"] for entry in mine if entry["kind"] == "event consumed"}
    assert set(taken) <= consumed | raised


def check_database(db: Path, ledger: Path) -> None:
    """The file is sound, and every history answers what it scheduled exactly once."""
    with closing(sqlite3.connect(db)) as connection:
        problems = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        assert problems == ["ok"], problems
        instances = connection.execute("SELECT row, id, status, parent_id FROM instance").fetchall()
        histories = {
            row: [
                blob
                for (blob,) in connection.execute(
                    "SELECT blob FROM history WHERE row = ? ORDER BY turn", (row,)
                )
            ]
            for row, *_ in instances
        }
        left = connection.execute(
            "SELECT instance.id FROM inbox JOIN instance USING (row) WHERE completed_ns IS NOT NULL"
        ).fetchall()
        orphans = connection.execute("SELECT count(*) FROM inbox WHERE row NOT IN (SELECT row FROM instance)")
        assert orphans.fetchone() == (0,), "the inbox holds events of instances that do not exist"
        check_statuses(connection)
    assert not left, f"events wait in the inbox of instances that have ended: {left}"
    accepted = {entry["instance"] for entry in entries(ledger) if entry["kind"] == "accepted"}
    assert accepted <= {name for _, name, _, _ in instances}, "an accepted instance is not in the file"
    for row, name, status, _ in instances:
        events = framing.events_of(b"".join(histories[row]))
        check_history(name, events, has_ended=Status(status) in TERMINAL)
    created = Counter(
        event.subOrchestrationInstanceCreated.instanceId
        for row, *_ in instances
        for event in framing.events_of(b"".join(histories[row]))
        if event.HasField("subOrchestrationInstanceCreated")
    )
    children = {name for _, name, _, parent in instances if parent is not None}
    assert set(created) == children, f"created {sorted(created)}, found {sorted(children)}"
    assert not [name for name, count in created.items() if count > 1], created


def check_statuses(connection: Any) -> None:
    """Custom statuses over time: each change once, only the oldest missing, the present one last."""
    known = connection.execute(
        "SELECT row, id, statuses, custom_status, row IN (SELECT row FROM history) FROM instance"
    ).fetchall()
    kept = 0
    for row, name, statuses, present, has_turns in known:
        found = connection.execute(sql.STATUSES_OF, sql.slots_of(row)).fetchall()
        kept += len(found)
        numbers = [number for number, *_ in found]
        assert numbers == list(range(statuses, max(0, statuses - STATUSES_KEPT), -1)), f"{name}: {numbers}"
        texts = [text for _, _, text, _ in found]
        assert all(text != before for text, before in pairwise(texts)), f"{name}: {texts}"
        if has_turns:
            assert (texts or [None])[0] == present, f"{name} is {present}, on record: {texts[:1]}"
    assert connection.execute("SELECT count(*) FROM custom_status").fetchall() == [(kept,)], "orphans"


ANSWERS = {
    "taskCompleted": "taskScheduledId",
    "taskFailed": "taskScheduledId",
    "subOrchestrationInstanceCompleted": "taskScheduledId",
    "subOrchestrationInstanceFailed": "taskScheduledId",
    "timerFired": "timerId",
}
SCHEDULES = {"taskScheduled", "timerCreated", "subOrchestrationInstanceCreated", "eventSent"}


def check_history(name: str, events: list[pb.HistoryEvent], *, has_ended: bool) -> None:
    """Ids are given once and answered at most once; turns open and close; nothing follows the end."""
    given: dict[int, str] = {}
    answered: Counter[int] = Counter()
    in_turn = False
    kinds = [event.WhichOneof("eventType") or "" for event in events]
    for event, kind in zip(events, kinds, strict=True):
        if kind in SCHEDULES:
            assert event.eventId not in given, f"{name}: id {event.eventId} was given twice"
            given[event.eventId] = kind
        elif kind in ANSWERS:
            answered[getattr(getattr(event, kind), ANSWERS[kind])] += 1
        elif kind == "orchestratorStarted":
            assert not in_turn, f"{name}: a turn began inside a turn"
            in_turn = True
        elif kind == "orchestratorCompleted":
            assert in_turn, f"{name}: a turn ended that had not begun"
            in_turn = False
    assert not in_turn, f"{name}: the last turn did not end"
    assert set(answered) <= set(given), f"{name}: answers without question: {set(answered) - set(given)}"
    doubled = [number for number, count in answered.items() if count > 1]
    assert not doubled, f"{name}: answered twice: {[(number, given[number]) for number in doubled]}"
    assert kinds.count("executionStarted") <= 1, f"{name}: began twice"
    assert kinds.count("executionCompleted") == int(has_ended), f"{name}: {kinds}"
    if has_ended:
        assert kinds[-1] == "executionCompleted", f"{name}: its history goes on after the end"
    words: Counter[Any] = Counter(
        event.eventRaised.input.value for event in events if event.HasField("eventRaised")
    )
    assert not [word for word, count in words.items() if count > 1], f"{name}: events doubled: {words}"
