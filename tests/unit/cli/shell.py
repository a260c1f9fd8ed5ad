"""A shell in which `durakit` meets a task hub of this process, on its virtual clock."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from durakit.cli import connection, main
from durakit.client.operations import Operation
from durakit.client.state import OrchestrationState
from durakit.dashboard import words
from durakit.dashboard.remote.backend import RemoteBackend
from durakit.testing import InProcessTaskHub

ENDPOINT = "http://localhost:8080"


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """What it printed."""
        return self.out.splitlines()

    @property
    def json(self) -> Any:
        """What it printed, as one JSON value."""
        return json.loads(self.out)

    @property
    def objects(self) -> list[Any]:
        """What it printed, one JSON value a line."""
        return [json.loads(line) for line in self.lines]


class Shell:
    """Runs commands on a hub."""

    def __init__(
        self, hub: InProcessTaskHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.hub = hub
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.setattr(connection, "open_session", self._open)

    @asynccontextmanager
    async def _open(self, target: connection.Target) -> AsyncIterator[connection.Session]:
        client: Any = _Client(self.hub)
        backend = RemoteBackend({"default": client}, ENDPOINT, now=self._now)
        yield connection.Session(backend, client, "default", ENDPOINT, self._now)

    def _now(self) -> int:
        return words.nanoseconds(self.hub.now)

    def run(self, *arguments: str, typed: str = "", on_terminal: bool = False) -> Done:
        """Run `durakit instances ...`; `typed` is its stdin, which is a terminal or not."""
        stdin = _Stdin(typed)
        stdin.is_terminal = on_terminal
        self._monkeypatch.setattr("sys.stdin", stdin)
        self._capsys.readouterr()
        code = main(["instances", *arguments])
        said = self._capsys.readouterr()
        return Done(code, said.out, said.err)

    def refused(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        """Run a command that prints nothing but one line about its failure; return code and line."""
        done = self.run(*arguments, typed=typed)
        assert done.out == ""
        assert done.err.count("\n") == 1, done.err
        return done.code, done.err.rstrip("\n")


class _Stdin(io.StringIO):
    is_terminal = False

    def isatty(self) -> bool:
        return self.is_terminal


class _Client:
    """The hub's client, for those who await."""

    def __init__(self, hub: InProcessTaskHub) -> None:
        self._hub = hub

    async def _run(self, operation: Operation[Any]) -> Any:
        return self._hub.client._run(operation)

    async def close(self) -> None:
        """There is nothing to close."""

    async def wait_for_orchestration_completion(
        self, *args: Any, **options: Any
    ) -> OrchestrationState | None:
        return self._hub.client.wait_for_orchestration_completion(*args, **options)
