"""The pages as an ASGI application, and the server that runs it on the scheduler's event loop."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from durakit.dashboard import text
from durakit.dashboard.guard import HEALTH_PATH, Guard
from durakit.dashboard.pages import Pages
from durakit.dashboard.views import ProblemView, Source, hubs_view, instances_view
from durakit.scheduler.refusal import Refusal

_STOP_SECONDS = 2
_READ = ["GET", "HEAD"]
_STATUS_BY_REFUSAL = {"NOT_FOUND": 404, "INVALID_ARGUMENT": 400}
_EVERYWHERE = ("0.0.0.0", "::")


def utc_now() -> datetime:
    """Return the time, aware."""
    return datetime.now(timezone.utc)


def create_app(
    source: Source,
    *,
    host: str = "127.0.0.1",
    grpc_port: int = 8080,
    token: str | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Guard:
    """Return the application.

    Args:
        host: what the server is bound to; requests for other names are refused.
        grpc_port: where workers and clients connect, for the texts.
        token: what visitors must have, or None.
    """
    pages = Pages(now)
    app = FastAPI(title="durakit", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.api_route("/", methods=_READ, response_model=None)
    async def home(hub: str | None = None) -> Response:
        names = source.hub_names()
        chosen = text.from_segment(hub) if hub else names[0] if len(names) == 1 else None
        path = "/hubs" if chosen is None else text.instances_path(chosen)
        return RedirectResponse(path, status_code=302)

    @app.api_route("/hubs", methods=_READ, response_model=None)
    @app.api_route("/hubs.json", methods=_READ, response_model=None)
    async def hubs(request: Request) -> Response:
        return pages.answer(request, "hubs.html", hubs_view(source))

    @app.api_route("/h/{hub}/instances", methods=_READ, response_model=None)
    @app.api_route("/h/{hub}/instances.json", methods=_READ, response_model=None)
    async def instances(request: Request, hub: str) -> Response:
        view = instances_view(source, text.from_segment(hub), request.query_params.multi_items())
        reached = (request.url.hostname if host in _EVERYWHERE else None) or host
        endpoint = f"http://[{reached}]:{grpc_port}" if ":" in reached else f"http://{reached}:{grpc_port}"
        return pages.answer(request, "instances.html", view, endpoint=endpoint, needs_token=token is not None)

    @app.api_route(HEALTH_PATH, methods=_READ, response_model=None)
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    @app.api_route("/static/{name}", methods=_READ, response_model=None)
    async def static(name: str) -> Response:
        found = pages.file(name)
        if found is None:
            raise HTTPException(404)
        return found

    _explain_problems(app, pages)
    return Guard(app, pages, host=host, token=token)


def _explain_problems(app: FastAPI, pages: Pages) -> None:
    """Give every failure its page, or its JSON."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        status = _STATUS_BY_REFUSAL.get(refusal.status, 500)
        title = "Not found" if status == 404 else "Not possible"
        return pages.problem(request, ProblemView(status, title, refusal.message))

    @app.exception_handler(HTTPException)
    async def no_page(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            message = f"{request.url.path} can only be read, with GET."
            return pages.problem(request, ProblemView(405, "Not possible", message))
        message = f"There is no page {request.url.path}. The hubs and their instances are at /hubs."
        return pages.problem(request, ProblemView(error.status_code, "Not found", message))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        message = "The page could not be made. The scheduler's log says why; the scheduler itself runs on."
        return pages.problem(request, ProblemView(500, "Failed", message))


class WebServer(uvicorn.Server):
    """uvicorn on the running event loop; signals and logging belong to the command."""

    def __init__(self, app: Guard) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
