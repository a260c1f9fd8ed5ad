from __future__ import annotations

import io
import json
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from durakit import program
from durakit.program import JsonFormatter, StopSignals, configure_logging, say


@contextmanager
def bare_root() -> Iterator[logging.Logger]:
    """The root logger as a fresh process has it."""
    root = logging.getLogger()
    handlers, level, azure = root.handlers[:], root.level, logging.getLogger("azure").level
    root.handlers.clear()
    try:
        yield root
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("azure").setLevel(azure)


def test_records_go_to_stderr_at_the_level_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with bare_root():
        configure_logging("warning", "text")
        logging.getLogger("durakit.x").warning("lost %s", "it")
        logging.getLogger("durakit.x").info("not shown")

    assert capsys.readouterr().err.endswith(" WARNING durakit.x: lost it\n")


def test_the_azure_pipeline_does_not_log_every_request() -> None:
    with bare_root():
        configure_logging("info", "text")

        assert not logging.getLogger("azure.core.pipeline").isEnabledFor(logging.INFO)


def test_logging_that_is_configured_already_is_left_alone() -> None:
    handler = logging.StreamHandler(io.StringIO())
    with bare_root() as root:
        root.addHandler(handler)

        configure_logging("debug", "json")

        assert root.handlers == [handler]


def test_a_json_line_has_what_the_record_was_given() -> None:
    record = logging.makeLogRecord(
        {
            "name": "durakit.x",
            "levelname": "INFO",
            "msg": "done %s",
            "args": ("x",),
            "instance_id": "i1",
            "created": 0.5,
        }
    )

    assert json.loads(JsonFormatter().format(record)) == {
        "time": "1970-01-01T00:00:00.500Z",
        "level": "info",
        "logger": "durakit.x",
        "message": "done x",
        "instance_id": "i1",
    }


def test_a_json_line_has_the_traceback() -> None:
    try:
        raise ValueError("no")
    except ValueError as error:
        record = logging.makeLogRecord({"exc_info": (ValueError, error, error.__traceback__)})

    assert json.loads(JsonFormatter().format(record))["traceback"].endswith("ValueError: no\n")


def test_a_line_is_said_as_text_or_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    say("text", "worker ready: it", event="ready")
    say("json", "worker ready: it", event="ready")

    assert capsys.readouterr().err == 'worker ready: it\n{"event": "ready"}\n'


def test_a_signal_ends_the_wait_and_the_handlers_are_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        signals.wait()

    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_signal_ends_the_process_unless_it_is_the_first_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exits: list[int] = []
    monkeypatch.setattr(program.os, "_exit", exits.append)  # type: ignore[attr-defined]  # the module's own import
    now = [100.0]

    with StopSignals(clock=lambda: now[0]):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert exits == []
        now[0] += 1.1
        os.kill(os.getpid(), signal.SIGINT)

    assert exits == [130]
