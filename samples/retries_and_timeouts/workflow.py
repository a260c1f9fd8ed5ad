"""A price quote from four answers of an unreliable service, each failing in a way of its own."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from durakit.task import (
    ActivityContext,
    FailureDetails,
    OrchestrationContext,
    RetryPolicy,
    TaskFailedError,
    when_any,
)

REQUEST_TIMEOUT_SECONDS = 30.0
"""No request without a limit: an activity that never returns is one that nobody can retry."""

CENT = Decimal("0.01")


class QuoteError(Exception):
    """There is no quote; the message is for the customer."""


class ServiceError(Exception):
    """The service did not give an answer that can be used; this may pass."""


class ServiceBusy(ServiceError):
    """It asks us to come again later (429)."""


class ServiceRefused(Exception):
    """It understood and said no (4xx); asking again would change nothing."""


PATIENT = RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    max_retry_interval=timedelta(seconds=30),
    max_number_of_attempts=4,
    non_retryable_error_types=[ServiceRefused],
)
"""Attempts at 0, 1, 3 and 7 seconds; a refusal is final at once."""


def again_if_busy(failure: FailureDetails) -> bool:
    """Decide about another attempt: for this service an error is a bug, and only `busy` will pass.

    A handler is asked again on replay, so it may look at the failure and at nothing else.
    """
    return failure.is_caused_by(ServiceBusy)


IF_BUSY = RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    max_number_of_attempts=1000,
    retry_timeout=timedelta(minutes=1),
    handler=again_if_busy,
)
"""Once a second for a minute at most, as long as the handler says so."""


@dataclass(frozen=True)
class Basket:
    """What the customer wants to buy."""

    service: str
    """The service's URL."""
    goods: Decimal
    """In euros."""
    country: str
    currency: str
    coupon: str | None = None
    shipping_deadline_seconds: float = 2
    shipping_estimate: Decimal = Decimal("9.90")
    """Used when the true costs do not come in time."""


@dataclass(frozen=True)
class Question:
    service: str
    subject: str


@dataclass
class Quote:
    """The price, in the customer's currency, and how it came about."""

    total: Decimal = Decimal(0)
    currency: str = ""
    notes: list[str] = field(default_factory=list)


async def quote_basket(ctx: OrchestrationContext, basket: Basket) -> Quote:
    """Return the price; raise QuoteError when rate or tax, without which there is none, cannot be had."""
    quote = Quote(currency=basket.currency)
    rate = await exchange_rate(ctx, basket)
    discount = await discount_or_none(ctx, basket, quote.notes)
    tax = await tax_rate(ctx, basket)
    shipping = await shipping_or_estimate(ctx, basket, quote.notes)
    net = basket.goods - basket.goods * discount + shipping
    quote.total = (net * (1 + tax) * rate).quantize(CENT, ROUND_HALF_UP)
    return quote


async def exchange_rate(ctx: OrchestrationContext, basket: Basket) -> Decimal:
    """Retry policy: trouble passes, so try again, with longer and longer pauses."""
    question = Question(basket.service, basket.currency)
    try:
        return await ctx.call_activity(quote_exchange_rate, input=question, retry_policy=PATIENT)
    except TaskFailedError as failure:
        raise QuoteError(f"no exchange rate for {basket.currency}: {failure.details.message}") from failure


async def discount_or_none(ctx: OrchestrationContext, basket: Basket, notes: list[str]) -> Decimal:
    """Non-retryable error: an unknown coupon stays unknown, and the quote is made without it."""
    if basket.coupon is None:
        return Decimal(0)
    question = Question(basket.service, basket.coupon)
    try:
        return await ctx.call_activity(quote_discount, input=question, retry_policy=PATIENT)
    except TaskFailedError as failure:
        if not failure.details.is_caused_by(ServiceRefused):
            raise QuoteError(f"coupon {basket.coupon}: {failure.details.message}") from failure
        notes.append(f"coupon {basket.coupon} is not valid: {failure.details.message}")
        return Decimal(0)


async def tax_rate(ctx: OrchestrationContext, basket: Basket) -> Decimal:
    """Handler: code of ours decides, failure by failure, whether there is another attempt."""
    question = Question(basket.service, basket.country)
    try:
        return await ctx.call_activity(quote_tax_rate, input=question, retry_policy=IF_BUSY)
    except TaskFailedError as failure:
        raise QuoteError(f"no tax rate for {basket.country}: {failure.details.message}") from failure


async def shipping_or_estimate(ctx: OrchestrationContext, basket: Basket, notes: list[str]) -> Decimal:
    """Timeout: the answer, all its attempts included, races with a timer."""
    answer = ctx.call_activity(
        quote_shipping, input=Question(basket.service, basket.country), retry_policy=PATIENT
    )
    deadline = ctx.create_timer(timedelta(seconds=basket.shipping_deadline_seconds))
    if await when_any([answer, deadline]) is deadline:
        # The activity is not stopped, nothing can do that from here; its answer will be ignored.
        notes.append(f"shipping is estimated: no answer within {basket.shipping_deadline_seconds:g} s")
        return basket.shipping_estimate
    deadline.cancel()  # or the orchestration would stay open until it fires
    try:
        return answer.get_result()
    except TaskFailedError as failure:
        notes.append(f"shipping is estimated: {failure.details.message}")
        return basket.shipping_estimate


# The activities: one request each. They raise what the orchestrator can tell apart, and never retry.


def quote_exchange_rate(_: ActivityContext, question: Question) -> Decimal:
    """Return how much of the currency a euro buys."""
    return ask(question.service, "rate", question.subject)


def quote_discount(_: ActivityContext, question: Question) -> Decimal:
    """Return the part of the price that the coupon takes off."""
    return ask(question.service, "coupon", question.subject)


def quote_tax_rate(_: ActivityContext, question: Question) -> Decimal:
    """Return the part of the price that is added as tax."""
    return ask(question.service, "tax", question.subject)


def quote_shipping(_: ActivityContext, question: Question) -> Decimal:
    """Return the costs of shipping in euros."""
    return ask(question.service, "shipping", question.subject)


ACTIVITIES: list[Callable[..., object]] = [
    quote_exchange_rate,
    quote_discount,
    quote_tax_rate,
    quote_shipping,
]


def ask(service: str, topic: str, subject: str) -> Decimal:
    """Ask the service for a number.

    Raises ServiceRefused for 4xx, ServiceBusy for 429, ServiceError for everything else that went wrong.
    """
    url = f"{service}/{topic}/{urllib.parse.quote(subject, safe='')}"
    try:
        with urllib.request.urlopen(url, timeout=REQUEST_TIMEOUT_SECONDS) as answer:
            return Decimal(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            sentence = f"{topic} service says {error.code} {error.reason}"
        if error.code == 429:
            raise ServiceBusy(sentence) from None
        raise (ServiceRefused if error.code < 500 else ServiceError)(sentence) from None
    except (OSError, http.client.HTTPException) as error:
        raise ServiceError(f"{topic} service cannot be reached: {getattr(error, 'reason', error)}") from None
    except (ValueError, TypeError, InvalidOperation):
        raise ServiceError(f"{topic} service did not answer with a number") from None
