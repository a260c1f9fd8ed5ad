"""A batch of orders: one sub-orchestration for each, which takes it from the stock to the customer's door.

The parent knows that orders succeed or fail and why; what it takes to fulfil one is the child's business.
Each has a history of its own, so a long batch stays readable and a child can be looked at, or run, alone.
"""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from durakit.task import (
    ActivityContext,
    OrchestrationContext,
    RetryPolicy,
    Task,
    TaskFailedError,
    when_any,
)

from orders import Order, OrdersError, parse_orders
from shop import Refused, Shop

SAMPLE_ORDERS = Path(__file__).resolve().parent / "data" / "orders.json"

logger = logging.getLogger("sub_orchestrations")


@dataclass(frozen=True)
class Chance:
    """Bad luck on demand: every step of every order fails with this probability, the same ones each time."""

    probability: float = 0.0
    seed: int = 0

    def strikes(self, order: Order, step: str) -> bool:
        """Whether this step of this order fails; a matter of the seed and nothing else."""
        return random.Random(f"{self.seed}/{order.id}/{step}").random() < self.probability


@dataclass(frozen=True)
class Batch:
    """The input of the parent."""

    folder: str
    """Where the worker keeps the shop's books; workers on several machines must share it."""
    orders: list[Order] | None = None
    """None: those of `data/orders.json`."""
    chance: Chance = Chance()


@dataclass(frozen=True)
class OpenedBatch:
    shop: str
    orders: list[Order]


@dataclass(frozen=True)
class Job:
    """The input of a child, and of its activities."""

    order: Order
    shop: str
    chance: Chance


@dataclass(frozen=True)
class Charge:
    job: Job
    amount: Decimal


@dataclass(frozen=True)
class Notice:
    job: Job
    tracking: str


@dataclass(frozen=True)
class Outcome:
    """What became of an order: shipped, with a tracking number, or failed at a step, with a reason."""

    order: str
    total: Decimal | None = None
    tracking: str | None = None
    failed_step: str | None = None
    reason: str | None = None

    @property
    def is_failure(self) -> bool:
        return self.failed_step is not None


@dataclass(frozen=True)
class BatchResult:
    """The output of the parent; both lists in the order of the batch."""

    completed: list[Outcome]
    failed: list[Outcome]


@dataclass(frozen=True)
class Progress:
    """The custom status of the parent; that of a child is the name of its step."""

    orders: int
    completed: int
    failed: int


PATIENCE = RetryPolicy(
    first_retry_interval=timedelta(milliseconds=200),
    backoff_coefficient=3,
    max_number_of_attempts=4,
    non_retryable_error_types=[Refused],
)
"""Books that are locked will be free again; an empty shelf is an answer."""


async def fulfil_orders(ctx: OrchestrationContext, batch: Batch) -> BatchResult:
    """The parent: fulfil all orders at once, whatever becomes of each, and say what did."""
    log = ctx.create_replay_safe_logger(logger)
    try:
        opened = await ctx.call_activity(fulfil_get_orders, input=batch)
    except TaskFailedError as failure:
        raise OrdersError(failure.details.message) from failure
    running: dict[Task[Outcome], Order] = {}
    for order in opened.orders:
        job = Job(order, opened.shop, batch.chance)
        child = ctx.call_sub_orchestrator(fulfil_order, input=job, tags={"order": order.id})
        running[child] = order
    ended: dict[str, Outcome] = {}
    while running:
        first = await when_any(list(running))
        order = running.pop(first)
        outcome = ended[order.id] = outcome_of(first, order)
        log.info("order %s: %s", order.id, outcome.reason or outcome.tracking)
        failures = sum(outcome.is_failure for outcome in ended.values())
        ctx.set_custom_status(Progress(len(opened.orders), len(ended) - failures, failures))
    outcomes = [ended[order.id] for order in opened.orders]
    return BatchResult(
        completed=[outcome for outcome in outcomes if not outcome.is_failure],
        failed=[outcome for outcome in outcomes if outcome.is_failure],
    )


