"""The shop over HTTP: `POST /orders` starts a batch, `GET /orders/{id}` says how it goes, `/` is a page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from durakit import web
from durakit.azuremanaged.client import AsyncDurableTaskSchedulerClient
from durakit.client import OrchestrationState
from durakit.task import get_name
from fastapi import Body, FastAPI, HTTPException, Response
from fastapi.responses import FileResponse

from orders import Order, OrdersError, parse_orders
from workflow import Batch, Chance, fulfil_orders

PAGE = Path(__file__).resolve().parent / "page.html"


def make_app(folder: str, client: AsyncDurableTaskSchedulerClient) -> FastAPI:
    """Return the application; the shops of its batches keep their books in `folder`, on the worker's side."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(title="Orders", lifespan=lifespan)
    web.explain_errors(app)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE)

    @app.post("/orders", status_code=202)
    async def start(
        response: Response,
        orders: Annotated[Any, Body()] = None,
        chance: Annotated[float, Body(ge=0, le=1)] = 0,
        seed: Annotated[int, Body()] = 0,
    ) -> dict[str, str]:
        """Start a batch: `{"orders": [...], "chance": 0.1, "seed": 7}`, all optional."""
        batch = Batch(folder, parsed(orders), Chance(chance, seed))
        batch_id = await client.schedule_new_orchestration(fulfil_orders, input=batch)
        response.headers["Location"] = f"/orders/{batch_id}"
        response.headers["Retry-After"] = "1"
        return {"id": batch_id}

    @app.get("/orders/{batch_id}")
    async def look(batch_id: str) -> dict[str, object]:
        """Say how a batch goes; `result` appears when it has completed."""
        state = await client.get_orchestration_state(batch_id)
        if state is None or state.name != get_name(fulfil_orders):
            raise HTTPException(404, f"There is no batch {batch_id}.")
        return as_json(state)

    return app


def parsed(orders: object) -> list[Order] | None:
    try:
        return None if orders is None else parse_orders(orders)
    except OrdersError as error:
        raise HTTPException(422, f"orders: {error}") from None


def as_json(state: OrchestrationState) -> dict[str, object]:
    """Return what a visitor gets to see of a batch."""
    failure = state.failure_details
    return {
        "id": state.instance_id,
        "status": state.runtime_status.name.lower(),
        "progress": state.get_custom_status(),
        "result": state.get_output(),
        "error": failure.message if failure else None,
    }
