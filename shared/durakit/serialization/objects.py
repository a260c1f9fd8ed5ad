"""Classes with members, rebuilt from a JSON object.

A reader works out its class at the first use, not before: classes may refer to themselves and to later ones.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import operator
import types
import typing
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from durakit.serialization.encoding import slots_of
from durakit.serialization.fit import Decoder, Fit
from durakit.serialization.problems import Misfit, attribute_step, expected, keys_of

DecoderFor = Callable[[Any], Decoder]


def reader_of(kind: type[Any], decoder_for: DecoderFor) -> Decoder | None:
    """The reader of a class whose form is declared; None for other classes. The order is the precedence."""
    if callable(getattr(kind, "from_json", None)):
        return _by_hook(kind)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return NamedTupleReader(kind, decoder_for)
    if hasattr(kind, "__required_keys__"):
        return TypedDictReader(kind, decoder_for)
    if callable(getattr(kind, "model_validate", None)):
        return _by_pydantic(kind, kind.model_validate_json, kind.model_validate)
    if hasattr(kind, "__pydantic_validator__"):
        validator = kind.__pydantic_validator__
        return _by_pydantic(kind, validator.validate_json, validator.validate_python)
    if dataclasses.is_dataclass(kind) and typing.cast("Any", kind).__dataclass_params__.init:
        return DataclassReader(kind, decoder_for)
    return None


def plain_reader_of(kind: type[Any], decoder_for: DecoderFor) -> Decoder | None:
    """The reader of an ordinary class; None for those that cannot be rebuilt (built-in, abstract, errors)."""
    unfit = (
        inspect.isabstract(kind)
        or getattr(kind, "_is_protocol", False)
        or issubclass(kind, (type, BaseException))
    )
    if unfit or kind.__module__ in ("builtins", "collections.abc", "typing"):
        return None
    return PlainClassReader(kind, decoder_for)


def bindings_of(kind: type[Any], arguments: tuple[Any, ...], outer: Mapping[Any, Any]) -> dict[Any, Any]:
    """What the type variables of a generic class and of its bases stand for, given its arguments."""
    own = substituted(dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False)), outer)
    bindings: dict[Any, Any] = {}
    for base in getattr(kind, "__orig_bases__", ()):
        origin = typing.get_origin(base)
        if isinstance(origin, type) and origin is not typing.Generic:
            bindings.update(bindings_of(origin, typing.get_args(base), own))
    return {**bindings, **own}


def substituted(bindings: dict[Any, Any], outer: Mapping[Any, Any]) -> dict[Any, Any]:
    """The bindings with the type variables of `outer` replaced, so that none refers to another."""

    def closed(value: Any) -> Any:
        if isinstance(value, typing.TypeVar):
            return outer[value] if value in outer else bound_of(value)
        variables = getattr(value, "__parameters__", ()) if typing.get_origin(value) else ()
        return value[tuple(closed(each) for each in variables)] if variables else value

    return {name: closed(value) for name, value in bindings.items()}


def bound_of(variable: typing.TypeVar) -> Any:
    """What an unbound type variable says about its values."""
    if variable.__constraints__:
        return functools.reduce(operator.or_, variable.__constraints__)
    return variable.__bound__ or Any


class _Reader:
    """What all readers share: the class, its annotations, and how one member is read."""

    def __init__(self, kind: type[Any], decoder_for: DecoderFor) -> None:
        self.kind = kind
        self._decoder_for = decoder_for
        self._decoders: dict[str, Decoder] = {}

    @cached_property
    def hints(self) -> dict[str, Any]:
        return _hints_of(self.kind, self.kind)

    def member(self, name: str, value: Any, fit: Fit) -> Any:
        try:
            decoder = self._decoders.get(name)
            if decoder is None:
                decoder = self._decoders[name] = self._decoder_for(self._hint(name))
            return decoder(value, fit)
        except Misfit as misfit:
            raise misfit.under(attribute_step(name)) from misfit.__cause__

    def _hint(self, name: str) -> Any:
        hint = self.hints.get(name, Any)
        if isinstance(hint, _Unresolved):
            raise Misfit(
                f"the annotation {hint.text!r} of {self.kind.__name__}.{name} means nothing ({hint.error}); "
                "import or define it at module level, not only for type checkers"
            )
        return hint

    def require_object(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise expected(self.kind.__name__, value)
        return value

    def missing(self, names: list[str], value: dict[str, Any]) -> Misfit:
        wanted = ", ".join(map(repr, names))
        verb = "is" if len(names) == 1 else "are"
        return Misfit(
            f"{self.kind.__name__} needs {wanted}, which {verb} missing from an object with {keys_of(value)}"
        )

    def check_keys(self, value: dict[str, Any], names: frozenset[str], fit: Fit) -> None:
        """In a union the member wins whose keys these are; see Fit."""
        if (fit is Fit.EXACT and value.keys() != names) or (fit is Fit.KNOWN and not value.keys() <= names):
            raise expected(self.kind.__name__, value)


class DataclassReader(_Reader):
    """Builds a dataclass by its constructor; fields that are `init=False` are set afterwards."""

    @cached_property
    def _fields(self) -> tuple[dataclasses.Field[Any], ...]:
        return dataclasses.fields(self.kind)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(field.name for field in self._fields)

    def __call__(self, value: Any, fit: Fit) -> Any:
        if isinstance(value, self.kind):
            return value
        value = self.require_object(value)
        self.check_keys(value, self._names, fit)
        arguments: dict[str, Any] = {}
        later: dict[str, Any] = {}
        missing: list[str] = []
        for field in self._fields:
            name = field.name
            if name not in value:
                if field.init and field.default is field.default_factory is dataclasses.MISSING:
                    missing.append(name)
                continue
            none_by_default = value[name] is None and field.default is None
            into = arguments if field.init else later
            into[name] = None if none_by_default else self.member(name, value[name], fit)
        if missing:
            raise self.missing(missing, value)
        instance = _constructed(self.kind, (), arguments)
        for name, each in later.items():
            object.__setattr__(instance, name, each)
        return instance


class NamedTupleReader(_Reader):
    """Builds a named tuple from an object by names, or from a list by position as `durabletask` writes it."""

    def __call__(self, value: Any, fit: Fit) -> Any:
        kind: Any = self.kind
        if isinstance(value, kind):
            return value
        if isinstance(value, (list, tuple)) and len(value) <= len(kind._fields):
            value = dict(zip(kind._fields, value, strict=False))
        value = self.require_object(value)
        self.check_keys(value, frozenset(kind._fields), fit)
        missing = [name for name in kind._fields if name not in value and name not in kind._field_defaults]
        if missing:
            raise self.missing(missing, value)
        defaults = kind._field_defaults
        arguments = {
            name: None
            if value[name] is None and defaults.get(name, ...) is None
            else self.member(name, value[name], fit)
            for name in kind._fields
            if name in value
        }
        return _constructed(kind, (), arguments)


class TypedDictReader(_Reader):
    """Reads the declared keys by their types and keeps the others."""

    def __call__(self, value: Any, fit: Fit) -> Any:
        kind: Any = self.kind
        value = self.require_object(value)
        missing = sorted(name for name in kind.__required_keys__ if name not in value)
        if missing:
            raise self.missing(missing, value)
        if fit < Fit.LOOSE and not value.keys() <= self.hints.keys():
            raise expected(kind.__name__, value)
        return {
            name: self.member(name, each, fit) if name in self.hints else each for name, each in value.items()
        }


class PlainClassReader(_Reader):
    """Rebuilds an ordinary class.

    1. If every required parameter of `__init__` is among the keys (`owner`, or as attribute `_owner`), it is
       called with them, annotated parameters by their type. The other keys become attributes, except where
       the class has a method or property of that name.
    2. If a required parameter is missing that `__init__` keeps under its own name, the data is incomplete: an
       error. (`__init__` is not run for that; its code names the attributes it sets.)
    3. Otherwise the class derives its attributes: they are restored as they were, without `__init__`.

    So `__init__` should accept what its attributes hold; where it does not, add `to_json` and `from_json`.
    """

    @cached_property
    def _parameters(self) -> list[inspect.Parameter]:
        try:
            return list(inspect.signature(self.kind).parameters.values())
        except (TypeError, ValueError):
            return []

    @cached_property
    def _slots(self) -> frozenset[str]:
        return frozenset(slots_of(self.kind))

    @cached_property
    def hints(self) -> dict[str, Any]:
        init: Any = self.kind.__init__
        own = _hints_of(init, self.kind) if isinstance(init, types.FunctionType) else {}
        return {**_hints_of(self.kind, self.kind), **own}

    def __call__(self, value: Any, fit: Fit) -> Any:
        if isinstance(value, self.kind):
            return value
        value = self.require_object(value)
        sources = {each.name: self._source(each.name, value) for each in self._parameters if _is_named(each)}
        if fit < Fit.LOOSE and not value.keys() <= {*sources, *self.hints}:
            raise expected(self.kind.__name__, value)
        required = {each.name for each in self._parameters if _is_named(each) and each.default is each.empty}
        missing = [name for name in sources if name in required and sources[name] is None]
        kept = [name for name in missing if self._keeps(name)]
        if kept:
            raise self.missing(kept, value)
        return self._restored(value, fit) if missing else self._initialised(value, sources, fit)

    def _initialised(self, value: dict[str, Any], sources: dict[str, str | None], fit: Fit) -> Any:
        positional: list[Any] = []
        named: dict[str, Any] = {}
        rest = {name: each for name, each in value.items() if name not in sources.values()}
        for parameter in self._parameters:
            source = sources.get(parameter.name)
            if parameter.kind is parameter.VAR_KEYWORD:
                named.update((name, each) for name, each in rest.items() if not name.startswith("_"))
            if source is None:
                continue
            none_by_default = value[source] is None and parameter.default is None
            argument = None if none_by_default else self.member(parameter.name, value[source], fit)
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(argument)
            else:
                named[parameter.name] = argument
        instance = _constructed(self.kind, tuple(positional), named)
        self._set(instance, {name: each for name, each in rest.items() if name not in named}, fit)
        return instance

    def _restored(self, value: dict[str, Any], fit: Fit) -> Any:
        try:
            instance = object.__new__(self.kind)
        except TypeError as error:
            advice = "give the class to_json() and from_json()"
            raise Misfit(
                f"cannot rebuild {self.kind.__name__} without __init__ ({error}); {advice}"
            ) from error
        self._set(instance, value, fit)
        return instance

    def _set(self, instance: Any, members: dict[str, Any], fit: Fit) -> None:
        for name, each in members.items():
            if self._is_attribute(name):
                object.__setattr__(instance, name, self.member(name, each, fit))

    def _is_attribute(self, name: str) -> bool:
        """Whether data may set it: never special names, methods or properties, whatever the payload says."""
        if name in self._slots:
            return True
        of_class = inspect.getattr_static(self.kind, name, None)
        special = name.startswith("__") and name.endswith("__")
        return self.kind.__dictoffset__ != 0 and not special and not hasattr(of_class, "__get__")

    def _spellings(self, name: str) -> tuple[str, str, str]:
        """How __init__ may keep a parameter: public, protected, private."""
        return name, f"_{name}", f"_{self.kind.__name__.lstrip('_')}__{name}"

    def _source(self, name: str, value: dict[str, Any]) -> str | None:
        return next((each for each in self._spellings(name) if each in value), None)

    def _keeps(self, name: str) -> bool:
        code = getattr(inspect.getattr_static(self.kind, "__init__"), "__code__", None)
        return code is not None and not {*self._spellings(name)}.isdisjoint(code.co_names)


def _by_hook(kind: Any) -> Decoder:
    def decode(value: Any, _: Fit) -> Any:
        if isinstance(value, kind):
            return value
        try:
            return kind.from_json(value)
        except Exception as error:
            raise Misfit(f"{kind.__name__}.from_json failed: {type(error).__name__}: {error}") from error

    return decode


def _by_pydantic(
    kind: type[Any], validate_json: Callable[[str], Any], validate: Callable[[Any], Any]
) -> Decoder:
    """Validates in JSON mode, so that strict models accept text for dates; what is no JSON, as it is."""

    def decode(value: Any, _: Fit) -> Any:
        if isinstance(value, kind):
            return value
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            text = None
        try:
            return validate(value) if text is None else validate_json(text)
        except Exception as error:
            raise Misfit(f"{kind.__name__} refused these values: {error}") from error

    return decode


def _is_named(parameter: inspect.Parameter) -> bool:
    return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)


def _constructed(kind: type[Any], positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
    try:
        return kind(*positional, **named)
    except Exception as error:
        raise Misfit(f"{kind.__name__} refused these values: {type(error).__name__}: {error}") from error


@dataclasses.dataclass(frozen=True)
class _Unresolved:
    """An annotation that names something unknown; an error only when its member is read."""

    text: str
    error: str


def _hints_of(owner: Any, kind: type[Any]) -> dict[str, Any]:
    """The annotations of a class or its `__init__` as types."""
    own_name = {kind.__name__: kind}
    try:
        return typing.get_type_hints(owner, localns=own_name)
    except Exception:
        pass  # one bad annotation spoils all: resolve them one by one
    hints: dict[str, Any] = {}
    for each in reversed(owner.__mro__) if isinstance(owner, type) else (owner,):
        for name, annotation in getattr(each, "__annotations__", {}).items():
            probe = type("probe", (), {"__annotations__": {name: annotation}, "__module__": each.__module__})
            try:
                hints.update(typing.get_type_hints(probe, localns=own_name))
            except Exception as error:
                hints[name] = _Unresolved(str(annotation), str(error))
    return hints
