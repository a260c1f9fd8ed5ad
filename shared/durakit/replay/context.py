"""The context orchestrators get: each durable call goes to the room of its event family."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from durakit.replay import activities, children, external_events, timers
from durakit.replay.clock import datetime_of_ns
from durakit.task import (
    CancellableTask,
    CompletableTask,
    OrchestrationContext,
    ReplaySafeLogger,
    RetryPolicy,
    TimerTask,
)

if TYPE_CHECKING:
    from durakit.replay.execution import Execution

# durabletask's namespace: the same instance, time and counter give the same ids there (semantics 3.5.2).
_UUID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "9e952958-5e33-4daf-827f-2fa12937b875")


class ReplayContext(OrchestrationContext):
    """One execution as its orchestrator sees it."""

    __slots__ = ("_execution",)

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    @property
    def instance_id(self) -> str:
        return self._execution.instance_id

    @property
    def parent_instance_id(self) -> str | None:
        return self._execution.parent_instance_id

    @property
    def version(self) -> str | None:
        return self._execution.version

    @property
    def current_utc_datetime(self) -> datetime:
        return datetime_of_ns(self._execution.now_ns)

    @property
    def is_replaying(self) -> bool:
        # A closed execution only unwinds `finally` blocks; their logs would be as untrue as repeated ones.
        return self._execution.is_replaying or self._execution.is_closed

    def set_custom_status(self, custom_status: Any) -> None:
        self._execution.set_custom_status(custom_status)

    def create_timer(self, fire_at: datetime | timedelta) -> TimerTask:
        return timers.create(self._execution, fire_at)

    def call_activity(
        self,
        activity: Callable[..., Any] | str,
        *,
        input: Any = None,
        retry_policy: RetryPolicy | None = None,
        tags: dict[str, str] | None = None,
        return_type: Any = None,
    ) -> CompletableTask[Any]:
        return activities.call(self._execution, activity, input, retry_policy, tags, return_type)

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
        return children.call(
            self._execution, orchestrator, input, instance_id, retry_policy, version, tags, return_type
        )

    def wait_for_external_event(
        self, name: str, *, data_type: Any = None, timeout: timedelta | datetime | None = None
    ) -> CancellableTask[Any]:
        return external_events.wait_for(self._execution, name, data_type, timeout)

    def send_event(self, instance_id: str, event_name: str, *, data: Any | None = None) -> None:
        external_events.send(self._execution, instance_id, event_name, data)

    def continue_as_new(
        self, new_input: Any, *, save_events: bool = False, new_version: str | None = None
    ) -> None:
        self._execution.ask_to_continue_as_new(new_input, save_events, new_version)

    def new_uuid(self) -> str:
        counter = self._execution.take_uuid_counter()
        moment = self.current_utc_datetime.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return str(uuid.uuid5(_UUID_NAMESPACE, f"{self.instance_id}_{moment}_{counter}"))

    def create_replay_safe_logger(self, logger: logging.Logger) -> ReplaySafeLogger:
        return ReplaySafeLogger(logger, lambda: self.is_replaying)
