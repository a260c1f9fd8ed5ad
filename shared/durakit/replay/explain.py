"""Explains what an orchestrator must not yield, await or return, and what to write instead."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any

from durakit.task import Task

_ASYNCIO_ADVICE = (
    "An orchestrator can only await durable tasks: use ctx.create_timer instead of asyncio.sleep, when_all "
    "or when_any instead of asyncio.gather, create_task and wait, and an activity for I/O."
)


def explain_yielded(name: str, routine: Any, value: Any) -> str:
    """Why `value`, which came out of the running `routine`, is not a task, and what to do."""
    is_async = isinstance(routine, Coroutine)
    verb = "awaited" if is_async else "yielded"
    what = (
        f"Orchestrator '{name}' {verb} {_described(value)} at {_position(routine)}; expected a durable task."
    )
    return f"{what} {_ASYNCIO_ADVICE if is_async else _advice(value)}"


def explain_returned(name: str, value: Any) -> str | None:
    """Why a returned value is a mistake, or None when it may be a result."""
    if isinstance(value, Task):
        how = "Yield or await it, and return what comes back."
    elif inspect.isawaitable(value) or inspect.isgenerator(value):
        how = "Use `await` on a coroutine, or `yield from` on a generator, and return what comes back."
    elif inspect.isasyncgen(value):
        how = "Use `async def` with `await`, or `def` with `yield`."
    else:
        return None
    return f"Orchestrator '{name}' returned {_described(value)}; expected a value. {how}"


def explain_foreign_loop(name: str, error: BaseException) -> str | None:
    """What to do when asyncio found no event loop inside an orchestrator; None for any other error."""
    if isinstance(error, RuntimeError) and "event loop" in str(error):
        return f"Orchestrator '{name}' used asyncio ({error}). {_ASYNCIO_ADVICE}"
    return None


def _described(value: Any) -> str:
    if value is None:
        return "None"
    kind = type(value)
    article = "an" if kind.__name__[0].lower() in "aeiou" else "a"
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    called = getattr(value, "__name__", None)
    return f"{article} {module}{kind.__qualname__}" + (f" ('{called}')" if isinstance(called, str) else "")


def _advice(value: Any) -> str:
    if value is None:
        return "A bare `yield` waits for nothing: yield what a method of the context returned."
    if isinstance(value, Generator):
        return "Use `yield from` to run a helper that yields tasks itself."
    if isinstance(value, Awaitable):
        return (
            "A generator orchestrator cannot await: make it `async def`, or move the work into an activity."
        )
    if isinstance(value, (list, tuple, set)):
        return "Use when_all or when_any to wait for several tasks."
    if callable(value):
        return "Pass the function to ctx.call_activity or ctx.call_sub_orchestrator; yield what that returns."
    return "Yield what ctx.call_activity, ctx.create_timer and the other methods of the context return."


def _position(routine: Any) -> str:
    """File and line where the innermost helper waits."""
    place = "an unknown line"
    while routine is not None:
        frame = getattr(routine, "cr_frame", None) or getattr(routine, "gi_frame", None)
        if frame is not None:
            place = f"line {frame.f_lineno} of {frame.f_code.co_filename}"
        routine = getattr(routine, "cr_await", None) or getattr(routine, "gi_yieldfrom", None)
    return place
