"""The contexts that orchestrators and activities get as their first argument."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Generator, MutableMapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

from durakit.task.retry import RetryPolicy
from durakit.task.tasks import CancellableTask, CompletableTask, Task, TimerTask

TInput = TypeVar("TInput")
TOutput = TypeVar("TOutput")

if TYPE_CHECKING:
    _LoggerAdapter = logging.LoggerAdapter[logging.Logger]
else:
    _LoggerAdapter = logging.LoggerAdapter


class ActivityContext:
    """Says for whom an activity runs."""

    __slots__ = ("_orchestration_id", "_task_id")

    def __init__(self, orchestration_id: str, task_id: int) -> None:
        self._orchestration_id = orchestration_id
        self._task_id = task_id

    @property
    def orchestration_id(self) -> str:
        """The id of the orchestration instance that called the activity."""
        return self._orchestration_id

    @property
    def task_id(self) -> int:
        """The number of the call within the execution; with `orchestration_id` a key for idempotence."""
        return self._task_id


class OrchestrationContext(ABC):
    """What an orchestrator knows about itself, and the durable calls it can make.

    An orchestrator is run again from its history whenever needed, so it must make the same calls in the
    same order each time: time, ids and anything from outside come from here or from activities.
    """

    @property
    @abstractmethod
    def instance_id(self) -> str:
        """The id of this orchestration instance."""

    @property
    @abstractmethod
    def parent_instance_id(self) -> str | None:
        """The id of the instance that called this one as a sub-orchestration, or None."""

    @property
    @abstractmethod
    def version(self) -> str | None:
        """The version this instance was started with, or None."""

    @property
    @abstractmethod
    def current_utc_datetime(self) -> datetime:
        """Orchestration time, naive UTC: when the current turn was dispatched; the same on replay."""

    @property
    @abstractmethod
    def is_replaying(self) -> bool:
        """Whether the code re-runs what it has done before; a good moment to leave out logs."""

    @abstractmethod
    def set_custom_status(self, custom_status: Any) -> None:
        """Publishes a value, serialised now, to whoever looks at the instance; None clears it."""

    @abstractmethod
    def create_timer(self, fire_at: datetime | timedelta) -> TimerTask:
        """A task that completes at a time (naive means UTC), or after a duration of orchestration time."""

    @overload
    def call_activity(
        self,
        activity: Callable[[ActivityContext, TInput], Coroutine[Any, Any, TOutput]],
        *,
        input: TInput | None = None,
        retry_policy: RetryPolicy | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_activity(
        self,
        activity: Callable[[ActivityContext, TInput], TOutput],
        *,
        input: TInput | None = None,
        retry_policy: RetryPolicy | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_activity(
        self,
        activity: Callable[[ActivityContext], Coroutine[Any, Any, TOutput]],
        *,
        retry_policy: RetryPolicy | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_activity(
        self,
        activity: Callable[[ActivityContext], TOutput],
        *,
        retry_policy: RetryPolicy | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_activity(
        self,
        activity: Callable[..., Any] | str,
        *,
        input: Any = None,
        retry_policy: RetryPolicy | None = None,
        tags: dict[str, str] | None = None,
        return_type: type[TOutput],
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_activity(
        self,
        activity: str,
        *,
        input: Any = None,
        retry_policy: RetryPolicy | None = None,
        tags: dict[str, str] | None = None,
        return_type: Any = None,
    ) -> CompletableTask[Any]: ...

    @abstractmethod
    def call_activity(
        self,
        activity: Callable[..., Any] | str,
        *,
        input: Any = None,
        retry_policy: RetryPolicy | None = None,
        tags: dict[str, str] | None = None,
        return_type: Any = None,
    ) -> CompletableTask[Any]:
        """Calls an activity, given as the function or by name, and returns the task of its result.

        The result is converted to `return_type`, or else to the function's return annotation.
        A failure that the retry policy does not absorb is raised as TaskFailedError.
        """

    @overload
    def call_sub_orchestrator(
        self,
        orchestrator: Callable[[OrchestrationContext, TInput], Coroutine[Any, Any, TOutput]],
        *,
        input: TInput | None = None,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_sub_orchestrator(
        self,
        orchestrator: Callable[[OrchestrationContext, TInput], Generator[Any, Any, TOutput]],
        *,
        input: TInput | None = None,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_sub_orchestrator(
        self,
        orchestrator: Callable[[OrchestrationContext, TInput], TOutput],
        *,
        input: TInput | None = None,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_sub_orchestrator(
        self,
        orchestrator: Callable[[OrchestrationContext], Coroutine[Any, Any, TOutput]],
        *,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_sub_orchestrator(
        self,
        orchestrator: Callable[[OrchestrationContext], Generator[Any, Any, TOutput]],
        *,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_sub_orchestrator(
        self,
        orchestrator: Callable[[OrchestrationContext], TOutput],
        *,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        return_type: None = None,
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_sub_orchestrator(
        self,
        orchestrator: Callable[..., Any] | str,
        *,
        input: Any = None,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        return_type: type[TOutput],
    ) -> CompletableTask[TOutput]: ...

    @overload
    def call_sub_orchestrator(
        self,
        orchestrator: str,
        *,
        input: Any = None,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        return_type: Any = None,
    ) -> CompletableTask[Any]: ...

    @abstractmethod
    def call_sub_orchestrator(
        self,
        orchestrator: Callable[..., Any] | str,
        *,
        input: Any = None,
        instance_id: str | None = None,
        retry_policy: RetryPolicy | None = None,
        version: str | None = None,
        tags: dict[str, str] | None = None,
        return_type: Any = None,
    ) -> CompletableTask[Any]:
        """Starts another orchestration, given as the function or by name, and returns the task of its result.

        Without `instance_id` the child's id is derived from this execution's and is the same on replay,
        another one after continue-as-new and for each retry; it has at most 100 characters.
        A failure that the retry policy does not absorb is raised as TaskFailedError.
        """

    @overload
    def wait_for_external_event(
        self, name: str, *, data_type: type[TOutput], timeout: timedelta | datetime | None = None
    ) -> CancellableTask[TOutput]: ...

    @overload
    def wait_for_external_event(
        self, name: str, *, data_type: Any = None, timeout: timedelta | datetime | None = None
    ) -> CancellableTask[Any]: ...

    @abstractmethod
    def wait_for_external_event(
        self, name: str, *, data_type: Any = None, timeout: timedelta | datetime | None = None
    ) -> CancellableTask[Any]:
        """The task of the next event of that name (upper and lower case are the same) not yet consumed.

        Events that came earlier are buffered; several waiters are served in order, one event each. The data
        is converted to `data_type`. When `timeout` passes first, awaiting the task raises TimeoutError.
        """

    @abstractmethod
    def send_event(self, instance_id: str, event_name: str, *, data: Any | None = None) -> None:
        """Raises an event in another instance; nothing happens when there is none."""

    @abstractmethod
    def continue_as_new(
        self, new_input: Any, *, save_events: bool = False, new_version: str | None = None
    ) -> None:
        """Starts this instance over with a new input and an empty history, once the orchestrator returns.

        It also takes effect when the orchestrator next waits for something. With `save_events`, events
        that nobody has consumed are delivered again to the new execution.
        """

    @abstractmethod
    def new_uuid(self) -> str:
        """A random-looking UUID that is the same on replay."""

    @abstractmethod
    def create_replay_safe_logger(self, logger: logging.Logger) -> ReplaySafeLogger:
        """A logger that says everything once: it is silent while the code is replayed."""


class ReplaySafeLogger(_LoggerAdapter):
    """Passes records on to `logger`, except while `is_replaying()`."""

    def __init__(self, logger: logging.Logger, is_replaying: Callable[[], bool]) -> None:
        super().__init__(logger, {})
        self._is_replaying = is_replaying

    def isEnabledFor(self, level: int) -> bool:
        """Whether a record of that level would be passed on now."""
        return not self._is_replaying() and self.logger.isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Leaves the record as it is; the adapter's own `extra` would replace the caller's."""
        return msg, kwargs


def get_name(fn: Callable[..., Any]) -> str:
    """The name under which a function is registered and called. Raises ValueError when it has none."""
    name: str | None = getattr(fn, "__name__", None)
    if not name or name == "<lambda>":
        raise ValueError(f"{fn!r} has no name of its own; use a function made with `def`, or pass a name.")
    return name


Activity = Callable[[ActivityContext, TInput], TOutput]
Orchestrator = Callable[
    [OrchestrationContext, TInput],
    Generator[Task[Any], Any, TOutput] | Coroutine[Any, Any, TOutput] | TOutput,
]
