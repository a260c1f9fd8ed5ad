"""The shop's books in an SQLite file: stock, cards, parcels and mails.

Every method may be called again for the same order and then changes nothing: what it did the first time is
recorded under the order's id.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from orders import Order

CATALOGUE = Path(__file__).resolve().parent / "data" / "shop.json"

SCHEMA = """
create table if not exists products (sku text primary key, name text, price text, stock integer);
create table if not exists cards (number text primary key, "limit" text);
create table if not exists countries (code text primary key);
create table if not exists reservations (
    order_id text, sku text, quantity integer, primary key (order_id, sku));
create table if not exists charges (order_id text primary key, card text, amount text);
create table if not exists parcels (order_id text primary key, country text, tracking text);
create table if not exists mails (order_id text primary key, address text, body text);
"""


class Refused(Exception):
    """The shop cannot do that for this order, now or later; the message says why."""


class Shop:
    """One shop; its file is made by `open_new`."""

    synchronous = "full"
    """Whether SQLite waits for the disk at each commit; tests, which fear no power cut, say `off`."""

    def __init__(self, path: str) -> None:
        self._path = path

    @classmethod
    def open_new(cls, path: Path) -> Shop:
        """Make a shop with what `data/shop.json` lists; an existing one stays as it is."""
        catalogue = json.loads(CATALOGUE.read_text("utf-8"))
        path.parent.mkdir(parents=True, exist_ok=True)
        shop = cls(str(path))
        with shop._books() as books:
            for statement in SCHEMA.split(";"):
                books.execute(statement)
            books.executemany(
                "insert or ignore into products values (:sku, :name, :price, :stock)", catalogue["products"]
            )
            books.executemany("insert or ignore into cards values (:number, :limit)", catalogue["cards"])
            codes = [(code,) for code in catalogue["countries"]]
            books.executemany("insert or ignore into countries values (?)", codes)
        return shop

    def reserve(self, order: Order) -> Decimal:
        """Take the order's items out of the stock and return their price; all of them or none."""
        with self._books() as books:
            books.execute("delete from reservations where order_id = ?", [order.id])
            total = Decimal(0)
            for item in order.items:
                row = books.execute(
                    "select name, price, stock - (select coalesce(sum(quantity), 0) from reservations r"
                    " where r.sku = p.sku) from products p where sku = ?",
                    [item.sku],
                ).fetchone()
                if row is None:
                    raise Refused(f"there is no product {item.sku}")
                name, price, left = row
                if left < item.quantity:
                    raise Refused(f"{item.quantity} × {name} wanted, {left} left")
                books.execute(
                    "insert into reservations values (?, ?, ?) on conflict do update"
                    " set quantity = quantity + excluded.quantity",
                    [order.id, item.sku, item.quantity],
                )
                total += Decimal(price) * item.quantity
        return total

    def charge(self, order: Order, amount: Decimal) -> None:
        """Take the money from the order's card."""
        with self._books() as books:
            row = books.execute('select "limit" from cards where number = ?', [order.card]).fetchone()
            if row is None:
                raise Refused(f"{order.card} is not a valid card")
            others = books.execute(
                "select amount from charges where card = ? and order_id <> ?", [order.card, order.id]
            )
            left = Decimal(row[0]) - sum(Decimal(other) for (other,) in others)
            if amount > left:
                raise Refused(f"{amount} is over what {order.card} may spend, {left}")
            books.execute(
                "insert or ignore into charges values (?, ?, ?)", [order.id, order.card, str(amount)]
            )

    def ship(self, order: Order) -> str:
        """Hand the order to the carrier and return the parcel's number."""
        with self._books() as books:
            if not books.execute("select 1 from countries where code = ?", [order.country]).fetchone():
                raise Refused(f"the carrier does not serve {order.country or 'an unnamed country'}")
            tracking = f"{order.country}-{order.id}"
            books.execute(
                "insert or ignore into parcels values (?, ?, ?)", [order.id, order.country, tracking]
            )
        return tracking

    def notify(self, order: Order, tracking: str) -> None:
        """Put a mail to the customer into the outbox."""
        if "@" not in order.email:
            raise Refused("no e-mail address; the parcel is on its way all the same")
        body = f"Dear {order.customer}, your order {order.id} is on its way: {tracking}"
        with self._books() as books:
            books.execute("insert or ignore into mails values (?, ?, ?)", [order.id, order.email, body])

    def cancel(self, order: Order) -> None:
        """Put back what was reserved, pay back what was charged, and keep a parcel that has not left."""
        with self._books() as books:
            for table in ("reservations", "charges", "parcels"):
                books.execute(f"delete from {table} where order_id = ?", [order.id])

    @contextmanager
    def _books(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which nobody sees half of; others wait for it."""
        books = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            books.execute(f"pragma synchronous = {self.synchronous}")
            books.execute("begin immediate")
            try:
                yield books
            except BaseException:
                books.execute("rollback")
                raise
            books.execute("commit")
        finally:
            books.close()
