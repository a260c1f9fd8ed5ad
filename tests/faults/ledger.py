"""The ledger: what activities, orchestrators and the client did, written down outside of the system.

One JSON line per entry, appended with a single write to a file opened with O_APPEND, so that entries of
several processes never mix and a SIGKILL loses at most an entry whose deed nobody could have seen.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


class Ledger:
    """An open ledger; any number of processes and threads may write to the same file."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, kind: str, **fields: Any) -> None:
        """Append an entry; on return the operating system has it."""
        entry = {"kind": kind, "at": time.monotonic(), "pid": os.getpid(), **fields}
        line = json.dumps(entry).encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(f"only {written} of {len(line)} bytes of a ledger entry were written")


def entries(path: Path) -> list[Entry]:
    """Return all entries in the order in which they were written."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]
