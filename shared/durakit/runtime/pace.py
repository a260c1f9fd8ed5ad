"""Which activities are so quick that to hand one to another thread would cost more than to run it.

A hand-over costs about a tenth of a millisecond of CPU, twice what a trivial activity and all that is done
about it take together. So an activity that has been quick for a while runs on the thread that brings it. One
that was quick may block the next time: `runtime.relay` then relieves that thread, and until the activity has
ended no other of its name is run that way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

#: Shorter than this is quick. Not more than a hand-over costs: quick ones run one after the other.
QUICK_SECONDS = 0.0001
#: A run shorter than this may have been quick, had nobody taken the processor from it meanwhile.
DOUBTFUL_SECONDS = 0.001
#: So many quick runs more than others make an activity a quick one; more than so many are not counted.
TRUSTED, MOST = 8, 32
#: What a doubtful run takes away.
DOUBT = 4


class Pace:
    """Times runs by name. Safe for threads: what one of them overwrites is a run, not the whole count."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._here: set[str] = set()

    def is_quick(self, name: str) -> bool:
        """Whether the latest runs were quick, and no `here` of that name is under way."""
        return self._counts.get(name, 0) >= TRUSTED and name not in self._here

    @contextmanager
    def here(self, name: str) -> Iterator[None]:
        """To be entered around a run by whoever brings it."""
        self._here.add(name)
        try:
            yield
        finally:
            self._here.discard(name)

    def took(self, name: str, seconds: float) -> None:
        """A run has ended."""
        count = self._counts.get(name, 0)
        if seconds < QUICK_SECONDS:
            count = min(count + 1, MOST)
        elif seconds < DOUBTFUL_SECONDS:
            count = max(count - DOUBT, 0)
        else:
            count = 0
        self._counts[name] = count
