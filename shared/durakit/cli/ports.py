"""Ports of this machine: listening on one, and why one cannot be listened on."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from durakit.cli.refusal import Refused

_LISTEN = "0A"
"""State of a listening socket in /proc/net/tcp."""
_LSOF_TIMEOUT_SECONDS = 5.0
_QUEUE = 128
"""How many connections may wait to be accepted."""


def listen(host: str, port: int, flag: str) -> socket.socket:
    """Return a socket that listens; connections wait in its queue until somebody accepts them.

    Args:
        port: 0 means a free one.
        flag: the option that sets the port, for the text.

    Raises:
        Refused: naming the reason and, when the port is in use, by whom.
    """
    try:
        listener = _bound(host, port)
        listener.listen(_QUEUE)
    except OSError as problem:
        raise Refused(_why(host, port, flag, problem)) from problem
    listener.setblocking(False)
    return listener


def check(host: str, port: int, flag: str) -> None:
    """Raise Refused, as `listen` does, unless somebody else, here gRPC, may listen on the port."""
    try:
        _bound(host, port).close()
    except OSError as problem:
        raise Refused(_why(host, port, flag, problem)) from problem


def holder(port: int) -> str | None:
    """Return who listens on the port, as `python3 server.py (process 4711)`; None when that is hidden."""
    pid = _holder_by_proc(port) if sys.platform == "linux" else _holder_by_lsof(port)
    if pid is None:
        return None
    command = ""
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").strip()
    return f"{command[:80]} (process {pid})" if command else f"process {pid}"


def _bound(host: str, port: int) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind)
    try:
        if sys.platform == "win32":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # Connections of an earlier server that still wait out their end do not count.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _why(host: str, port: int, flag: str, problem: OSError) -> str:
    if isinstance(problem, socket.gaierror):
        return f"The host {host} is unknown ({problem.strerror}). Give --host an address of this machine."
    if problem.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine. Give --host one that is, such as 127.0.0.1."
    if problem.errno == errno.EACCES:
        return f"Port {port} on {host} is not allowed to this user. Choose another one with {flag}."
    if problem.errno != errno.EADDRINUSE:
        return f"Port {port} on {host} cannot be listened on: {problem.strerror}. Choose another with {flag}."
    who = holder(port)
    return (
        f"Port {port} on {host} is in use{f' by {who}' if who else ''}. "
        f"Stop it, or let the system choose a free port: {flag} 0"
    )


def _holder_by_proc(port: int) -> int | None:
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        # Other users' processes are closed to us, and any may end meanwhile.
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor) in wanted:
                        return int(process.name)
    return None


def _listening_inodes(port: int) -> list[str]:
    inodes = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for row in Path(table).read_text().splitlines()[1:]:
                fields = row.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.append(fields[9])
    return inodes


def _holder_by_lsof(port: int) -> int | None:
    lsof = shutil.which("lsof")
    if lsof is None:
        return None
    command = [lsof, "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        found = subprocess.run(
            command, capture_output=True, text=True, timeout=_LSOF_TIMEOUT_SECONDS, check=False
        ).stdout.split()
        return int(found[0]) if found else None
    return None
