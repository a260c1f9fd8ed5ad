"""What annotations rebuild: values that JSON has no form for, unions, literals, aliases."""

from __future__ import annotations

import collections
import enum
import os
import pathlib
import subprocess
import sys
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal, NewType, Protocol, TypeVar

import pytest
from durakit.serialization import AttributeDict
from hypothesis import given
from hypothesis import strategies as st

from .payloads import (
    CONVERTER,
    UNTIMED,
    Color,
    Hooked,
    Movie,
    Order,
    Pair,
    Point,
    Price,
    coerce,
    deserialize,
    round_trip,
    serialize,
)

# ---- values without a JSON form


class Level(enum.IntEnum):
    LOW = 0
    HIGH = 1


class Word(str, enum.Enum):
    YES = "yes"


class Corner(enum.Enum):
    ORIGIN = (0, 0)


class Access(enum.Flag):
    READ = 1
    WRITE = 2


SOME_VALUES: list[tuple[Any, Any, str]] = [
    (Color.RED, Color, '"red"'),
    (Level.LOW, Level, "0"),
    (Word.YES, Word, '"yes"'),
    (Corner.ORIGIN, Corner, "[0, 0]"),
    (Access.READ | Access.WRITE, Access, "3"),
    (datetime(2026, 1, 2, 3, 4, 5, 600000), datetime, '"2026-01-02T03:04:05.600000"'),  # noqa: DTZ001
    (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-5))), datetime, '"2026-01-02T00:00:00-05:00"'),
    (date(2026, 1, 2), date, '"2026-01-02"'),
    (time(3, 4, 5, 6, timezone.utc), time, '"03:04:05.000006+00:00"'),
    (timedelta(days=1, hours=2, seconds=3.5), timedelta, '"P1DT7203.5S"'),
    (timedelta(), timedelta, '"PT0S"'),
    (timedelta(microseconds=-1), timedelta, '"-PT0.000001S"'),
    (uuid.UUID(int=7), uuid.UUID, '"00000000-0000-0000-0000-000000000007"'),
    (Decimal("1.10"), Decimal, '"1.10"'),
    (b"\x00\xff", bytes, '"AP8="'),
    (bytearray(b"ab"), bytearray, '"YWI="'),
    (pathlib.PurePosixPath("a/b"), pathlib.PurePosixPath, '"a/b"'),
    ({3, 1, 2}, set[int], "[1, 2, 3]"),
    (frozenset({"b", "a"}), frozenset[str], '["a", "b"]'),
    ((1, "a"), tuple[int, str], '[1, "a"]'),
    ((1, 2, 3), tuple[int, ...], "[1, 2, 3]"),
    ((), tuple[()], "[]"),
    (collections.deque([1]), collections.deque[int], "[1]"),
    ({1: "a"}, dict[int, str], '{"1": "a"}'),
    ({True: 1, False: 2}, dict[bool, int], '{"true": 1, "false": 2}'),
    ({Level.HIGH: Color.RED}, dict[Level, Color], '{"1": "red"}'),
    ({date(2026, 1, 2): [Point(1)]}, dict[date, list[Point]], '{"2026-01-02": [{"x": 1, "y": 0}]}'),
    (collections.OrderedDict(a=1), collections.OrderedDict[str, int], '{"a": 1}'),
    (collections.Counter("aab"), collections.Counter[str], '{"a": 2, "b": 1}'),
]


@pytest.mark.parametrize(("value", "target", "text"), SOME_VALUES)
def test_values_without_a_json_form_travel_as_documented_and_round_trip(
    value: Any, target: Any, text: str
) -> None:
    assert serialize(value) == text
    assert deserialize(text, target) == value
    assert type(deserialize(text, target)) is type(value)


@UNTIMED
@given(st.timedeltas())
def test_every_timedelta_round_trips(value: timedelta) -> None:
    assert round_trip(value, timedelta) == value


@UNTIMED
@given(st.datetimes(timezones=st.none() | st.just(timezone.utc)), st.decimals(), st.binary())
def test_every_datetime_decimal_and_bytes_round_trips(when: datetime, number: Decimal, data: bytes) -> None:
    assert round_trip(when, datetime) == when
    assert str(round_trip(number, Decimal)) == str(number)
    assert round_trip(data, bytes) == data


@pytest.mark.parametrize("text", ['"2026-01-02T03:04:05.1234567Z"', '"2026-01-02T03:04:05.123456+00:00"'])
def test_times_of_other_sdks_are_read(text: str) -> None:
    assert deserialize(text, datetime) == datetime(2026, 1, 2, 3, 4, 5, 123456, timezone.utc)


def test_durations_of_other_sdks_are_read() -> None:
    assert deserialize('"P1W2DT3H4M5.5S"', timedelta) == timedelta(
        weeks=1, days=2, hours=3, minutes=4, seconds=5.5
    )


