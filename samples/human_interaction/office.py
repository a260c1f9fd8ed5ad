"""Where an order leaves traces: an outbox of letters as files, and a book of orders in SQLite.

Both take the same letter or order twice and keep it once, because an activity may run again after a crash.
"""

from __future__ import annotations

import re
import sqlite3
import uuid
from contextlib import closing
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

DOMAIN = "example.com"


@dataclass(frozen=True)
class Letter:
    """A mail about an order; `name` tells it from the other letters about the same order."""

    output: str
    order_id: str
    name: str
    to: str
    subject: str
    text: str


def put_into_outbox(letter: Letter) -> str:
    """Write the letter as a file that any mail program opens, and return its path."""
    mail = EmailMessage()
    # A line break in what people typed must not become another header.
    mail["Subject"] = " ".join(letter.subject.split())
    mail["From"] = f"desk@{DOMAIN}"
    mail["To"] = f"{re.sub(r'[^A-Za-z0-9]+', '.', letter.to).strip('.').lower() or 'someone'}@{DOMAIN}"
    mail["Message-ID"] = f"<{safe(letter.order_id)}.{letter.name}@{DOMAIN}>"
    mail.set_content(letter.text)
    target = Path(letter.output, "outbox", f"{safe(letter.order_id)}-{letter.name}.eml")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    draft.write_bytes(bytes(mail))
    draft.replace(target)  # nobody ever sees half a letter
    return str(target)


def enter_order(output: str, row: tuple[str, ...]) -> None:
    """Enter an order, unless it is in the book already."""
    Path(output).mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(Path(output, "orders.db"))) as book, book:
        book.execute(
            "CREATE TABLE IF NOT EXISTS orders"
            " (id TEXT PRIMARY KEY, what TEXT, cost TEXT, buyer TEXT, approver TEXT, approved_at TEXT)"
        )
        book.execute("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?, ?, ?)", row)


def safe(order_id: str) -> str:
    """Return the id as part of a file name; an id may hold characters that a file name may not."""
    return re.sub(r"[^\w.-]", "_", order_id)
