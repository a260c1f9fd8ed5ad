"""A purchase order that waits for a person: approved, rejected, or cancelled when nobody answers in time.

Below a limit it is approved without asking. Otherwise a mail asks for an answer, a second one reminds of it,
and two durable timers and an external event race each other. While the order waits it costs nothing: no
thread, no process; a day is as cheap as a second.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy, Task, when_any

from office import Letter, enter_order, put_into_outbox

logger = logging.getLogger(__name__)

APPROVAL = "approval"
"""The event that decides, with data such as {"approved": true, "approver": "Ann", "comment": "Fine"}."""

CURRENCY = "EUR"
MOST = Decimal(10_000_000)
AUTOMATIC = "the rules"
"""The approver of orders below the limit."""

RETRY = RetryPolicy(
    first_retry_interval=timedelta(seconds=1), max_number_of_attempts=5, backoff_coefficient=2.0
)
"""For a mail server or a database that is away for a moment."""


@dataclass(frozen=True)
class Rules:
    """What an order is subject to; part of its input, so that a change never touches orders under way."""

    limit: Decimal = Decimal(1000)
    """Orders of less are approved without asking."""
    remind_after_seconds: float = 8 * 3600
    cancel_after_seconds: float = 24 * 3600


@dataclass(frozen=True)
class PurchaseOrder:
    what: str
    cost: Decimal
    buyer: str
    output: str
    """Folder for the outbox and the book of orders."""
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True)
class Waiting:
    """The custom status of an order that needs an answer: everything a person has to know."""

    why: str
    until: datetime
    answer_with: str
    reminders: int = 0
    note: str | None = None
    """What was wrong with the last answer, if it could not be read."""


@dataclass(frozen=True)
class Approval:
    """An answer."""

    approved: bool
    approver: str
    comment: str = ""


@dataclass(frozen=True)
class Decision:
    """The result of the orchestration."""

    outcome: str
    """approved, rejected or cancelled"""
    by: str
    """Who approved or rejected it."""
    comment: str
    decided_at: datetime


@dataclass(frozen=True)
class Placed:
    order_id: str
    order: PurchaseOrder
    decision: Decision


class PurchaseOrderError(Exception):
    """This can be no order; the message is for the person who placed it."""


async def purchase_order_workflow(ctx: OrchestrationContext, order: PurchaseOrder) -> Decision:
    """Get the order decided, place it if it is approved, and tell the buyer."""
    if problem := order_problem(order):
        raise PurchaseOrderError(problem)
    log = ctx.create_replay_safe_logger(logger)
    if order.cost < order.rules.limit:
        below = f"less than {money(order.rules.limit)}"
        decision = Decision("approved", AUTOMATIC, below, now(ctx))
    else:
        decision = await ask_somebody(ctx, order)
    ctx.set_custom_status(None)
    log.info("Order %s was %s by %s", ctx.instance_id, decision.outcome, decision.by)

    if decision.outcome == "approved":
        placed = Placed(ctx.instance_id, order, decision)
        await ctx.call_activity(place_order, input=placed, retry_policy=RETRY)
    letter = Letter(order.output, ctx.instance_id, "3-outcome", order.buyer, *outcome_text(order, decision))
    await ctx.call_activity(purchase_send_letter, input=letter, retry_policy=RETRY)
    return decision


async def ask_somebody(ctx: OrchestrationContext, order: PurchaseOrder) -> Decision:
    """Wait for an answer, remind once, and give up at the deadline."""
    rules = order.rules
    began = now(ctx)
    waiting = Waiting(
        why=f"{order.what} for {money(order.cost)} is not below the limit of {money(rules.limit)}",
        until=began + timedelta(seconds=rules.cancel_after_seconds),
        answer_with=f'event {APPROVAL}: {{"approved": true, "approver": "your name"}}',
    )
    ctx.set_custom_status(waiting)
    letter = request_letter("1-request", ctx.instance_id, order, waiting)
    await ctx.call_activity(send_approval_request, input=letter, retry_policy=RETRY)

    answer: Task[Any] = ctx.wait_for_external_event(APPROVAL)
    deadline = ctx.create_timer(waiting.until)
    reminder = ctx.create_timer(min(began + timedelta(seconds=rules.remind_after_seconds), waiting.until))
    while True:
        # Of those that are complete the first wins: an answer in the last moment still counts.
        awaited: list[Task[Any]] = [answer, deadline]
        if not reminder.is_complete:
            awaited.append(reminder)
        first = await when_any(awaited)
        if first is answer:
            approval = read_approval(answer.get_result())
            if isinstance(approval, Approval):
                # The losers of the race; a reminder that is due while the order is placed must not wake it.
                reminder.cancel()
                deadline.cancel()
                outcome = "approved" if approval.approved else "rejected"
                return Decision(outcome, approval.approver, approval.comment, now(ctx))
            waiting = replace(waiting, note=approval)
            answer = ctx.wait_for_external_event(APPROVAL)
        elif first is reminder:
            letter = request_letter("2-reminder", ctx.instance_id, order, waiting)
            await ctx.call_activity(purchase_send_letter, input=letter, retry_policy=RETRY)
            waiting = replace(waiting, reminders=waiting.reminders + 1)
        else:
            reminder.cancel()
            return Decision("cancelled", "the deadline", "nobody answered in time", now(ctx))
        ctx.set_custom_status(waiting)


def now(ctx: OrchestrationContext) -> datetime:
    """Return the orchestration's time, the same on replay, with its zone for those who read it."""
    return ctx.current_utc_datetime.replace(tzinfo=timezone.utc)


