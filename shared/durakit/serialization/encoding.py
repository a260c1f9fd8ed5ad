"""Python value in, JSON text out.

Data that is JSON already goes to the C encoder after a cheap look at its types. Anything else is first
rewritten as plain data, class by class; `JsonDataConverter` documents the forms.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import types
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableSequence, Set, ValuesView
from enum import Enum
from typing import Any

from durakit.serialization.attribute_dict import AttributeDict
from durakit.serialization.problems import Misfit, SerializationError, attribute_step
from durakit.serialization.text_forms import text_of

_SCALARS = frozenset({str, int, float, bool, type(None)})

Ancestors = set[int]
"""ids of the objects that contain the one being written; meeting one again is a cycle."""
_Writer = Callable[[Any, Ancestors], Any]

_to_text = json.JSONEncoder(allow_nan=False, check_circular=False).encode


def encode(value: Any) -> str:
    """The value as one JSON text. SerializationError names the place and type of what cannot travel."""
    try:
        if _is_plain(value):
            return _to_text(value)
    except (ValueError, RecursionError):
        pass  # NaN, a cycle or too deep: the walk below finds the place
    try:
        return _to_text(plain(value, set()))
    except Misfit as misfit:
        raise SerializationError(f"{misfit.path}: {misfit.problem}", misfit.path) from misfit.__cause__
    except RecursionError:
        raise SerializationError("$: nested too deeply for JSON; flatten the value") from None
    except ValueError as error:  # an int of thousands of digits
        raise SerializationError(f"$: cannot serialise this value: {error}") from error


def is_serialisable(value: Any) -> bool:
    try:
        encode(value)
    except SerializationError:
        return False
    return True


def _is_plain(value: Any) -> bool:
    """Whether the C encoder's output is what we want: no named tuples, no keys but text, no objects."""
    kind = type(value)
    if kind is dict or kind is AttributeDict:
        for key, each in value.items():
            if type(key) is not str or (type(each) not in _SCALARS and not _is_plain(each)):
                return False
        return True
    if kind is list or kind is tuple:
        if _SCALARS.issuperset(map(type, value)):
            return True
        return all(type(each) in _SCALARS or _is_plain(each) for each in value)
    return kind in _SCALARS


def plain(value: Any, ancestors: Ancestors) -> Any:
    """The value rewritten with only dict, list, str, int, float, bool and None; raises Misfit."""
    kind: Any = type(value)
    if kind in _SCALARS and kind is not float:
        return value
    me = id(value)
    if me in ancestors:
        raise Misfit("this value contains itself, which JSON cannot express; pass ids instead of references")
    ancestors.add(me)
    try:
        return _writer_for(kind)(value, ancestors)
    finally:
        ancestors.discard(me)


def key_text(key: Any) -> str:
    """A dict key as the text it travels as, spelled as `json.dumps` does where that has a spelling."""
    if isinstance(key, Enum):
        return key_text(key.value)
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, (bool, int, float)):
        return _to_text(plain(key, set()))
    write = text_of(type(key))
    if write is None:
        raise Misfit(
            f"cannot use {_article(type(key))} as a key; JSON keys are text: use str, numbers, enums, UUIDs "
            "or dates as keys, or pass a list of pairs"
        )
    return write(key)


@functools.lru_cache(maxsize=2048)
def _writer_for(kind: type[Any]) -> _Writer:
    """How values of this exact class are written. The order is the precedence of the forms."""
    if issubclass(kind, Enum):
        return lambda value, ancestors: plain(value.value, ancestors)
    if callable(getattr(kind, "to_json", None)):
        return _write_by_hook
    if issubclass(kind, float):
        return _write_float
    if issubclass(kind, (str, int)):
        return lambda value, _: value
    write_text = text_of(kind)
    if write_text is not None:
        return lambda value, _: write_text(value)
    return _container_writer(kind) or _object_writer(kind) or _refuse


def _container_writer(kind: type[Any]) -> _Writer | None:
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return lambda value, ancestors: _write_members(zip(kind._fields, value, strict=True), ancestors)
    if issubclass(kind, Mapping):
        return _write_mapping
    if issubclass(kind, Set):
        return _write_set
    if issubclass(kind, (tuple, MutableSequence, ValuesView, range)):
        return _write_items
    return None


