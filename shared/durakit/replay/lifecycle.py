"""The life of an execution: the events of its start, its turns, suspension, termination and resumption."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durakit.replay.clock import ns_of_timestamp
from durakit.replay.context import ReplayContext
from durakit.replay.failures import VERSION_MISMATCH, framework_failure, not_registered
from durakit.replay.versioning import VersionFailureStrategy, VersionMismatchReject, mismatch
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.replay.execution import Execution


def on_turn_started(execution: Execution, event: pb.HistoryEvent) -> None:
    """Orchestration time moves on, here only (semantics 3.5)."""
    execution.now_ns = ns_of_timestamp(event.timestamp)
    if execution.early:
        execution.drop_early()


def on_execution_started(execution: Execution, event: pb.HistoryEvent) -> None:
    """The orchestrator is called with its input."""
    started = event.executionStarted
    if execution.is_started:
        execution.log_ignored(event, "the execution has started before")
        return
    execution.is_started = True
    execution.name = started.name
    execution.execution_id = started.orchestrationInstance.executionId.value or None
    execution.version = started.version.value if started.HasField("version") else None
    if started.HasField("parentInstance"):
        execution.parent_instance_id = started.parentInstance.orchestrationInstance.instanceId
    if execution.now_ns == 0:
        execution.now_ns = ns_of_timestamp(event.timestamp)
    if _version_is_wanted(execution):
        _start(execution, started.input.value)


def _version_is_wanted(execution: Execution) -> bool:
    options = execution.options.versioning
    reason = None if options is None else mismatch(options, execution.version)
    if options is None or reason is None:
        return True
    if options.failure_strategy is VersionFailureStrategy.FAIL:
        execution.fail_with(framework_failure(VERSION_MISMATCH, reason))
        return False
    raise VersionMismatchReject(reason)


def _start(execution: Execution, text: str) -> None:
    registry = execution.registry
    entry = registry.get_orchestrator(execution.name)
    if entry is None:
        execution.fail_with(
            not_registered(
                "orchestrator",
                execution.name,
                registry.orchestrator_names,
                execution.options.worker_description,
            )
        )
        return
    try:
        value = execution.options.converter.deserialize(text or None, entry.input_type)
    except Exception as error:  # a converter may raise anything
        unreadable = ValueError(f"The input of orchestrator '{entry.name}' cannot be read: {error}")
        unreadable.__cause__ = error
        execution.fail(unreadable)
        return
    execution.driver.start(entry, ReplayContext(execution), value)


def on_suspended(execution: Execution, event: pb.HistoryEvent) -> None:
    """From now on what user code would notice is held back (semantics 3.10)."""
    execution.suspend()


def on_resumed(execution: Execution, event: pb.HistoryEvent) -> None:
    execution.resume()


def on_terminated(execution: Execution, event: pb.HistoryEvent) -> None:
    """The instance ends now, with the given output, whatever it was doing (semantics 3.12)."""
    terminated = event.executionTerminated
    execution.terminate(terminated.input.value if terminated.HasField("input") else None)


def ignore(execution: Execution, event: pb.HistoryEvent) -> None:
    """An event that tells the orchestrator nothing."""


BOOKKEEPING = {
    "orchestratorStarted": on_turn_started,
    "orchestratorCompleted": ignore,
    "executionSuspended": on_suspended,
    "executionResumed": on_resumed,
    "executionTerminated": on_terminated,
    "executionCompleted": ignore,
    "executionRewound": ignore,
}
ARRIVALS = {"executionStarted": on_execution_started}
