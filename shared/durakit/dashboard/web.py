"""The pages as an ASGI application, and the server that runs it on an event loop."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
import uuid
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from durakit.dashboard import words
from durakit.dashboard.backend import Backend, BackendError, NotOffered
from durakit.dashboard.guard import HEALTH_PATH, Guard
from durakit.dashboard.pages import Pages
from durakit.dashboard.routes import acts, bulk, histories, hubs, instances, lists, live, workers
from durakit.dashboard.routes.paths import get
from durakit.dashboard.site import STATUS_OF_TROUBLE, NoInstance, ReadOnly, Site, answers_json
from durakit.dashboard.views.problems import ProblemView

logger = logging.getLogger(__name__)

_STOP_SECONDS = 2
_WORTH_GZIP_BYTES = 2_000
_GZIP_LEVEL = 1
"""A page of 72 KB becomes 10 KB in 0.2 ms; the highest level makes it 8 KB, in 3 ms."""
_TITLES = {
    404: "Not found",
    403: "Not allowed",
    409: "Not possible now",
    503: "No answer",
    501: "Not offered",
}


class _Packing(GZipMiddleware):
    """Packs answers for who can unpack them, but no stream of changes: older Starlettes keep that back."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_stream = scope["type"] == "http" and scope["path"].endswith("/live")
        if is_stream:
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    backend: Backend,
    *,
    host: str = "127.0.0.1",
    token: str | None = None,
    now: Callable[[], int] = time.time_ns,
    read_only: bool = False,
    base_path: str = "",
    needs_token: bool | None = None,
) -> Guard:
    """Return the application.

    Args:
        host: what the server is bound to; requests for other names are refused.
        token: what visitors must have, or None.
        now: the time in nanoseconds since 1970.
        read_only: no acts.
        base_path: where the pages begin, such as `/durakit`, behind a proxy.
        needs_token: whether programs must send the scheduler a token; None: when visitors must.
    """
    pages = Pages(lambda: words.utc(now()))
    site = Site(backend, pages, now, read_only, token is not None if needs_token is None else needs_token)
    app = FastAPI(title="durakit", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    async def health(request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def static(request: Request) -> Response:
        found = pages.file(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        return found

    app.add_middleware(_Packing, minimum_size=_WORTH_GZIP_BYTES, compresslevel=_GZIP_LEVEL)
    get(app, HEALTH_PATH, health)
    get(app, "/static/{name}", static)
    # Fixed words first, since an instance or event may be named like them.
    for module in (hubs, live, workers, bulk, acts, lists, histories, instances):
        module.add(app, site)
    _explain_problems(app, pages)
    return Guard(app, pages, host=host, token=token, base_path=base_path, ending=site.ending)


def _explain_problems(app: FastAPI, pages: Pages) -> None:
    """Give every failure its page, or its JSON."""

    @app.exception_handler(BackendError)
    @app.exception_handler(NotOffered)
    @app.exception_handler(ReadOnly)
    @app.exception_handler(NoInstance)
    async def refused(request: Request, error: BackendError) -> Response:
        status = STATUS_OF_TROUBLE[error.trouble]
        links = error.links if isinstance(error, NoInstance) else ()
        problem = ProblemView(status, _TITLES.get(status, "Not possible"), error.message, links)
        if answers_json(request):
            return JSONResponse(problem.as_json(), status)
        return pages.problem(request, problem)

    @app.exception_handler(HTTPException)
    async def no_page(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            message = f"{request.url.path} cannot be asked for with {request.method}."
            return pages.problem(request, ProblemView(405, "Not possible", message))
        message = f"There is no page {request.url.path}. The hubs and their instances are at /hubs."
        return pages.problem(request, ProblemView(error.status_code, "Not found", message))

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        number = uuid.uuid4().hex[:8]
        logger.error("Request %s (%s %s) failed", number, request.method, request.url.path, exc_info=error)
        message = f"The page could not be made. The log says why, at request {number}; the scheduler runs on."
        return pages.problem(request, ProblemView(500, "Failed", message, request_id=number))


class WebServer(uvicorn.Server):
    """uvicorn on the running event loop; signals and logging belong to the command."""

    def __init__(self, app: Guard) -> None:
        self._ending = app.ending
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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish the answers under way; open pages' streams would never end by themselves."""
        self._ending.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield
