"""Drives one orchestrator function: a generator, a coroutine, or a plain function that returns at once.

It hands over outcomes of tasks and takes the next task to wait for; anything else is
explained.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

from durakit.replay.explain import explain_foreign_loop, explain_returned, explain_yielded
from durakit.task import OrchestrationContext, Task

if TYPE_CHECKING:
    from durakit.registry import OrchestratorEntry
    from durakit.replay.execution import Execution

_logger = logging.getLogger(__name__)

# How often a routine that goes on waiting while it is closed is told again.
_CLOSE_ATTEMPTS = 100


class Driver:
    """The function of one execution. `awaiting` is the task it waits for, None when it runs or is done."""

    __slots__ = ("_execution", "_routine", "awaiting")

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._routine: Generator[Any, Any, Any] | Coroutine[Any, Any, Any] | None = None
        self.awaiting: Task[Any] | None = None

    def start(self, entry: OrchestratorEntry, context: OrchestrationContext, value: Any) -> None:
        """Calls the function and runs it up to its first incomplete task, or to its end."""
        try:
            outcome = entry.fn(context, value) if entry.takes_input else entry.fn(context)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._fail(error)
            return
        if isinstance(outcome, (Generator, Coroutine)):
            self._routine = outcome
            self._run(None, None)
        else:
            self._complete(outcome)

    def resume(self) -> None:
        """Hands over the outcome of the task that was awaited, and runs on."""
        task = self.awaiting
        assert task is not None
        self.awaiting = None
        self._run(task._result, task._error)

    def close(self) -> None:
        """Ends the function wherever it waits. Its `finally` blocks run; what they raise is only logged."""
        routine, self._routine = self._routine, None
        self.awaiting = None
        if routine is None:
            return
        for _ in range(_CLOSE_ATTEMPTS):
            try:
                routine.close()
                return
            except RuntimeError as error:
                # It waits for something in spite of being closed, or this is an error of its own.
                if "ignored GeneratorExit" not in str(error):
                    self._log_close_error()
                    return
            except KeyboardInterrupt:
                raise
            except BaseException:
                self._log_close_error()
                return
        _logger.warning(
            "Orchestrator '%s' of instance '%s' went on waiting %d times while it was closed; "
            "let GeneratorExit pass instead of catching BaseException in a loop.",
            self._execution.name,
            self._execution.instance_id,
            _CLOSE_ATTEMPTS,
        )

    def _run(self, result: Any, error: BaseException | None) -> None:
        routine = self._routine
        assert routine is not None
        try:
            while True:
                task = routine.send(result) if error is None else routine.throw(error.with_traceback(None))
                if not isinstance(task, Task):
                    self._refuse(task)
                    return
                if self._execution.continuation is not None:
                    self._execution.continue_as_new()
                    return
                if not task._complete:
                    self.awaiting = task
                    return
                result, error = task._result, task._error
        except StopIteration as end:
            self._routine = None
            self._complete(end.value)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:
            self._routine = None
            self._fail(raised)

    def _complete(self, value: Any) -> None:
        execution = self._execution
        explanation = explain_returned(execution.name, value)
        if explanation is not None:
            execution.fail(TypeError(explanation))
        elif execution.continuation is not None:
            execution.continue_as_new()
        else:
            execution.complete(value)

    def _fail(self, error: BaseException) -> None:
        explanation = explain_foreign_loop(self._execution.name, error)
        if explanation is not None:
            explained = RuntimeError(explanation)
            explained.__cause__ = error
            error = explained
        self._execution.fail(error)

    def _refuse(self, value: Any) -> None:
        routine = self._routine
        assert routine is not None
        self._execution.fail(TypeError(explain_yielded(self._execution.name, routine, value)))

    def _log_close_error(self) -> None:
        _logger.debug(
            "Orchestrator '%s' of instance '%s' raised while it was closed",
            self._execution.name,
            self._execution.instance_id,
            exc_info=True,
        )
