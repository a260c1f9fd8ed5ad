"""A bank in one SQLite file that also knows what is on sale: the services of a real saga in miniature.

Each operation is one transaction and has a key. A key that was seen before changes nothing and gets the same
answer, which is what lets callers repeat whatever they are not sure about.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOCK_TIMEOUT_SECONDS = 2.0
"""How long an operation waits for another one; then it fails, and may be tried again."""

SYNCHRONOUS = "FULL"
"""SQLite's word for: what is answered is on disk. Tests that cut no power do without."""

SCHEMA = """
BEGIN;
CREATE TABLE account (name TEXT PRIMARY KEY, cents INTEGER NOT NULL, CHECK (cents >= 0 OR name = 'opening'));
CREATE TABLE offer (
    code TEXT PRIMARY KEY, seller TEXT NOT NULL REFERENCES account, cents INTEGER NOT NULL,
    stock INTEGER NOT NULL, sold INTEGER NOT NULL DEFAULT 0, CHECK (sold BETWEEN 0 AND stock));
CREATE TABLE booking (
    key TEXT PRIMARY KEY, offer TEXT NOT NULL, customer TEXT NOT NULL, cents INTEGER NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE transfer (
    key TEXT PRIMARY KEY, payer TEXT NOT NULL REFERENCES account, payee TEXT NOT NULL REFERENCES account,
    cents INTEGER NOT NULL, CHECK (cents > 0));
INSERT INTO account VALUES ('opening', 0);
COMMIT;
"""


class BookingRefused(Exception):
    """A decision of the business, the same however often one asks; the message is for the customer."""


class BankMissing(Exception):
    """There is no bank in the file."""


class SoldOut(BookingRefused):
    """Nothing is left of the offer."""


class NotEnoughMoney(BookingRefused):
    """The customer cannot pay."""


@dataclass(frozen=True)
class Offer:
    """Something on sale; the price is in cents."""

    seller: str
    price: int
    left: int


def money(cents: int) -> str:
    """Return the amount as people write it: 1,234.50 EUR."""
    return f"{cents // 100:,}.{cents % 100:02} EUR"


class Bank:
    """The bank in a file. Every method opens a connection of its own, so any thread may call it."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    @classmethod
    def found(cls, path: str, customers: dict[str, int], offers: dict[str, Offer]) -> Bank:
        """Make a new bank: customers with the cents they pay in, and what is on sale."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).touch(exist_ok=False)
        bank = cls(path)
        with bank._connection() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(SCHEMA)
        with bank._transaction() as db:
            for name in {*customers, *(offer.seller for offer in offers.values())}:
                db.execute("INSERT INTO account VALUES (?, 0)", [name])
            for name, cents in customers.items():
                _transfer(db, f"opening:{name}", "opening", name, cents)
            for code, offer in offers.items():
                row = [code, offer.seller, offer.price, offer.left]
                db.execute("INSERT INTO offer (code, seller, cents, stock) VALUES (?, ?, ?, ?)", row)
        return bank

    def book(self, key: str, code: str, customer: str) -> int:
        """Reserve one of the offer and pay for it; return the price in cents.

        Raises BookingRefused when it is sold out, unknown, too dear, or was cancelled under this key.
        """
        with self._transaction() as db:
            done = db.execute("SELECT cents, cancelled FROM booking WHERE key = ?", [key]).fetchone()
            if done:
                if done["cancelled"]:
                    # An attempt that was believed lost arrives after its compensation.
                    raise BookingRefused(f"{code} was cancelled before it was booked")
                return int(done["cents"])
            offer = db.execute("SELECT * FROM offer WHERE code = ?", [code]).fetchone()
            if offer is None:
                raise BookingRefused(f"{code} is not on sale")
            if offer["sold"] == offer["stock"]:
                raise SoldOut(f"{code} is sold out")
            purse = db.execute("SELECT cents FROM account WHERE name = ?", [customer]).fetchone()
            if purse is None:
                raise BookingRefused(f"{customer} has no account")
            price = int(offer["cents"])
            if purse["cents"] < price:
                raise NotEnoughMoney(f"{code} costs {money(price)}, {customer} has {money(purse['cents'])}")
            db.execute("UPDATE offer SET sold = sold + 1 WHERE code = ?", [code])
            _transfer(db, key, customer, offer["seller"], price)
            db.execute("INSERT INTO booking VALUES (?, ?, ?, ?, 0)", [key, code, customer, price])
            return price

    def cancel(self, key: str, code: str, customer: str) -> int:
        """Undo the booking and return the cents paid back: 0 if it was never made, and it never will be."""
        with self._transaction() as db:
            done = db.execute("SELECT cents, cancelled FROM booking WHERE key = ?", [key]).fetchone()
            if done is None:
                # So that a late attempt at booking finds that it must not.
                db.execute("INSERT INTO booking VALUES (?, ?, ?, 0, 1)", [key, code, customer])
                return 0
            if not done["cancelled"]:
                seller = db.execute("SELECT seller FROM offer WHERE code = ?", [code]).fetchone()["seller"]
                _transfer(db, f"{key}:refund", seller, customer, done["cents"])
                db.execute("UPDATE offer SET sold = sold - 1 WHERE code = ?", [code])
                db.execute("UPDATE booking SET cancelled = 1 WHERE key = ?", [key])
            return int(done["cents"])

    def balances(self) -> dict[str, int]:
        """Return the cents on each account."""
        with self._connection() as db:
            return dict(db.execute("SELECT name, cents FROM account ORDER BY name").fetchall())

    def transfers(self) -> list[str]:
        """Return the keys of all transfers, oldest first."""
        with self._connection() as db:
            return [row["key"] for row in db.execute("SELECT key FROM transfer ORDER BY rowid")]

    def audit(self) -> list[str]:
        """Return what does not add up; nothing, if all is well."""
        problems = []
        with self._connection() as db:
            for row in db.execute(
                "SELECT name, account.cents AS says, coalesce(sum(CASE WHEN payee = name THEN transfer.cents "
                "ELSE -transfer.cents END), 0) AS moved FROM account "
                "LEFT JOIN transfer ON name IN (payer, payee) GROUP BY name HAVING says <> moved"
            ):
                problems.append(f"{row['name']} has {row['says']}, not {row['moved']}")
            if total := db.execute("SELECT sum(cents) FROM account").fetchone()[0]:
                problems.append(f"the accounts together have {total} cents instead of 0")
            for row in db.execute(
                "SELECT code, sold, (SELECT count(*) FROM booking WHERE offer = code AND NOT cancelled) "
                "AS kept FROM offer WHERE sold <> kept"
            ):
                problems.append(f"{row['code']}: {row['sold']} sold, {row['kept']} booked")
        return problems

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        if not self._path.is_file():
            raise BankMissing(f"there is no bank at {self._path} on this machine")
        db = sqlite3.connect(self._path, timeout=LOCK_TIMEOUT_SECONDS, isolation_level=None)
        try:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA foreign_keys = ON")
            db.execute(f"PRAGMA synchronous = {SYNCHRONOUS}")
            yield db
        finally:
            db.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; takes the write lock first, so that what was read stays true."""
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")


def _transfer(db: sqlite3.Connection, key: str, payer: str, payee: str, cents: int) -> None:
    db.execute("INSERT INTO transfer VALUES (?, ?, ?, ?)", [key, payer, payee, cents])
    db.execute("UPDATE account SET cents = cents - ? WHERE name = ?", [cents, payer])
    db.execute("UPDATE account SET cents = cents + ? WHERE name = ?", [cents, payee])
