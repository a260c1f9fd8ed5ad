"""Things that are due at a time: fired timers, scheduled starts, graces. One heap per hub.

The clock itself is not here: whoever runs the hub asks `next_due_ns` and calls `run` with the time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[int], None]


class Agenda:
    """Actions by due time; those of equal time run in the order in which they were added."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action]] = []
        self._count = 0

    def add(self, due_ns: int, action: Action) -> None:
        """Have `action(now_ns)` called at the first `run` at or after `due_ns`."""
        self._count += 1
        heapq.heappush(self._heap, (due_ns, self._count, action))

    @property
    def next_due_ns(self) -> int | None:
        """When the next action is due, None when there is none."""
        return self._heap[0][0] if self._heap else None

    def run(self, now_ns: int) -> bool:
        """Call all actions that are due; return whether there were any."""
        heap = self._heap
        ran = False
        while heap and heap[0][0] <= now_ns:
            _, _, action = heapq.heappop(heap)
            action(now_ns)
            ran = True
        return ran
