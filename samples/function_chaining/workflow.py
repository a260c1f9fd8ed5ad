"""A chain of five activities that turns a CSV file of orders into an HTML report.

Each step reads the file of the step before and writes its own, so an interrupted run goes on at the step it
was at. Rows travel as files, because they may be many and every result stays in the orchestration's history;
counts and totals travel by value, because they are few.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from durakit.task import ActivityContext, OrchestrationContext, TaskFailedError

from report import Group, Summary, render
from tables import OrderReportError, Row, RowFile, read_rows, read_table, write_atomically, write_rows

ORDER_COLUMNS = ["order_id", "date", "customer", "country", "sku", "quantity"]
PRODUCT_COLUMNS = ["sku", "product", "category", "unit_price"]
CHECKED_COLUMNS = ["line", *ORDER_COLUMNS]
PRICED_COLUMNS = [*CHECKED_COLUMNS, "product", "category", "amount"]
REJECTED_COLUMNS = ["line", "reason", "row"]


@dataclass(frozen=True)
class ReportRequest:
    """What the client asks for; paths are absolute, because the worker may run in another folder."""

    orders: str
    products: str
    output: str
    """Folder that gets a folder for each run; workers on several machines must share it."""


@dataclass(frozen=True)
class Sorted:
    """Rows that go on to the next step, and rows set aside with a reason each."""

    good: RowFile
    rejected: RowFile


@dataclass(frozen=True)
class ReadOrders:
    source: str
    folder: str


@dataclass(frozen=True)
class PriceOrders:
    orders: RowFile
    products: str


@dataclass(frozen=True)
class WriteReport:
    title: str
    made_at: datetime
    summary: Summary
    rejected: list[RowFile]


@dataclass(frozen=True)
class Report:
    """The result of a run: two files and what is in them."""

    page: str
    rejected: str
    orders: int
    rejected_rows: int
    revenue: Decimal


@dataclass
class Progress:
    """The custom status: a sentence for each step that is done."""

    done: list[str] = field(default_factory=list)
    steps: int = 5


async def order_report(ctx: OrchestrationContext, request: ReportRequest) -> Report:
    """Make the report; fail with a sentence that says what is wrong with the files."""
    progress = Progress()

    def tell(sentence: str) -> None:
        progress.done.append(sentence)
        ctx.set_custom_status(progress)

    try:
        return await run_chain(ctx, request, tell)
    except TaskFailedError as failure:
        # What the activities raise is written for people: pass it on without the wrapping.
        raise OrderReportError(failure.details.message) from failure


async def run_chain(ctx: OrchestrationContext, request: ReportRequest, tell: Callable[[str], None]) -> Report:
    # Only the orchestrator's input, the results of its tasks and `ctx` decide what happens here: no clock, no
    # files, no environment. That is what lets it be replayed after a crash.
    name = Path(request.orders).name
    folder = str(Path(request.output, run_folder(ctx.instance_id)))

    orders = await ctx.call_activity(report_read_orders, input=ReadOrders(request.orders, folder))
    tell(f"Read {orders.rows} rows of {name}")

    checked = await ctx.call_activity(report_check_orders, input=orders)
    tell(f"Set aside {checked.rejected.rows} rows that are not valid orders")

    priced = await ctx.call_activity(report_price_orders, input=PriceOrders(checked.good, request.products))
    tell(f"Priced {priced.good.rows} orders, set aside {priced.rejected.rows} of unknown products")
    if not priced.good.rows:
        raise OrderReportError(
            f"None of the {orders.rows} rows of {name} is an order that can be priced; "
            f"the reasons are in {checked.rejected.path} and {priced.rejected.path}"
        )

    summary = await ctx.call_activity(report_sum_up, input=priced.good)
    tell(f"Summed up {summary.orders} orders from {len(summary.countries)} countries")

    report = await ctx.call_activity(
        report_write_page,
        input=WriteReport(name, ctx.current_utc_datetime, summary, [checked.rejected, priced.rejected]),
    )
    tell("Wrote the report")
    return report


def run_folder(instance_id: str) -> str:
    """Return the folder name of a run; an id may hold characters that a file name may not."""
    return "order-report-" + re.sub(r"[^\w.-]", "_", instance_id)


# The activities. Each may run more than once (a worker can die after the work and before the answer), so each
# writes the same bytes to the same place for the same input, and a file is either absent or complete.


def report_read_orders(_: ActivityContext, request: ReadOrders) -> RowFile:
    """Copy the orders into the run's folder, so that later steps do not depend on a file that may change."""
    source = Path(request.source)
    rows = read_table(source, ORDER_COLUMNS)
    if not rows:
        raise OrderReportError(f"{source} has a header but no orders below it")
    copy = Path(request.folder, "1-orders.csv")
    copy.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(copy, source.read_bytes())
    return RowFile(str(copy), len(rows))


