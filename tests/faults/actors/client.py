"""The client process of the kill campaign: starts instances, raises events, waits for the results.

It may be killed and started again at any time: what it must not do twice it reads from the ledger, what it
could not know it does again. Events carry a word of their own in every attempt, so that a repeated event
can be told from one that the system doubled.

Usage: python -m tests.faults.actors.client <port> <shape> <seed>; the ledger's path is in FAULTS_LEDGER.
Exit codes: 0 all results are in the ledger, 3 an accepted instance is gone.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import grpc

from tests.faults.ledger import Ledger, entries
from tests.faults.workload import Job, jobs_of

SDK = os.environ.get("DURAKIT_FAULTS_SDK", "durakit")
PAUSE_SECONDS = 0.03
WAIT_SECONDS = 2.0

T = TypeVar("T")


class Gone(Exception):
    """An instance that was accepted does not exist."""


def code_of(error: Exception) -> grpc.StatusCode | None:
    """Return the status of a failed call, None for any other error."""
    code = getattr(error, "code", None)
    return code() if callable(code) else None


def insist(call: Callable[[], T]) -> T:
    """Repeat a call for as long as the scheduler cannot be reached."""
    while True:
        try:
            return call()
        except Exception as error:
            if code_of(error) not in (
                grpc.StatusCode.UNAVAILABLE,
                grpc.StatusCode.DEADLINE_EXCEEDED,
                grpc.StatusCode.CANCELLED,
            ):
                raise
            time.sleep(PAUSE_SECONDS)


class Driver:
    """One life of the client."""

    def __init__(self, client: Any, ledger_path: Path, jobs: list[Job]) -> None:
        self.client = client
        self.jobs = jobs
        self.past = entries(ledger_path)
        self.ledger = Ledger(ledger_path)

    def run(self) -> None:
        """Do everything that earlier lives have not done."""
        self.ledger.write("client began")
        for job in self.jobs:
            self.start(job)
        for number in range(max(job.events for job in self.jobs)):
            for job in self.jobs:
                if number < job.events:
                    self.raise_event(job, number)
        for job in self.jobs:
            self.fetch_result(job)

    def _is_known(self, kind: str, **fields: Any) -> bool:
        return any(
            entry["kind"] == kind and all(entry[name] == value for name, value in fields.items())
            for entry in self.past
        )

    def start(self, job: Job) -> None:
        """Start an instance, unless that was acknowledged in an earlier life."""
        if self._is_known("accepted", instance=job.id):
            return
        try:
            insist(
                lambda: self.client.schedule_new_orchestration(
                    job.orchestrator, input={"size": job.size}, instance_id=job.id
                )
            )
        except Exception as error:
            if code_of(error) is not grpc.StatusCode.ALREADY_EXISTS:
                raise
        self.ledger.write("accepted", instance=job.id)

    def raise_event(self, job: Job, number: int) -> None:
        """Raise an event until one attempt is acknowledged."""
        if self._is_known("event acknowledged", instance=job.id, number=number):
            return

        def attempt() -> str:
            word = f"{number}-{os.getpid()}-{time.monotonic_ns()}"
            self.ledger.write("event raised", instance=job.id, number=number, word=word)
            try:
                self.client.raise_orchestration_event(job.id, "tick", data={"number": number, "word": word})
            except Exception as error:
                if code_of(error) is grpc.StatusCode.NOT_FOUND:
                    raise Gone(job.id) from error
                raise
            return word

        word = insist(attempt)
        self.ledger.write("event acknowledged", instance=job.id, number=number, word=word)

    def fetch_result(self, job: Job) -> None:
        """Wait for the end of an instance and write down its result."""
        while True:
            try:
                state = self.client.wait_for_orchestration_completion(job.id, timeout=WAIT_SECONDS)
            except TimeoutError:
                state = insist(lambda: self.client.get_orchestration_state(job.id))
                if state is None:
                    raise Gone(job.id) from None
                continue
            except Exception as error:
                if code_of(error) in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
                    time.sleep(PAUSE_SECONDS)
                    continue
                raise
            if state is None:
                raise Gone(job.id)
            output = json.loads(state.serialized_output) if state.serialized_output else None
            failure = str(state.failure_details) if state.failure_details else None
            self.ledger.write(
                "result",
                instance=job.id,
                status=state.runtime_status.name,
                output=output,
                failure=failure,
            )
            return


def drive(client: Any, shape: str, seed: int) -> int:
    """Say that this is ready, do the jobs, and return the exit code."""
    driver = Driver(client, Path(os.environ["FAULTS_LEDGER"]), jobs_of(shape, seed))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    try:
        driver.run()
    except Gone as gone:
        driver.ledger.write("gone", instance=str(gone))
        return 3
    driver.ledger.write("client done")
    return 0


def main() -> int:
    port, shape, seed = sys.argv[1:]
    module = importlib.import_module(f"{SDK}.client")
    return drive(module.TaskHubGrpcClient(host_address=f"127.0.0.1:{port}"), shape, int(seed))


if __name__ == "__main__":
    sys.exit(main())
