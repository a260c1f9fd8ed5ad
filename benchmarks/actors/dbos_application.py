"""The one process of the DBOS variant: workflows, steps and the caller, on a SQLite file.

Runs in an environment of its own, with `dbos` and the standard library only.
"""

# mypy: allow-untyped-decorators

from __future__ import annotations

import argparse
import asyncio
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig

from benchmarks.actors.driver import serve

TOPIC = "go"
FOR_EVER = 10**6  # seconds; the default is a minute
POLL_SECONDS = 0.01
"""How often DBOS looks for messages where the database cannot notify; by default every second."""


@DBOS.step()
def noop(value: Any) -> Any:
    """Step: the value it was given."""
    return value


@DBOS.step()
async def noop_async(value: Any) -> Any:
    """Step: as `noop`, on DBOS's event loop."""
    return value


@DBOS.step()
def inflate(size: int) -> str:
    """Step: a text of that many characters."""
    return "x" * size


@DBOS.workflow()
def sequence(steps: int) -> int:
    """Workflow: `steps` steps one after the other; returns how many ran."""
    for step in range(steps):
        noop(step)
    return steps


@DBOS.workflow()
async def sequence_async(steps: int) -> int:
    """Workflow: as `sequence`, of async steps."""
    for step in range(steps):
        await noop_async(step)
    return steps


@DBOS.workflow()
async def fanout(width: int) -> int:
    """Workflow: `width` steps at once; returns how many results came back. DBOS gathers async steps only."""
    return len(await asyncio.gather(*[noop_async(index) for index in range(width)]))


@DBOS.workflow()
def event(_: Any) -> Any:
    """Workflow: waits for one message and returns it."""
    return DBOS.recv(TOPIC, timeout_seconds=FOR_EVER)


@DBOS.workflow()
async def event_async(_: Any) -> Any:
    """Workflow: as `event`, holding no thread."""
    return await DBOS.recv_async(TOPIC, timeout_seconds=FOR_EVER)


@DBOS.workflow()
def echo(text: str) -> str:
    """Workflow: sends `text` through one step; returns its result."""
    result: str = noop(text)
    return result


@DBOS.workflow()
def hoard(work: list[int]) -> int:
    """Workflow: `[steps, size]`, one after the other; returns how much they gave together."""
    steps, size = work
    return sum(len(inflate(size)) for _ in range(steps))


@DBOS.workflow()
def timer(due_us: int) -> list[float]:
    """Workflow: sleeps to `due_us` microseconds after 1970; how late it went on, how early it began (ms)."""
    due = due_us / 1_000_000
    spare = due - time.time()
    DBOS.sleep(spare)
    return [(time.time() - due) * 1000, spare * 1000]


PLAIN: dict[str, Any] = {
    "sequence": sequence,
    "fanout": fanout,
    "event": event,
    "echo": echo,
    "hoard": hoard,
    "timer": timer,
}
ASYNC = {**PLAIN, "sequence": sequence_async, "event": event_async}


class DBOSDriver:
    """A `Driver` over handles, which wait for the future of the workflow: it runs in this process."""

    def __init__(self, workflows: dict[str, Any]) -> None:
        self._workflows = workflows
        self._handles: dict[str, Any] = {}

    def start(self, workflow: str, argument: object) -> str:
        """Starts the workflow; its id."""
        handle = DBOS.start_workflow(self._workflows[workflow], argument)
        instance: str = handle.get_workflow_id()
        self._handles[instance] = handle
        return instance

    def wait_until_running(self, instance: str, timeout: float) -> None:
        """Nothing to wait for: starting a workflow is beginning it."""

    def wait(self, instance: str, timeout: float) -> object:
        """Waits for the result; the benchmark itself ends a process that takes too long."""
        result: object = self._handles.pop(instance).get_result()
        return result

    def raise_event(self, instance: str, data: object) -> None:
        """Sends the message."""
        DBOS.send(instance, data, TOPIC)


def main() -> None:
    """Runs the workloads that arrive on stdin."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--db", type=Path, required=True, help="file that keeps everything")
    parser.add_argument("--async-steps", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    make_with_write_ahead_log(options.db)
    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": f"sqlite:///{options.db}",
        "notification_listener_polling_interval_sec": POLL_SECONDS,
    }
    DBOS(config=config)
    DBOS.launch()
    serve(DBOSDriver(ASYNC if options.async_steps else PLAIN))


def make_with_write_ahead_log(database: Path) -> None:
    """Makes the file, in the journal mode that suits DBOS best; commits are fsynced in either.

    In the default mode, which DBOS leaves as it is, threads that write at once delay each other far more.
    """
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


if __name__ == "__main__":
    main()
