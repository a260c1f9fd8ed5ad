"""Classes travel as objects of their members: dataclasses, named tuples, typed dicts and plain classes."""

from __future__ import annotations

import json
import types
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Generic, Optional, TypeVar

import pytest

from .payloads import Hooked, Movie, Pair, Point, Tree, deserialize, round_trip, serialize

T = TypeVar("T")


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


@dataclass
class Counted:
    name: str
    calls: int = field(default=0, init=False)


@dataclass
class Note:
    text: str = None  # type: ignore[assignment]  # as many programs write it


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
    assert deserialize('{"text": null}', Note) == Note(None)  # type: ignore[arg-type]  # likewise


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
    cart.coupon = "x"  # type: ignore[attr-defined]  # what is tested

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
