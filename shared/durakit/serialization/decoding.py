"""JSON data in, values of an annotated type out. Classes with members are in `objects`.

A class is turned into a decoder once. Unions are tried in three rounds of `Fit`, each in the order of
declaration, so that a member which fits as it is wins over one that needs a conversion or drops keys.
"""

from __future__ import annotations

import collections
import enum
import functools
import inspect
import re
import types
import typing
from collections import abc
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from durakit.serialization import objects
from durakit.serialization.attribute_dict import AttributeDict
from durakit.serialization.encoding import encode, is_serialisable, key_text
from durakit.serialization.fit import Decoder, Fit, as_is
from durakit.serialization.problems import Misfit, attribute_step, describe, expected, type_name
from durakit.serialization.text_forms import value_from

Bindings = Mapping[Any, Any]
"""What the type variables of a generic class stand for."""


_WRAPPERS = ("Annotated", "Required", "NotRequired", "ReadOnly", "Final", "ClassVar")
_NO_BINDINGS: Bindings = {}


def decoder_for(target: Any, bindings: Bindings = _NO_BINDINGS) -> Decoder:
    """The decoder of a type; `as_is` for those that say nothing about JSON (Any, Protocol, Callable)."""
    if type(target) is type:  # the common case; aliases and classes with a metaclass take the long way
        return _class_decoder(target)
    target = _unwrapped(target, bindings)
    origin = get_origin(target)
    if origin is None:
        return _alias(target, bindings) or (_class_decoder(target) if isinstance(target, type) else as_is)
    if origin is Union or origin is types.UnionType:
        return _union(target, bindings)
    if origin is Literal:
        return _literal(target)
    if isinstance(origin, type):
        return _generic(origin, get_args(target), bindings)
    named = dict(zip(getattr(origin, "__type_params__", ()), get_args(target), strict=False))
    return _alias(origin, {**bindings, **objects.substituted(named, bindings)}) or as_is


def is_rebuilt(target: Any) -> bool:
    """Whether a decoder makes something else of JSON data than `json.loads` does."""
    target = _unwrapped(target, _NO_BINDINGS)
    arguments = [each for each in get_args(target) if each is not Ellipsis]
    origin = get_origin(target)
    if origin in (Union, types.UnionType, list, *_LISTS):
        return any(map(is_rebuilt, arguments))
    if origin in (dict, *_DICTS):
        return bool(arguments) and (arguments[0] is not str or is_rebuilt(arguments[1]))
    return decoder_for(target) not in _JSON_DECODERS


def _unwrapped(target: Any, bindings: Bindings) -> Any:
    """The type below wrappers and type variables."""
    while True:
        if isinstance(target, TypeVar):
            target = bindings[target] if target in bindings else objects.bound_of(target)
        elif hasattr(target, "__supertype__"):  # NewType
            target = target.__supertype__
        elif hasattr(target, "__metadata__"):  # Annotated
            target = target.__origin__
        elif getattr(get_origin(target), "_name", None) in _WRAPPERS:
            target = get_args(target)[0]
        else:
            return type(None) if target is None else target


def _alias(target: Any, bindings: Bindings) -> Decoder | None:
    """The decoder of `type X = ...` (Python 3.12), worked out when it is used, for X may contain itself."""
    if type(target).__name__ != "TypeAliasType":
        return None
    resolve = functools.cache(lambda: decoder_for(target.__value__, bindings))
    return lambda value, fit: resolve()(value, fit)


@functools.lru_cache(maxsize=2048)
def _class_decoder(kind: Any) -> Decoder:
    if kind in _SCALARS:
        return _SCALARS[kind]
    read = value_from(kind)
    if read is not None:
        return _text(kind, read)
    if issubclass(kind, enum.Enum):
        return _enum(kind)
    if issubclass(kind, types.SimpleNamespace):
        return lambda value, fit: value if isinstance(value, kind) else kind(**_dict(value, fit))
    return _generic(kind, (), _NO_BINDINGS)


def _generic(kind: type[Any], arguments: tuple[Any, ...], bindings: Bindings) -> Decoder:
    """The decoder of a collection or of a class with members, type arguments or not."""
    own = {**bindings, **objects.bindings_of(kind, arguments, bindings)}
    decoder_of = functools.partial(decoder_for, bindings=own)
    by_members = objects.reader_of(kind, decoder_of)
    if by_members is not None:
        return by_members
    container = _container(kind, arguments, own)
    if container is not None:
        return container
    if issubclass(kind, (str, int, float)):
        return _subclass(kind)
    return objects.plain_reader_of(kind, decoder_of) or as_is


