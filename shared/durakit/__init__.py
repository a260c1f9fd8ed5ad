"""Durable orchestrations in ordinary Python, on the Durable Task protocol.

`connect` and `connect_async` give a client, `run_worker` is a worker's whole program; all three read their
settings from the environment. They load on first use, so that importing this package costs little and does
not load grpc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durakit._version import __version__
from durakit.errors import DurakitError
from durakit.wire import tuning

if TYPE_CHECKING:
    from durakit.setup import connect, connect_async, run_worker

__all__ = ["DurakitError", "__version__", "connect", "connect_async", "run_worker"]

# Before anything imports grpc: afterwards it has no effect.
tuning.apply()


def __getattr__(name: str) -> Any:
    if name in ("connect", "connect_async", "run_worker"):
        from durakit import setup

        return getattr(setup, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
