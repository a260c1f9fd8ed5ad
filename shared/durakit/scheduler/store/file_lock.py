"""One scheduler per file: an operating-system lock that dies with the process holding it."""

from __future__ import annotations

import os
import sys
from pathlib import Path


class FileInUse(Exception):
    """Another process holds the lock."""


class FileLock:
    """An exclusive lock on `<path>.lock`, held until `release` or the end of the process.

    Raises:
        FileInUse: another process holds it.
        OSError: the lock file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            raise FileInUse from error

    def release(self) -> None:
        """Give the lock up. The lock file stays: removing it would race with the next holder."""
        os.close(self._descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
