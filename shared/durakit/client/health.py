"""What a client knows about its connection: has the scheduler ever answered, and is the channel worth
keeping.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from durakit.wire.status import (
    CallCancelledError,
    SchedulerError,
    SchedulerTimeoutError,
    SchedulerUnavailableError,
)

if TYPE_CHECKING:
    from durakit.grpc_options import GrpcClientResiliencyOptions

#: Methods that wait for an instance: their deadline says nothing about the connection.
_WAIT_METHODS = frozenset({"WaitForInstanceStart", "WaitForInstanceCompletion"})


class ConnectionHealth:
    """Counts failures in a row; safe to use from several threads."""

    def __init__(self, options: GrpcClientResiliencyOptions) -> None:
        self._threshold = options.channel_recreate_failure_threshold
        self._min_interval_seconds = options.min_recreate_interval_seconds
        self._lock = threading.Lock()
        self._failures = 0
        self._replaced_at = float("-inf")
        self._has_answered = False

    def has_answered(self) -> bool:
        """Whether the scheduler has ever answered a call of this client, be it with an error."""
        return self._has_answered

    def note_answer(self) -> None:
        """A call was answered with OK."""
        self._has_answered = True
        self._failures = 0

    def note_error(self, method: str, error: SchedulerError) -> bool:
        """A call failed; True when it is time to replace the channel."""
        if isinstance(error, CallCancelledError):
            return False
        if isinstance(error, SchedulerTimeoutError) and method in _WAIT_METHODS:
            return False
        if not isinstance(error, SchedulerUnavailableError | SchedulerTimeoutError):
            self.note_answer()
            return False
        now = time.monotonic()
        with self._lock:
            self._failures += 1
            due = 0 < self._threshold <= self._failures
            if not due or now - self._replaced_at < self._min_interval_seconds:
                return False
            self._failures = 0
            self._replaced_at = now
            return True
