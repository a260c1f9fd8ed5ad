"""Tasks: what durable calls return, and what an orchestrator yields or awaits.

A task knows its outcome and the composites that wait for it; it does not know how its outcome comes about.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from durakit.task.failures import TaskCancelledError, TaskFailedError
from durakit.task.retry import RetryPolicy
from durakit.wire.messages import orchestration_pb2 as pb

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Task(Generic[T_co]):
    """The future outcome of a durable call.

    In a generator orchestrator `result = yield task`, in an async one `result = await task`.
    """

    __slots__ = ("__weakref__", "_complete", "_error", "_parents", "_result")

    def __init__(self) -> None:
        self._complete = False
        self._result: Any = None
        self._error: Exception | None = None
        self._parents: list[CompositeTask[Any]] | None = None

    def __await__(self) -> Generator[Task[Any], Any, T_co]:
        result: T_co = yield self
        return result

    def __repr__(self) -> str:
        state = "pending" if not self._complete else "failed" if self._error is not None else "completed"
        return f"<{type(self).__name__} {state}>"

    @property
    def is_complete(self) -> bool:
        """Whether the outcome, good or bad, is known."""
        return self._complete

    @property
    def is_failed(self) -> bool:
        """Whether the outcome is a failure."""
        return self._error is not None

    @property
    def result(self) -> T_co:
        """The same as `get_result()`."""
        return self.get_result()

    def get_result(self) -> T_co:
        """The result. Raises what made the task fail, and ValueError while it is pending."""
        if not self._complete:
            raise ValueError("The task has no result yet; yield or await it first.")
        if self._error is not None:
            raise self._error
        result: T_co = self._result
        return result

    def get_exception(self) -> TaskFailedError:
        """What made the task fail. Raises ValueError unless it has failed."""
        if self._error is None:
            raise ValueError("The task has not failed; there is no exception to return.")
        # Cancellation and time-outs are not TaskFailedErrors; the annotation is durabletask's.
        return self._error  # type: ignore[return-value]

    def _settle(self, result: Any, error: Exception | None) -> None:
        self._result = result
        self._error = error
        self._complete = True
        parents = self._parents
        if parents is not None:
            self._parents = None
            for parent in parents:
                parent.on_child_completed(self)


class CompositeTask(Task[T_co]):
    """A task made of others. Children that are complete already are counted at once."""

    __slots__ = ("_tasks",)

    def __init__(self, tasks: Sequence[Task[Any]]) -> None:
        super().__init__()
        self._tasks = list(tasks)
        for position, task in enumerate(self._tasks):
            if not isinstance(task, Task):
                raise TypeError(
                    f"{type(self).__name__} got {type(task).__name__} at position {position}; "
                    "expected tasks, as call_activity and the other methods of the context return them."
                )
        for task in self._tasks:
            if self._complete:
                break
            if task._complete:
                self.on_child_completed(task)
            elif task._parents is None:
                task._parents = [self]
            else:
                task._parents.append(self)

    def get_tasks(self) -> list[Task[Any]]:
        """The children, in the order given."""
        return self._tasks

    def on_child_completed(self, task: Task[Any]) -> None:
        """Takes note that a child completed; called once for each place the child has in the list."""
        raise NotImplementedError


class WhenAllTask(CompositeTask[list[T]]):
    """Completes when every child has: with their results in order, or with the failure that came first."""

    __slots__ = ("_done", "_first_error")

    def __init__(self, tasks: Sequence[Task[T]]) -> None:
        self._done = 0
        self._first_error: Exception | None = None
        super().__init__(tasks)
        if not self._tasks:
            self._settle([], None)

    @property
    def pending_tasks(self) -> int:
        """How many children are not complete."""
        return len(self._tasks) - self._done

    def get_completed_tasks(self) -> int:
        """How many children are complete."""
        return self._done

    def on_child_completed(self, task: Task[Any]) -> None:
        self._done += 1
        if self._first_error is None:
            self._first_error = task._error
        if self._done == len(self._tasks):
            if self._first_error is not None:
                self._settle(None, self._first_error)
            else:
                self._settle([child._result for child in self._tasks], None)


class WhenAnyTask(CompositeTask[Task[T]], Generic[T]):
    """Completes with the child task that completes first, be it with a failure. The others stay pending."""

    __slots__ = ()

    def __init__(self, tasks: Sequence[Task[T]]) -> None:
        super().__init__(tasks)
        if not self._tasks:
            raise ValueError("when_any got no tasks, so it could never complete; pass at least one.")

    def on_child_completed(self, task: Task[Any]) -> None:
        if self._complete:
            return
        self._settle(task, None)
        # A loop over when_any would otherwise hang one dead parent after another on the losers.
        for child in self._tasks:
            if child._parents is not None and self in child._parents:
                child._parents.remove(self)


class CompletableTask(Task[T_co]):
    """A task completed from outside: the result of an activity, a sub-orchestration or an event."""

    __slots__ = ("_expected_type",)

    def __init__(self, expected_type: Any = None) -> None:
        super().__init__()
        self._expected_type = expected_type

    def complete(self, result: Any) -> None:
        """Sets the result. Raises ValueError when the task is complete already."""
        self._refuse_second_outcome()
        self._settle(result, None)

    def fail(self, message: str, details: Exception | pb.TaskFailureDetails) -> None:
        """Sets a failure, raised as TaskFailedError. Raises ValueError when the task is complete already."""
        self._refuse_second_outcome()
        self._settle(None, TaskFailedError(message, details))

    def _refuse_second_outcome(self) -> None:
        if self._complete:
            raise ValueError("The task is complete already; its outcome cannot change.")


class CancellableTask(CompletableTask[T_co]):
    """A task whose outcome one can give up on, such as an event that is awaited."""

    __slots__ = ("_cancel_handler", "_cancelled")

    def __init__(self, expected_type: Any = None) -> None:
        super().__init__(expected_type)
        self._cancelled = False
        self._cancel_handler: Callable[[], None] | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` came before any outcome."""
        return self._cancelled

    @property
    def is_failed(self) -> bool:
        """Whether the outcome is a failure; a cancelled task has not failed."""
        return self._error is not None and not self._cancelled

    def set_cancel_handler(self, cancel_handler: Callable[[], None]) -> None:
        """Sets what is called, once, when the task is cancelled."""
        self._cancel_handler = cancel_handler

    def cancel(self) -> bool:
        """Gives up on the task; reading it then raises TaskCancelledError.

        Returns False when the task was complete already, and nothing changed.
        """
        if self._complete:
            return False
        self._cancelled = True
        if self._cancel_handler is not None:
            self._cancel_handler()
        self._settle(None, TaskCancelledError("The task was cancelled."))
        return True


