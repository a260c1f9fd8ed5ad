"""Orders to try the sample on: as many as wanted, the same ones each time."""

from __future__ import annotations

from workflow import Order

PRODUCTS = ["TEA", "COFFEE", "COCOA", "HONEY"]
COUNTRIES = ["DE", "FR", "IT", "NL", "SE", "DK", "ES"]


def simulated_orders(count: int) -> list[Order]:
    """Return that many orders; one of 20 is from nowhere, one of 30 wants something that is not sold."""
    return [
        Order(
            id=number,
            product="PEPPER" if number % 30 == 13 else PRODUCTS[number % len(PRODUCTS)],
            quantity=1 + number % 9,
            country="XX" if number % 20 == 7 else COUNTRIES[number % len(COUNTRIES)],
        )
        for number in range(1, count + 1)
    ]