def report_check_orders(_: ActivityContext, orders: RowFile) -> Sorted:
    """Part valid orders from bad rows."""
    good: list[Row] = []
    rejected: list[Row] = []
    lines: dict[str, int] = {}
    for line, values in read_table(Path(orders.path), ORDER_COLUMNS):
        problem = order_problem(values)
        if problem is None and values[0] in lines:
            problem = f"order {values[0]} is on line {lines[values[0]]} already"
        if problem is None:
            lines[values[0]] = line
            good.append({"line": str(line), **dict(zip(ORDER_COLUMNS, values, strict=True))})
        else:
            rejected.append({"line": str(line), "reason": problem, "row": ",".join(values)})
    folder = Path(orders.path).parent
    return Sorted(
        good=write_rows(folder / "2-checked.csv", CHECKED_COLUMNS, good),
        rejected=write_rows(folder / "2-rejected.csv", REJECTED_COLUMNS, rejected),
    )


def report_price_orders(_: ActivityContext, request: PriceOrders) -> Sorted:
    """Add product, category and amount to each order; part off orders of products without a price."""
    products = read_products(Path(request.products))
    good: list[Row] = []
    rejected: list[Row] = []
    for order in read_rows(request.orders):
        product = products.get(order["sku"])
        if product:
            amount = str(product.price * int(order["quantity"]))
            good.append({**order, "product": product.name, "category": product.category, "amount": amount})
        else:
            row = ",".join(order[column] for column in ORDER_COLUMNS)
            rejected.append({"line": order["line"], "reason": f"no product {order['sku']}", "row": row})
    folder = Path(request.orders.path).parent
    return Sorted(
        good=write_rows(folder / "3-priced.csv", PRICED_COLUMNS, good),
        rejected=write_rows(folder / "3-rejected.csv", REJECTED_COLUMNS, rejected),
    )


def report_sum_up(_: ActivityContext, orders: RowFile) -> Summary:
    """Return the totals, by country and by category."""
    rows = read_rows(orders)
    days = [date.fromisoformat(row["date"]) for row in rows]
    return Summary(
        orders=len(rows),
        revenue=sum((Decimal(row["amount"]) for row in rows), Decimal(0)),
        first=min(days),
        last=max(days),
        countries=group_by("country", rows),
        categories=group_by("category", rows),
    )


def report_write_page(_: ActivityContext, request: WriteReport) -> Report:
    """Write the HTML page and the list of all rows that were set aside."""
    rejected = [row for file in request.rejected for row in read_rows(file)]
    rejected.sort(key=lambda row: int(row["line"]))
    folder = Path(request.rejected[0].path).parent
    listing = write_rows(folder / "rejected.csv", REJECTED_COLUMNS, rejected)
    page = folder / "report.html"
    write_atomically(page, render(request.title, request.made_at, request.summary, rejected).encode())
    return Report(str(page), listing.path, request.summary.orders, listing.rows, request.summary.revenue)


ACTIVITIES: list[Callable[..., object]] = [
    report_read_orders,
    report_check_orders,
    report_price_orders,
    report_sum_up,
    report_write_page,
]


# What the activities share.


@dataclass(frozen=True)
class Product:
    name: str
    category: str
    price: Decimal


def order_problem(values: list[str]) -> str | None:
    """Return why a row is not an order, or None if it is one."""
    if len(values) != len(ORDER_COLUMNS):
        return f"{len(values)} values where {len(ORDER_COLUMNS)} belong"
    for column, value in zip(ORDER_COLUMNS, values, strict=True):
        if not value:
            return f"no {column}"
    _order_id, day, _customer, country, _sku, quantity = values
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", day, re.ASCII) or not is_date(day):
        return f"date {day} is not a day as in 2026-03-31"
    if not re.fullmatch(r"[A-Z]{2}", country):
        return f"country {country} is not a code of two letters"
    if not re.fullmatch(r"[1-9]\d{0,5}", quantity, re.ASCII):
        return f"quantity {quantity} is not a whole number from 1 to 999999"
    return None


def is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def read_products(path: Path) -> dict[str, Product]:
    """Return the products by sku; raise OrderReportError if one has no proper price."""
    products = {}
    for line, values in read_table(path, PRODUCT_COLUMNS):
        try:
            sku, name, category, price = values
            products[sku] = Product(name, category, Decimal(price))
        except (ValueError, InvalidOperation):
            raise OrderReportError(f"{path}, line {line}: no price in {','.join(values)}") from None
    return products


def group_by(column: str, rows: list[Row]) -> list[Group]:
    """Return orders and revenue for each value of the column, the largest revenue first."""
    counts = Counter(row[column] for row in rows)
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        revenue[row[column]] += Decimal(row["amount"])
    return sorted(
        (Group(name, counts[name], revenue[name]) for name in counts), key=lambda g: (-g.revenue, g.name)
    )
