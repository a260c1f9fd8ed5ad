"""Work that is ready and waits for a worker, by name and version.

Items that no connected worker accepts stay here; they neither fail nor block others (semantics.md 2.2).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from durakit.scheduler.streams import Key

Item = TypeVar("Item")

_SMALLEST_SWEEP = 1024
"""Below this many owners it is not worth looking for those that have nothing here any more."""


class WorkQueue(Generic[Item]):
    """Owners take turns: what is put in line joins the present round, or the one after its owner's last item.

    So a hundred thousand items of one owner keep nobody else waiting, and the items of an owner stay in their
    order. (Start-time fair queueing, all items being of one size.)
    """

    def __init__(self) -> None:
        # Of each item its round, its number since the beginning, itself.
        self._lines: dict[Key, list[tuple[int, int, Item]]] = {}
        self._count = 0
        self._round = 0
        # By owner, the round in which its next item may leave at the earliest.
        self._next: dict[Hashable, int] = {}
        self._sweep_at = _SMALLEST_SWEEP

    def push(self, key: Key, item: Item, owner: Hashable) -> None:
        """Put an item of `owner` in line."""
        self._count += 1
        in_round = max(self._round, self._next.get(owner, 0))
        self._next[owner] = in_round + 1
        if len(self._next) > self._sweep_at:
            self._sweep()
        heapq.heappush(self._lines.setdefault(key, []), (in_round, self._count, item))

    def drain(self, place: Callable[[Key, Item], bool]) -> None:
        """Offer items, those whose turn it is first, to `place(key, item)`.

        `place` returns whether it took or discarded the item. A line whose head is not taken is left
        alone for the rest of this drain.
        """
        lines = self._lines
        if not lines:
            return
        open_keys = list(lines)
        while open_keys:
            key = open_keys[0] if len(open_keys) == 1 else min(open_keys, key=lambda k: lines[k][0][:2])
            line = lines[key]
            in_round, _, item = line[0]
            if place(key, item):
                heapq.heappop(line)
                self._round = max(self._round, in_round)
                if not line:
                    del lines[key]
                    open_keys.remove(key)
            else:
                open_keys.remove(key)
        if not lines:
            # Nobody waits, so nobody goes before anybody.
            self._round = 0
            self._next.clear()

    def first(self, key: Key, most: int) -> list[Item]:
        """Return up to `most` of the items that wait under this key, in the order in which they leave."""
        return [item for _, _, item in heapq.nsmallest(most, self._lines.get(key, ()))]

    def oldest(self) -> list[tuple[Key, int, Item]]:
        """Return, for each key, how many items wait and the one that has waited longest."""
        return [
            (key, len(line), min(line, key=lambda entry: entry[1])[2]) for key, line in self._lines.items()
        ]

    def has(self, key: Key) -> bool:
        """Whether anything waits under this key."""
        return key in self._lines

    def waiting(self) -> Iterator[tuple[Key, int]]:
        """Yield each key and how many items wait under it."""
        for key, line in self._lines.items():
            yield key, len(line)

    def _sweep(self) -> None:
        """Forget owners whose next item joins the present round, as anybody's does."""
        self._next = {owner: earliest for owner, earliest in self._next.items() if earliest > self._round}
        self._sweep_at = max(_SMALLEST_SWEEP, 2 * len(self._next))