def outcome_of(child: Task[Outcome], order: Order) -> Outcome:
    """What a child returned; one that broke is a failed order too, and no reason to give up the others."""
    try:
        return child.get_result()
    except TaskFailedError as failure:
        return Outcome(order.id, failed_step="order", reason=failure.details.message)


async def fulfil_order(ctx: OrchestrationContext, job: Job) -> Outcome:
    """The child: inventory, payment, shipping, notification; undo the first two when it comes to nothing."""
    step = ""

    def begin(name: str) -> None:
        nonlocal step
        step = name
        ctx.set_custom_status(name)

    total, tracking = None, None
    try:
        begin("inventory")
        total = await ctx.call_activity(fulfil_reserve_stock, input=job, retry_policy=PATIENCE)
        begin("payment")
        await ctx.call_activity(fulfil_charge_card, input=Charge(job, total), retry_policy=PATIENCE)
        begin("shipping")
        tracking = await ctx.call_activity(fulfil_ship, input=job, retry_policy=PATIENCE)
        begin("notification")
        await ctx.call_activity(fulfil_notify, input=Notice(job, tracking), retry_policy=PATIENCE)
    except TaskFailedError as failure:
        if tracking is None:
            # Also after a step that failed: it may have been done, and only its answer lost.
            await ctx.call_activity(fulfil_cancel, input=job, retry_policy=PATIENCE)
        return Outcome(job.order.id, total, tracking, failed_step=step, reason=failure.details.message)
    begin("done")
    return Outcome(job.order.id, total, tracking)


# The activities. Each may run more than once; the shop does for an order only once what it is told twice.


def fulfil_get_orders(ctx: ActivityContext, batch: Batch) -> OpenedBatch:
    """Return the orders of the batch, and open a shop for them: every batch finds the same full shelves."""
    orders = batch.orders
    if orders is None:
        orders = parse_orders(json.loads(SAMPLE_ORDERS.read_text("utf-8")))
    name = re.sub(r"[^\w.-]", "_", ctx.orchestration_id)
    path = Path(batch.folder, f"shop-{name}.db")
    Shop.open_new(path)
    return OpenedBatch(str(path), orders)


def fulfil_reserve_stock(_: ActivityContext, job: Job) -> Decimal:
    """Inventory: reserve all items and return the total, or say what is missing."""
    refuse_by_chance(job, "inventory")
    return Shop(job.shop).reserve(job.order)


def fulfil_charge_card(_: ActivityContext, charge: Charge) -> None:
    """Payment: take the total from the card, or say why the bank refuses."""
    refuse_by_chance(charge.job, "payment")
    Shop(charge.job.shop).charge(charge.job.order, charge.amount)


def fulfil_ship(_: ActivityContext, job: Job) -> str:
    """Shipping: return the parcel's number, or say that the carrier does not go there."""
    refuse_by_chance(job, "shipping")
    return Shop(job.shop).ship(job.order)


def fulfil_notify(_: ActivityContext, notice: Notice) -> None:
    """Notification: write to the customer, or say that there is no address."""
    refuse_by_chance(notice.job, "notification")
    Shop(notice.job.shop).notify(notice.job.order, notice.tracking)


def fulfil_cancel(_: ActivityContext, job: Job) -> None:
    """Undo what was done for an order that came to nothing."""
    Shop(job.shop).cancel(job.order)


def refuse_by_chance(job: Job, step: str) -> None:
    if job.chance.strikes(job.order, step):
        raise Refused(f"bad luck (chance {job.chance.probability:g}, seed {job.chance.seed})")


ACTIVITIES: list[Callable[..., object]] = [
    fulfil_get_orders,
    fulfil_reserve_stock,
    fulfil_charge_card,
    fulfil_ship,
    fulfil_notify,
    fulfil_cancel,
]
