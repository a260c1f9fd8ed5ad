"""Which histories stay in memory: the ones used last, within a budget of bytes.

Workers without sessions are sent the whole history at every turn; reading it back from the file each
time would cost them more than anything else.
"""

from __future__ import annotations

from collections import OrderedDict

from durakit.scheduler.machine.instance import Instance

DEFAULT_BUDGET_BYTES = 64 * 1024 * 1024


class HistoryCache:
    """Drops the least recently used histories from memory when they grow past the budget."""

    def __init__(self, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._sizes: OrderedDict[Instance, tuple[int, int]] = OrderedDict()
        self._total = 0

    def used(self, instance: Instance) -> None:
        """The instance's history was used or grew."""
        blobs = instance.history
        if blobs is None:
            self.forget(instance)
            return
        turns, size = self._sizes.pop(instance, (0, 0))
        self._total -= size
        if turns > len(blobs):
            turns, size = 0, 0
        size += sum([len(blob) for blob in blobs[turns:]])
        self._sizes[instance] = (len(blobs), size)
        self._total += size

    def forget(self, instance: Instance) -> None:
        """The instance has ended or was dropped."""
        _, size = self._sizes.pop(instance, (0, 0))
        self._total -= size

    def shrink(self, committed_group: int) -> None:
        """Drop histories beyond the budget; what is not on disk yet stays."""
        if self._total <= self._budget:
            return  # before copying anything: this runs at every commit
        for instance in list(self._sizes):
            if self._total <= self._budget:
                return
            if instance.group <= committed_group:
                instance.history = None
                self.forget(instance)
