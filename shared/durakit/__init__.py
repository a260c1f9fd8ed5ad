"""Durable orchestrations in ordinary Python, on the Durable Task protocol.

`connect` and `connect_async` give a client, `run_worker` is a worker's whole program; all three read their
settings from the environment. `embedded` needs no scheduler beside the program: it holds all three.
`client_program`, `finished`, `result_of` and `watch` are what a client's program needs around its calls. They
load on first use, so that importing this package costs little and does not load grpc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durakit._version import __version__
from durakit.errors import DurakitError
from durakit.wire import tuning

if TYPE_CHECKING:
    from durakit.embedding import embedded
    from durakit.program import client_program, finished, result_of, watch
    from durakit.setup import connect, connect_async, run_worker

__all__ = [
    "DurakitError",
    "__version__",
    "client_program",
    "connect",
    "connect_async",
    "embedded",
    "finished",
    "result_of",
    "run_worker",
    "watch",
]

# Before anything imports grpc: afterwards it has no effect.
tuning.apply()


def __getattr__(name: str) -> Any:
    if name in ("connect", "connect_async", "run_worker"):
        from durakit import setup

        return getattr(setup, name)
    if name in ("client_program", "finished", "result_of", "watch"):
        from durakit import program

        return getattr(program, name)
    if name == "embedded":
        from durakit.embedding import embedded

        return embedded
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
