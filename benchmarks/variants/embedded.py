"""`durakit.embedded`: scheduler, worker and client in one process, with the data on disk."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.variants.base import (
    START_TIMEOUT,
    Deployment,
    Variant,
    checked,
    missing_module,
    python_module,
)


class Embedded(Variant):
    """One process, which has the role `client` because it is the one that takes requests."""

    def __init__(self, key: str, title: str, *, async_activities: bool = False) -> None:
        self.key = key
        self.title = title
        self._flags = ["--async-activities"] if async_activities else []

    def missing(self) -> str | None:
        """Names the scheduler if it is not installed."""
        return missing_module("durakit.embedding")

    @contextlib.contextmanager
    def deploy(self, place: Path) -> Iterator[Deployment]:
        """Starts the process."""
        deployment = Deployment(place)
        try:
            deployment.start("client", self._command(place))
            yield deployment
        finally:
            deployment.stop()

    def cold_start(self, place: Path) -> dict[str, float]:
        """From the start of the process to its first result."""
        deployment = Deployment(place)
        try:
            client, _ = deployment.start("client", self._command(place))
            client.send({"workload": "first_result", "size": 1, "timeout": START_TIMEOUT})
            checked(client.read_answer(START_TIMEOUT))
            checked(client.read_answer(START_TIMEOUT))
            return {"worker to first result": (time.perf_counter() - client.started_at) * 1000}
        finally:
            deployment.stop()

    def _command(self, place: Path) -> list[str]:
        return python_module("benchmarks.actors.embedded", "--db", str(place / "hub.db"), *self._flags)


EMBEDDED = Embedded("embedded", "Durakit embedded, one process")
EMBEDDED_ASYNC = Embedded("embedded-async", "Durakit embedded, async activities", async_activities=True)
