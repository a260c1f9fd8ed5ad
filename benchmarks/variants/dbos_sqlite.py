"""DBOS with its system database in a SQLite file: caller, workflows and steps are threads of one process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from benchmarks.variants.base import OneProcess, python_module
from benchmarks.variants.provisions import PythonEnvironment, why_not

ENVIRONMENT = PythonEnvironment("dbos", ("dbos==3.4.0",))


class DBOSOnSQLite(OneProcess):
    """DBOS in an environment of its own."""

    is_fetched = True
    patience = 4.0
    not_offered: ClassVar[Mapping[str, str]] = {"eternal": "DBOS has nothing like continue-as-new"}

    def __init__(self, key: str, title: str, *, async_steps: bool = False) -> None:
        self.key = key
        self.title = title
        self._flags = ["--async-steps"] if async_steps else []

    def missing(self) -> str | None:
        """Nothing that `prepare` could not get."""
        return None

    def prepare(self) -> str | None:
        """Installs DBOS."""
        return why_not(ENVIRONMENT)

    def command(self, place: Path) -> list[str]:
        """The DBOS actor on a file in `place`."""
        module = "benchmarks.actors.dbos_application"
        return python_module(module, "--db", str(place / "dbos.db"), *self._flags, python=ENVIRONMENT.python)


DBOS = DBOSOnSQLite("dbos", "DBOS on SQLite, one process")
DBOS_ASYNC = DBOSOnSQLite("dbos-async", "DBOS on SQLite, async steps", async_steps=True)
