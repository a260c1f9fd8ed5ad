"""Failures as they go over the wire: from a live exception, or stated by the framework (semantics 3.15)."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from google.protobuf import struct_pb2

from durakit.task import TaskFailedError
from durakit.task.failures import qualified_name
from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.exception_properties import ExceptionPropertiesProvider

_logger = logging.getLogger(__name__)

# How many inner failures are recorded.
DEEPEST_INNER_FAILURE = 10

# Names other SDKs know these failures by.
ORCHESTRATOR_NOT_FOUND = "OrchestratorTaskNotFound"
ACTIVITY_NOT_FOUND = "ActivityTaskNotFound"
VERSION_MISMATCH = "VersionMismatch"


def failure_details(
    error: BaseException, provider: ExceptionPropertiesProvider | None = None
) -> pb.TaskFailureDetails:
    """An exception as recorded failure: qualified type, text, traceback, properties, and its causes.

    The cause of a TaskFailedError is the failure it reports, word for word as it was recorded.
    """
    details = pb.TaskFailureDetails()
    _describe(error, details, provider, DEEPEST_INNER_FAILURE)
    return details


def framework_failure(error_type: str, message: str) -> pb.TaskFailureDetails:
    """A failure no user code raised, and that trying again cannot mend."""
    return pb.TaskFailureDetails(errorType=error_type, errorMessage=message, isNonRetriable=True)


def not_registered(
    kind: str, name: str, offered: Iterable[str], worker_description: str
) -> pb.TaskFailureDetails:
    """The failure of an `orchestrator` or `activity` that the worker does not have."""
    worker = f"this worker ({worker_description})" if worker_description else "this worker"
    plural = "orchestrators" if kind == "orchestrator" else "activities"
    names = ", ".join(f"'{offer}'" for offer in sorted(offered))
    offers = f"it offers the {plural} {names}" if names else f"it offers no {plural}"
    return framework_failure(
        ORCHESTRATOR_NOT_FOUND if kind == "orchestrator" else ACTIVITY_NOT_FOUND,
        f"No {kind} named '{name}' is registered with {worker}; {offers}. "
        f"Register it with add_{kind}, or check the spelling: names are case-sensitive.",
    )


def _describe(
    error: BaseException,
    details: pb.TaskFailureDetails,
    provider: ExceptionPropertiesProvider | None,
    levels_left: int,
) -> None:
    details.errorType = qualified_name(type(error))
    details.errorMessage = _text(error)
    details.stackTrace.value = _stack_trace(error)
    if provider is not None and isinstance(error, Exception):
        _add_properties(details, error, provider)
    if levels_left == 0:
        return
    if isinstance(error, TaskFailedError) and isinstance(error._details, pb.TaskFailureDetails):
        details.innerFailure.CopyFrom(error._details)
        return
    cause = _cause(error)
    if cause is not None:
        _describe(cause, details.innerFailure, provider, levels_left - 1)


def _cause(error: BaseException) -> BaseException | None:
    if isinstance(error, TaskFailedError) and isinstance(error._details, Exception):
        return error._details
    if error.__cause__ is not None:
        return error.__cause__
    return None if error.__suppress_context__ else error.__context__


def _text(error: BaseException) -> str:
    try:
        return _sendable(str(error))
    except Exception as second:  # a broken __str__ must not hide the failure
        return f"<its text cannot be read: {type(second).__name__} in __str__>"


def _stack_trace(error: BaseException) -> str:
    """The traceback from the first frame of user code on, without the causes, which are told apart."""
    trace = _from_user_code(error.__traceback__)
    lines = traceback.format_exception(type(error), error, trace, chain=False)
    return _sendable("".join(lines))


def _sendable(text: str) -> str:
    """Without lone surrogates (from undecodable file names, say), which a protobuf string refuses."""
    return text.encode("utf-8", "backslashreplace").decode()


def _from_user_code(trace: TracebackType | None) -> TracebackType | None:
    first = trace
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("durakit."):
        trace = trace.tb_next
    return trace or first


def _add_properties(
    details: pb.TaskFailureDetails, error: Exception, provider: ExceptionPropertiesProvider
) -> None:
    try:
        properties = provider.get_exception_properties(error)
    except Exception:
        _logger.warning(
            "The exception properties provider failed on %s", type(error).__qualname__, exc_info=True
        )
        return
    for key, value in (properties or {}).items():
        details.properties[str(key)].CopyFrom(_value(value))


def _value(value: Any) -> struct_pb2.Value:
    """Nearest JSON-like value; whatever has none becomes its text."""
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, (int, float)):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, Mapping):
        fields = {str(key): _value(item) for key, item in value.items()}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    if isinstance(value, (list, tuple)):
        return struct_pb2.Value(list_value=struct_pb2.ListValue(values=[_value(item) for item in value]))
    return struct_pb2.Value(string_value=str(value))