def _object_writer(kind: type[Any]) -> _Writer | None:
    if callable(getattr(kind, "model_dump", None)):
        return _write_model
    if hasattr(kind, "__pydantic_serializer__"):
        return _write_pydantic_dataclass
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
        return lambda value, ancestors: _write_members(
            ((name, getattr(value, name)) for name in names), ancestors
        )
    if not _holds_data(kind):
        return None
    return lambda value, ancestors: _write_members(_attributes(value), ancestors)


def _holds_data(kind: type[Any]) -> bool:
    """Whether the attributes are the whole content; not so for code, streams, errors and coming results."""
    refused = (type, BaseException, Awaitable, Iterator, io.IOBase, types.ModuleType, *_CODE)
    return not issubclass(kind, refused) and (slots_of(kind) != [] or kind.__dictoffset__ != 0)


_CODE = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.CodeType, functools.partial)


def slots_of(kind: type[Any]) -> list[str]:
    names: list[str] = []
    for base in reversed(kind.__mro__):
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            mangled = name.startswith("__") and not name.endswith("__")
            names.append(f"_{base.__name__.lstrip('_')}{name}" if mangled else name)
    return [name for name in names if name not in ("__dict__", "__weakref__")]


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    for name in slots_of(type(value)):
        if hasattr(value, name):
            yield name, getattr(value, name)
    yield from getattr(value, "__dict__", {}).items()


def _write_members(members: Any, ancestors: Ancestors) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in members:
        try:
            result[name] = plain(value, ancestors)
        except Misfit as misfit:
            raise misfit.under(attribute_step(name)) from misfit.__cause__
    return result


def _write_mapping(value: Mapping[Any, Any], ancestors: Ancestors) -> dict[str, Any]:
    members = [(key_text(key), each) for key, each in value.items()]
    names = [name for name, _ in members]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Misfit(f"two keys become the same text {twice!r}; give them different texts")
    return _write_members(members, ancestors)


def _write_items(value: Any, ancestors: Ancestors) -> list[Any]:
    result: list[Any] = []
    for index, each in enumerate(value):
        try:
            result.append(plain(each, ancestors))
        except Misfit as misfit:
            raise misfit.under(f"[{index}]") from misfit.__cause__
    return result


def _write_set(value: Set[Any], ancestors: Ancestors) -> list[Any]:
    """Sorted by text: the same set is the same payload in every process."""
    return sorted(_write_items(value, ancestors), key=_to_text)


def _write_float(value: float, _: Ancestors) -> float:
    if value - value != 0:
        raise Misfit(f"cannot serialise {float(value)}, JSON has no such number; pass None or a text instead")
    return value


def _write_by_hook(value: Any, ancestors: Ancestors) -> Any:
    kind = type(value)
    try:
        data = kind.to_json(value)  # also right when it is a static method
    except Exception as error:
        raise Misfit(f"{kind.__name__}.to_json failed: {type(error).__name__}: {error}") from error
    return plain(data, ancestors)


def _write_model(value: Any, ancestors: Ancestors) -> Any:
    try:
        data = value.model_dump(mode="json", by_alias=True, round_trip=True)
    except Exception as error:
        raise Misfit(f"{type(value).__name__}.model_dump failed: {type(error).__name__}: {error}") from error
    return plain(data, ancestors)


def _write_pydantic_dataclass(value: Any, ancestors: Ancestors) -> Any:
    serializer = type(value).__pydantic_serializer__
    try:
        data = serializer.to_python(value, mode="json", by_alias=True, round_trip=True)
    except Exception as error:
        raise Misfit(
            f"pydantic cannot dump {type(value).__name__}: {type(error).__name__}: {error}"
        ) from error
    return plain(data, ancestors)


def _refuse(value: Any, _: Ancestors) -> Any:
    raise Misfit(f"cannot serialise {_article(type(value))}; {_advice(value)}")


def _article(kind: type[Any]) -> str:
    return f"{'an' if kind.__name__[:1].lower() in 'aeiou' else 'a'} {kind.__name__}"


def _advice(value: Any) -> str:
    if isinstance(value, Awaitable):
        return "await (or yield) it first and pass its result"
    if isinstance(value, Iterator):
        return "pass list(...) of it"
    if isinstance(value, BaseException):
        return "raise it, or pass its text"
    if isinstance(value, (*_CODE, type)) or callable(value):
        return "code cannot travel: pass its name, or call it and pass the result"
    return "pass plain data, a dataclass or a pydantic model, or give the class to_json() and from_json()"
