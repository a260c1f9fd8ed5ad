"""A saga: book flight, hotel and car, or take back in reverse order what was booked.

No transaction spans the three sellers, so each step has a compensation. Both carry a key made of the
orchestration's id and the step: repeating a step, by retry or after a crash, moves no cent twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy, TaskFailedError

from bank import Bank, BankMissing, BookingRefused, money

BOOKING = RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    max_number_of_attempts=5,
    # Sold out is sold out: asking again would only keep the customer waiting.
    non_retryable_error_types=[BookingRefused, BankMissing],
)
"""A booking may be given up: there is a way back."""

COMPENSATION = RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    max_retry_interval=timedelta(minutes=10),
    max_number_of_attempts=30,
    non_retryable_error_types=[BankMissing],
)
"""A compensation may not: it is tried for hours before a person is asked."""


class SagaStuck(Exception):
    """Some compensation failed for good; the message names the money that a person has to look after."""


@dataclass(frozen=True)
class Trip:
    """What the customer wants: an offer for each step."""

    bank: str
    """Absolute path; workers on several machines need a bank with an address instead."""
    customer: str
    flight: str
    hotel: str
    car: str


@dataclass(frozen=True)
class Order:
    """One step of a trip, the input of its booking and of its cancellation."""

    key: str
    bank: str
    customer: str
    offer: str


@dataclass
class Outcome:
    """How it ended, and what happened on the way, one sentence for each step."""

    booked: bool = False
    paid: int = 0
    """In cents."""
    reason: str | None = None
    """Why it is not booked."""
    journal: list[str] = field(default_factory=list)


async def travel_booking(ctx: OrchestrationContext, trip: Trip) -> Outcome:
    """Book all three or none; raise SagaStuck if neither can be had."""
    outcome = Outcome()

    def note(sentence: str) -> None:
        outcome.journal.append(sentence)
        ctx.set_custom_status(outcome)

    begun: list[tuple[Order, Callable[[ActivityContext, Order], int]]] = []
    try:
        for step, offer, book, cancel in (
            ("flight", trip.flight, travel_book_flight, travel_cancel_flight),
            ("hotel", trip.hotel, travel_book_hotel, travel_cancel_hotel),
            ("car", trip.car, travel_book_car, travel_cancel_car),
        ):
            order = Order(f"{ctx.instance_id}:{step}", trip.bank, trip.customer, offer)
            # On the list before it is booked: of a step that fails nobody knows whether it paid.
            begun.append((order, cancel))
            price = await ctx.call_activity(book, input=order, retry_policy=BOOKING)
            outcome.paid += price
            note(f"booked {offer} for {money(price)}")
        outcome.booked = True
    except TaskFailedError as failure:
        outcome.reason = failure.details.message
        note(f"stopped: {outcome.reason}")
        await take_back(ctx, begun, note)
        outcome.paid = 0
    return outcome


async def take_back(
    ctx: OrchestrationContext,
    begun: list[tuple[Order, Callable[[ActivityContext, Order], int]]],
    note: Callable[[str], None],
) -> None:
    """Compensate the steps that were begun, the last one first, and leave none out because one fails."""
    stuck = []
    for order, cancel in reversed(begun):
        try:
            refund = await ctx.call_activity(cancel, input=order, retry_policy=COMPENSATION)
        except TaskFailedError as failure:
            stuck.append(f"{order.offer} under {order.key} ({failure.details.message})")
        else:
            note(
                f"cancelled {order.offer}, {money(refund)} back" if refund else f"{order.offer} was not paid"
            )
    if stuck:
        raise SagaStuck(f"not taken back: {'; '.join(stuck)}; mend the cause and rewind this orchestration")


# The activities. Six, because they stand for three companies with interfaces of their own; here all of them
# ask one bank. Each may run more than once for one call, and its key makes that harmless.


def travel_book_flight(_: ActivityContext, order: Order) -> int:
    """Buy the seat; return the price in cents."""
    return Bank(order.bank).book(order.key, order.offer, order.customer)


def travel_book_hotel(_: ActivityContext, order: Order) -> int:
    """Buy the nights; return the price in cents."""
    return Bank(order.bank).book(order.key, order.offer, order.customer)


def travel_book_car(_: ActivityContext, order: Order) -> int:
    """Rent the car; return the price in cents."""
    return Bank(order.bank).book(order.key, order.offer, order.customer)


def travel_cancel_flight(_: ActivityContext, order: Order) -> int:
    """Give the seat back, if it was bought; return the refund in cents."""
    return Bank(order.bank).cancel(order.key, order.offer, order.customer)


def travel_cancel_hotel(_: ActivityContext, order: Order) -> int:
    """Give the nights back, if they were bought; return the refund in cents."""
    return Bank(order.bank).cancel(order.key, order.offer, order.customer)


def travel_cancel_car(_: ActivityContext, order: Order) -> int:
    """Give the car back, if it was rented; return the refund in cents."""
    return Bank(order.bank).cancel(order.key, order.offer, order.customer)


ACTIVITIES: list[Callable[..., object]] = [
    travel_book_flight,
    travel_book_hotel,
    travel_book_car,
    travel_cancel_flight,
    travel_cancel_hotel,
    travel_cancel_car,
]
