"""Orders in batches: a parent fans out into a child for each batch, and a child into its orders.

Both levels fan in again: a child adds up its orders, the parent its children. So the parent's history grows
with the number of batches, and a child's with the size of one.
"""

from __future__ import annotations

import json
import logging
import os
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from durakit.task import ActivityContext, OrchestrationContext, RetryPolicy, TaskFailedError

PRICES = Path(__file__).resolve().parent / "data" / "prices.json"
CENT = Decimal("0.01")

logger = logging.getLogger("sub_orchestrations_fan_out")


class OrderProblem(Exception):
    """There can be no invoice for this order; the message says why."""


@dataclass(frozen=True)
class Order:
    id: int
    product: str
    quantity: int
    country: str


@dataclass(frozen=True)
class Run:
    """The input of the parent."""

    orders: list[Order]
    batch_size: int
    output: str
    """Folder that gets a folder for each run; workers on several machines must share it."""


@dataclass(frozen=True)
class Batch:
    """The input of a child."""

    number: int
    orders: list[Order]
    folder: str


@dataclass(frozen=True)
class OrderToInvoice:
    order: Order
    folder: str


@dataclass(frozen=True)
class Problem:
    order: int
    reason: str


@dataclass(frozen=True)
class Summary:
    """What became of some orders: those of a batch, or all."""

    processed: int = 0
    invoiced: Decimal = Decimal(0)
    """In EUR, tax included."""
    problems: list[Problem] = field(default_factory=list)

    def plus(self, other: Summary) -> Summary:
        return Summary(
            self.processed + other.processed,
            self.invoiced + other.invoiced,
            [*self.problems, *other.problems],
        )


@dataclass(frozen=True)
class RunSummary:
    """The output of the parent."""

    batches: int
    orders: Summary
    folder: str


@dataclass(frozen=True)
class Progress:
    """The custom status of the parent."""

    batches: int
    batches_done: int
    processed: int
    failed: int


PATIENCE = RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    max_number_of_attempts=3,
    non_retryable_error_types=[OrderProblem],
)


async def main_orchestration(ctx: OrchestrationContext, run: Run) -> RunSummary:
    """The parent: cut the orders into batches, process all batches at once, and add them up."""
    log = ctx.create_replay_safe_logger(logger)
    folder = str(Path(run.output, "run-" + re.sub(r"[^\w.-]", "_", ctx.instance_id)))
    batches = [
        Batch(number, run.orders[start : start + run.batch_size], folder)
        for number, start in enumerate(range(0, len(run.orders), run.batch_size), 1)
    ]
    # Called first and awaited afterwards: all of them are under way before the first is waited for.
    children = [
        ctx.call_sub_orchestrator(process_order_batch, input=batch, tags={"batch": str(batch.number)})
        for batch in batches
    ]
    total = Summary()
    for batch, child in zip(batches, children, strict=True):
        try:
            total = total.plus(await child)
        except TaskFailedError as failure:
            # A child that broke takes its own orders with it, and nobody else's.
            reason = f"batch {batch.number} broke: {failure.details.message}"
            total = total.plus(Summary(problems=[Problem(order.id, reason) for order in batch.orders]))
        progress = Progress(len(batches), batch.number, total.processed, len(total.problems))
        ctx.set_custom_status(progress)
        log.info("batch %d of %d is in", batch.number, len(batches))
    return RunSummary(len(batches), total, folder)


async def process_order_batch(ctx: OrchestrationContext, batch: Batch) -> Summary:
    """The child: process all orders of one batch at once and add them up."""
    calls = [
        ctx.call_activity(process_order, input=OrderToInvoice(order, batch.folder), retry_policy=PATIENCE)
        for order in batch.orders
    ]
    summary = Summary()
    for order, call in zip(batch.orders, calls, strict=True):
        try:
            summary = summary.plus(Summary(processed=1, invoiced=await call))
        except TaskFailedError as failure:
            summary = summary.plus(Summary(problems=[Problem(order.id, failure.details.message)]))
    return summary


def process_order(_: ActivityContext, item: OrderToInvoice) -> Decimal:
    """Write the invoice of one order and return its sum; the same file when it is done twice."""
    order, prices = item.order, json.loads(PRICES.read_text("utf-8"))
    if order.product not in prices["products"]:
        raise OrderProblem(f"there is no product {order.product}")
    if order.country not in prices["vat_percent"]:
        raise OrderProblem(f"no rate of tax is known for country {order.country}")
    price = Decimal(prices["products"][order.product])
    percent = Decimal(prices["vat_percent"][order.country])
    net = price * order.quantity
    tax = (net * percent / 100).quantize(CENT, ROUND_HALF_UP)
    path = Path(item.folder, f"invoice-{order.id:06}.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(
        path,
        f"Invoice for order {order.id}\n\n"
        f"{order.quantity} × {order.product} at {price} EUR: {net} EUR\n"
        f"{percent} % tax in {order.country}: {tax} EUR\n"
        f"Total: {net + tax} EUR\n",
    )
    return net + tax


ACTIVITIES: list[Callable[..., object]] = [process_order]


def write_whole(path: Path, text: str) -> None:
    """Write the file so that nobody ever sees half of it."""
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    draft.write_text(text, "utf-8")
    os.replace(draft, path)
