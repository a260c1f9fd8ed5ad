"""Failures as they were recorded, with their causes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from durakit.wire.messages import orchestration_pb2 as pb

_WRAPPERS = frozenset({"TaskFailedError", "SubOrchestrationFailedError", "TaskFailedException"})


@dataclass(frozen=True)
class Failure:
    """An exception as it was recorded; `cause` is what it was raised from."""

    error_type: str
    message: str
    stack_trace: str | None = None
    is_non_retriable: bool = False
    cause: Failure | None = None

    @property
    def told(self) -> Failure:
        """What went wrong, without the wrapping that only says that a call failed."""
        wraps = self.error_type.rpartition(".")[2] in _WRAPPERS
        return self.cause.told if wraps and self.cause is not None else self

    @property
    def first_line(self) -> str:
        """`module.ErrorType: first line of the message`."""
        line = self.message.partition("\n")[0]
        return f"{self.error_type}: {line}" if self.error_type else line

    @property
    def short_line(self) -> str:
        """`ErrorType: first line of the message`, the type without its module."""
        return replace(self, error_type=self.error_type.rpartition(".")[2]).first_line


def failure_of(details: pb.TaskFailureDetails) -> Failure:
    """Return a failure with its causes."""
    return Failure(
        details.errorType,
        details.errorMessage,
        details.stackTrace.value if details.HasField("stackTrace") else None,
        details.isNonRetriable,
        failure_of(details.innerFailure) if details.HasField("innerFailure") else None,
    )
