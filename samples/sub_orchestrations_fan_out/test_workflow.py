"""Orders in batches on a task hub inside this process: no scheduler, no worker process, no waiting."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from durakit.client import OrchestrationState
from durakit.task import ActivityContext, OrchestrationContext
from durakit.testing import InProcessTaskHub, every_crash

from orders import simulated_orders
from workflow import (
    ACTIVITIES,
    Batch,
    Order,
    OrderToInvoice,
    Problem,
    Progress,
    Run,
    RunSummary,
    Summary,
    main_orchestration,
    process_order,
    process_order_batch,
)

TEA = Order(1, "TEA", 10, "DE")


class Processing:
    """Runs the parent; `batch` and `order` may stand in for what it is made of."""

    def __init__(
        self,
        output: Path,
        batch: Callable[..., Any] = process_order_batch,
        order: Callable[..., Any] = process_order,
        sessions: int = 100,
    ) -> None:
        self._output = str(output)
        self.hub = InProcessTaskHub(sessions=sessions)
        self.hub.add_orchestrator(main_orchestration)
        self.hub.add_orchestrator(batch, "process_order_batch")
        self.hub.add_activity(order, "process_order")

    def run(self, orders: list[Order], batch_size: int = 10) -> OrchestrationState:
        run = Run(orders, batch_size, self._output)
        return self.hub.run(main_orchestration, input=run)

    def result(self, orders: list[Order], batch_size: int = 10) -> RunSummary:
        result = self.run(orders, batch_size).get_output(RunSummary)
        assert result is not None
        return result


def test_an_order_becomes_an_invoice(tmp_path: Path) -> None:
    result = Processing(tmp_path).result([TEA])

    assert (result.batches, result.orders) == (1, Summary(1, Decimal("49.98"), []))
    assert Path(result.folder, "invoice-000001.txt").read_text("utf-8") == (
        "Invoice for order 1\n\n10 × TEA at 4.20 EUR: 42.00 EUR\n19 % tax in DE: 7.98 EUR\nTotal: 49.98 EUR\n"
    )


def test_every_order_is_in_one_batch_and_every_batch_in_the_summary(tmp_path: Path) -> None:
    result = Processing(tmp_path).result(simulated_orders(60), batch_size=7)

    assert (result.batches, result.orders.processed, len(result.orders.problems)) == (9, 55, 5)
    assert len(list(Path(result.folder).glob("invoice-*.txt"))) == 55
    assert result.orders.invoiced == sum(
        Decimal(path.read_text("utf-8").split()[-2]) for path in Path(result.folder).iterdir()
    )


@pytest.mark.parametrize(
    ("orders", "batch_size", "batches"), [(1, 10, 1), (10, 10, 1), (11, 10, 2), (3, 1, 3)]
)
def test_the_last_batch_holds_what_is_left(
    tmp_path: Path, orders: int, batch_size: int, batches: int
) -> None:
    processing = Processing(tmp_path)

    result = processing.result([TEA] * orders, batch_size)

    assert (result.batches, result.orders.processed) == (batches, orders)
    children = [
        state for state in processing.hub.client.get_all_orchestration_states() if state.parent_instance_id
    ]
    assert len(children) == batches


def test_no_orders_are_no_batches(tmp_path: Path) -> None:
    assert Processing(tmp_path).result([]).orders == Summary()


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Order(7, "PEPPER", 1, "DE"), "there is no product PEPPER"),
        (Order(7, "TEA", 1, "XX"), "no rate of tax is known for country XX"),
    ],
)
def test_an_order_that_cannot_be_invoiced_is_a_problem_of_its_own(
    tmp_path: Path, order: Order, reason: str
) -> None:
    result = Processing(tmp_path).result([order, TEA])

    assert result.orders == Summary(1, Decimal("49.98"), [Problem(7, reason)])


def test_a_disk_that_is_busy_for_a_moment_fails_nobody(tmp_path: Path) -> None:
    attempts: Counter[int] = Counter()

    def order(ctx: ActivityContext, item: OrderToInvoice) -> Decimal:
        attempts[item.order.id] += 1
        if attempts[item.order.id] < 3:
            raise OSError("Device or resource busy")
        return process_order(ctx, item)

    result = Processing(tmp_path, order=order).result([TEA])

    assert (attempts, result.orders.processed) == ({1: 3}, 1)


def test_a_disk_that_stays_full_fails_the_order_after_three_attempts(tmp_path: Path) -> None:
    def order(_: ActivityContext, item: OrderToInvoice) -> Decimal:
        raise OSError("No space left on device")

    result = Processing(tmp_path, order=order).result([TEA])

    assert result.orders.problems == [Problem(1, "No space left on device")]


def test_a_batch_that_breaks_takes_only_its_own_orders_with_it(tmp_path: Path) -> None:
    def batch(ctx: OrchestrationContext, batch: Batch) -> Generator[Any, Any, Summary]:
        if batch.number == 2:
            raise RuntimeError("out of paper")
        yield ctx.create_timer(ctx.current_utc_datetime)
        return Summary(processed=len(batch.orders))

    result = Processing(tmp_path, batch=batch).result(simulated_orders(5), batch_size=2)

    assert result.orders.processed == 3
    assert [problem.order for problem in result.orders.problems] == [3, 4]
    assert "out of paper" in result.orders.problems[0].reason


def test_all_batches_are_under_way_before_the_first_is_done(tmp_path: Path) -> None:
    events: list[str] = []

    def batch(ctx: OrchestrationContext, batch: Batch) -> Generator[Any, Any, Summary]:
        events.append(f"{batch.number} begins")
        yield ctx.wait_for_external_event("go")
        return Summary()

    processing = Processing(tmp_path, batch=batch)
    run = Run([TEA] * 3, 1, str(tmp_path))
    processing.hub.client.schedule_new_orchestration(main_orchestration, input=run)
    processing.hub.run_until_idle()

    assert events == ["1 begins", "2 begins", "3 begins"]


def test_wherever_a_worker_crashes_every_order_counts_once(tmp_path: Path) -> None:
    levels = [main_orchestration, process_order_batch]
    for crash in every_crash(orchestrators=levels, activities=ACTIVITIES):
        with crash as hub:
            run = Run([TEA, replace(TEA, id=2, country="XX"), replace(TEA, id=3)], 2, str(tmp_path))
            result = hub.run(main_orchestration, input=run).get_output(RunSummary)
            assert result is not None
            problem = Problem(2, "no rate of tax is known for country XX")
            assert result.orders == Summary(2, Decimal("99.96"), [problem])


def test_the_custom_status_counts_batches_and_orders(tmp_path: Path) -> None:
    state = Processing(tmp_path).run(simulated_orders(20))

    assert state.get_custom_status(Progress) == Progress(2, 2, processed=18, failed=2)


def test_the_log_says_everything_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sub_orchestrations_fan_out"):
        Processing(tmp_path, sessions=0).run(simulated_orders(20))  # every turn is a replay

    assert caplog.messages == ["batch 1 of 2 is in", "batch 2 of 2 is in"]