class TimerTask(CancellableTask[None]):
    """Completes at a point of orchestration time; `cancel` ends the wait."""

    __slots__ = ("_final_fire_at", "_maximum_timer_interval")

    def __init__(
        self, final_fire_at: datetime | None = None, maximum_timer_interval: timedelta | None = None
    ) -> None:
        super().__init__()
        self._final_fire_at = final_fire_at
        self._maximum_timer_interval = maximum_timer_interval


class RetryableTask(CompletableTask[T_co]):
    """A call that is made again, as its policy says, before its failure counts.

    `action` and `is_sub_orch` are there for durabletask's signature; what is repeated is kept elsewhere.
    """

    __slots__ = ("_attempts", "_policy", "_start_time")

    def __init__(
        self,
        retry_policy: RetryPolicy,
        action: Any,
        start_time: datetime,
        is_sub_orch: bool,
        expected_type: Any = None,
    ) -> None:
        super().__init__(expected_type)
        self._policy = retry_policy
        self._start_time = start_time
        self._attempts = 1

    @property
    def retry_policy(self) -> RetryPolicy:
        """The policy the call was made with."""
        return self._policy

    def increment_attempt_count(self) -> None:
        """Takes note that another attempt is made."""
        self._attempts += 1

    def compute_next_delay(self, now: datetime | None = None) -> timedelta | None:
        """The delay before the next attempt, or None when attempts or time are used up.

        `now` is the orchestration time (naive UTC); without it the retry timeout is not looked at.
        """
        policy = self._policy
        if self._attempts >= policy.max_number_of_attempts:
            return None
        timeout = policy.retry_timeout
        if timeout is not None and now is not None and now - self._start_time >= timeout:
            return None
        return policy.delay_after(self._attempts)


def when_all(tasks: Iterable[Task[T]]) -> WhenAllTask[T]:
    """A task that completes when all `tasks` have, with their results in order.

    When some fail it still waits for the others, then raises the failure that came first.
    An empty list completes at once.
    """
    return WhenAllTask(list(tasks))


def when_any(tasks: Iterable[Task[T]]) -> WhenAnyTask[T]:
    """A task that completes with the task that completes first (its failure is raised when it is read).

    Raises ValueError for an empty list, which could never complete.
    """
    return WhenAnyTask(list(tasks))
