"""What orchestrator and activity code works with: contexts, tasks, retry policies and failures."""

from durakit.task.context import (
    Activity,
    ActivityContext,
    OrchestrationContext,
    Orchestrator,
    ReplaySafeLogger,
    get_name,
)
from durakit.task.failures import (
    FailureDetails,
    NonDeterminismError,
    OrchestrationStateError,
    TaskCancelledError,
    TaskFailedError,
)
from durakit.task.retry import RetryPolicy
from durakit.task.tasks import (
    CancellableTask,
    CompletableTask,
    CompositeTask,
    RetryableTask,
    Task,
    TimerTask,
    WhenAllTask,
    WhenAnyTask,
    when_all,
    when_any,
)

__all__ = [
    "Activity",
    "ActivityContext",
    "CancellableTask",
    "CompletableTask",
    "CompositeTask",
    "FailureDetails",
    "NonDeterminismError",
    "OrchestrationContext",
    "OrchestrationStateError",
    "Orchestrator",
    "ReplaySafeLogger",
    "RetryPolicy",
    "RetryableTask",
    "Task",
    "TaskCancelledError",
    "TaskFailedError",
    "TimerTask",
    "WhenAllTask",
    "WhenAnyTask",
    "get_name",
    "when_all",
    "when_any",
]

# The public home of these names is this module: error types on the wire and tracebacks say so too.
for _name in __all__:
    if _name not in ("Activity", "Orchestrator"):  # aliases of typing constructs
        globals()[_name].__module__ = __name__
