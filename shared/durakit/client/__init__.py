"""Clients: start orchestrations, ask about them, steer them."""

from durakit.client.aio import AsyncTaskHubGrpcClient
from durakit.client.state import (
    OrchestrationQuery,
    OrchestrationState,
    OrchestrationStatus,
    Page,
    PurgeInstancesResult,
    new_orchestration_state,
    new_purge_instances_result,
    parse_orchestration_state,
)
from durakit.client.sync import TaskHubGrpcClient
from durakit.errors import OrchestrationFailedError

__all__ = [
    "AsyncTaskHubGrpcClient",
    "OrchestrationFailedError",
    "OrchestrationQuery",
    "OrchestrationState",
    "OrchestrationStatus",
    "Page",
    "PurgeInstancesResult",
    "TaskHubGrpcClient",
    "new_orchestration_state",
    "new_purge_instances_result",
    "parse_orchestration_state",
]