# ---- JSON's own types


def _null(value: Any, _: Fit) -> None:
    if value is not None:
        raise expected("null", value)


def _bool(value: Any, _: Fit) -> bool:
    if isinstance(value, bool):
        return value
    raise expected("bool", value)


def _int(value: Any, fit: Fit) -> int:
    if type(value) is int:
        return value
    if fit is Fit.LOOSE:
        if isinstance(value, int):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,4000}", value, re.ASCII):
            return int(value)
    raise expected("int", value)


def _float(value: Any, fit: Fit) -> float:
    if isinstance(value, float):
        return value
    wanted = (type(value) is int and fit >= Fit.KNOWN) or (
        isinstance(value, (bool, str)) and fit is Fit.LOOSE
    )
    try:
        if wanted:
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise expected("float", value)


def _str(value: Any, fit: Fit) -> str:
    if isinstance(value, str):
        return value
    if type(value) is int and fit is Fit.LOOSE:
        return str(value)
    raise expected("str", value)


def _list(value: Any, _: Fit) -> list[Any]:
    if isinstance(value, list):
        return value
    raise expected("list", value)


def _dict(value: Any, _: Fit) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise expected("dict", value)


_SCALARS: dict[type[Any], Decoder] = {
    type(None): _null,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    list: _list,
    dict: _dict,
    object: as_is,
    inspect.Parameter.empty: as_is,
}
_JSON_DECODERS = frozenset(_SCALARS.values())


def _subclass(kind: type[Any]) -> Decoder:
    base = next(each for each in (str, int, float) if issubclass(kind, each))
    return lambda value, fit: value if isinstance(value, kind) else kind(_SCALARS[base](value, fit))


# ---- values that travel as text or by value


def _text(kind: type[Any], read: Callable[[str], Any]) -> Decoder:
    any_text_fits = issubclass(kind, (PurePath, bytes, bytearray, memoryview))

    def decode(value: Any, fit: Fit) -> Any:
        if isinstance(value, kind):
            return value
        if any_text_fits and fit is not Fit.LOOSE:
            raise expected(type_name(kind), value)  # so that `bytes | str` reads text as str
        if type(value) in (int, float) and issubclass(kind, Decimal):
            value = str(value)  # another SDK's number
        if not isinstance(value, str):
            raise expected(f"{type_name(kind)} as text", value)
        try:
            return read(value)
        except (ValueError, OverflowError) as error:
            raise Misfit(f"expected {type_name(kind)} as text, got {describe(value)}: {error}") from None

    return decode


def _enum(kind: type[enum.Enum]) -> Decoder:
    members = {encode(member.value): member for member in kind if is_serialisable(member.value)}

    def decode(value: Any, _: Fit) -> Any:
        if isinstance(value, kind):
            return value
        try:
            return members.get(encode(value)) or kind(value)  # the call is for flags and `_missing_`
        except (ValueError, TypeError):
            raise expected(f"{type_name(kind)}, one of {', '.join(members)}", value) from None

    return decode


def _literal(target: Any) -> Decoder:
    choices = get_args(target)

    def decode(value: Any, _: Fit) -> Any:
        for choice in choices:
            wire = choice.value if isinstance(choice, enum.Enum) else choice
            if value is choice or (type(value) is type(wire) and value == wire):
                return choice
        raise expected("one of " + ", ".join(map(repr, choices)), value)

    return decode


# ---- unions


def _union(target: Any, bindings: Bindings) -> Decoder:
    members = [decoder_for(each, bindings) for each in get_args(target)]
    name = type_name(target)

    def decode(value: Any, fit: Fit) -> Any:
        misfits: list[Misfit] = []
        for round_ in Fit:
            if round_ > fit:
                break
            misfits.clear()
            for member in members:
                try:
                    return member(value, round_)
                except Misfit as misfit:
                    misfits.append(misfit)
        raise _most_telling(misfits) or expected(name, value)

    return decode


def _most_telling(misfits: list[Misfit]) -> Misfit | None:
    """The one problem inside a member, if only one member got so far as to look inside."""
    inner = [each for each in misfits if each.path != "$" or not each.problem.startswith("expected ")]
    return inner[0] if len(inner) == 1 else None


