"""What a program of durakit does around its work: logs to stderr, single lines to people, and signals.

The library itself configures nothing; `run_worker`, the command line and client programs call this.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from durakit.errors import DurakitError, NoResultError

if TYPE_CHECKING:
    from durakit.client import OrchestrationState, TaskHubGrpcClient

T = TypeVar("T")

#: Launchers signal a process and then its group: what follows this closely is the same wish once more.
SAME_SIGNAL_SECONDS = 1.0

EXIT_FAILED = 1
EXIT_USAGE = 2

_TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: Attributes of every record; whatever else a record has was given as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what was given as `extra`, and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON text."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info and record.exc_info[1] is not None:
            line["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(level: str, log_format: str) -> None:
    """Send log records to stderr, as `text` or `json`; a program that has configured logging already keeps
    it.
    """
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if log_format == "json" else logging.Formatter(_TEXT_FORMAT))
    root.addHandler(handler)
    root.setLevel(level.upper())
    # Its HTTP pipeline logs every request at INFO.
    logging.getLogger("azure").setLevel(max(logging.WARNING, root.level))


def say(log_format: str, text: str, **fields: Any) -> None:
    """One line on stderr, whatever the log level: `text`, or `fields` as a JSON object."""
    line = json.dumps(fields, ensure_ascii=False) if log_format == "json" else text
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def program_name() -> str:
    """How this program calls itself before what it tells people: the file name of its script."""
    return Path(sys.argv[0]).name or "durakit"


@contextlib.contextmanager
def client_program(goes_on: str) -> Iterator[None]:
    """What a client program does inside ends with one line on stderr and status 1 where it cannot go on.

    That is a `DurakitError`, told as `client.py: <message>`, and Ctrl-C, told as
    `client.py: no longer waiting; <goes_on>`: say there what becomes of what was started.
    """
    try:
        yield
    except DurakitError as error:
        sys.exit(f"{program_name()}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"{program_name()}: no longer waiting; {goes_on}")


def finished(
    client: TaskHubGrpcClient, instance_id: str, *, timeout: float = 0, fetch_payloads: bool = True
) -> OrchestrationState:
    """Wait until the instance has completed and return its state.

    `timeout` is in seconds; 0 waits without limit. Raises `OrchestrationFailedError` when it has failed,
    `NoResultError` when somebody terminated or purged it, `WaitTimeoutError` when the time is over.
    """
    state = client.wait_for_orchestration_completion(
        instance_id, timeout=timeout, fetch_payloads=fetch_payloads
    )
    return completed(state, instance_id)


@overload
def result_of(
    client: TaskHubGrpcClient, instance_id: str, expected_type: type[T], *, timeout: float = 0
) -> T: ...
@overload
def result_of(
    client: TaskHubGrpcClient, instance_id: str, expected_type: None = None, *, timeout: float = 0
) -> Any: ...
def result_of(
    client: TaskHubGrpcClient,
    instance_id: str,
    expected_type: type[T] | None = None,
    *,
    timeout: float = 0,
) -> T | Any:
    """Wait as `finished` does and return the orchestration's output, read as `expected_type` if given."""
    return finished(client, instance_id, timeout=timeout).get_output(expected_type)


def completed(state: OrchestrationState | None, instance_id: str) -> OrchestrationState:
    """Return the state of an instance that has ended if it has completed; raises as `finished` does."""
    if state is None:
        raise NoResultError(f"There is no orchestration {instance_id} any more; somebody purged it.")
    state.raise_if_failed()
    if state.runtime_status.name != "COMPLETED":
        raise NoResultError(
            f"Orchestration {state.name!r} ({instance_id}) gave no result; "
            f"it was {state.runtime_status.name.lower()}."
        )
    return state


def watch(client: TaskHubGrpcClient, instance_id: str, *, every: float = 0.2) -> Iterator[OrchestrationState]:
    """Yield the state of the instance now and after each change, the last time when it has ended.

    It is asked for `every` so many seconds; what changed and changed again in between is one change. Yields
    nothing (more) when there is no such instance (any more).
    """
    seen = None
    while state := client.get_orchestration_state(instance_id):
        if state != seen:
            yield state
        if state.runtime_status.is_terminal:
            return
        seen = state
        time.sleep(every)


class StopSignals:
    """While entered, SIGTERM and SIGINT end `wait`, not the process; a second one ends the process at once.

    Must be entered in the main thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._arrived = threading.Event()
        self._arrived_at = 0.0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def wait(self) -> None:
        """Return once a signal has arrived."""
        self._arrived.wait()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._arrived.is_set():
            self._arrived_at = self._clock()
            self._arrived.set()
        elif self._clock() - self._arrived_at > SAME_SIGNAL_SECONDS:
            # Straight out: whatever the first signal waits for has had its chance.
            os._exit(128 + number)
