"""What a call that did not end with OK means: one named exception per kind of gRPC status code.

Every one of them is also a `grpc.RpcError` (to be exact a `grpc.aio.AioRpcError`, with `code()` and
`details()`), so code written for the raw errors of gRPC goes on working. The tree is drawn in
`durakit.errors`.
"""

from __future__ import annotations

from typing import Any

import grpc
from grpc import StatusCode

from durakit.errors import DurakitError


class SchedulerError(DurakitError, grpc.aio.AioRpcError):  # type: ignore[misc]  # grpc has no type hints
    """The scheduler at `address` did not answer `method` with OK."""

    #: What the user can do about it; `{address}` is replaced.
    advice = ""

    def __init__(self, code: StatusCode, details: str, *, method: str = "", address: str = "") -> None:
        grpc.aio.AioRpcError.__init__(
            self, code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details, debug_error_string=details
        )
        self.args = (code, details, method, address)
        self.method = method
        self.address = address

    def __str__(self) -> str:
        details = self.details() or "no details given"
        said = f"The scheduler at {self.address} refused {self.method or 'the call'}: {details.rstrip('.')}"
        return f"{said} ({self.code().name}). {self.advice}".rstrip()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        code, details, method, address = self.args
        return _rebuild, (type(self), code, details, method, address)


class SchedulerUnavailableError(SchedulerError):
    """Nobody answers at the scheduler's address, or the connection broke before the answer."""

    def __str__(self) -> str:
        return (
            f"No scheduler answers at {self.address} ({_cause(self.details())}); "
            "start one with `durakit dev`, or set ENDPOINT to the address of yours."
        )


class SchedulerTimeoutError(SchedulerError):
    """The scheduler did not answer within the call's deadline."""

    advice = "Try again; if it goes on, look at the scheduler's log."


class CallCancelledError(SchedulerError):
    """The call was cancelled on the way, most likely because a side is stopping."""

    advice = "Try again."


class AccessDeniedError(SchedulerError):
    """The scheduler does not accept the credentials."""

    advice = "Check TASKHUB and the identity's rights; a scheduler of your own may want DURAKIT_TOKEN."


class NotFoundError(SchedulerError):
    """There is no such instance or task hub."""

    advice = "Check the instance id, and that TASKHUB names the task hub it lives in."


class AlreadyExistsError(SchedulerError):
    """The instance id is in use."""

    advice = "Pass another instance_id, or a reuse_id_policy that allows to replace the existing instance."


class InvalidRequestError(SchedulerError, ValueError):
    """The scheduler refuses an argument."""


class InvalidStateError(SchedulerError):
    """The instance is not in a state that allows this."""


class LimitExceededError(SchedulerError):
    """A size or quota was exceeded."""

    advice = "Pass less data (a file name or an id instead of content), or try again later."


class NotSupportedError(SchedulerError):
    """This scheduler does not offer the operation."""

    advice = "The operation needs another scheduler, such as `durakit dev`."


class SchedulerInternalError(SchedulerError):
    """The scheduler failed while it worked on the call."""

    advice = "Look at the scheduler's log."


#: Where each status code lands. OK and codes from the future are the scheduler's fault.
ERROR_BY_CODE: dict[StatusCode, type[SchedulerError]] = {
    StatusCode.OK: SchedulerInternalError,
    StatusCode.CANCELLED: CallCancelledError,
    StatusCode.UNKNOWN: SchedulerInternalError,
    StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    StatusCode.DEADLINE_EXCEEDED: SchedulerTimeoutError,
    StatusCode.NOT_FOUND: NotFoundError,
    StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    StatusCode.PERMISSION_DENIED: AccessDeniedError,
    StatusCode.UNAUTHENTICATED: AccessDeniedError,
    StatusCode.RESOURCE_EXHAUSTED: LimitExceededError,
    StatusCode.FAILED_PRECONDITION: InvalidStateError,
    StatusCode.ABORTED: InvalidStateError,
    StatusCode.OUT_OF_RANGE: InvalidRequestError,
    StatusCode.UNIMPLEMENTED: NotSupportedError,
    StatusCode.INTERNAL: SchedulerInternalError,
    StatusCode.UNAVAILABLE: SchedulerUnavailableError,
    StatusCode.DATA_LOSS: SchedulerInternalError,
}


def named_error(error: grpc.RpcError, *, method: str, address: str) -> SchedulerError:
    """The named exception for an error of gRPC; raise it `from error`.

    Call it where the error is handled: it lets go of the frames that the error came through. A stream of gRPC
    raises itself, so with its traceback it is a cycle, which Python may free as late as when the process
    ends. Freeing takes the stream's lock; a thread that the ending process has stopped may hold it for ever.
    """
    if isinstance(error, SchedulerError):
        return error
    error.__traceback__ = None
    code = _status_code(error)
    kind = ERROR_BY_CODE.get(code, SchedulerInternalError)
    details = error.details() if hasattr(error, "details") else str(error)
    return kind(code, details or "", method=method, address=address)


def _status_code(error: grpc.RpcError) -> StatusCode:
    """The status code of an error of gRPC; UNKNOWN for one that carries none."""
    code = error.code() if hasattr(error, "code") else None
    return code if isinstance(code, StatusCode) else StatusCode.UNKNOWN


def _cause(details: str | None) -> str:
    """The innermost part of gRPC's chain of reasons; `details()` keeps the whole."""
    lines = (details or "").strip().splitlines()
    cause = lines[0].rsplit(": ", 1)[-1].rstrip(".;") if lines else "no reason given"
    # The part cut off may have opened brackets that are closed here.
    for opening, closing in ("()", "[]", "()"):
        while cause.endswith(closing) and cause.count(closing) > cause.count(opening):
            cause = cause[:-1]
    return cause


def _rebuild(
    kind: type[SchedulerError], code: StatusCode, details: str, method: str, address: str
) -> SchedulerError:
    return kind(code, details, method=method, address=address)
