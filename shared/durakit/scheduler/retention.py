"""How long ended instances are kept: purged by age and status, like the Azure scheduler's retention policy.

It works on the engine's agenda, a small batch at a time and with pauses, so that nobody waits for it; what it
frees, and what others purge, the file then gives back to the disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from durakit.scheduler.agenda import SECOND
from durakit.scheduler.engine import Engine
from durakit.scheduler.hub import TaskHub
from durakit.scheduler.machine import ending
from durakit.scheduler.machine.instance import TERMINAL, Status
from durakit.scheduler.machine.journal import Journal

DAY_NS = 86_400 * SECOND
FIRST_LOOK_NS = 10 * SECOND
"""After the start: others are busy then."""
LOOK_NS = 3_600 * SECOND
"""How often is looked for something to do."""
PAUSE_NS = SECOND // 10
"""Between batches, while there is more to do."""
BATCH_INSTANCES = 50
BATCH_PAGES = 256
FREE_PAGES_KEPT = 2_000
"""Free pages (8 MB) that stay in the file, because new instances will want them."""

OFF = "off"
_PART = re.compile(r"(?:(?P<status>[a-z]+)=)?(?P<days>\d+(?:\.\d+)?|off)")


@dataclass(frozen=True)
class RetentionPolicy:
    """Days for which ended instances are kept, counted from their end; None: for ever.

    Attributes:
        days: for every status that `by_status` does not name.
        by_status: for one status: completed, failed, canceled or terminated.
    """

    days: float | None = None
    by_status: Mapping[Status, float | None] = field(default_factory=lambda: MappingProxyType({}))

    def ages(self) -> dict[float, list[Status]]:
        """Return the statuses that are purged, by age in days."""
        found: dict[float, list[Status]] = {}
        for status in sorted(TERMINAL):
            days = self.by_status.get(status, self.days)
            if days is not None:
                found.setdefault(days, []).append(status)
        return found


def parse_retention(text: str) -> RetentionPolicy:
    """Return the policy that a text means: `30`, `off`, or `30,failed=90,completed=off`.

    Raises:
        ValueError: it means none; the message says what would.
    """
    days: float | None = None
    by_status: dict[Status, float | None] = {}
    words = {status.word: status for status in TERMINAL}
    for part in text.lower().replace(" ", "").split(","):
        match = _PART.fullmatch(part)
        word = match["status"] if match is not None else None
        if match is None or (word is not None and word not in words):
            raise ValueError(
                f"'{text}' is not a retention. Give days, as 30, or off; statuses may differ, as in "
                f"30,failed=90,completed=off. Statuses: {', '.join(sorted(words))}."
            )
        value = None if match["days"] == OFF else float(match["days"])
        if word is None:
            days = value
        else:
            by_status[words[word]] = value
    return RetentionPolicy(days, by_status)


class Retention:
    """Keeps an engine's store to a policy, from now on."""

    def __init__(self, engine: Engine, policy: RetentionPolicy) -> None:
        self._engine = engine
        self._ages = policy.ages()
        self._agenda = engine.agenda
        engine.on_released.append(self._rearm)
        self._arm(FIRST_LOOK_NS)

    def _arm(self, delay_ns: int) -> None:
        self._agenda = self._engine.agenda
        self._agenda.add(self._engine.now() + delay_ns, self._look)

    def _rearm(self, _: Journal) -> None:
        # After a failed commit the engine begins with an empty agenda.
        if self._engine.agenda is not self._agenda:
            self._arm(FIRST_LOOK_NS)

    def _look(self, now: int) -> None:
        """Do a batch; come back soon when there may be more, else later."""
        purged = self._purge_batch(now)
        is_more = purged >= BATCH_INSTANCES or self._shrink_file()
        self._arm(PAUSE_NS if is_more else LOOK_NS)

    def _purge_batch(self, now: int) -> int:
        purged = 0
        for hub in self._engine.hubs():
            for days, statuses in self._ages.items():
                if purged < BATCH_INSTANCES:
                    before = now - round(days * DAY_NS)
                    purged += self._purge(hub, statuses, before, BATCH_INSTANCES - purged)
        return purged

    def _purge(self, hub: TaskHub, statuses: list[Status], before_ns: int, at_most: int) -> int:
        marks = ",".join("?" * len(statuses))
        found = self._engine.store.select(
            f"WHERE hub = ? AND completed_ns <= ? AND status IN ({marks}) ORDER BY completed_ns, id LIMIT ?",
            [hub.machine.hub_row, before_ns, *map(int, statuses), at_most],
            inputs=False,
        )
        for instance in found:
            current = hub.machine.find(instance.id)
            # Somebody may have replaced it since, or purged it.
            if current is not None and current.row == instance.row:
                ending.purge(hub.machine, current, recursive=False)
        if found:
            hub.changed()
        return len(found)

    def _shrink_file(self) -> bool:
        """Give a few free pages back to the disk; return whether there may be more of them."""
        free = self._engine.store.free_pages() - FREE_PAGES_KEPT
        if free <= 0:
            return False
        self._engine.shrink_file(BATCH_PAGES)
        return free > BATCH_PAGES
