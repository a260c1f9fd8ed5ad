"""Steps: what user code asked for in one execution, numbered in order.

A step is first pending (an action, built only if its turn ends without a confirmation in history) and, if it
has an outcome, open until the completion event that names its id. Each event family has its own kind of step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from durakit.wire.messages import orchestration_pb2 as pb

if TYPE_CHECKING:
    from durakit.replay.execution import Execution
    from durakit.serialization import DataConverter

# Values that user code cannot change afterwards: these need no snapshot when replay may not need them.
_IMMUTABLE = frozenset({bool, int, float, str})


class Step:
    """One numbered call of user code."""

    __slots__ = ("id",)

    def __init__(self, step_id: int) -> None:
        self.id = step_id

    def describe(self) -> str:
        """The call as one would write it, for messages: `call_activity('charge')`."""
        raise NotImplementedError

    def build(self, converter: DataConverter) -> pb.OrchestratorAction:
        """The action that asks the scheduler for it."""
        raise NotImplementedError


class Unserialized:
    """A value that becomes text only if its action is sent."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


Payload = str | Unserialized | None


def payload(execution: Execution, value: Any) -> Payload:
    """A value as it is to be sent. Raises what the converter raises for one that cannot be serialised.

    It is serialised now, before user code can change it; on replay, where most actions were sent long ago,
    this is put off for values that cannot change.
    """
    if value is None:
        return None
    if execution.is_replaying and type(value) in _IMMUTABLE:
        return Unserialized(value)
    return execution.options.converter.serialize(value)


def text_of(sent: Payload, converter: DataConverter) -> str | None:
    """The text of a payload."""
    return converter.serialize(sent.value) if isinstance(sent, Unserialized) else sent
