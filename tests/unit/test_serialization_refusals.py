"""What cannot travel, or does not fit its annotation, is refused with its place, its type and what to do."""

from __future__ import annotations

import asyncio
import functools
import json
import pickle
import threading
import uuid
from collections.abc import Iterator
from dataclasses import InitVar, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict

import pytest
from durakit.errors import DurakitError
from durakit.serialization import DeserializationError, SerializationError

from .payloads import Color, Point, Price, Tree, deserialize, serialize

if TYPE_CHECKING:
    from somewhere_else import Unknown  # type: ignore[import-not-found]


class Order:
    def __init__(self, cost: float) -> None:
        self.cost = cost


class Hooked:
    @classmethod
    def from_json(cls, data: dict[str, float]) -> float:
        return data["kelvin"]


class Pair(NamedTuple):
    at: date


class Movie(TypedDict, total=False):
    released: date


@dataclass
class Step:
    handlers: list[dict[str, Any]]


@dataclass
class Basket:
    owner: str
    items: list[str]


@dataclass
class NeedsMore:
    text: str
    seed: InitVar[int]


@dataclass
class Unresolved:
    known: int
    other: Unknown = None


# ---- what cannot be written


def a_function() -> None: ...


def a_generator() -> Iterator[int]:
    yield 1


async def a_coroutine() -> None: ...


CODE = "code cannot travel: pass its name, or call it and pass the result"
DATA = "pass plain data, a dataclass or a pydantic model, or give the class to_json() and from_json()"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (a_function, f"cannot serialise a function; {CODE}"),
        (functools.partial(a_function), f"cannot serialise a partial; {CODE}"),
        (Point, f"cannot serialise a type; {CODE}"),
        (a_generator(), "cannot serialise a generator; pass list(...) of it"),
        (ValueError("x"), "cannot serialise a ValueError; raise it, or pass its text"),
        (threading.Lock(), f"cannot serialise a lock; {DATA}"),
        (object(), f"cannot serialise an object; {DATA}"),
        (1j, f"cannot serialise a complex; {DATA}"),
        (float("nan"), "cannot serialise nan, JSON has no such number; pass None or a text instead"),
        (float("-inf"), "cannot serialise -inf, JSON has no such number; pass None or a text instead"),
    ],
)
def test_what_cannot_travel_is_refused_by_type_place_and_what_to_do(value: Any, message: str) -> None:
    with pytest.raises(TypeError) as caught:
        serialize({"orders": [1, Step([{"the handler": value}])]})

    assert isinstance(caught.value, SerializationError)
    assert isinstance(caught.value, DurakitError)
    assert caught.value.path == "$.orders[1].handlers[0]['the handler']"
    assert str(caught.value).removeprefix(caught.value.path + ": ") == message


def test_a_result_that_was_not_awaited_is_refused() -> None:
    coroutine = a_coroutine()
    try:
        with pytest.raises(SerializationError) as caught:
            serialize(coroutine)
    finally:
        coroutine.close()

    assert (
        str(caught.value) == "$: cannot serialise a coroutine; await (or yield) it first and pass its result"
    )


def test_a_pending_future_is_refused() -> None:
    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(SerializationError, match="cannot serialise a Future; await"):
            serialize([loop.create_future()])
    finally:
        loop.close()


def test_keys_that_are_no_text_are_refused() -> None:
    with pytest.raises(SerializationError) as caught:
        serialize({"grid": {(1, 2): 3}})

    assert str(caught.value) == (
        "$.grid: cannot use a tuple as a key; JSON keys are text: use str, numbers, enums, UUIDs or dates "
        "as keys, or pass a list of pairs"
    )


def test_keys_that_become_the_same_text_are_refused() -> None:
    with pytest.raises(SerializationError) as caught:
        serialize({1: "a", "1": "b"})

    assert str(caught.value) == "$: two keys become the same text '1'; give them different texts"


def test_a_cycle_is_refused_with_its_place() -> None:
    tree = Tree(1)
    tree.children.append(tree)

    with pytest.raises(SerializationError) as caught:
        serialize(tree)

    assert str(caught.value) == (
        "$.children[0]: this value contains itself, which JSON cannot express; pass ids instead of references"
    )


def test_a_cycle_of_plain_lists_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)

    with pytest.raises(SerializationError, match=r"^\$\[0\]: this value contains itself"):
        serialize(loop)


def test_the_same_object_twice_is_no_cycle() -> None:
    point = Point(1)

    assert deserialize(serialize([point, point]), list[Point]) == [point, point]


def test_too_deep_a_value_is_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]

    with pytest.raises(SerializationError) as caught:
        serialize(value)

    assert str(caught.value) == "$: nested too deeply for JSON; flatten the value"
    with pytest.raises(DeserializationError):
        deserialize("[" * 100_000 + "]" * 100_000)


def test_a_failing_hook_is_named_with_its_cause() -> None:
    class Failing:
        def to_json(self) -> object:
            raise KeyError("x")

    with pytest.raises(SerializationError) as caught:
        serialize([Failing()])

    assert str(caught.value) == "$[0]: Failing.to_json failed: KeyError: 'x'"
    assert isinstance(caught.value.__cause__, KeyError)


