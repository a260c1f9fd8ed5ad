"""Process-wide settings of the gRPC library that must be made before its first import.

gRPC's EventEngine costs up to a third of the message rate on loopback, so it is switched off where that is
safe: the variable is not set already, gRPC is not loaded yet, and its version knows the names (it prints an
error line for a name it does not know). The benchmarks tell whether that still pays with a new release.
"""

from __future__ import annotations

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

EXPERIMENTS_VARIABLE = "GRPC_EXPERIMENTS"
#: What gRPC shall not do: run clients and listeners on its EventEngine.
EXPERIMENTS = "-event_engine_client,-event_engine_listener"
#: First release seen to know both names, and first one not yet tried.
KNOWN_FROM, KNOWN_BELOW = (1, 74), (1, 86)

BACKUP_POLL_VARIABLE = "GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS"
#: Without the EventEngine nobody watches a channel on which no call waits, but for a look this often. It is
#: also how long a new connection to a scheduler that is back goes unnoticed; gRPC's own choice is 5,000.
BACKUP_POLL_MS = 300


def apply() -> bool:
    """Set the variable for this process and its children; True when it was set here."""
    if EXPERIMENTS_VARIABLE in os.environ or "grpc" in sys.modules:
        return False
    version = _installed_version()
    if version is None or not KNOWN_FROM <= version < KNOWN_BELOW:
        return False
    os.environ[EXPERIMENTS_VARIABLE] = EXPERIMENTS
    os.environ.setdefault(BACKUP_POLL_VARIABLE, str(BACKUP_POLL_MS))
    return True


def _installed_version() -> tuple[int, int] | None:
    """Major and minor version of the installed grpcio, found without importing it.

    Reads the file in which the package keeps its version: `importlib.metadata` would cost 40 ms of every
    start.
    """
    spec = find_spec("grpc")
    if spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name("_grpcio_metadata.py").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None
