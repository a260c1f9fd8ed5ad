"""What both releases share: the data, and the activities, none of which has changed.

Activities have no version: whoever knows an activity's name may be asked to run it, also for an orchestration
of the other release. So one that must change gets a new name, and this file only ever grows.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from durakit.task import ActivityContext

PRICES = Path(__file__).resolve().parent / "data" / "prices.json"
ACCEPTED = "offer_accepted"
"""The event that ends the wait for the customer."""


class OfferError(Exception):
    """There can be no offer; the message is for the person who asked for it."""


@dataclass(frozen=True)
class OfferRequest:
    """The input; new fields need defaults, because old inputs do not have them."""

    customer: str
    product: str
    pieces: int
    folder: str
    """Folder that gets the letters; workers on several machines must share it."""
    open_for: timedelta = timedelta(days=30)


@dataclass(frozen=True)
class Letter:
    request: OfferRequest
    kind: str
    """`offer` or `confirmation`."""
    price: Decimal
    release: str


@dataclass(frozen=True)
class Contract:
    """The output."""

    customer: str
    price: Decimal
    accepted: bool
    release: str
    letter: str
    """The last one that was written."""


@dataclass(frozen=True)
class OpenOffer:
    """The custom status while the customer thinks."""

    price: Decimal
    release: str


def offer_list_price(_: ActivityContext, request: OfferRequest) -> Decimal:
    """Return what the pieces cost without any discount."""
    prices = json.loads(PRICES.read_text("utf-8"))
    if request.product not in prices:
        raise OfferError(f"there is no product {request.product}; there are {', '.join(sorted(prices))}")
    return Decimal(prices[request.product]) * request.pieces


def offer_write_letter(ctx: ActivityContext, letter: Letter) -> str:
    """Write a letter to the customer and return its path; the same file when it is done twice."""
    request = letter.request
    text = f"{letter.kind.capitalize()} for {request.customer}, on the terms of release {letter.release}\n\n"
    text += f"{request.pieces} × {request.product}: {letter.price} EUR\n"
    name = re.sub(r"[^\w.-]", "_", ctx.orchestration_id)
    path = Path(request.folder, f"{name}-{letter.kind}.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{uuid.uuid4().hex}")
    draft.write_text(text, "utf-8")
    os.replace(draft, path)
    return str(path)
