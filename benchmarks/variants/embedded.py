"""`durakit.embedded`: scheduler, worker and client in one process, with the data on disk."""

from __future__ import annotations

from pathlib import Path

from benchmarks.variants.base import OneProcess, missing_module, python_module


class Embedded(OneProcess):
    """The task hub of a script, driven by its own client."""

    def __init__(self, key: str, title: str, *, async_activities: bool = False) -> None:
        self.key = key
        self.title = title
        self._flags = ["--async-activities"] if async_activities else []

    def missing(self) -> str | None:
        """Names the scheduler if it is not installed."""
        return missing_module("durakit.embedding")

    def command(self, place: Path) -> list[str]:
        """The embedded actor on a file in `place`."""
        return python_module("benchmarks.actors.embedded", "--db", str(place / "hub.db"), *self._flags)


EMBEDDED = Embedded("embedded", "Durakit embedded, one process")
EMBEDDED_ASYNC = Embedded("embedded-async", "Durakit embedded, async activities", async_activities=True)
