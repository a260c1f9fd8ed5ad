"""The converter at work, and classes of every kind that travel as payloads."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, TypedDict

from durakit.serialization import JsonDataConverter
from hypothesis import HealthCheck, settings

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine is no failure."""

CONVERTER = JsonDataConverter()
serialize, deserialize, coerce = CONVERTER.serialize, CONVERTER.deserialize, CONVERTER.coerce


def round_trip(value: Any, target: Any = None) -> Any:
    return deserialize(serialize(value), target)


class Order:
    def __init__(self, Cost: float, Product: str = "MyProduct", Quantity: int = 1) -> None:
        self.Cost = Cost
        self.Product = Product
        self.Quantity = Quantity

    def total(self) -> float:
        return self.Cost * self.Quantity


@dataclass(slots=True)
class Point:
    x: int
    y: int = 0


@dataclass
class Tree:
    value: int
    children: list[Tree] = field(default_factory=list)


@dataclass
class Price:
    amount: int

    def __post_init__(self) -> None:
        if self.amount < 0:
            raise ValueError("amount must not be negative")


class Pair(NamedTuple):
    at: date
    point: Point | None = None


class Movie(TypedDict, total=False):
    title: str
    released: date


class Hooked:
    def __init__(self, celsius: float) -> None:
        self.celsius = celsius

    def to_json(self) -> dict[str, float]:
        return {"kelvin": self.celsius + 273}

    @classmethod
    def from_json(cls, data: dict[str, float]) -> Hooked:
        return cls(data["kelvin"] - 273)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"
