"""Whether a TCP port of this machine is free and, if not, who holds it."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
from pathlib import Path

LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp."""


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen on the port now; port 0 always is."""
    with socket.socket() as probe:
        if sys.platform == "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Connections of an earlier server that still wait out their end do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str | None:
    """Return who listens on the port, as `python3 client.py (process 4711)`; None when that is hidden."""
    pid = _holder_by_proc(port) if sys.platform == "linux" else _holder_by_psutil(port)
    if pid is None:
        return None
    command = None
    with contextlib.suppress(OSError):
        command = (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        )
    return f"{command[:80]} (process {pid})" if command else f"process {pid}"


def _holder_by_proc(port: int) -> int | None:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # other users' processes, and those that just ended
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) in sockets:
                        return int(process.name)
    return None


def _listening_inodes(port: int) -> list[str]:
    inodes = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for row in Path(table).read_text().splitlines()[1:]:
                fields = row.split()
                if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.append(fields[9])
    return inodes


def _holder_by_psutil(port: int) -> int | None:
    try:
        psutil = importlib.import_module("psutil")
        for connection in psutil.net_connections("tcp"):
            if connection.status == "LISTEN" and connection.laddr.port == port:
                return int(connection.pid) if connection.pid else None
    except Exception:  # psutil is optional here, and macOS lets only root ask
        return None
    return None