# ---- containers

_LISTS: tuple[type[Any], ...] = (
    abc.Sequence,
    abc.MutableSequence,
    abc.Collection,
    abc.Iterable,
    abc.Iterator,
    abc.Reversible,
)
_SETS: tuple[type[Any], ...] = (abc.Set, abc.MutableSet)
_DICTS: tuple[type[Any], ...] = (abc.Mapping, abc.MutableMapping)


def _container(kind: type[Any], arguments: tuple[Any, ...], bindings: Bindings) -> Decoder | None:
    """The decoder of a collection, abstract ones as list, set and dict; None for any other class."""
    if kind in _LISTS:
        kind = list
    elif kind in _SETS:
        kind = set
    elif kind in _DICTS:
        kind = dict
    members = [each if each is Ellipsis else decoder_for(each, bindings) for each in arguments]
    if issubclass(kind, tuple):
        return _tuple(kind, arguments, members)
    if issubclass(kind, (list, set, frozenset, collections.deque, collections.UserList)):
        return _items(kind, typing.cast("Decoder", members[0]) if members else as_is)
    if issubclass(kind, (dict, collections.UserDict)):
        if issubclass(kind, collections.Counter) and members:
            members.append(_int)
        read_key = _key_reader(arguments[0], bindings) if arguments else as_is
        return _entries(kind, read_key, typing.cast("Decoder", members[1]) if members else as_is)
    return None


def _items(kind: type[Any], item: Decoder) -> Decoder:
    def decode(value: Any, fit: Fit) -> Any:
        if not isinstance(value, (list, tuple, set, frozenset, collections.deque)):
            raise expected(kind.__name__, value)
        return _built(kind, _decoded(value, (item for _ in value), fit))

    return decode


def _tuple(kind: type[Any], arguments: tuple[Any, ...], members: list[Any]) -> Decoder:
    if not arguments:
        return _items(kind, as_is)
    if len(members) == 2 and members[1] is Ellipsis:
        return _items(kind, members[0])
    if arguments == ((),):  # tuple[()] on Python 3.10
        members = []

    def decode(value: Any, fit: Fit) -> Any:
        if not isinstance(value, (list, tuple)) or len(value) != len(members):
            raise expected(f"a list of exactly {len(members)}", value)
        return _built(kind, _decoded(value, members, fit))

    return decode


def _decoded(value: Iterable[Any], members: Iterable[Decoder], fit: Fit) -> list[Any]:
    result: list[Any] = []
    for item, member in zip(value, members, strict=True):
        try:
            result.append(member(item, fit))
        except Misfit as misfit:
            raise misfit.under(f"[{len(result)}]") from misfit.__cause__
    return result


def _entries(kind: type[Any], read_key: Decoder, member: Decoder) -> Decoder:
    def decode(value: Any, fit: Fit) -> Any:
        if not isinstance(value, dict):
            raise expected("dict", value)
        entries: dict[Any, Any] = {}
        for key, each in value.items():
            try:
                entries[read_key(key, Fit.LOOSE)] = member(each, fit)
            except Misfit as misfit:
                raise misfit.under(attribute_step(key)) from misfit.__cause__
        if kind is dict or kind is AttributeDict:
            return entries
        result = _built(kind, ())
        result.update(entries)
        return result

    return decode


def _key_reader(target: Any, bindings: Bindings) -> Decoder:
    """Keys are text on the wire: enums and bool are found by the text they are written as."""
    kind = _unwrapped(target, bindings)
    choices: dict[str, Any] = {}
    if kind is bool:
        choices = {"true": True, "false": False}
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        choices = {key_text(member): member for member in kind}
    elif kind is not None and not isinstance(kind, type):
        return decoder_for(kind, bindings)
    elif kind in (None, type(None)):
        choices = {"null": None}
    if not choices:
        return decoder_for(kind, bindings)

    def decode(key: Any, _: Fit) -> Any:
        if key in choices:
            return choices[key]
        raise Misfit(f"expected a key out of {', '.join(map(repr, choices))}, got {key!r}")

    return decode


def _built(kind: type[Any], items: Any) -> Any:
    if type(items) is kind:
        return items
    try:
        return kind(items)
    except Exception as error:
        raise Misfit(f"{kind.__name__} refused these values: {type(error).__name__}: {error}") from error