def read_approval(data: Any) -> Approval | str:
    """Return the answer, or what is wrong with it: people type events by hand, too."""
    if not isinstance(data, dict):
        return f"an answer must be an object with approved and approver; this was {str(data)[:80]!r}"
    approved, approver, comment = data.get("approved"), data.get("approver"), data.get("comment") or ""
    if not isinstance(approved, bool):
        return f"approved must be true or false; this was {str(approved)[:80]!r}"
    if not isinstance(approver, str) or not approver.strip():
        return "approver must say who answers"
    return Approval(approved, approver.strip()[:100], str(comment).strip()[:1000])


# The activities. Each may run more than once, so each does the same to the same file or row.


def send_approval_request(_: ActivityContext, letter: Letter) -> str:
    """Ask for an answer; return where the letter is."""
    return put_into_outbox(letter)


def purchase_send_letter(_: ActivityContext, letter: Letter) -> str:
    """Remind of the request, or tell the buyer how it ended; return where the letter is."""
    return put_into_outbox(letter)


def place_order(_: ActivityContext, placed: Placed) -> None:
    """Enter the order into the book of orders, once."""
    order, decision = placed.order, placed.decision
    row = (placed.order_id, order.what, str(order.cost), order.buyer, decision.by, str(decision.decided_at))
    enter_order(order.output, row)


ACTIVITIES: list[Callable[..., object]] = [send_approval_request, purchase_send_letter, place_order]


# What orders and letters say.


def order_problem(order: PurchaseOrder) -> str | None:
    """Return why this can be no order, or None."""
    if not 0 < len(order.what.strip()) <= 200:
        return "Say what to buy, in at most 200 characters."
    if not 0 < len(order.buyer.strip()) <= 100:
        return "Say who buys it, in at most 100 characters."
    if not order.cost.is_finite() or not 0 < order.cost <= MOST or round(order.cost, 2) != order.cost:
        return f"The cost must be an amount from 0.01 to {MOST:,.2f}, such as 1250 or 99.95."
    return None


def money(amount: Decimal) -> str:
    """Return the amount as people write it: 12,345.60 EUR."""
    return f"{amount:,.2f} {CURRENCY}"


def request_letter(name: str, order_id: str, order: PurchaseOrder, waiting: Waiting) -> Letter:
    subject = f"Please approve {order.what} for {money(order.cost)}"
    if "reminder" in name:
        subject = f"Reminder: {subject}"
    text = (
        f"{order.buyer} would like to buy {order.what} for {money(order.cost)}.\n"
        f"Without an answer order {order_id} is cancelled at {waiting.until:%Y-%m-%d %H:%M:%S} UTC.\n"
    )
    return Letter(order.output, order_id, name, "purchasing", subject, text)


def outcome_text(order: PurchaseOrder, decision: Decision) -> tuple[str, str]:
    """Return subject and text of the letter to the buyer."""
    subject = f"Your order of {order.what} was {decision.outcome}"
    why = f": {decision.comment}" if decision.comment else ""
    return subject, f"{order.what} for {money(order.cost)} was {decision.outcome} by {decision.by}{why}.\n"