def test_a_number_of_another_sdk_is_read_as_decimal() -> None:
    assert deserialize("1.10", Decimal) == Decimal("1.1")


def test_a_set_is_the_same_text_in_every_process() -> None:
    program = "from durakit.serialization import JsonDataConverter as J; print(J().serialize(set('abcdef')))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }

    assert texts == {b'["a", "b", "c", "d", "e", "f"]\n'}


# ---- other annotations

Name = NewType("Name", str)
Bounded = TypeVar("Bounded", bound=Point)


@pytest.mark.parametrize(
    ("text", "target", "value"),
    [
        ("1", int | str, 1),
        ('"1"', int | str, "1"),
        ("1.0", int | float, 1.0),
        ("1", float | int, 1),
        ("true", int | bool, True),
        ("5", str | float, 5.0),
        ('"2026-01-02"', date | str, date(2026, 1, 2)),
        ('"tomorrow"', date | str, "tomorrow"),
        ('"abcd"', bytes | str, "abcd"),
        ('{"x": 1}', Point | dict[str, int], {"x": 1}),
        ('{"x": 1, "y": 2}', Price | Point, Point(1, 2)),
        ('{"amount": 2}', Point | Price, Price(2)),
        ('{"x": 1, "z": 2}', int | Point, Point(1)),
        ("null", list[int] | None, None),
        ("[null, 1]", list[int | None], [None, 1]),
        ('"a"', Literal["a", 1], "a"),
        ("1", Literal["a", 1], 1),
        ('"red"', Literal[Color.RED], Color.RED),
        ('"x"', Name, "x"),
        ('{"x": 1}', Bounded, Point(1)),
        ("[1]", Sequence[int], [1]),
        ("[1]", list, [1]),
        ("[1]", tuple, (1,)),
        ("[1]", set, {1}),
        ('{"a": 1}', Mapping[str, int], {"a": 1}),
        ('{"a": 1}', dict, AttributeDict(a=1)),
        ("[1]", Any, [1]),
        ("[1]", object, [1]),
        ("[1]", type(None), [1]),
        ("2000", float, 2000.0),
        ('"5"', int, 5),
        ("5", str, "5"),
        ("5.0", int, 5),
        ("true", int, True),
    ],
)
def test_annotations_of_every_kind_are_understood(text: str, target: Any, value: Any) -> None:
    assert deserialize(text, target) == value
    assert type(deserialize(text, target)) is type(value)


if sys.version_info >= (3, 12):  # the `type` statement

    def test_type_aliases_are_understood_recursive_and_generic_ones_too() -> None:
        namespace: dict[str, Any] = {}
        exec(
            "type Nested = int | list[Nested]\ntype Two[T] = tuple[T, T]",
            namespace,
        )

        assert deserialize("[1, [2, [3]]]", namespace["Nested"]) == [1, [2, [3]]]
        assert deserialize('["2026-01-02", "2026-01-03"]', namespace["Two"][date]) == (
            date(2026, 1, 2),
            date(2026, 1, 3),
        )
        assert CONVERTER.can_reconstruct(namespace["Nested"])


class Comparable(Protocol):
    def compare(self) -> int: ...


@pytest.mark.parametrize("target", ["Order", print, Callable[[int], str], Comparable])
def test_a_target_that_says_nothing_leaves_the_data_as_it_is(target: Any) -> None:
    assert deserialize("[1]", target) == [1]
    assert not CONVERTER.can_reconstruct(target)


# ---- coerce and can_reconstruct


def test_coerce_rebuilds_what_fits_and_returns_the_rest_as_it_is() -> None:
    data = [1]

    assert coerce({"x": 1}, Point) == Point(1)
    assert coerce(data, Point) is data
    assert coerce(data, None) is data
    assert coerce(None, Point) is None


def test_coerce_accepts_values_that_are_rebuilt_already() -> None:
    point = Point(1)

    assert coerce(point, Point) is point
    assert coerce([point, {"x": 2}], list[Point]) == [point, Point(2)]
    assert coerce({"when": date(2026, 1, 1)}, dict[str, date]) == {"when": date(2026, 1, 1)}


@pytest.mark.parametrize(
    "target",
    [int, str, float, bool, list, dict, None, Any, object, list[int], dict[str, Any], typing.Dict],  # noqa: UP006
)
def test_what_json_gives_already_needs_no_reconstruction(target: Any) -> None:
    assert not CONVERTER.can_reconstruct(target)


@pytest.mark.parametrize(
    "target",
    [
        Point,
        Pair,
        Movie,
        Order,
        Hooked,
        Color,
        datetime,
        bytes,
        tuple,
        set,
        list[Point],
        Point | None,
        dict[int, str],
    ],
)
def test_classes_and_containers_of_them_need_reconstruction(target: Any) -> None:
    assert CONVERTER.can_reconstruct(target)
