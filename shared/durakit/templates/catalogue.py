"""Which patterns there are, and which of a folder's files belong to one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent
PACKED = PACKAGE / "_samples"
"""Where the wheel has the samples."""
CLONED = PACKAGE.parent.parent / "samples"
"""Where a clone of the repository has them."""

LEFT_BEHIND = (
    ".*_cache",
    ".durakit",
    ".env",
    ".venv",
    "*.db",
    "*.db-*",
    "*.pyc",
    "__pycache__",
    "output",
    "vendor",
)
"""What running a sample leaves in its folder; never part of the pattern."""


class CannotMake(Exception):
    """A project cannot be made; the text says why and what to do, in one line."""


@dataclass(frozen=True)
class Template:
    """A pattern that a project can be made from."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def purpose(self) -> str:
        """The first sentence of its README."""
        lines = (line.strip() for line in (self.folder / "README.md").read_text("utf-8").splitlines())
        return next((line for line in lines if line and not line.startswith("#")), "")

    @property
    def has_worker(self) -> bool:
        """Whether its worker is a program of its own, and not inside the client with the scheduler."""
        return (self.folder / "worker.py").exists()

    def files(self) -> Iterator[Path]:
        """Yield its files, relative to its folder, in alphabetical order."""
        return source_files(self.folder)


def find_templates() -> dict[str, Template]:
    """Return the patterns by name, in alphabetical order."""
    home = PACKED if PACKED.is_dir() else CLONED
    return {path.parent.name: Template(path.parent) for path in sorted(home.glob("*/README.md"))}


def source_files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that somebody wrote, relative to it, in alphabetical order."""
    for path in sorted(folder.iterdir()):
        if any(fnmatch(path.name, pattern) for pattern in LEFT_BEHIND):
            continue
        if path.is_dir():
            yield from (path.relative_to(folder) / below for below in source_files(path))
        else:
            yield path.relative_to(folder)
