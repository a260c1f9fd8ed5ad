"""Release 1.0, as it was delivered. Offers that it made are still open, so this file must not change.

It stays in the tree, beside its worker, until the last of them has ended. (Where every release is deployed
by itself, such as in a container image, the tree of the old release is this file's place.)
"""

from __future__ import annotations

from collections.abc import Callable

from durakit.task import OrchestrationContext

from offers import ACCEPTED, Contract, Letter, OfferRequest, OpenOffer, offer_list_price, offer_write_letter

RELEASE = "1.0"


async def offer_contract(ctx: OrchestrationContext, request: OfferRequest) -> Contract:
    """Make an offer at the list price, and confirm it if the customer accepts in time."""
    price = await ctx.call_activity(offer_list_price, input=request)
    letter = await ctx.call_activity(offer_write_letter, input=Letter(request, "offer", price, RELEASE))
    ctx.set_custom_status(OpenOffer(price, RELEASE))
    try:
        await ctx.wait_for_external_event(ACCEPTED, timeout=request.open_for)
    except TimeoutError:
        return Contract(request.customer, price, False, RELEASE, letter)
    letter = await ctx.call_activity(
        offer_write_letter, input=Letter(request, "confirmation", price, RELEASE)
    )
    return Contract(request.customer, price, True, RELEASE, letter)


ACTIVITIES: list[Callable[..., object]] = [offer_list_price, offer_write_letter]
