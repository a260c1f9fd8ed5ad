"""The purchasing desk: place orders, see them, decide them. The page, the HTTP API and the console share it.

Nothing is kept here; orders live in the task hub, so any number of desks show the same ones.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from pathlib import Path
from uuid import uuid4

from durakit.client import OrchestrationQuery, OrchestrationState, TaskHubGrpcClient

from workflow import (
    APPROVAL,
    Approval,
    Decision,
    PurchaseOrder,
    Rules,
    Waiting,
    order_problem,
    purchase_order_workflow,
)

PREFIX = "po-"
SHOWN = timedelta(days=30)
"""How far back the list of orders goes."""
SETTLING_SECONDS = 3.0
"""How long a visitor may wait to see what the worker makes of an order or an answer."""


class OrderRefused(Exception):
    """What was asked for is no order; the message says why."""


class NoSuchOrder(Exception):
    """There is no order of that id."""


class NotWaiting(Exception):
    """The order does not wait for an answer; the message says what became of it."""


@dataclass(frozen=True)
class Filed:
    """An order and where it stands."""

    id: str
    order: PurchaseOrder
    placed_at: datetime
    status: str
    """waiting, approved, rejected, cancelled, or in progress, failed, terminated, ..."""
    waiting: Waiting | None
    decision: Decision | None
    problem: str | None
    has_ended: bool


class Desk:
    """What people do with orders.

    Args:
        rules: for new orders; those under way keep theirs.
        output: folder for letters and the book of orders, as the worker sees it.
    """

    def __init__(self, client: TaskHubGrpcClient, rules: Rules, output: Path) -> None:
        self.rules = rules
        self._client = client
        self._output = str(output)

    def place(self, what: str, cost: str, buyer: str, rules: Rules | None = None) -> Filed:
        """Place an order, under rules of its own if given. Raises OrderRefused."""
        try:
            amount = Decimal(cost.strip())
        except InvalidOperation:
            amount = Decimal("NaN")
        order = PurchaseOrder(what.strip(), amount, buyer.strip(), self._output, rules or self.rules)
        if problem := order_problem(order):
            raise OrderRefused(problem)
        order_id = self._client.schedule_new_orchestration(
            purchase_order_workflow, input=order, instance_id=f"{PREFIX}{uuid4().hex[:12]}"
        )
        return self._settled(order_id, lambda order: order.waiting is not None or order.has_ended)

    def orders(self) -> list[Filed]:
        """Return the orders of the last weeks, the newest first."""
        query = OrchestrationQuery(
            created_time_from=datetime.now(timezone.utc) - SHOWN,
            instance_id_prefix=PREFIX,
            fetch_inputs_and_outputs=True,
        )
        states = self._client.get_all_orchestration_states(query)
        mine = [filed(state) for state in states if state.name == purchase_order_workflow.__name__]
        return sorted(mine, key=lambda order: order.placed_at, reverse=True)

    def find(self, order_id: str) -> Filed:
        """Return one order. Raises NoSuchOrder."""
        state = self._client.get_orchestration_state(order_id) if order_id.startswith(PREFIX) else None
        if state is None or state.name != purchase_order_workflow.__name__:
            raise NoSuchOrder(f"There is no order {order_id}.")
        return filed(state)

    def decide(self, order_id: str, approval: Approval) -> Filed:
        """Answer, and return what became of the order: of several answers the first counts.

        Raises NoSuchOrder, NotWaiting, and OrderRefused when nobody is named.
        """
        order = self.find(order_id)
        if order.waiting is None:
            raise NotWaiting(f"Order {order_id} is {order.status}; it does not wait for an answer.")
        if not approval.approver.strip():
            raise OrderRefused("Say who answers.")
        self._client.raise_orchestration_event(order_id, APPROVAL, data=asdict(approval))
        return self._settled(order_id, lambda order: order.has_ended)

    def _settled(self, order_id: str, is_settled: Callable[[Filed], bool]) -> Filed:
        """Return the order once it is settled, or as it is when no worker comes to it in time."""
        give_up = time.monotonic() + SETTLING_SECONDS
        while not is_settled(order := self.find(order_id)) and time.monotonic() < give_up:
            time.sleep(0.05)
        return order


def filed(state: OrchestrationState) -> Filed:
    """Return what the state of an orchestration says about its order."""
    order = state.get_input(PurchaseOrder)
    assert order is not None, "an order is started with its input"
    ended = state.runtime_status.is_terminal
    decision = state.get_output(Decision) if state.runtime_status.name == "COMPLETED" else None
    waiting = None if ended else state.get_custom_status(Waiting)
    status = "in progress" if state.runtime_status.name == "RUNNING" else state.runtime_status.name.lower()
    if waiting is not None:
        status = "waiting"
    elif decision is not None:
        status = decision.outcome
    problem = state.failure_details.message if state.failure_details else None
    return Filed(state.instance_id, order, state.created_at, status, waiting, decision, problem, ended)
