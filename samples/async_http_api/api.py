"""The HTTP face of a long job: accept it, tell how it goes, hand out the result, end it early.

No request waits for the work. `POST` answers 202 at once and says where to ask (`Location`) and how soon
(`Retry-After`); everything else is a look at the orchestration's state.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import uuid4

from durakit.client import AsyncTaskHubGrpcClient, OrchestrationState, OrchestrationStatus
from durakit.errors import AlreadyExistsError
from durakit.web import explain_errors
from fastapi import FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, ConfigDict

from workflow import Primes, Progress, Range, prime_search, range_problem

RETRY_AFTER_SECONDS = "1"


class Order(BaseModel):
    """The body of a POST."""

    model_config = ConfigDict(extra="forbid")

    first: int
    last: int


Key = Annotated[str | None, Header(alias="Idempotency-Key", pattern=r"^[A-Za-z0-9._-]{1,64}$")]


def make_app(client: AsyncTaskHubGrpcClient) -> FastAPI:
    """Return the application; it closes the client when it is stopped."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with client:
            yield

    app = FastAPI(title="Prime search", lifespan=lifespan, docs_url=None, redoc_url=None)
    explain_errors(app)

    async def find(search_id: str) -> OrchestrationState:
        state = await client.get_orchestration_state(search_id)
        # The hub may hold other orchestrations; they are none of this API's business.
        if state is None or state.name != prime_search.__name__:
            raise HTTPException(404, f"There is no search {search_id}.")
        return state

    @app.post("/searches", status_code=202)
    async def start(order: Order, response: Response, key: Key = None) -> dict[str, Any]:
        search = Range(order.first, order.last)
        if problem := range_problem(search):
            raise HTTPException(422, problem)
        # A client that never saw our answer asks again with the same key and gets the same search.
        search_id = f"search-{key or uuid4().hex}"
        try:
            await client.schedule_new_orchestration(prime_search, input=search, instance_id=search_id)
        except AlreadyExistsError:
            if (await find(search_id)).get_input(Range) != search:
                raise HTTPException(409, f"The key {key} belongs to a search in another range.") from None
        ask_again(response, search_id)
        return {"id": search_id, "links": links(search_id)}

    @app.get("/searches/{search_id}")
    async def status(search_id: str, response: Response) -> dict[str, Any]:
        state = await find(search_id)
        if not state.runtime_status.is_terminal:
            response.status_code = 202
            ask_again(response, search_id)
        return {
            "id": search_id,
            "status": state.runtime_status.name.lower(),
            "progress": state.get_custom_status(Progress),
            "error": state.failure_details.message if state.failure_details else None,
            "links": links(search_id),
        }

    @app.get("/searches/{search_id}/result")
    async def result(search_id: str) -> Primes:
        state = await find(search_id)
        if not state.runtime_status.is_terminal:
            wait = {"Retry-After": RETRY_AFTER_SECONDS}
            raise HTTPException(409, f"Search {search_id} has not ended yet.", wait)
        if state.runtime_status is OrchestrationStatus.TERMINATED:
            raise HTTPException(410, f"Search {search_id} was terminated; it has no result.")
        state.raise_if_failed()
        primes = state.get_output(Primes)
        assert primes is not None, "a completed search has a result"
        return primes

    @app.delete("/searches/{search_id}", status_code=202)
    async def terminate(search_id: str, response: Response) -> dict[str, Any]:
        if (await find(search_id)).runtime_status.is_terminal:
            raise HTTPException(409, f"Search {search_id} has ended already.")
        await client.terminate_orchestration(search_id)
        ask_again(response, search_id)
        return {"id": search_id, "links": links(search_id)}

    return app


def ask_again(response: Response, search_id: str) -> None:
    """Tell the caller where, and after how many seconds, to look how the search goes."""
    response.headers["Location"] = f"/searches/{search_id}"
    response.headers["Retry-After"] = RETRY_AFTER_SECONDS


def links(search_id: str) -> dict[str, str]:
    """Return where to go on from here."""
    here = f"/searches/{search_id}"
    return {"status": f"GET {here}", "result": f"GET {here}/result", "terminate": f"DELETE {here}"}
