"""Child processes whose output is told apart by a prefix and that never outlive their starter.

Every child leads a process group of its own, so that Ctrl-C reaches only the starter, who stops the children
in order. Reader threads turn output and exits into one queue of events; the main thread does all the rest.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TETHER = Path(__file__).resolve().parent / "tether.py"

STOP_GRACE_SECONDS = 10.0
"""How long a child may take to finish after it was asked to stop; then it is killed."""

COLOURS = ("36", "32", "35", "33")
"""ANSI colours of the prefixes, in order of start: cyan, green, magenta, yellow."""


@dataclass(frozen=True)
class Line:
    """One line a child printed."""

    child: str
    stream: str
    """`stdout` or `stderr`."""
    text: str


@dataclass(frozen=True)
class Exit:
    """A child ended; all its lines came before."""

    child: str
    code: int
    """Exit code; negative for the signal that killed it, as in subprocess."""


Event = Line | Exit


class ChildFailed(Exception):
    """A child ended when it should not have; the text is one line for the user."""


class Crew:
    """The children of this process, in order of start; leaving the `with` block stops them all."""

    def __init__(self, show: Callable[[Line], None]) -> None:
        """`show` is called with each line in the main thread, in the order in which they came."""
        self._show = show
        self._children: dict[str, subprocess.Popen[str]] = {}
        self._running: set[str] = set()
        self._unclean: list[Exit] = []
        self._events: queue.Queue[Event] = queue.Queue()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop_gently()
        finally:  # also when a second Ctrl-C says that gently takes too long
            for name in self._running:
                _signal_group(self._children[name], kill=True)

    def start(self, name: str, command: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> None:
        """Start a child; its output is read as UTF-8."""
        line = [str(part) for part in command]
        if sys.platform == "linux":
            line = [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *line]
        child = subprocess.Popen(
            line,
            cwd=cwd,
            env={**env, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=sys.platform != "win32",
            creationflags=_CREATION_FLAGS,
        )
        self._children[name] = child
        self._running.add(name)
        threading.Thread(target=self._watch, args=(name, child), daemon=True).start()

    @property
    def unclean(self) -> list[Exit]:
        """Children that failed when they were asked to stop, or had to be killed."""
        return self._unclean

    def process_id(self, name: str) -> int:
        """Return the process id of a child, which is also that of its group."""
        return self._children[name].pid

    def events(self, timeout_seconds: float | None = None) -> Iterator[Event]:
        """Yield what happens, showing each line first; end when the time is over."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while deadline is None or time.monotonic() < deadline:
            # Short waits, because on Windows Ctrl-C does not interrupt a wait.
            with contextlib.suppress(queue.Empty):
                event = self._events.get(timeout=0.2)
                if isinstance(event, Line):
                    self._show(event)
                else:
                    self._running.discard(event.child)
                yield event

    def _stop_gently(self) -> None:
        """Stop the last one started first, so that a worker can still hand in what it has in flight."""
        for name in reversed(list(self._children)):
            for kill in (False, True):
                if name in self._running:
                    _signal_group(self._children[name], kill)
                    self._wait_for_exit(name, STOP_GRACE_SECONDS)

    def _wait_for_exit(self, name: str, timeout_seconds: float) -> None:
        for event in self.events(timeout_seconds):
            if isinstance(event, Exit) and event.code not in _CLEAN_EXITS:
                self._unclean.append(event)
            if name not in self._running:
                return

    def _watch(self, name: str, child: subprocess.Popen[str]) -> None:
        """Report the child's lines, then its end. Runs in a thread of its own."""
        readers = [
            threading.Thread(target=self._read, args=(name, stream, pipe), daemon=True)
            for stream, pipe in (("stdout", child.stdout), ("stderr", child.stderr))
        ]
        for reader in readers:
            reader.start()
        code = child.wait()
        _signal_group(child, kill=True)  # whoever is left of its group
        for reader in readers:
            reader.join(timeout=1)  # a grandchild that left the group may hold the pipe open for ever
        self._events.put(Exit(name, code))

    def _read(self, name: str, stream: str, pipe: IO[str]) -> None:
        with pipe:
            for text in pipe:
                self._events.put(Line(name, stream, text.rstrip("\r\n")))


class Prefixes:
    """Gives each child's lines a prefix, aligned, and coloured if wanted."""

    def __init__(self, names: Sequence[str], colours: bool) -> None:
        width = max(len(name) for name in names) + 2
        self._prefixes = {name: f"[{name}]".ljust(width) for name in names}
        if colours:
            for name, colour in zip(names, COLOURS, strict=False):
                self._prefixes[name] = f"\x1b[{colour}m{self._prefixes[name]}\x1b[0m"

    def of(self, name: str) -> str:
        """Return the prefix, without the space that follows."""
        return self._prefixes[name]


def wants_colours(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """Return whether to colour what goes to the stream: a terminal, and NO_COLOR empty or unset."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def describe_exit(code: int) -> str:
    """Return an exit code in words: `exit code 3`, `killed by SIGKILL`."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


if sys.platform == "win32":
    _CREATION_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP
    _CLEAN_EXITS = (0, 0xC000013A)  # the second: ended by Ctrl-Break without having handled it

    def _signal_group(child: subprocess.Popen[str], kill: bool) -> None:
        if child.poll() is None:
            if kill:
                child.kill()
            else:
                child.send_signal(signal.CTRL_BREAK_EVENT)
else:
    _CREATION_FLAGS = 0
    _CLEAN_EXITS = (0, -signal.SIGTERM)  # the second: had not yet come to handle it

    def _signal_group(child: subprocess.Popen[str], kill: bool) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL if kill else signal.SIGTERM)
