"""What calls of activities and of sub-orchestrations have in common: results, failures and retries (3.7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from durakit.registry import result_type
from durakit.replay import timers
from durakit.replay.clock import datetime_of_ns, ns_of_timedelta
from durakit.replay.steps import Payload, Step
from durakit.task import CompletableTask, RetryableTask, RetryPolicy, get_name
from durakit.task.failures import failure_from_wire
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.replay.execution import Execution


class CallStep(Step):
    """One attempt of a call."""

    __slots__ = ("input", "name", "tags", "task")

    def __init__(
        self,
        step_id: int,
        name: str,
        sent: Payload,
        tags: dict[str, str] | None,
        task: CompletableTask[Any],
    ) -> None:
        self.id = step_id
        self.name = name
        self.input = sent
        self.tags = tags
        self.task = task

    def failure_text(self, execution: Execution, message: str) -> str:
        """The text of the TaskFailedError when this attempt is the last."""
        raise NotImplementedError

    def again(self, execution: Execution) -> CallStep:
        """The next attempt: the same call with an id of its own."""
        raise NotImplementedError


def name_of(callee: Callable[..., Any] | str, kind: str) -> str:
    """The name a callee is registered by. Raises TypeError for what is neither function nor name."""
    if isinstance(callee, str):
        return callee
    if not callable(callee):
        raise TypeError(
            f"{callee!r} ({type(callee).__name__}) was given as the {kind} to call; "
            "expected the function itself, not yet called, or its name."
        )
    return get_name(callee)


def new_task(
    execution: Execution,
    callee: Callable[..., Any] | str,
    policy: RetryPolicy | None,
    return_type: Any,
    is_child: bool,
) -> CompletableTask[Any]:
    """The task of a call, knowing the type its result is to have."""
    if return_type is None and not isinstance(callee, str):
        return_type = result_type(callee)
    if policy is None:
        return CompletableTask(return_type)
    return RetryableTask(policy, None, datetime_of_ns(execution.now_ns), is_child, return_type)


def complete(execution: Execution, step: CallStep, text: str) -> None:
    """The call has a result; absent, empty and `null` text all mean None."""
    task = step.task
    if not text:
        task._settle(None, None)
    else:
        try:
            value = execution.options.converter.deserialize(text, task._expected_type)
        except Exception as error:  # a converter may raise anything; user code may catch it as a failed task
            task.fail(step.failure_text(execution, f"its result cannot be read: {error}"), error)
        else:
            task._settle(value, None)
    execution.wake()


def fail(execution: Execution, step: CallStep, details: pb.TaskFailureDetails) -> None:
    """The attempt failed: either another one is planned, or the task has failed."""
    task = step.task
    if isinstance(task, RetryableTask):
        try:
            delay_ns = _delay_ns(execution, task, details)
        except Exception as error:  # the handler is user code
            task.fail(step.failure_text(execution, f"deciding on a retry failed: {error}"), error)
            execution.wake()
            return
        if delay_ns is not None:
            execution.retrying[step.id] = task.retry_policy.max_number_of_attempts
            timers.set_alarm(
                execution, execution.now_ns + delay_ns, lambda: _try_again(execution, step, task)
            )
            return
    # A copy, because the event lives in the memory of its whole work item.
    kept = pb.TaskFailureDetails()
    kept.CopyFrom(details)
    message = kept.errorMessage or kept.errorType or "no details were given"
    task.fail(step.failure_text(execution, message), kept)
    execution.wake()


def _delay_ns(execution: Execution, task: RetryableTask[Any], details: pb.TaskFailureDetails) -> int | None:
    """Nanoseconds until the next attempt, or None when this failure is final."""
    if details.isNonRetriable:
        return None
    delay = task.compute_next_delay(datetime_of_ns(execution.now_ns))
    if delay is None or not task.retry_policy.allows(failure_from_wire(details)):
        return None
    return ns_of_timedelta(delay)


def _try_again(execution: Execution, step: CallStep, task: RetryableTask[Any]) -> None:
    execution.retrying.pop(step.id, None)
    task.increment_attempt_count()
    execution.schedule(step.again(execution))
