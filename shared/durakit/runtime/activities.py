"""One run of an activity: request in, response out. No transport, no threads of its own.

Whatever user code raises becomes the response's failure; nothing of it leaves `run`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf.wrappers_pb2 import StringValue

from durakit.replay.failures import failure_details, not_registered
from durakit.task import ActivityContext
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.exception_properties import ExceptionPropertiesProvider
    from durakit.registry import ActivityEntry, Registry
    from durakit.serialization import DataConverter

T = TypeVar("T")


class ActivityRunner:
    """Runs activities. Safe to use from several threads at once."""

    def __init__(
        self,
        registry: Registry,
        converter: DataConverter,
        *,
        exception_properties_provider: ExceptionPropertiesProvider | None = None,
        worker_description: str = "",
        logger: logging.Logger | None = None,
    ) -> None:
        self._registry = registry
        self._converter = converter
        self._provider = exception_properties_provider
        self._worker_description = worker_description
        self._logger = logger or logging.getLogger(__name__)

    def is_async(self, name: str) -> bool:
        """Whether the activity of that name is a coroutine function, to be run by `run_async`."""
        entry = self._registry.get_activity(name)
        return entry is not None and entry.is_async

    def run(self, request: pb.ActivityRequest, completion_token: str = "") -> pb.ActivityResponse:
        """The response to a request; an async activity is run to its end by an event loop of its own."""
        entry = self._registry.get_activity(request.name)
        if entry is None:
            return self._not_registered(request, completion_token)
        try:
            if entry.is_async:
                result = _run_to_completion(entry.fn(*self._arguments(entry, request)))
            else:
                result = entry.fn(*self._arguments(entry, request))
            return _succeeded(request, completion_token, self._converter.serialize(result))
        # SystemExit too: an activity must not take a thread of the worker with it, unnoticed and unanswered.
        except (Exception, SystemExit) as error:
            return self._failed(request, completion_token, error)

    async def run_async(self, request: pb.ActivityRequest, completion_token: str = "") -> pb.ActivityResponse:
        """The response to a request for an async activity, run on the current event loop."""
        entry = self._registry.get_activity(request.name)
        if entry is None:
            return self._not_registered(request, completion_token)
        try:
            result = await entry.fn(*self._arguments(entry, request))
            return _succeeded(request, completion_token, self._converter.serialize(result))
        except (Exception, SystemExit) as error:
            return self._failed(request, completion_token, error)

    def _arguments(self, entry: ActivityEntry, request: pb.ActivityRequest) -> tuple[Any, ...]:
        context = ActivityContext(request.orchestrationInstance.instanceId, request.taskId)
        if not entry.takes_input:
            return (context,)
        # Absent and empty both mean None (semantics 3.16 rule 3).
        return (context, self._converter.deserialize(request.input.value or None, entry.input_type))

    def _failed(
        self, request: pb.ActivityRequest, completion_token: str, error: BaseException
    ) -> pb.ActivityResponse:
        self._logger.info(
            "Activity %s of %s failed: %s: %s",
            request.name,
            request.orchestrationInstance.instanceId,
            type(error).__name__,
            error,
            extra={"instance_id": request.orchestrationInstance.instanceId, "task_id": request.taskId},
        )
        return failure_response(request, completion_token, failure_details(error, self._provider))

    def _not_registered(self, request: pb.ActivityRequest, completion_token: str) -> pb.ActivityResponse:
        details = not_registered(
            "activity", request.name, self._registry.activity_names, self._worker_description
        )
        self._logger.warning(
            "%s", details.errorMessage, extra={"instance_id": request.orchestrationInstance.instanceId}
        )
        return failure_response(request, completion_token, details)


def failure_response(
    request: pb.ActivityRequest, completion_token: str, details: pb.TaskFailureDetails
) -> pb.ActivityResponse:
    """The response that reports `details` as the activity's failure."""
    return pb.ActivityResponse(
        instanceId=request.orchestrationInstance.instanceId,
        taskId=request.taskId,
        failureDetails=details,
        completionToken=completion_token,
    )


def _succeeded(request: pb.ActivityRequest, completion_token: str, result: str | None) -> pb.ActivityResponse:
    return pb.ActivityResponse(
        instanceId=request.orchestrationInstance.instanceId,
        taskId=request.taskId,
        result=None if result is None else StringValue(value=result),
        completionToken=completion_token,
    )


def _run_to_completion(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # This thread's loop is busy with the caller, so the coroutine gets one in another thread.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
