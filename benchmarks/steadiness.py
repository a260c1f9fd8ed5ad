"""Pure: whether processes that were watched for a while have stayed as they were.

Memory is flat when its median over the last third of the time exceeds the median over the middle third by no
more than `GROWTH_MIB`. The first third is left out: caches, pools and the allocator find their size then.
Medians, because garbage comes and goes. Growth is also told in bytes per instance that ended in between: a
leak shows as the same number however long the soak is, the allocator's wandering as ever less.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MEBIBYTE = 2**20
GROWTH_MIB = 4.0
WAL_MIB = 32.0
"""SQLite folds its log into the file every 4 MB, unless somebody reads all the while; 4.5 MB are grown at the
start."""
GRAVE = frozenset(("WARNING", "ERROR", "CRITICAL"))


@dataclass(frozen=True)
class Sample:
    """What was seen at a moment: resident bytes by process, bytes of the write-ahead log, instances ended."""

    resident: Mapping[str, int]
    wal_bytes: int
    done: int


@dataclass(frozen=True)
class Growth:
    """How a process's memory changed from the middle third to the last one."""

    before_mib: float
    after_mib: float
    instances: int

    @property
    def mib(self) -> float:
        """Mebibytes gained; negative when memory was given back."""
        return self.after_mib - self.before_mib

    @property
    def bytes_per_instance(self) -> float:
        """Gained for each instance that ended between the middles of the two thirds."""
        return self.mib * MEBIBYTE / max(1, self.instances)

    @property
    def is_flat(self) -> bool:
        """Whether that is no growth."""
        return self.mib <= GROWTH_MIB


def growth(samples: Sequence[Sample], role: str) -> Growth:
    """How the memory of a process changed; raises ValueError when there are too few samples to tell."""
    third = len(samples) // 3
    if third < 3:
        raise ValueError(f"{len(samples)} samples are too few: nine are needed")
    middle, last = samples[third : 2 * third], samples[2 * third :]
    before, after = (
        statistics.median(sample.resident[role] for sample in part) / MEBIBYTE for part in (middle, last)
    )
    instances = last[len(last) // 2].done - middle[len(middle) // 2].done
    return Growth(before, after, instances)


def largest_wal_mib(samples: Sequence[Sample]) -> float:
    """The most that the write-ahead log ever held."""
    return max(sample.wal_bytes for sample in samples) / MEBIBYTE


def grave_lines(log: str) -> list[str]:
    """The lines of a log that report something wrong: from WARNING on, or not in the log's form at all."""
    found = []
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        level = entry.get("level") if isinstance(entry, dict) else None
        if not isinstance(level, str) or level.upper() in GRAVE:
            found.append(line)
    return found
