"""Things that are due at a time: fired timers, scheduled starts, graces. One heap per hub.

The clock itself is not here: whoever runs the hub asks `next_due_ns` and calls `run` with the time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[int], None]
Alive = Callable[[], bool]

SMALLEST_SWEEP = 1024
"""Below this many entries it is not worth looking for those that mean nothing any more."""

SECOND = 1_000_000_000
"""In nanoseconds, as all times here are."""


class Agenda:
    """Actions by due time; those of equal time run in the order in which they were added."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action, Alive | None]] = []
        self._count = 0
        self._sweep_at = SMALLEST_SWEEP

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due_ns: int, action: Action, alive: Alive | None = None) -> None:
        """Have `action(now_ns)` called at the first `run` at or after `due_ns`.

        Args:
            alive: returns whether the action still means something; if not it may be dropped unrun. Without
                that, the timers of executions that have ended would stay until they are due.
        """
        self._count += 1
        heapq.heappush(self._heap, (due_ns, self._count, action, alive))
        if len(self._heap) >= self._sweep_at:
            self._heap = [entry for entry in self._heap if entry[3] is None or entry[3]()]
            heapq.heapify(self._heap)
            self._sweep_at = max(SMALLEST_SWEEP, 2 * len(self._heap))

    @property
    def next_due_ns(self) -> int | None:
        """When the next action is due, None when there is none."""
        return self._heap[0][0] if self._heap else None

    def run(self, now_ns: int) -> bool:
        """Call all actions that are due; return whether there were any."""
        ran = False
        while self._heap and self._heap[0][0] <= now_ns:
            action = heapq.heappop(self._heap)[2]
            action(now_ns)
            ran = True
        return ran
