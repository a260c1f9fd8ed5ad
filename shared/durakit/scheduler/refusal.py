"""Saying no: the one exception by which the scheduler refuses a request.

`status` is the name of a gRPC status code, so that this module and all that raises it need no grpc.
"""

from __future__ import annotations


class Refusal(Exception):
    """A request that cannot be granted; nothing was changed.

    Attributes:
        status: name of the gRPC status code the caller receives (semantics.md 1.2).
        message: what was wrong and what to do.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def invalid(message: str) -> Refusal:
    """The request itself is wrong; sending it again will not help."""
    return Refusal("INVALID_ARGUMENT", message)


def not_found(message: str) -> Refusal:
    """What the request names does not exist."""
    return Refusal("NOT_FOUND", message)


def no_such_instance(instance_id: str) -> Refusal:
    """There is no instance of that id in the task hub."""
    return not_found(f"There is no orchestration instance '{instance_id}' in this task hub.")


def not_now(message: str) -> Refusal:
    """The instance is not in a state in which this can be done."""
    return Refusal("FAILED_PRECONDITION", message)


def stale(kind: str) -> Refusal:
    """The completion token names no delivery that is still open (semantics.md 2.4)."""
    return not_found(
        f"This {kind} delivery is no longer open: it was completed, given to another worker, or its "
        f"instance was ended or replaced. Nothing was changed."
    )
