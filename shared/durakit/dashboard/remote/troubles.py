"""Which of the pages' troubles an error of the client is."""

from __future__ import annotations

from durakit.dashboard.backend import Trouble
from durakit.errors import CredentialError, DurakitError
from durakit.wire.status import (
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    SchedulerError,
    SchedulerTimeoutError,
    SchedulerUnavailableError,
)

_TROUBLES: tuple[tuple[type[Exception], Trouble], ...] = (
    (NotFoundError, "not_found"),
    (AlreadyExistsError, "exists"),
    (AccessDeniedError, "denied"),
    (CredentialError, "denied"),
    (SchedulerUnavailableError, "unavailable"),
    (SchedulerTimeoutError, "unavailable"),
)
_TROUBLE_OF_CODE: dict[str, Trouble] = {
    "FAILED_PRECONDITION": "conflict",
    "UNIMPLEMENTED": "not_offered",
    "INVALID_ARGUMENT": "invalid",
}


def trouble_of(error: DurakitError) -> Trouble:
    """Return what kind of trouble an error of the client is."""
    for kind, trouble in _TROUBLES:
        if isinstance(error, kind):
            return trouble
    if isinstance(error, SchedulerError):
        return _TROUBLE_OF_CODE.get(error.code().name, "unavailable")
    return "invalid"
