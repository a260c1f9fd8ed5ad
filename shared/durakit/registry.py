"""The orchestrators and activities a worker offers, by name, checked when they are registered.

Also reads the annotations of their functions: which type an input, or a result, is converted to.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any

from durakit.task import get_name


@dataclass(frozen=True, slots=True)
class OrchestratorEntry:
    """A registered orchestrator."""

    name: str
    fn: Callable[..., Any]
    input_type: Any  # the annotation of its input, or None
    is_async: bool  # a coroutine function
    takes_input: bool  # called as fn(ctx, input), else as fn(ctx)


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """A registered activity."""

    name: str
    fn: Callable[..., Any]
    input_type: Any  # the annotation of its input, or None
    is_async: bool  # a coroutine function
    takes_input: bool  # called as fn(ctx, input), else as fn(ctx)


class Registry:
    """Names, matched exactly, to orchestrators and activities."""

    def __init__(self) -> None:
        self._orchestrators: dict[str, OrchestratorEntry] = {}
        self._activities: dict[str, ActivityEntry] = {}

    @property
    def orchestrator_names(self) -> list[str]:
        """The registered orchestrators, in the order of registration."""
        return list(self._orchestrators)

    @property
    def activity_names(self) -> list[str]:
        """The registered activities, in the order of registration."""
        return list(self._activities)

    def get_orchestrator(self, name: str) -> OrchestratorEntry | None:
        """The orchestrator of that name, if any."""
        return self._orchestrators.get(name)

    def get_activity(self, name: str) -> ActivityEntry | None:
        """The activity of that name, if any."""
        return self._activities.get(name)

    def add_orchestrator(self, fn: Callable[..., Any], name: str | None = None) -> str:
        """Registers a function, generator function or coroutine function; returns its name.

        Raises TypeError for what could not be called as fn(ctx) or fn(ctx, input), and ValueError for a
        missing, empty or taken name.
        """
        name = _checked_name("orchestrator", fn, name, self._orchestrators)
        takes_input = _takes_input("Orchestrator", "an OrchestrationContext", fn, name)
        self._orchestrators[name] = OrchestratorEntry(
            name, fn, input_type(fn), _is_coroutine_function(fn), takes_input
        )
        return name

    def add_activity(self, fn: Callable[..., Any], name: str | None = None) -> str:
        """Registers a function or coroutine function; returns its name. Raises as `add_orchestrator`."""
        name = _checked_name("activity", fn, name, self._activities)
        takes_input = _takes_input("Activity", "an ActivityContext", fn, name)
        if inspect.isgeneratorfunction(_body(fn)):
            raise TypeError(
                f"Activity '{name}' is a generator (it contains `yield`); expected an ordinary or async "
                "function that returns its result. Only orchestrators yield."
            )
        self._activities[name] = ActivityEntry(
            name, fn, input_type(fn), _is_coroutine_function(fn), takes_input
        )
        return name


def input_type(fn: Callable[..., Any]) -> Any:
    """The annotation of the second parameter, or None when there is none or it cannot be resolved."""
    parameters = _positional(fn)
    return _resolved(fn, parameters[1].annotation) if len(parameters) > 1 else None


@lru_cache(maxsize=4096)
def result_type(fn: Callable[..., Any]) -> Any:
    """The type of what an activity or orchestrator function returns in the end, or None when not known."""
    try:
        annotation = inspect.signature(fn).return_annotation
    except (TypeError, ValueError):
        return None
    resolved = _resolved(fn, annotation)
    arguments = typing.get_args(resolved)
    if inspect.isgeneratorfunction(_body(fn)) or typing.get_origin(resolved) is Generator:
        return _meaningful(arguments[2]) if len(arguments) == 3 else None
    if typing.get_origin(resolved) in (Awaitable, Coroutine):
        return _meaningful(arguments[-1])
    return resolved


def _checked_name(kind: str, fn: Callable[..., Any], name: str | None, taken: typing.Container[str]) -> str:
    if not callable(fn):
        raise TypeError(f"{fn!r} was given as an {kind}; expected a function.")
    if name is None:
        try:
            name = get_name(fn)
        except ValueError as error:
            raise ValueError(f"Cannot register an {kind} without a name: {error}") from None
    if not isinstance(name, str):
        raise TypeError(f"The name of an {kind} is {name!r}; expected text.")
    if not name.strip():
        raise ValueError(f"The name of an {kind} is empty; pass a name of at least one character.")
    if name in taken:
        raise ValueError(
            f"An {kind} named '{name}' is registered already; names are unique within a worker, "
            "so rename one of the two or register it once only."
        )
    return name


def _takes_input(kind: str, context: str, fn: Callable[..., Any], name: str) -> bool:
    if inspect.isasyncgenfunction(_body(fn)):
        raise TypeError(
            f"{kind} '{name}' is an async generator (`async def` with `yield`); "
            "use `async def` with `await`, or `def` with `yield` in an orchestrator."
        )
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return True  # a builtin that does not tell its parameters
    for arguments in (2, 1):
        try:
            signature.bind(*range(arguments))
        except TypeError:
            continue
        return arguments == 2
    raise TypeError(
        f"{kind} '{name}' has the signature {name}{signature}; it must be callable with {context} "
        "and an input, as in (ctx, input), or with the context alone, as in (ctx)."
    )


def _body(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind partials and callable objects, for questions about what kind it is."""
    while isinstance(fn, partial):
        fn = fn.func
    if inspect.isroutine(fn) or inspect.isclass(fn):
        return fn
    return type(fn).__call__


def _is_coroutine_function(fn: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(_body(fn))


def _positional(fn: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _resolved(fn: Callable[..., Any], annotation: Any) -> Any:
    """One annotation, resolved by itself: another one that cannot be must not hide it."""
    if annotation is inspect.Parameter.empty:
        return None
    names = getattr(inspect.unwrap(_body(fn)), "__globals__", {})
    try:
        hints = typing.get_type_hints(SimpleNamespace(__annotations__={"it": annotation}), names)
    except Exception:  # an annotation may hold any expression; one that fails is no annotation
        return None
    return _meaningful(hints["it"])


def _meaningful(annotation: Any) -> Any:
    return None if annotation in (Any, type(None), inspect.Parameter.empty) else annotation
