"""Getting and building what is not ours, each time only as far as something changed.

The tests with foreign SDKs and the benchmarks' peers share it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

GO = Path(__file__).resolve().parent / "go"
SIDECAR_PACKAGE = "github.com/microsoft/durabletask-go"
SIDECAR = GO / "bin" / "durabletask-go"


def run(command: Sequence[str], folder: Path) -> None:
    """Run a command in a folder.

    Raises:
        RuntimeError: it failed; the text has what it wrote.
    """
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed in {folder}:\n{done.stdout}{done.stderr}")


def once_for(sources: Sequence[Path], stamp: Path, command: Sequence[str], folder: Path) -> None:
    """Run the command unless it was run for exactly these files; `stamp` remembers."""
    digest = sha256(b"\0".join(path.read_bytes() for path in sorted(sources))).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest:
        return
    run(command, folder)
    stamp.write_text(digest)


def build_go(package: str) -> None:
    """Build a package as go.sum pins it; Go knows by itself what has changed."""
    run(["go", "build", "-buildvcs=false", "-o", "bin/", package], GO)


def build_sidecar() -> None:
    """Build Microsoft's sidecar as `SIDECAR`."""
    build_go(SIDECAR_PACKAGE)
