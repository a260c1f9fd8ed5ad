"""A disk that forgets: an SQLite file system whose unsynced writes are lost when the power is cut.

Contents live in memory, twice: what was synced, and what was written since. A cut keeps the first and, of the
second, nothing, everything, or an arbitrary selection of sectors, drawn with a seed. Real, empty files in a
scratch folder serve only for locks and for the shared memory of the write-ahead log.
"""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

SECTOR_BYTES = 512
_numbers = itertools.count()


@dataclass
class File:
    """One file: `synced` survives any cut, `written` is what reading shows, `pending` the changes between.

    A pending entry is an offset and bytes, or a length to which the file was cut.
    """

    synced: bytes = b""
    written: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes] | int] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        """Write without syncing."""
        _write(self.written, offset, data)
        self.pending.append((offset, data))

    def truncate(self, size: int) -> None:
        """Cut the file's end off, without syncing."""
        del self.written[size:]
        self.pending.append(size)

    def sync(self) -> None:
        """Make everything written so far survive."""
        if self.pending:
            self.synced = bytes(self.written)
            self.pending.clear()

    def after_cut(self, keeps: Callable[[], bool]) -> bytes:
        """Return what is left after a cut; `keeps` decides for each unsynced sector."""
        left = bytearray(self.synced)
        for change in self.pending:
            if isinstance(change, int):
                if keeps():
                    del left[change:]
                continue
            offset, data = change
            while data:
                size = SECTOR_BYTES - offset % SECTOR_BYTES
                if keeps():
                    _write(left, offset, data[:size])
                offset, data = offset + size, data[size:]
        return bytes(left)


def _write(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class Disk:
    """The disk of one machine; `connect` opens a database on it.

    Attributes:
        before_write: called with a word before each change reaches the disk: "write", "truncate", "sync" or
            "delete". What it raises, SQLite sees as a failure of that operation.
        before_statement: called with each SQL statement before it runs; may return another one.
    """

    def __init__(self, contents: dict[str, bytes] | None = None) -> None:
        self.files = {name: File(content, bytearray(content)) for name, content in (contents or {}).items()}
        self.before_write: Callable[[str], None] = lambda operation: None
        self.before_statement: Callable[[str], str] = lambda statement: statement
        self._scratch = tempfile.TemporaryDirectory(prefix="lossy-", dir=_scratch_place())
        self._vfs = _Vfs(f"lossy-{next(_numbers)}", self)
        self._connections: list[Connection] = []

    def connect(self, location: str) -> Connection:
        """Open a connection to the database of that name."""
        connection = Connection(self, apsw.Connection(str(self._place(location)), vfs=self._vfs.name))
        self._connections.append(connection)
        return connection

    def _place(self, location: str) -> Path:
        return Path(self._scratch.name, Path(location).name)

    def after_cut(self, draw: random.Random, unsynced: str) -> dict[str, bytes]:
        """Return what the disk holds after a power cut now.

        Args:
            unsynced: what becomes of unsynced writes: "lost", "kept" or "some".
        """
        keeps = {"lost": lambda: False, "kept": lambda: True, "some": lambda: draw.random() < 0.5}[unsynced]
        return {name: file.after_cut(keeps) for name, file in self.files.items()}

    def __enter__(self) -> Disk:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Forget the disk and all that is open on it."""
        self.before_write = lambda operation: None
        self.before_statement = lambda statement: statement
        for connection in self._connections:
            connection.close()
        self._vfs.unregister()
        self._scratch.cleanup()


def _scratch_place() -> str | None:
    """Memory if there is some: the scratch files are a matter of speed only."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class Connection:
    """An APSW connection as the store wants it."""

    def __init__(self, disk: Disk, connection: apsw.Connection) -> None:
        self._disk = disk
        self.raw = connection

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Any:
        return self.raw.execute(self._disk.before_statement(statement), tuple(parameters))

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any:
        return self.raw.executemany(self._disk.before_statement(statement), rows)

    def close(self) -> None:
        self.raw.close(True)


class _Vfs(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        self.name = name
        self._disk = disk
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> Any:
        if name is None:  # a temporary file of SQLite's own
            return super().xOpen(name, flags)
        return _OpenFile(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self._disk.before_write("delete")
        self._disk.files.pop(Path(filename).name, None)
        super().xDelete(filename, syncdir)

    def xAccess(self, pathname: str, flags: int) -> bool:
        return Path(pathname).name in self._disk.files


class _OpenFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        path = name if isinstance(name, str) else name.filename()
        self._file = disk.files.setdefault(Path(path).name, File())
        # What survived a cut, such as a journal to roll back, has no scratch file to be opened yet.
        Path(path).touch()
        super().__init__("", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        return bytes(self._file.written[offset : offset + amount])

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.before_write("write")
        self._file.write(offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        self._disk.before_write("truncate")
        self._file.truncate(size)

    def xSync(self, flags: int) -> None:
        self._disk.before_write("sync")
        self._file.sync()

    def xFileSize(self) -> int:
        return len(self._file.written)
