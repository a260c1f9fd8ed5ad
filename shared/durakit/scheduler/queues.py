"""Work that is ready and waits for a worker, by name and version, oldest first.

Items that no connected worker accepts stay here; they neither fail nor block others (semantics.md 2.2).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from durakit.scheduler.streams import Key

Item = TypeVar("Item")


class WorkQueue(Generic[Item]):
    """First in, first out per key; between keys, whoever waits longest goes first."""

    def __init__(self) -> None:
        self._lines: dict[Key, deque[tuple[int, Item]]] = {}
        self._count = 0

    def push(self, key: Key, item: Item) -> None:
        """Put an item at the end of its line."""
        self._count += 1
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = deque()
        line.append((self._count, item))

    def drain(self, place: Callable[[Key, Item], bool]) -> None:
        """Offer items, longest waiting first, to `place(key, item)`.

        `place` returns whether it took or discarded the item. A line whose head is not taken is left
        alone for the rest of this round.
        """
        lines = self._lines
        if not lines:
            return
        open_keys = list(lines)
        while open_keys:
            key = open_keys[0] if len(open_keys) == 1 else min(open_keys, key=lambda k: lines[k][0][0])
            line = lines[key]
            if place(key, line[0][1]):
                line.popleft()
                if not line:
                    del lines[key]
                    open_keys.remove(key)
            else:
                open_keys.remove(key)

    def walk(self, key: Key) -> Iterator[Item]:
        """Yield the items that wait under this key, oldest first."""
        for _, item in self._lines.get(key, ()):
            yield item

    def heads(self) -> list[tuple[Key, int, Item]]:
        """Return, for each key, how many items wait and the oldest one."""
        return [(key, len(line), line[0][1]) for key, line in self._lines.items()]

    def has(self, key: Key) -> bool:
        """Whether anything waits under this key."""
        return key in self._lines

    def waiting(self) -> Iterator[tuple[Key, int]]:
        """Yield each key and how many items wait under it."""
        for key, line in self._lines.items():
            yield key, len(line)
