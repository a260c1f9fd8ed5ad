"""Release 2.0, today's: large orders get a discount, worked out before the offer is written.

The new step stands in the middle of what release 1.0 does. A worker of this release could not take over an
offer that 1.0 has made: its history has no such step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from durakit.task import ActivityContext, OrchestrationContext

from offers import ACCEPTED, Contract, Letter, OfferRequest, OpenOffer, offer_list_price, offer_write_letter

RELEASE = "2.0"

DISCOUNT_FROM_PIECES = 10
DISCOUNT_PERCENT = 10


@dataclass(frozen=True)
class Discountable:
    pieces: int
    price: Decimal


async def offer_contract(ctx: OrchestrationContext, request: OfferRequest) -> Contract:
    """Make an offer with a discount, and confirm it if the customer accepts in time."""
    list_price = await ctx.call_activity(offer_list_price, input=request)
    price = await ctx.call_activity(offer_discounted_price, input=Discountable(request.pieces, list_price))
    offer = Letter(request, "offer", price, RELEASE)
    letter = await ctx.call_activity(offer_write_letter, input=offer)
    ctx.set_custom_status(OpenOffer(price, RELEASE))
    accepted = True
    try:
        await ctx.wait_for_external_event(ACCEPTED, timeout=request.open_for)
    except TimeoutError:
        accepted = False
    if accepted:
        confirmation = Letter(request, "confirmation", price, RELEASE)
        letter = await ctx.call_activity(offer_write_letter, input=confirmation)
    return Contract(request.customer, price, accepted, RELEASE, letter)


def offer_discounted_price(_: ActivityContext, order: Discountable) -> Decimal:
    """Return the price after the discount for large orders."""
    percent = DISCOUNT_PERCENT if order.pieces >= DISCOUNT_FROM_PIECES else 0
    return (order.price * (100 - percent) / 100).quantize(Decimal("0.01"))


ACTIVITIES: list[Callable[..., object]] = [offer_list_price, offer_discounted_price, offer_write_letter]
