"""Executions kept alive between the turns of their instances, so that a turn costs what is new (design,
rule 5).

A session may be used only when the scheduler names the execution and the number of events that this worker
itself counted. The cache is bounded: the session used longest ago is closed first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from durakit.replay import Execution


@dataclass(frozen=True, slots=True)
class Session:
    """One live execution, and what the scheduler must agree on before it may go on.

    Attributes:
        is_quick: whether its last turn took so little time that nobody minds another one.
        token: completion token of the last turn that was asked for, which names the session on a link.
    """

    execution: Execution
    execution_id: str
    committed_events: int
    is_quick: bool = False
    token: str = ""


def close_session(session: Session) -> None:
    """End the session's execution."""
    session.execution.close()


class SessionCache:
    """Sessions by instance id, at most `size` of them; 0 keeps none. Safe to use from several threads.

    `close` is given the sessions that others displace and those that are discarded; closing one runs
    `finally` blocks of user code.
    """

    def __init__(self, size: int, close: Callable[[Session], None] = close_session) -> None:
        self.size = size
        self._close = close
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def take(self, instance_id: str) -> Session | None:
        """The instance's session, which then belongs to the caller; None when there is none."""
        with self._lock:
            return self._sessions.pop(instance_id, None)

    def peek(self, instance_id: str) -> Session | None:
        """The instance's session, which stays where it is."""
        return self._sessions.get(instance_id)

    def keep(self, instance_id: str, session: Session) -> None:
        """Keep a session, newest of all; what it displaces is closed."""
        displaced = []
        with self._lock:
            previous = self._sessions.pop(instance_id, None)
            if previous is not None:
                displaced.append(previous)
            self._sessions[instance_id] = session
            while len(self._sessions) > self.size:
                displaced.append(self._sessions.pop(next(iter(self._sessions))))
        # Outside the lock: see above.
        for old in displaced:
            self._close(old)

    def discard(self, session: Session) -> None:
        """Close a session that was taken, or never kept, as if it had been displaced."""
        self._close(session)

    def clear(self) -> None:
        """Close all sessions."""
        with self._lock:
            sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            close_session(session)