# ---- what cannot be read


@pytest.mark.parametrize(
    ("text", "target", "path", "problem"),
    [
        ("[1]", Point, "$", "expected Point, got a list of 1"),
        ('"x"', Point | None, "$", "expected Point | None, got str 'x'"),
        ('{"y": 1}', Point, "$", "Point needs 'x', which is missing from an object with the keys 'y'"),
        ("{}", Basket, "$", "Basket needs 'owner', 'items', which are missing from an object with no keys"),
        (
            '{"value": 1, "children": [{"value": "a"}]}',
            Tree,
            "$.children[0].value",
            "expected int, got str 'a'",
        ),
        (
            '{"value": 1, "children": [{"v": 1}]}',
            Tree | None,
            "$.children[0]",
            "Tree needs 'value', which is missing",
        ),
        ('{"x": null}', Point, "$.x", "expected int, got null"),
        ('{"a": {"no name": "x"}}', dict[str, dict[str, int]], "$.a['no name']", "expected int, got str 'x'"),
        ('{"x": 1}', dict[int, int], "$.x", "expected int, got str 'x'"),
        ('{"up": 1}', dict[Color, int], "$.up", "expected a key out of 'red', 'blue', got 'up'"),
        ("[1, 2, 3]", tuple[int, int], "$", "expected a list of exactly 2, got a list of 3"),
        ('"abc"', list[str], "$", "expected list, got str 'abc'"),
        ("[[1]]", set[list[int]], "$", "set refused these values: TypeError: unhashable type: 'list'"),
        ("3", bool, "$", "expected bool, got int 3"),
        ("false", str, "$", "expected str, got bool false"),
        ('"x"', float, "$", "expected float, got str 'x'"),
        ("1.5", int, "$", "expected int, got float 1.5"),
        ('"green"', Color, "$", 'expected Color, one of "red", "blue", got str \'green\''),
        ('"b"', Literal["a", 1], "$", "expected one of 'a', 1, got str 'b'"),
        (
            '"soon"',
            datetime,
            "$",
            "expected datetime as text, got str 'soon': Invalid isoformat string: 'soon'",
        ),
        ('"P1Y"', timedelta, "$", "got str 'P1Y': not an ISO 8601 duration such as 'P1DT2H30M'"),
        ('"1,5"', Decimal, "$", "expected Decimal as text, got str '1,5': not a decimal number"),
        ('{"a": 1}', uuid.UUID, "$", "expected UUID as text, got an object with the keys 'a'"),
        ('{"amount": -1}', Price, "$", "Price refused these values: ValueError: amount must not be negative"),
        ('{"text": "a"}', NeedsMore, "$", "NeedsMore refused these values: TypeError: "),
        (
            '{"sku": "x"}',
            Order,
            "$",
            "Order needs 'cost', which is missing from an object with the keys 'sku'",
        ),
        ("5", Order, "$", "expected Order, got int 5"),
        ('{"celsius": 1}', Hooked, "$", "Hooked.from_json failed: KeyError: 'kelvin'"),
        ("{}", Pair, "$", "Pair needs 'at', which is missing from an object with no keys"),
        ('{"released": 5}', Movie, "$.released", "expected date as text, got int 5"),
        (
            '{"known": 1, "other": {}}',
            Unresolved,
            "$.other",
            "the annotation 'Unknown' of Unresolved.other means nothing (name 'Unknown' is not defined); "
            "import or define it at module level, not only for type checkers",
        ),
    ],
)
def test_a_misfit_is_told_by_type_place_expectation_and_value(
    text: str, target: Any, path: str, problem: str
) -> None:
    with pytest.raises(ValueError, match=r"^cannot read the payload as ") as caught:
        deserialize(text, target)

    assert isinstance(caught.value, DeserializationError)
    assert isinstance(caught.value, DurakitError)
    assert caught.value.path == path
    assert f": {path}: " in str(caught.value)
    assert problem in str(caught.value)


def test_a_misfit_reads_as_one_sentence_that_says_what_to_do() -> None:
    with pytest.raises(DeserializationError) as caught:
        deserialize('[{"x": 1}, [2]]', list[Point])

    assert str(caught.value) == (
        "cannot read the payload as list[Point]: $[1]: expected Point, got a list of 1; "
        "send data that fits the annotation, or correct the annotation"
    )


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(DeserializationError) as caught:
        deserialize(json.dumps("x" * 1000), int)

    assert len(str(caught.value)) < 200


def test_an_annotation_that_cannot_be_resolved_harms_only_its_own_member() -> None:
    assert deserialize('{"known": 1}', Unresolved) == Unresolved(1)


def test_errors_survive_pickling() -> None:
    for error in (SerializationError("m", "$.a"), DeserializationError("m", "$.a")):
        twin = pickle.loads(pickle.dumps(error))

        assert (type(twin), str(twin), twin.path) == (type(error), "m", "$.a")
