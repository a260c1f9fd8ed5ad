"""What a decoder is, and how far it may go to make data fit its type."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any


class Fit(enum.IntEnum):
    """How much a decoder may do. Outside unions decoders get LOOSE."""

    EXACT = 0
    """Nothing: the JSON type is the type's own, and the keys are exactly those of the class."""
    KNOWN = 1
    """Defaults for missing keys; an int as a float."""
    LOOSE = 2
    """Ignore unknown keys; read `"5"` as int, `5` as str, `5.0` as int."""


Decoder = Callable[[Any, Fit], Any]
"""Turns JSON data into a value of one type, or raises Misfit; returns values of that type as they are."""


def as_is(value: Any, _: Fit) -> Any:
    """The decoder of types that say nothing about JSON."""
    return value
