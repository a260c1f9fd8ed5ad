"""Testing orchestrations: the real scheduler and the real worker, without sockets and without waiting.

`InProcessTaskHub` runs everything in the calling thread on a virtual clock, with activities replaced and
faults injected as the test wants; `every_crash` crashes its worker at every step. `replay` tells whether code
still follows a recorded history. `create_test_backend` serves an in-memory scheduler on a port, for tests
that want real workers and clients.

The names load on first use, so that the pytest plugin costs nothing where it is not used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from durakit.testing.crashes import CrashRun as CrashRun
    from durakit.testing.crashes import every_crash as every_crash
    from durakit.testing.faults import FaultNotReached as FaultNotReached
    from durakit.testing.faults import Faults as Faults
    from durakit.testing.faults import InjectedFault as InjectedFault
    from durakit.testing.faults import WorkerCrash as WorkerCrash
    from durakit.testing.history_replay import Difference as Difference
    from durakit.testing.history_replay import ReplayDiffers as ReplayDiffers
    from durakit.testing.history_replay import ReplayResult as ReplayResult
    from durakit.testing.history_replay import replay as replay
    from durakit.testing.in_memory_backend import InMemoryBackend as InMemoryBackend
    from durakit.testing.in_memory_backend import create_test_backend as create_test_backend
    from durakit.testing.stage import ActivityCall as ActivityCall
    from durakit.testing.task_hub import InProcessTaskHub as InProcessTaskHub
    from durakit.testing.task_hub import NeverEnds as NeverEnds
    from durakit.testing.worker import InProcessWorker as InProcessWorker

_MODULES = {
    "ActivityCall": "stage",
    "CrashRun": "crashes",
    "Difference": "history_replay",
    "FaultNotReached": "faults",
    "Faults": "faults",
    "InMemoryBackend": "in_memory_backend",
    "InProcessTaskHub": "task_hub",
    "InProcessWorker": "worker",
    "InjectedFault": "faults",
    "NeverEnds": "task_hub",
    "ReplayDiffers": "history_replay",
    "ReplayResult": "history_replay",
    "WorkerCrash": "faults",
    "create_test_backend": "in_memory_backend",
    "every_crash": "crashes",
    "replay": "history_replay",
}

__all__ = [
    "ActivityCall",
    "CrashRun",
    "Difference",
    "FaultNotReached",
    "Faults",
    "InMemoryBackend",
    "InProcessTaskHub",
    "InProcessWorker",
    "InjectedFault",
    "NeverEnds",
    "ReplayDiffers",
    "ReplayResult",
    "WorkerCrash",
    "create_test_backend",
    "every_crash",
    "replay",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
