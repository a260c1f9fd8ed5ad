"""What a program of durakit does around its work: logs to stderr, single lines to people, and signals.

The library itself configures nothing; `run_worker` and the command line call this.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from types import FrameType
from typing import Any

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
