from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path

import pytest
from processes import Crew, Exit, Line, Prefixes, describe_exit, wants_colours

HANG = "import time; print('up', flush=True); time.sleep(600)"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def start(crew: Crew, name: str, code: str) -> None:
    crew.start(name, [sys.executable, "-c", code], Path.cwd(), os.environ)


def until_exit(crew: Crew, name: str) -> Exit:
    for event in crew.events(timeout_seconds=30):
        if isinstance(event, Exit) and event.child == name:
            return event
    raise AssertionError(f"{name} did not end")


def until_line(crew: Crew, text: str) -> None:
    assert any(isinstance(event, Line) and event.text == text for event in crew.events(timeout_seconds=30))


def test_lines_come_with_their_child_and_stream_before_the_exit() -> None:
    lines: list[Line] = []
    with Crew(lines.append) as crew:
        start(crew, "client", "import sys; print('ä'); print('wrong', file=sys.stderr); sys.exit(3)")

        assert until_exit(crew, "client") == Exit("client", 3)

    assert sorted(lines, key=lambda line: line.stream) == [
        Line("client", "stderr", "wrong"),
        Line("client", "stdout", "ä"),
    ]


def test_leaving_stops_the_children_gently_and_in_reverse() -> None:
    tidy = (
        "import signal, sys, threading\n"
        "done = threading.Event()\n"
        "signal.signal(signal.SIGTERM, lambda *_: done.set())\n"
        "print('up', flush=True)\n"
        "done.wait()\n"
        "print('tidied', flush=True)"
    )
    lines: list[Line] = []
    with Crew(lines.append) as crew:
        for name in ("scheduler", "worker"):
            start(crew, name, tidy)
            until_line(crew, "up")

    assert [line.child for line in lines if line.text == "tidied"] == ["worker", "scheduler"]


def test_a_child_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processes.STOP_GRACE_SECONDS", 0.5)
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + HANG
    events: list[Line] = []
    with Crew(events.append) as crew:
        start(crew, "worker", stubborn)
        until_line(crew, "up")
        pid = crew.process_id("worker")

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_an_error_inside_the_block_leaves_nobody_behind() -> None:
    def fail_with_a_child_running(crew: Crew) -> None:
        with crew:
            start(crew, "worker", HANG)
            until_line(crew, "up")
            raise RuntimeError

    crew = Crew(lambda _: None)
    with pytest.raises(RuntimeError):
        fail_with_a_child_running(crew)

    pid = crew.process_id("worker")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "exit code 3"), (-signal.SIGTERM, "killed by SIGTERM"), (-999, "exit code -999")],
)
def test_an_exit_is_described_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


def test_prefixes_are_aligned() -> None:
    prefixes = Prefixes(["scheduler", "worker"], colours=False)

    assert [prefixes.of("scheduler"), prefixes.of("worker")] == ["[scheduler]", "[worker]   "]


def test_prefixes_are_coloured_apart() -> None:
    prefixes = Prefixes(["scheduler", "worker"], colours=True)

    assert prefixes.of("scheduler") == "\x1b[36m[scheduler]\x1b[0m"
    assert prefixes.of("worker") == "\x1b[32m[worker]   \x1b[0m"


def test_colours_are_for_terminals_whose_user_wants_them() -> None:
    assert wants_colours(Terminal(), {})
    assert not wants_colours(io.StringIO(), {})
    assert not wants_colours(Terminal(), {"NO_COLOR": "1"})
    assert not wants_colours(Terminal(), {"TERM": "dumb"})
