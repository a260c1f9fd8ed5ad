"""How Python values travel: one JSON text per payload, rebuilt by annotation (semantics.md 3.16)."""

from __future__ import annotations

import collections
import copy
import enum
import json
import os
import pathlib
import pickle
import subprocess
import sys
import types
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
)

import pytest
from durakit.serialization import (
    AttributeDict,
    DataConverter,
    DeserializationError,
    JsonDataConverter,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

CONVERTER = JsonDataConverter()
serialize, deserialize, coerce = CONVERTER.serialize, CONVERTER.deserialize, CONVERTER.coerce
T = TypeVar("T")


def round_trip(value: Any, target: Any = None) -> Any:
    return deserialize(serialize(value), target)


# ---- the payload text


@pytest.mark.parametrize(
    "value", [0, 0.0, "", False, [], {}, "x", 5, -1.5, True, [1, None], {"a": [1, None]}]
)
def test_json_values_travel_as_json_dumps_writes_them_falsy_ones_too(value: object) -> None:
    assert serialize(value) == json.dumps(value)
    assert round_trip(value) == value


def test_none_sends_no_payload() -> None:
    assert serialize(None) is None


@pytest.mark.parametrize("absent", [None, "", "null"])
@pytest.mark.parametrize("target", [None, int, str, list, dict])
def test_absent_empty_and_null_all_read_as_none(absent: str | None, target: Any) -> None:
    assert deserialize(absent, target) is None


def test_a_str_is_quoted_and_non_ascii_is_escaped_as_other_sdks_do() -> None:
    assert serialize("é") == '"\\u00e9"'


def test_a_payload_that_is_no_json_is_refused_with_its_beginning() -> None:
    with pytest.raises(DeserializationError) as caught:
        deserialize("hello " * 20)

    assert str(caught.value) == (
        "the payload 'hello hello hello hello hello hello hel…' is not JSON "
        "(Expecting value: line 1 column 1 (char 0)); send JSON, in which a str stands in quotes"
    )
    assert isinstance(caught.value.__cause__, json.JSONDecodeError)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@UNTIMED
@given(json_values)
def test_any_json_value_is_written_like_json_dumps_and_read_back_equal(value: object) -> None:
    assert serialize(value) == (None if value is None else json.dumps(value))
    assert round_trip(value) == value


# ---- the three programs of the field's introduction


class Order:
    def __init__(self, Cost: float, Product: str = "MyProduct", Quantity: int = 1) -> None:
        self.Cost = Cost
        self.Product = Product
        self.Quantity = Quantity

    def total(self) -> float:
        return self.Cost * self.Quantity


def test_the_activity_chain_passes_texts() -> None:
    assert [round_trip(f"Hello {name}!", str) for name in ("Tokyo", "Seattle")] == [
        "Hello Tokyo!",
        "Hello Seattle!",
    ]


def test_the_fan_out_passes_lists_and_returns_a_summary() -> None:
    items = round_trip([f"item {n}" for n in range(3)], list[str])
    results = [round_trip(len(item), int) for item in items]

    summary = round_trip({"work_items": items, "results": results, "total": sum(results)})

    assert summary == {"work_items": ["item 0", "item 1", "item 2"], "results": [6, 6, 6], "total": 18}


def test_the_purchase_order_passes_a_plain_class() -> None:
    order = round_trip(Order(2000, "laptop", 3), Order)

    assert isinstance(order, Order)
    assert (order.Cost, order.Product, order.Quantity, order.total()) == (2000, "laptop", 3, 6000)


def test_without_annotation_the_purchase_order_still_answers_attribute_access() -> None:
    order = round_trip(Order(2000))

    assert order.Cost == 2000
    assert order == {"Cost": 2000, "Product": "MyProduct", "Quantity": 1}


def test_the_approval_event_is_a_named_tuple_read_by_name() -> None:
    approval_details = round_trip(collections.namedtuple("Approval", ["approver"])("Me"))

    assert f"Approved by '{approval_details.approver}'" == "Approved by 'Me'"


# ---- objects without annotation


def test_objects_nested_in_lists_answer_attribute_access() -> None:
    payload = deserialize('{"lines": [{"sku": "a", "maker": {"name": "m"}}]}')

    assert payload.lines[0].maker.name == "m"


def test_an_attribute_dict_says_which_keys_it_has() -> None:
    with pytest.raises(AttributeError) as caught:
        _ = deserialize('{"approver": "Me"}').aprover

    assert str(caught.value) == "the payload has no key 'aprover'; its keys: 'approver'"


def test_an_attribute_dict_can_be_changed_by_attribute_or_key() -> None:
    payload = deserialize('{"a": 1}')

    payload.b = 2
    payload["c"] = 3
    del payload.a

    assert payload == {"b": 2, "c": 3}
    with pytest.raises(AttributeError, match="the payload has no key 'a'"):
        del payload.a


def test_names_of_dict_methods_stay_methods_so_that_libraries_can_walk_the_payload() -> None:
    payload = deserialize('{"items": [1, 2], "copy": true}')

    assert payload["items"] == [1, 2]
    assert dict(payload.items()) == {"items": [1, 2], "copy": True}
    assert json.loads(json.dumps(payload)) == payload
    with pytest.raises(AttributeError) as caught:
        payload.items = []
    assert str(caught.value) == "'items' is a method of dict; write payload['items'] = ... instead"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, AttributeDict.copy])
