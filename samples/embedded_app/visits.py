"""The files of an import: visits as branches send them, the same visits under pseudonyms, and their sum.

An address becomes a pseudonym by a hash that is slow on purpose and has a key: nobody can try all addresses
in the world, and who deletes the key has made the pseudonyms anonymous.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

COLUMNS = ["time", "email", "amount"]
SAFE_COLUMNS = ["customer", "time", "amount"]
TABLE_COLUMNS = ["customer", "visits", "branches", "amount"]

SLOW = 2**14
"""The cost of scrypt: some 16 MiB and 50 ms for each address."""


class VisitsError(Exception):
    """The import cannot go on; the message is for the person who started it."""


def rows_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and values of each row; raise VisitsError if this is no file of visits."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise VisitsError(f"{path} is not text in UTF-8") from None
    except OSError as error:
        raise VisitsError(f"{path} cannot be read: {error.strerror}") from None
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if header != COLUMNS:
        raise VisitsError(f"{path} begins with {','.join(header)!r}; expected {','.join(COLUMNS)!r}")
    for values in reader:
        if values:
            yield reader.line_num, values


def row_problem(values: list[str]) -> str | None:
    """Return what is wrong with a row, without naming anybody, or None."""
    if len(values) != len(COLUMNS):
        return f"{len(values)} values where {len(COLUMNS)} belong"
    time, email, amount = values
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", time):
        return f"{time} is no time as in 18:30"
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        return "no e-mail address"
    if not re.fullmatch(r"\d{1,6}\.\d\d", amount):
        return f"{amount} is no amount as in 12.50"
    return None


class Pseudonyms:
    """Gives the same address the same pseudonym, tonight and every other night."""

    def __init__(self, key: bytes, cost: int) -> None:
        self._key = key
        self._cost = cost
        self._known: dict[str, str] = {}

    def of(self, email: str) -> str:
        """Return the pseudonym of an address; upper and lower case are the same."""
        address = email.lower()
        if address not in self._known:
            digest = hashlib.scrypt(address.encode(), salt=self._key, n=self._cost, r=8, p=1, dklen=10)
            self._known[address] = digest.hex()
        return self._known[address]


def key_in(folder: Path) -> bytes:
    """Return the key of this folder's pseudonyms; the first who asks makes it."""
    path = folder / "visits.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch, "key")
            made.write_bytes(secrets.token_bytes(32))
            # Unlike a rename, a link never replaces what somebody else made in the meantime.
            with contextlib.suppress(FileExistsError):
                os.link(made, path)
    return path.read_bytes()


def write_table(path: Path, columns: list[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file that is either absent or complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    unfinished.replace(path)


class Customers:
    """What is known of all customers together."""

    def __init__(self) -> None:
        self._visits: dict[str, int] = {}
        self._branches: dict[str, set[str]] = {}
        self._amounts: dict[str, Decimal] = {}

    def add_branch(self, path: Path) -> None:
        """Count in a file with pseudonyms; its name is the branch's."""
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                who = row["customer"]
                self._visits[who] = self._visits.get(who, 0) + 1
                self._branches.setdefault(who, set()).add(path.stem)
                self._amounts[who] = self._amounts.get(who, Decimal(0)) + Decimal(row["amount"])

    @property
    def count(self) -> int:
        return len(self._visits)

    @property
    def visits(self) -> int:
        return sum(self._visits.values())

    @property
    def in_several_branches(self) -> int:
        return sum(len(branches) > 1 for branches in self._branches.values())

    @property
    def amount(self) -> Decimal:
        return sum(self._amounts.values(), Decimal(0))

    def rows(self) -> Iterator[Sequence[object]]:
        """Yield a row for each customer, in an order that says nothing about them."""
        for who in sorted(self._visits):
            yield who, self._visits[who], " ".join(sorted(self._branches[who])), self._amounts[who]
