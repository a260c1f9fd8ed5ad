"""What can go wrong between a Python value and its JSON text, and how it is told.

Walks raise `Misfit` at the spot; every level above adds its step, so a path costs nothing until it is needed.
Users meet `SerializationError` and `DeserializationError`, which name the place and what to do.
"""

from __future__ import annotations

import re
from typing import Any

from durakit.errors import DurakitError

_LONGEST_EXCERPT = 60
"""Characters of a value shown in an error."""


class SerializationError(DurakitError, TypeError):
    """A value cannot become JSON. `path` says where in the value, from `$`, the value itself."""

    def __init__(self, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class DeserializationError(DurakitError, ValueError):
    """A payload is not JSON, or does not fit its type. `path` says where, from `$`, the whole payload."""

    def __init__(self, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class Misfit(Exception):
    """A problem at one spot of a value; internal, becomes one of the public errors."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = "$"

    def under(self, step: str) -> Misfit:
        """The same problem, seen from one level up: `step` is `.name` or `[index]`."""
        self.path = "$" + step + self.path[1:]
        return self


SerializationError.__module__ = DeserializationError.__module__ = "durakit.serialization"


def expected(what: str, got: Any) -> Misfit:
    return Misfit(f"expected {what}, got {describe(got)}")


def attribute_step(name: str) -> str:
    """How a path goes on to a member of an object: `.name`, or `['odd name']` when it is no identifier."""
    return f".{name}" if name.isidentifier() else f"[{name!r}]"


def describe(value: Any) -> str:
    """A JSON value in a few words, for a person."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"bool {'true' if value else 'false'}"
    if isinstance(value, dict):
        return f"an object with {keys_of(value)}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return f"{type(value).__name__} {_excerpt(repr(value))}"


def keys_of(value: dict[str, Any]) -> str:
    return "the keys " + _excerpt(", ".join(map(repr, value))) if value else "no keys"


def type_name(target: Any) -> str:
    """A type as its user wrote it, without modules: `list[Order]`, `int | None`."""
    if isinstance(target, type) and not hasattr(target, "__args__"):
        return "None" if target is type(None) else target.__name__
    return re.sub(r"(?:[A-Za-z_]\w*\.|<locals>\.)+(?=\w)", "", str(target)).replace("NoneType", "None")


def _excerpt(text: str) -> str:
    return text if len(text) <= _LONGEST_EXCERPT else text[: _LONGEST_EXCERPT - 1] + "…"
