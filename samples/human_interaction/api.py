"""The HTTP API of the desk, for programs; people use the pages."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Annotated

from durakit.web import explain_errors
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from desk import Desk, Filed, NoSuchOrder, NotWaiting, OrderRefused
from workflow import Approval

Seconds = Annotated[float, Field(gt=0, le=366 * 86400)]


class NewOrder(BaseModel):
    """The body that places an order."""

    model_config = ConfigDict(extra="forbid")

    what: str
    cost: Decimal
    buyer: str
    remind_after_seconds: Seconds | None = None
    cancel_after_seconds: Seconds | None = None


class Answer(BaseModel):
    """The body that decides one."""

    model_config = ConfigDict(extra="forbid")

    approved: Annotated[bool, Field(strict=True)]
    approver: Annotated[str, Field(min_length=1, max_length=100)]
    comment: Annotated[str, Field(max_length=1000)] = ""


STATUS = {OrderRefused: 422, NoSuchOrder: 404, NotWaiting: 409}
"""How the desk's refusals are said in HTTP, here and on the pages."""


def make_api(desk: Desk) -> FastAPI:
    """Return the application that answers below /api."""
    api = FastAPI(title="Purchase orders", docs_url=None, redoc_url=None)
    explain_errors(api)

    async def refuse(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, STATUS[type(error)])

    for kind in STATUS:
        api.add_exception_handler(kind, refuse)

    @api.post("/orders", status_code=201)
    def place(order: NewOrder) -> Filed:
        own = {
            name: value for name, value in order.model_dump().items() if name.endswith("seconds") and value
        }
        return desk.place(order.what, str(order.cost), order.buyer, replace(desk.rules, **own))

    @api.get("/orders")
    def orders() -> list[Filed]:
        return desk.orders()

    @api.get("/orders/{order_id}")
    def order(order_id: str) -> Filed:
        return desk.find(order_id)

    @api.post("/orders/{order_id}/approval")
    def decide(order_id: str, answer: Answer) -> Filed:
        return desk.decide(order_id, Approval(answer.approved, answer.approver, answer.comment))

    return api
