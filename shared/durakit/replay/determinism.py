"""Says precisely where code and history disagree (semantics 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from durakit.task import NonDeterminismError

if TYPE_CHECKING:
    from durakit.replay.execution import Execution
    from durakit.replay.steps import Step

_ADVICE = (
    "An orchestrator must make the same calls in the same order each time it is replayed: leave random "
    "values, clocks, environment and I/O to activities and the context. If the code was changed while "
    "instances were running, give the new code a version or a name of its own."
)


def disagree(execution: Execution, step_id: int, history: str, step: Step | None) -> None:
    """Raises NonDeterminismError: at `step_id` history has the call `history`, the code has `step`.

    Returns when that is no contradiction after all: the step was confirmed before, or the instance was
    rewound, which takes failed calls out of history and leaves what followed them.
    """
    if step is None and (step_id <= execution.settled_through_id or execution.was_rewound):
        return
    raise NonDeterminismError(
        f"Orchestrator '{execution.name}' of instance '{execution.instance_id}' is not deterministic: "
        f"its history has {history} with id {step_id}, but the code {_doing(execution, step)}. {_ADVICE}"
    )


def _doing(execution: Execution, step: Step | None) -> str:
    if step is not None:
        return f"now makes {step.describe()} with that id"
    if execution.is_finished:
        return "returned without any call of that id"
    return "makes no call of that id at this point"
