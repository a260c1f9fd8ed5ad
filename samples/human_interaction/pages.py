"""The pages of the desk: see what waits, read why, approve or reject. Plain HTML; no script is needed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from durakit.errors import DurakitError, SchedulerUnavailableError
from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from api import STATUS, make_api
from desk import Desk, OrderRefused
from workflow import Approval, money

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_FORM = 10_000
EMPTY: Mapping[str, str] = {}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form; refuse one that another site has sent in its visitor's name."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, "This form comes from another site; answer on the page of the order.")
    body = await request.body()
    if len(body) > LONGEST_FORM:
        raise HTTPException(413, "That is more text than a form of this desk may have.")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def make_pages(desk: Desk) -> FastAPI:
    """Return the application: the pages, and the API below /api."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/api", make_api(desk))
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.filters.update(money=money, duration=duration, moment=moment)

    def show(template: str, status: int = 200, **values: Any) -> HTMLResponse:
        page = environment.get_template(template)
        return HTMLResponse(page.render(rules=desk.rules, **values), status, HEADERS)

    def list_orders(status: int = 200, problem: str = "", form: Mapping[str, str] = EMPTY) -> HTMLResponse:
        return show("orders.html", status, orders=desk.orders(), problem=problem, form=form)

    @app.get("/")
    def orders() -> Response:
        return list_orders()

    @app.post("/orders")
    def place(form: dict[str, str] = Depends(read_form)) -> Response:  # noqa: B008 - FastAPI's way
        try:
            order = desk.place(form.get("what", ""), form.get("cost", ""), form.get("buyer", ""))
        except OrderRefused as refused:  # once more the form, with what was typed
            return list_orders(422, str(refused), form)
        return RedirectResponse(f"/orders/{order.id}", 303)

    @app.get("/orders/{order_id}")
    def order(order_id: str) -> Response:
        return show("order.html", order=desk.find(order_id))

    @app.post("/orders/{order_id}")
    def decide(order_id: str, form: dict[str, str] = Depends(read_form)) -> Response:  # noqa: B008
        if form.get("answer") not in ("approve", "reject"):
            raise HTTPException(422, "Choose to approve or to reject.")
        answer = Approval(form["answer"] == "approve", form.get("approver", ""), form.get("comment", ""))
        desk.decide(order_id, answer)
        return RedirectResponse(f"/orders/{order_id}", 303)  # so that reloading does not answer again

    @app.get("/style.css")
    def style() -> Response:
        return FileResponse(TEMPLATES / "style.css")

    async def refuse(_: Request, error: Exception) -> HTMLResponse:
        return show("problem.html", problem_status(error), problem=problem_text(error))

    for kind in (*STATUS, HTTPException, DurakitError):
        app.add_exception_handler(kind, refuse)
    return app


def problem_status(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, DurakitError):
        return 503 if isinstance(error, SchedulerUnavailableError) else 502
    return STATUS[type(error)]


def problem_text(error: Exception) -> str:
    return str(error.detail if isinstance(error, HTTPException) else error)


def duration(seconds: float) -> str:
    """Return a length of time as people say it: 24 hours, 90 seconds."""
    for unit, size in (("days", 86400 * 2), ("hours", 3600 * 2), ("minutes", 60 * 2)):
        if seconds >= size:
            return f"{seconds / (size / 2):g} {unit}"
    return f"{seconds:g} seconds"


def moment(when: datetime) -> str:
    """Return a time as people write it; the hub's times are UTC without saying so."""
    aware = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
    return f"{aware.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
