from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest
from durakit.client import OrchestrationState, OrchestrationStatus
from durakit.errors import NoResultError, SettingsError
from durakit.program import (
    JsonFormatter,
    StopSignals,
    client_program,
    completed,
    configure_logging,
    result_of,
    say,
    watch,
)
from durakit.task import OrchestrationContext
from durakit.testing import InProcessTaskHub


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
    monkeypatch.setattr(os, "_exit", exits.append)
    now = [100.0]

    with StopSignals(clock=lambda: now[0]):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert exits == []
        now[0] += 1.1
        os.kill(os.getpid(), signal.SIGINT)

    assert exits == [130]


def state(status: OrchestrationStatus) -> OrchestrationState:
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return OrchestrationState(
        instance_id="po-1",
        name="purchase_order",
        runtime_status=status,
        created_at=moment,
        last_updated_at=moment,
        serialized_input=None,
        serialized_output='{"total": 3}',
        serialized_custom_status=None,
        failure_details=None,
    )


def test_a_client_program_tells_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/some/where/client.py"])

    with pytest.raises(SystemExit) as ending, client_program("it goes on"):
        raise SettingsError("ENDPOINT is empty.")

    assert ending.value.code == "client.py: ENDPOINT is empty."


def test_a_client_program_that_is_interrupted_says_what_becomes_of_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["client.py"])

    with pytest.raises(SystemExit) as ending, client_program("the order goes on"):
        raise KeyboardInterrupt

    assert ending.value.code == "client.py: no longer waiting; the order goes on"


def test_errors_that_are_nobodys_news_pass_through_a_client_program() -> None:
    with pytest.raises(ZeroDivisionError), client_program("it goes on"):
        raise ZeroDivisionError


def test_a_completed_orchestration_is_returned() -> None:
    done = state(OrchestrationStatus.COMPLETED)

    assert completed(done, "po-1") is done


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "There is no orchestration po-1 any more; somebody purged it."),
        (
            state(OrchestrationStatus.TERMINATED),
            "Orchestration 'purchase_order' (po-1) gave no result; it was terminated.",
        ),
    ],
)
def test_an_orchestration_without_a_result_is_an_error(
    found: OrchestrationState | None, message: str
) -> None:
    with pytest.raises(NoResultError, match=re.escape(message)):
        completed(found, "po-1")


def test_the_result_of_an_orchestration_is_read_as_the_type_asked_for() -> None:
    @dataclass
    class Order:
        total: int

    async def purchase_order(ctx: OrchestrationContext, total: int) -> Order:
        return Order(total)

    with InProcessTaskHub() as hub:
        hub.add_orchestrator(purchase_order)
        instance_id = hub.client.schedule_new_orchestration(purchase_order, input=3)

        assert result_of(hub.client, instance_id, Order) == Order(3)


def test_watching_shows_the_state_at_once_after_changes_and_at_the_end() -> None:
    def two_steps(ctx: OrchestrationContext) -> Generator[Any, Any, None]:
        for step in ("waiting", "going on"):
            ctx.set_custom_status(step)
            yield ctx.wait_for_external_event("go")

    with InProcessTaskHub() as hub:
        hub.add_orchestrator(two_steps)
        instance_id = hub.client.schedule_new_orchestration(two_steps)
        seen = []
        for state in watch(hub.client, instance_id, every=0):
            seen.append((state.runtime_status.name, state.get_custom_status()))
            hub.run_until_idle()
            if len(seen) > 1:
                hub.client.raise_orchestration_event(instance_id, "go")
                hub.run_until_idle()

    assert seen == [
        ("PENDING", None),
        ("RUNNING", "waiting"),
        ("RUNNING", "going on"),
        ("COMPLETED", "going on"),
    ]


def test_watching_an_instance_that_is_not_there_shows_nothing() -> None:
    with InProcessTaskHub() as hub:
        assert list(watch(hub.client, "nobody")) == []
