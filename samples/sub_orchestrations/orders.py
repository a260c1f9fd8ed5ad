"""Orders, and reading them from JSON that people or other programs wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MOST_ORDERS = 1000
"""In one batch; a payload of the scheduler may have 1 MiB."""

ORDER_FIELDS = {"id", "customer", "email", "country", "card", "items"}
ITEM_FIELDS = {"sku", "quantity"}


class OrdersError(ValueError):
    """The text is not a list of orders; the message says where and why."""


@dataclass(frozen=True)
class Item:
    sku: str
    quantity: int


@dataclass(frozen=True)
class Order:
    id: str
    customer: str
    email: str
    """May be empty; then nobody can be told."""
    country: str
    card: str
    items: list[Item]


def parse_orders(data: object) -> list[Order]:
    """Return the orders in decoded JSON; raise OrdersError."""
    if not isinstance(data, list) or not data:
        raise OrdersError("expected a list of orders")
    if len(data) > MOST_ORDERS:
        raise OrdersError(f"{len(data)} orders; a batch has at most {MOST_ORDERS}")
    orders = [parse_order(entry, f"order {number}") for number, entry in enumerate(data, 1)]
    seen: set[str] = set()
    for order in orders:
        if order.id in seen:
            raise OrdersError(f"there are two orders {order.id}")
        seen.add(order.id)
    return orders


def parse_order(entry: object, where: str) -> Order:
    fields = object_with(entry, ORDER_FIELDS, where)
    for name in sorted(ORDER_FIELDS - {"items"}):
        if not isinstance(fields[name], str):
            raise OrdersError(f"{where}: {name} is not a text")
    if not re.fullmatch(r"[A-Za-z0-9-]{1,40}", fields["id"]):
        raise OrdersError(f"{where}: id is not 1 to 40 letters, digits and hyphens")
    items = fields["items"]
    if not isinstance(items, list) or not items:
        raise OrdersError(f"{where}: items is not a list with at least one item")
    return Order(**{**fields, "items": [parse_item(item, f"{where}, items") for item in items]})


def parse_item(entry: object, where: str) -> Item:
    fields = object_with(entry, ITEM_FIELDS, where)
    if not isinstance(fields["sku"], str):
        raise OrdersError(f"{where}: sku is not a text")
    quantity = fields["quantity"]
    if type(quantity) is not int or not 1 <= quantity <= 1_000_000:
        raise OrdersError(f"{where}: quantity is not a whole number from 1 to 1000000")
    return Item(**fields)


def object_with(entry: object, names: set[str], where: str) -> dict[str, Any]:
    if not isinstance(entry, dict) or entry.keys() != names:
        raise OrdersError(f"{where}: expected an object with {', '.join(sorted(names))}")
    return entry
