"""Every error that durakit raises for its callers, in one tree.

    DurakitError
    ├── SettingsError (ValueError)              a setting, address or argument cannot be used
    ├── CredentialError                         no access token could be had
    ├── OrchestrationFailedError                the orchestration asked about has failed
    ├── NoResultError                           it was terminated, or purged while it was waited for
    ├── WaitTimeoutError (TimeoutError)         the state waited for was not reached in time
    └── SchedulerError (grpc.RpcError)          the scheduler did not answer a call with OK
        ├── SchedulerUnavailableError           nobody answers at that address
        ├── SchedulerTimeoutError               no answer within the call's deadline
        ├── CallCancelledError                  the call was cancelled on the way
        ├── AccessDeniedError                   the credentials are missing or not sufficient
        ├── NotFoundError                       no such instance or task hub
        ├── AlreadyExistsError                  the instance id is in use
        ├── InvalidRequestError (ValueError)    the scheduler refuses an argument
        ├── InvalidStateError                   the instance is not in a state that allows this
        ├── LimitExceededError                  a size or quota was exceeded
        ├── NotSupportedError                   this scheduler does not offer the operation
        └── SchedulerInternalError              the scheduler failed

Errors raised inside orchestrations and activities live with the code that raises them, in `durakit.task`.
The `SchedulerError` family is loaded on first use, because it brings in grpc; it lives in
`durakit.wire.status`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from durakit.task import FailureDetails
    from durakit.wire.status import AccessDeniedError as AccessDeniedError
    from durakit.wire.status import AlreadyExistsError as AlreadyExistsError
    from durakit.wire.status import CallCancelledError as CallCancelledError
    from durakit.wire.status import InvalidRequestError as InvalidRequestError
    from durakit.wire.status import InvalidStateError as InvalidStateError
    from durakit.wire.status import LimitExceededError as LimitExceededError
    from durakit.wire.status import NotFoundError as NotFoundError
    from durakit.wire.status import NotSupportedError as NotSupportedError
    from durakit.wire.status import SchedulerError as SchedulerError
    from durakit.wire.status import SchedulerInternalError as SchedulerInternalError
    from durakit.wire.status import SchedulerTimeoutError as SchedulerTimeoutError
    from durakit.wire.status import SchedulerUnavailableError as SchedulerUnavailableError

_SCHEDULER_ERRORS = frozenset(
    {
        "AccessDeniedError",
        "AlreadyExistsError",
        "CallCancelledError",
        "InvalidRequestError",
        "InvalidStateError",
        "LimitExceededError",
        "NotFoundError",
        "NotSupportedError",
        "SchedulerError",
        "SchedulerInternalError",
        "SchedulerTimeoutError",
        "SchedulerUnavailableError",
    }
)


class DurakitError(Exception):
    """Base of every error in this module."""


class SettingsError(DurakitError, ValueError):
    """A setting, address or argument cannot be used; the message says what to write instead."""


class CredentialError(DurakitError):
    """No access token could be had; the cause is what the credential raised."""


class OrchestrationFailedError(DurakitError):
    """The orchestration asked about has failed; `failure_details` tells how."""

    def __init__(self, message: str, failure_details: FailureDetails) -> None:
        super().__init__(message, failure_details)
        self._failure_details = failure_details

    def __str__(self) -> str:
        return str(self.args[0])

    @property
    def failure_details(self) -> FailureDetails:
        """What the orchestration reported: type, message, stack trace, inner failure."""
        return self._failure_details


class NoResultError(DurakitError):
    """The orchestration asked about was terminated, or purged while it was waited for."""


class WaitTimeoutError(DurakitError, TimeoutError):
    """An instance did not reach the awaited state in time; it goes on running."""


def __getattr__(name: str) -> Any:
    if name in _SCHEDULER_ERRORS:
        from durakit.wire import status

        return getattr(status, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
