"""The three programs of the document the SDK was born from, with nothing but imports and stubs added."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
from durakit import task
from durakit.testing import InProcessTaskHub


def hello(ctx: task.ActivityContext, name: str) -> str:
    return f"Hello {name}!"


def sequence(ctx: task.OrchestrationContext, _: Any) -> Generator[Any, Any, list[str]]:
    result1 = yield ctx.call_activity(hello, input="Tokyo")
    result2 = yield ctx.call_activity(hello, input="Seattle")
    result3 = yield ctx.call_activity(hello, input="London")

    return [result1, result2, result3]


def get_work_items(ctx: task.ActivityContext, _: Any) -> list[str]:
    return [f"work item {i}" for i in range(10)]


def process_work_item(ctx: task.ActivityContext, item: str) -> int:
    return len(item)


def orchestrator(ctx: task.OrchestrationContext, _: Any) -> Generator[Any, Any, dict[str, Any]]:
    work_items = yield ctx.call_activity(get_work_items)

    tasks = [ctx.call_activity(process_work_item, input=item) for item in work_items]
    results = yield task.when_all(tasks)

    return {"work_items": work_items, "results": results, "total": sum(results)}


class Order:
    """A custom class, as the document promises: no dataclass, no named tuple."""

    def __init__(self, Product: str, Quantity: int, Cost: float) -> None:
        self.Product = Product
        self.Quantity = Quantity
        self.Cost = Cost


sent: list[str] = []


def send_approval_request(ctx: task.ActivityContext, order: Order) -> None:
    sent.append(f"approval of {order.Product}")


def place_order(ctx: task.ActivityContext, order: Order) -> None:
    sent.append(f"order of {order.Quantity}")


def purchase_order_workflow(ctx: task.OrchestrationContext, order: Order) -> Generator[Any, Any, str]:
    """Orchestrator function that represents a purchase order workflow"""
    # Orders under $1000 are auto-approved
    if order.Cost < 1000:
        return "Auto-approved"

    # Orders of $1000 or more require manager approval
    yield ctx.call_activity(send_approval_request, input=order)

    # Approvals must be received within 24 hours or they will be canceled.
    approval_event = ctx.wait_for_external_event("approval_received")
    timeout_event = ctx.create_timer(timedelta(hours=24))
    winner = yield task.when_any([approval_event, timeout_event])
    if winner == timeout_event:
        return "Canceled"

    # The order was approved
    yield ctx.call_activity(place_order, input=order)
    approval_details = approval_event.get_result()
    return f"Approved by '{approval_details.approver}'"


@pytest.fixture
def hub() -> Generator[InProcessTaskHub, None, None]:
    sent.clear()
    with InProcessTaskHub() as hub:
        for fn in (sequence, orchestrator, purchase_order_workflow):
            hub.add_orchestrator(fn)
        for activity in (hello, get_work_items, process_work_item, send_approval_request, place_order):
            hub.add_activity(activity)
        yield hub


def output(hub: InProcessTaskHub, instance_id: str) -> Any:
    state = hub.client.wait_for_orchestration_completion(instance_id)
    assert state is not None
    state.raise_if_failed()
    return state.get_output()


def test_function_chaining(hub: InProcessTaskHub) -> None:
    instance_id = hub.client.schedule_new_orchestration(sequence)

    assert output(hub, instance_id) == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]


def test_fan_out_fan_in(hub: InProcessTaskHub) -> None:
    instance_id = hub.client.schedule_new_orchestration(orchestrator)

    assert output(hub, instance_id)["total"] == 110


def test_a_cheap_order_is_approved_at_once(hub: InProcessTaskHub) -> None:
    instance_id = hub.client.schedule_new_orchestration(
        purchase_order_workflow, input=Order("pencil", 3, 12.5)
    )

    assert output(hub, instance_id) == "Auto-approved"
    assert sent == []


Approval = namedtuple("Approval", ["approver"])


@pytest.mark.parametrize("details", [Approval("Ada"), {"approver": "Ada"}], ids=["named tuple", "dict"])
def test_an_expensive_order_is_placed_once_approved(hub: InProcessTaskHub, details: Any) -> None:
    instance_id = hub.client.schedule_new_orchestration(
        purchase_order_workflow, input=Order("engine", 2, 5000.0)
    )

    hub.client.raise_orchestration_event(instance_id, "approval_received", data=details)

    assert output(hub, instance_id) == "Approved by 'Ada'"
    assert sent == ["approval of engine", "order of 2"]


def test_an_order_nobody_approves_is_cancelled_after_a_day(hub: InProcessTaskHub) -> None:
    before = hub.now

    instance_id = hub.client.schedule_new_orchestration(
        purchase_order_workflow, input=Order("engine", 2, 5000.0)
    )

    assert output(hub, instance_id) == "Canceled"
    assert hub.now - before == timedelta(hours=24)
    assert sent == ["approval of engine"]
