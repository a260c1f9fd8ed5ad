"""The limits of the Azure scheduler, enforced here so that they are met before deployment.

Each check names the limit and the size it found. `NO_LIMITS` switches off all but the rules that the
protocol itself needs (an id may not be empty, `@` belongs to entities).
"""

from __future__ import annotations

from dataclasses import dataclass

from durakit.scheduler.refusal import invalid
from durakit.wire.messages import orchestration_pb2 as pb

FAILURE_CHARACTERS = 4000
"""What is kept of the message and of the stack trace of a failure that is too large."""


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes of UTF-8, characters and events; None means unlimited."""

    payload_bytes: int | None
    instance_id_characters: int | None
    history_events: int | None = None

    def check_instance_id(self, instance_id: str) -> None:
        """Raise `Refusal` unless `instance_id` may name an orchestration."""
        if not instance_id:
            raise invalid("The instance id is empty. Pass at least one character.")
        if instance_id.startswith("@"):
            raise invalid(
                f"Instance id '{instance_id}' begins with '@', which is reserved for entities. "
                f"Choose another first character."
            )
        limit = self.instance_id_characters
        if limit is not None and len(instance_id) > limit:
            raise invalid(
                f"The instance id is {len(instance_id)} characters long; at most {limit} are allowed. "
                f"Pass a shorter instance_id."
            )

    def excess_of_history(self, events: int) -> str | None:
        """Return a sentence when a history of that many events is too long, else None."""
        limit = self.history_events
        if limit is None or events <= limit:
            return None
        return (
            f"The history would grow to {events:,} events; at most {limit:,} are allowed. Use "
            f"continue_as_new or sub-orchestrations to keep histories short."
        )

    def excess(self, what: str, payload: str | None) -> str | None:
        """Return a sentence when `payload` is over the limit, else None."""
        limit = self.payload_bytes
        if payload is None or limit is None or len(payload) * 4 <= limit:
            return None
        size = len(payload.encode())
        if size <= limit:
            return None
        return (
            f"The {what} is {size:,} bytes; at most {limit:,} are allowed. Store large data elsewhere and "
            f"pass a reference, or start the scheduler with --limits off (Azure's limit stays)."
        )

    def fitting(self, failure: pb.TaskFailureDetails) -> pb.TaskFailureDetails:
        """Return the failure, cut when it is over the limit of a payload.

        It is not refused: what failed has failed, and that must be told.
        """
        limit, size = self.payload_bytes, failure.ByteSize()
        if limit is None or size <= limit:
            return failure
        cut = pb.TaskFailureDetails(
            errorType=failure.errorType[:FAILURE_CHARACTERS],
            errorMessage=f"{failure.errorMessage[:FAILURE_CHARACTERS]} [cut: the details were {size:,} "
            f"bytes; at most {limit:,} are allowed]",
            isNonRetriable=failure.isNonRetriable,
        )
        if failure.HasField("stackTrace"):
            cut.stackTrace.value = failure.stackTrace.value[:FAILURE_CHARACTERS]
        return cut

    def check_payload(self, what: str, payload: str | None) -> None:
        """Raise `Refusal` when `payload` is over the limit."""
        excess = self.excess(what, payload)
        if excess is not None:
            raise invalid(excess)


AZURE_LIMITS = Limits(payload_bytes=1024 * 1024, instance_id_characters=100)
NO_LIMITS = Limits(payload_bytes=None, instance_id_characters=None)
