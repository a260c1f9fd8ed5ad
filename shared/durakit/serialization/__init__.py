"""Payloads: Python values in, JSON text out, and back by annotation.

`DataConverter` is what workers and clients ask; `JsonDataConverter` is the default.
The forms are in `encoding`, `decoding` (types in general) and `objects` (classes with members).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

from durakit.serialization.attribute_dict import AttributeDict
from durakit.serialization.decoding import decoder_for, is_rebuilt
from durakit.serialization.encoding import encode
from durakit.serialization.fit import Fit
from durakit.serialization.problems import DeserializationError, Misfit, SerializationError, type_name

__all__ = [
    "AttributeDict",
    "DataConverter",
    "DeserializationError",
    "JsonDataConverter",
    "SerializationError",
]

_AUTO_OBJECT = "__durabletask_autoobject__"
"""A key that `durabletask` before 1.5 added to objects; it is no data."""


class DataConverter(ABC):
    """Turns values of user code into payload texts and back."""

    @abstractmethod
    def serialize(self, value: Any) -> str | None:
        """The payload text; None means that no payload is sent, which readers see as None."""

    @abstractmethod
    def deserialize(self, data: str | None, target_type: Any = None) -> Any:
        """The value of a payload text, as `target_type` when one is given. An absent payload is None."""

    @abstractmethod
    def coerce(self, value: Any, target_type: Any = None) -> Any:
        """A value that is already deserialised, as `target_type` if it fits, else as it is."""

    def can_reconstruct(self, target_type: Any) -> bool:
        """Whether payloads of this type have to be rebuilt from JSON data, for which it must be known."""
        return False


class JsonDataConverter(DataConverter):
    """One JSON text per payload, as every Durable Task SDK writes and reads it.

    | Python | JSON | read back when annotated |
    |---|---|---|
    | None; absent, `""` and `null` | no payload; `null` inside a value | None |
    | dataclass, named tuple | object by field names | unknown keys are ignored |
    | TypedDict | object | unknown keys are kept |
    | pydantic model or dataclass | its JSON dump by alias, without computed fields | validated by pydantic |
    | class with `to_json` / `from_json` | what `to_json` returns | `from_json(data)` |
    | any other object | object by attributes | see `objects.PlainClassReader` |
    | enum | its value | by value |
    | datetime, date, time, timedelta | ISO 8601 text | same |
    | UUID, Decimal, path; bytes | text; base64 text | same |
    | list, tuple, deque; set | array; array sorted by text | same |
    | dict with keys text, number, enum, UUID, date | object | keys by annotation |

    Without annotation an object arrives as an `AttributeDict`. NaN and infinity, which are not JSON, are
    refused when writing and accepted when reading. In a union the member wins that fits without conversion,
    in the order of declaration (see `Fit`). An instance of a subclass arrives as the annotated class.
    """

    def serialize(self, value: Any) -> str | None:
        """JSON text with `json.dumps` spacing; None for None. Raises SerializationError (a TypeError)."""
        return None if value is None else encode(value)

    def deserialize(self, data: str | None, target_type: Any = None) -> Any:
        """The payload's value. Raises DeserializationError (a ValueError) if that cannot be had."""
        value = _parse(data) if data else None
        if value is None or target_type is None or target_type is type(None):
            return value
        try:
            return decoder_for(target_type)(value, Fit.LOOSE)
        except RecursionError:
            misfit = Misfit("nested too deeply")
        except Misfit as problem:
            misfit = problem
        raise DeserializationError(
            f"cannot read the payload as {type_name(target_type)}: {misfit.path}: {misfit.problem}; "
            "send data that fits the annotation, or correct the annotation",
            misfit.path,
        ) from misfit.__cause__

    def coerce(self, value: Any, target_type: Any = None) -> Any:
        """The value as `target_type`, or the value itself when it does not fit: best effort, never raises."""
        if value is None or target_type is None:
            return value
        try:
            return decoder_for(target_type)(value, Fit.LOOSE)
        except (Misfit, RecursionError):
            return value

    def can_reconstruct(self, target_type: Any) -> bool:
        """True for classes, enums, times and containers of them; False for what JSON data is already."""
        return is_rebuilt(target_type)


_decode = json.JSONDecoder(object_hook=AttributeDict).decode


def _parse(data: str) -> Any:
    try:
        if _AUTO_OBJECT in data:
            return json.loads(data, object_hook=_without_marker)
        return _decode(data)
    except (ValueError, RecursionError) as error:
        shown = data if len(data) <= 40 else data[:39] + "…"
        raise DeserializationError(
            f"the payload {shown!r} is not JSON ({error}); send JSON, in which a str stands in quotes"
        ) from error


def _without_marker(members: dict[str, Any]) -> AttributeDict:
    members.pop(_AUTO_OBJECT, None)
    return AttributeDict(members)
