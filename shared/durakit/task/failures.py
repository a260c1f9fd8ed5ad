"""What is known about a failure, and the exceptions that carry it into user code.

Exception
├── TaskFailedError          an activity or sub-orchestration failed
├── TaskCancelledError       the result of a cancelled task was read
├── NonDeterminismError      history and code disagree
└── OrchestrationStateError  an execution was used in a state that does not allow it
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf import struct_pb2


@dataclass(frozen=True)
class FailureDetails:
    """A failure as it was recorded: text and type name, never a live exception.

    `error_type` is the qualified name of the exception (`builtins.ValueError`), or the bare name another
    SDK wrote. `inner_failure` is its cause.
    """

    message: str
    error_type: str
    stack_trace: str | None
    inner_failure: FailureDetails | None = None
    properties: dict[str, Any] | None = None

    def is_caused_by(self, error_type: str | type[BaseException]) -> bool:
        """Whether this failure (not its inner ones) is of `error_type`.

        An exception type also matches its subclasses, as far as they are imported in this process.
        A name matches as written, or by its last part when either side is unqualified.
        Raises TypeError for anything else.
        """
        if isinstance(error_type, str):
            return _same_name(self.error_type, error_type)
        if not (isinstance(error_type, type) and issubclass(error_type, BaseException)):
            raise TypeError(
                f"is_caused_by() got {error_type!r}; expected an exception type or the name of one, "
                "such as ValueError or 'builtins.ValueError'."
            )
        return any(self._is_exactly(kind) for kind in _with_subclasses(error_type))

    def _is_exactly(self, kind: type[BaseException]) -> bool:
        if "." in self.error_type:
            return self.error_type == qualified_name(kind)
        return bool(self.error_type) and self.error_type == qualified_name(kind).rpartition(".")[2]


class TaskFailedError(Exception):
    """An activity or a sub-orchestration failed; `details` says how.

    `details` may be given as the recorded failure or as the exception that is the cause.
    """

    def __init__(self, message: str, details: pb.TaskFailureDetails | Exception) -> None:
        super().__init__(message)
        self._details = details
        self._read: FailureDetails | None = None

    @property
    def details(self) -> FailureDetails:
        """The failure as recorded where it happened."""
        if self._read is None:
            if isinstance(self._details, pb.TaskFailureDetails):
                self._read = failure_from_wire(self._details)
            else:
                self._read = FailureDetails(str(self._details), qualified_name(type(self._details)), None)
        return self._read


class NonDeterminismError(Exception):
    """The history holds other calls than the code makes now."""


class OrchestrationStateError(Exception):
    """An execution was asked for something its state does not allow."""


class TaskCancelledError(Exception):
    """The result of a cancelled task was read or awaited."""


def qualified_name(kind: type) -> str:
    """`module.QualifiedName` of a type, as `error_type` on the wire has it."""
    return f"{kind.__module__}.{kind.__qualname__}"


def failure_from_wire(details: pb.TaskFailureDetails) -> FailureDetails:
    """`FailureDetails` of a recorded failure, inner failures and properties included."""
    return FailureDetails(
        details.errorMessage,
        details.errorType,
        details.stackTrace.value if details.HasField("stackTrace") else None,
        failure_from_wire(details.innerFailure) if details.HasField("innerFailure") else None,
        {key: _plain(value) for key, value in details.properties.items()} or None,
    )


def _plain(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {key: _plain(item) for key, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    return None if kind is None or kind == "null_value" else getattr(value, kind)


def _same_name(recorded: str, asked: str) -> bool:
    if not recorded or not asked:
        return False
    if "." in recorded and "." in asked:
        return recorded == asked
    return recorded.rpartition(".")[2] == asked.rpartition(".")[2]


def _with_subclasses(kind: type[BaseException]) -> set[type[BaseException]]:
    found: set[type[BaseException]] = set()
    waiting = [kind]
    while waiting:
        candidate = waiting.pop()
        if candidate not in found:
            found.add(candidate)
            waiting.extend(candidate.__subclasses__())
    return found
