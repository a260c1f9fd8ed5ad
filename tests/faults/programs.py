"""Orchestrators and activities of the kill campaign; each deed leaves an entry in the ledger.

Results say which executions of activities were counted: a pair of the activity's key and a word made anew
in every execution. So an effect that was applied twice shows in the result, and a result that no execution
produced has no entry in the ledger.
"""

from __future__ import annotations

import importlib
import os
import time
import uuid
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.faults.ledger import Ledger
from tests.faults.workload import step_value

SDK = os.environ.get("DURAKIT_FAULTS_SDK", "durakit")
"""Import name of the SDK; `durabletask` has the same API."""
WORK_SECONDS = 0.002
"""How long an activity works, so that kills also fall inside activities."""
TIMER = timedelta(milliseconds=30)

task: Any = importlib.import_module(f"{SDK}.task")
ledger = Ledger(Path(os.environ["FAULTS_LEDGER"]))

Steps = Generator[Any, Any, dict[str, Any]]


def step(ctx: Any, work: dict[str, Any]) -> dict[str, Any]:
    """The one activity: computes, and tells the ledger when it begins and ends."""
    nonce = uuid.uuid4().hex
    about = {"instance": ctx.orchestration_id, "key": work["key"], "nonce": nonce}
    ledger.write("activity begun", **about)
    time.sleep(WORK_SECONDS)
    value = step_value(work["before"], work["number"])
    ledger.write("activity ended", **about)
    return {"key": work["key"], "nonce": nonce, "value": value}


def _note(ctx: Any, kind: str, **fields: Any) -> None:
    if not ctx.is_replaying:
        ledger.write(kind, instance=ctx.instance_id, **fields)


def _counted(done: dict[str, Any]) -> list[str]:
    return [done["key"], done["nonce"]]


def chain(ctx: Any, job: dict[str, Any]) -> Steps:
    """One activity after the other, each working on the value of the one before."""
    value, counted = 1, []
    for number in range(job["size"]):
        done = yield ctx.call_activity(
            "step", input={"key": f"chain-{number}", "number": number, "before": value}
        )
        value = done["value"]
        counted.append(_counted(done))
    return {"value": value, "counted": counted}


def fanout(ctx: Any, job: dict[str, Any]) -> Steps:
    """All activities at once."""
    done = yield task.when_all(
        [
            ctx.call_activity("step", input={"key": f"fan-{number}", "number": number, "before": 1})
            for number in range(job["size"])
        ]
    )
    return {"value": sum(one["value"] for one in done), "counted": [_counted(one) for one in done]}


def family(ctx: Any, job: dict[str, Any]) -> Steps:
    """Children; every other one has an id made by the system."""
    _note(ctx, "children started", size=job["size"])
    done = yield task.when_all(
        [
            ctx.call_sub_orchestrator(
                "chain",
                input={"size": 2},
                instance_id=f"{ctx.instance_id}-child{number}" if number % 2 == 0 else None,
            )
            for number in range(job["size"])
        ]
    )
    return {"value": [child["value"] for child in done], "children": [child["counted"] for child in done]}


def timers(ctx: Any, job: dict[str, Any]) -> Steps:
    """Timers one after the other; one more is left running at the end."""
    fired = 0
    ctx.create_timer(timedelta(hours=1))
    for number in range(job["size"]):
        before = ctx.current_utc_datetime
        yield ctx.create_timer(TIMER)
        early = (before + TIMER) - ctx.current_utc_datetime
        _note(ctx, "timer fired", number=number, early_seconds=early.total_seconds())
        fired += 1
    return {"value": fired}


def inbox(ctx: Any, job: dict[str, Any]) -> Steps:
    """Waits for numbered events. The client repeats a number when it cannot know that it has arrived."""
    taken: list[str] = []
    numbers: list[int] = []
    while len(numbers) < job["size"]:
        event = yield ctx.wait_for_external_event("tick")
        _note(ctx, "event consumed", word=event["word"])
        taken.append(event["word"])
        if event["number"] not in numbers:
            numbers.append(event["number"])
    return {"value": numbers, "events": taken}


def eternal(ctx: Any, job: dict[str, Any]) -> Steps:
    """Continues as new after every event; unread events are carried along."""
    state = {"numbers": [], "events": [], "counted": [], **job}
    event = yield ctx.wait_for_external_event("tick")
    _note(ctx, "event consumed", word=event["word"])
    state["events"].append(event["word"])
    if event["number"] not in state["numbers"]:
        number = len(state["numbers"])
        state["numbers"].append(event["number"])
        done = yield ctx.call_activity(
            "step", input={"key": f"generation-{number}", "number": number, "before": 1}
        )
        state["counted"].append(_counted(done))
    if len(state["numbers"]) == job["size"]:
        return {"value": state["numbers"], "events": state["events"], "counted": state["counted"]}
    ctx.continue_as_new(state, save_events=True)
    return {}


def letters(ctx: Any, job: dict[str, Any]) -> Steps:
    """Sends events to a child: each must arrive exactly once and in order."""
    reader_id = f"{ctx.instance_id}-reader"
    reader = ctx.call_sub_orchestrator("reader", input=job, instance_id=reader_id)
    counted = []
    for number in range(job["size"]):
        done = yield ctx.call_activity(
            "step", input={"key": f"letter-{number}", "number": number, "before": 1}
        )
        counted.append(_counted(done))
        ctx.send_event(reader_id, "letter", data=number)
    value = yield reader
    return {"value": value, "counted": counted}


def reader(ctx: Any, job: dict[str, Any]) -> Generator[Any, Any, list[int]]:
    """Returns the letters as they came."""
    read: list[int] = []
    for _ in range(job["size"]):
        number = yield ctx.wait_for_external_event("letter")
        _note(ctx, "event consumed", word=f"letter-{number}")
        read.append(number)
    return read


ORCHESTRATORS = (chain, fanout, family, timers, inbox, eternal, letters, reader)
ACTIVITIES = (step,)