def test_an_attribute_dict_survives_copying(duplicate: Any) -> None:
    payload = deserialize('{"a": {"b": 1}, "__deepcopy__": 5, "items": 1}')

    twin = duplicate(payload)

    assert type(twin) is AttributeDict
    assert twin == payload
    assert twin is not payload
    assert twin.a.b == 1


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_attribute_dict_survives_pickling(protocol: int) -> None:
    payload = deserialize('{"a": [{"b": 1}]}')

    assert pickle.loads(pickle.dumps(payload, protocol)).a[0].b == 1


def test_an_attribute_dict_lists_its_keys_for_completion() -> None:
    assert {"approver", "items"} <= set(dir(deserialize('{"approver": 1, "no name": 2}')))


def test_an_attribute_dict_travels_on_as_the_same_text() -> None:
    text = '{"a": [{"b": 1}], "c": {}}'

    assert serialize(deserialize(text)) == text


def test_the_marker_of_old_durabletask_versions_is_no_key() -> None:
    payload = deserialize('{"approver": "Me", "by": {"x": 1, "__durabletask_autoobject__": true}}')

    assert payload == {"approver": "Me", "by": {"x": 1}}
    assert payload.by.x == 1


# ---- dataclasses


@dataclass
class Item:
    sku: str
    price: Decimal
    tags: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Basket:
    owner: str
    items: list[Item]
    by_id: dict[uuid.UUID, Item] = field(default_factory=dict)
    first: Item | None = None
    when: Optional[datetime] = None  # noqa: UP045


@dataclass(slots=True)
class Point:
    x: int
    y: int = 0


@dataclass
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)


@dataclass
class Counted:
    name: str
    calls: int = field(default=0, init=False)


@dataclass
class Note:
    text: str = None  # type: ignore[assignment]  # as many programs write it


@dataclass
class Price:
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("amount must not be negative")


def test_a_dataclass_is_an_object_of_its_fields_that_any_sdk_reads() -> None:
    assert serialize(Point(1, 2)) == '{"x": 1, "y": 2}'


def test_nested_dataclasses_and_containers_round_trip_by_annotation() -> None:
    pen = Item("pen", Decimal("1.10"), {"blue", "cheap"})
    basket = Basket(
        owner="Ann",
        items=[pen, Item("ink", Decimal(7))],
        by_id={uuid.UUID(int=1): pen},
        first=pen,
        when=datetime(2026, 1, 2, 3, 4, 5, 6, timezone.utc),
    )

    assert round_trip(basket, Basket) == basket


@pytest.mark.parametrize(
    "target",
    [Point, Optional[Point], Point | None, Annotated[Point, "doc"], Point | int],  # noqa: UP045
)
def test_a_dataclass_is_found_behind_optional_union_and_annotated(target: Any) -> None:
    assert round_trip(Point(1, 2), target) == Point(1, 2)


def test_a_class_may_refer_to_itself() -> None:
    tree = Tree(1, [Tree(2), Tree(3, [Tree(4)])])

    assert round_trip(tree, Tree) == tree


def test_unknown_keys_are_ignored_and_missing_ones_take_their_default() -> None:
    assert deserialize('{"x": 1, "from_a_newer_version": true}', Point) == Point(1, 0)


def test_fields_that_the_constructor_does_not_take_keep_their_value() -> None:
    counted = Counted("a")
    counted.calls = 3

    assert round_trip(counted, Counted) == counted


def test_null_is_accepted_where_the_default_is_none() -> None:
    assert deserialize('{"text": null}', Note) == Note(None)  # type: ignore[arg-type]


@dataclass
class Box(Generic[T]):
    content: T
    more: list[T]


@dataclass
class Crate(Generic[T]):
    box: Box[list[T]]


class IntBox(Box[int]):
    pass


def test_generic_classes_read_their_type_arguments() -> None:
    assert round_trip(Box(Point(1), [Point(2)]), Box[Point]) == Box(Point(1), [Point(2)])
    assert round_trip(Crate(Box([Point(1)], [])), Crate[Point]) == Crate(Box([Point(1)], []))
    assert deserialize('{"content": "5", "more": ["6"]}', IntBox) == IntBox(5, [6])
    assert deserialize('{"content": {"x": 1}, "more": []}', Box).content.x == 1


# ---- other classes with members


class Pair(NamedTuple):
    at: date
    point: Point | None = None


class Movie(TypedDict, total=False):
    title: str
    released: date


class Account:
    """Keeps its parameter as a protected attribute, and one more."""

    def __init__(self, owner: Point) -> None:
        self._owner = owner
        self.balance = 0


