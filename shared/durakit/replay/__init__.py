"""Replay: an orchestrator is run from its history; what it decides comes out as actions.

Pure: no I/O, no clock, no threads, no randomness, neither grpc nor asyncio.
"""

from durakit.replay.execution import Execution, ExecutionOptions, Turn
from durakit.replay.failures import failure_details, framework_failure, not_registered
from durakit.replay.versioning import (
    VersionFailureStrategy,
    VersioningOptions,
    VersionMatchStrategy,
    VersionMismatchReject,
)

__all__ = [
    "Execution",
    "ExecutionOptions",
    "Turn",
    "VersionFailureStrategy",
    "VersionMatchStrategy",
    "VersionMismatchReject",
    "VersioningOptions",
    "failure_details",
    "framework_failure",
    "not_registered",
]