class Report:
    """Derives all attributes from what it is given."""

    def __init__(self, rows: list[int], title: str) -> None:
        self.count = len(rows)
        self.heading = title.upper()


class Cart:
    def __init__(self) -> None:
        self.lines: list[int] = []

    def save(self) -> str:
        return "saved"

    @property
    def size(self) -> int:
        return len(self.lines)


class Slotted:
    __slots__ = ("__secret", "value")

    def __init__(self, value: date) -> None:
        self.value = value
        self.__secret = 7

    def secret(self) -> int:
        return self.__secret


class Hooked:
    def __init__(self, celsius: float) -> None:
        self.celsius = celsius

    def to_json(self) -> dict[str, float]:
        return {"kelvin": self.celsius + 273}

    @classmethod
    def from_json(cls, data: dict[str, float]) -> Hooked:
        return cls(data["kelvin"] - 273)


class Static:
    def __init__(self, value: int) -> None:
        self.value = value

    @staticmethod
    def to_json(static: Static) -> str:
        return str(static.value)

    @staticmethod
    def from_json(text: str) -> Static:
        return Static(int(text))


class Anything:
    def __init__(self, name: str, **extra: object) -> None:
        self.name = name
        self.__dict__.update(extra)


class Bag:
    limit: timedelta


def test_a_named_tuple_is_an_object_and_is_read_from_a_list_too() -> None:
    pair = Pair(date(2026, 1, 2), Point(1))

    assert serialize([pair]) == '[{"at": "2026-01-02", "point": {"x": 1, "y": 0}}]'
    assert round_trip(pair, Pair) == pair
    assert deserialize('["2026-01-02"]', Pair) == Pair(date(2026, 1, 2))


def test_a_typed_dict_reads_its_declared_keys_and_keeps_the_others() -> None:
    movie = deserialize('{"released": "1982-06-25", "rating": 8}', Movie)

    assert movie == {"released": date(1982, 6, 25), "rating": 8}


def test_a_plain_class_gets_its_parameters_by_type_also_from_protected_attributes() -> None:
    account = Account(Point(1, 2))
    account.balance = 5

    twin = round_trip(account, Account)

    assert vars(twin) == {"_owner": Point(1, 2), "balance": 5}


def test_a_plain_class_that_derives_its_attributes_is_restored_without_init() -> None:
    report = round_trip(Report([1, 2, 3], "sales"), Report)

    assert vars(report) == {"count": 3, "heading": "SALES"}


def test_attributes_added_later_travel_too() -> None:
    cart = Cart()
    cart.lines = [1]
    cart.coupon = "x"  # type: ignore[attr-defined]

    assert vars(round_trip(cart, Cart)) == {"lines": [1], "coupon": "x"}


def test_data_never_replaces_methods_properties_or_the_class_of_an_object() -> None:
    cart = deserialize('{"lines": [1], "save": "no", "size": 9, "__class__": "x", "__dict__": {}}', Cart)

    assert type(cart) is Cart
    assert (cart.save(), cart.size, vars(cart)) == ("saved", 1, {"lines": [1]})


def test_slots_travel_private_ones_too() -> None:
    slotted = Slotted(date(2026, 1, 1))

    assert json.loads(serialize(slotted) or "") == {"_Slotted__secret": 7, "value": "2026-01-01"}
    assert (round_trip(slotted, Slotted).value, round_trip(slotted, Slotted).secret()) == (
        date(2026, 1, 1),
        7,
    )


def test_to_json_and_from_json_win_over_attributes_as_methods_or_static() -> None:
    assert serialize([Hooked(0)]) == '[{"kelvin": 273}]'
    assert round_trip(Hooked(5), Hooked).celsius == 5
    assert round_trip(Static(5), Static).value == 5


def test_a_class_with_keyword_arguments_and_a_namespace_take_all_keys() -> None:
    assert vars(round_trip(Anything("a", x=1), Anything)) == {"name": "a", "x": 1}
    assert round_trip(types.SimpleNamespace(a=1, b=[2]), types.SimpleNamespace) == types.SimpleNamespace(
        a=1, b=[2]
    )


def test_annotations_in_the_class_body_type_the_attributes_of_a_class_without_init() -> None:
    bag = Bag()
    bag.limit = timedelta(hours=1)

    assert round_trip(bag, Bag).limit == timedelta(hours=1)


# ---- values without a JSON form


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


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


def test_a_converter_of_ones_own_needs_three_methods() -> None:
    class Upper(DataConverter):
        def serialize(self, value: Any) -> str | None:
            return str(value).upper()

        def deserialize(self, data: str | None, target_type: type | None = None) -> Any:
            return data

        def coerce(self, value: Any, target_type: type | None = None) -> Any:
            return value

    assert Upper().serialize("a") == "A"
    assert not Upper().can_reconstruct(Point)
    with pytest.raises(TypeError, match="abstract"):
        DataConverter()  # type: ignore[abstract]
