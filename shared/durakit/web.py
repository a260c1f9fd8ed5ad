"""For clients that are web applications: serve one like a program of durakit, and answer errors in words.

Needs `durakit[web]` (FastAPI and uvicorn), which `durakit[scheduler]` brings along.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from durakit import errors
from durakit.program import EXIT_FAILED, program_name

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8000

_STOP_SECONDS = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_HTTP_STATUS: tuple[tuple[str, int], ...] = (
    ("NotFoundError", 404),
    ("AlreadyExistsError", 409),
    ("InvalidStateError", 409),
    ("LimitExceededError", 413),
    ("InvalidRequestError", 400),
    ("SchedulerUnavailableError", 503),
    ("SchedulerTimeoutError", 504),
    ("SchedulerError", 502),
    ("WaitTimeoutError", 504),
    ("CredentialError", 502),
)
"""The first that fits an error of `durakit.errors` decides; any other is 500."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a program the options `--host` and `--port`; their defaults are what `HOST` and `PORT` say."""
    host, port = os.environ.get("HOST", DEFAULT_HOST), os.environ.get("PORT", str(DEFAULT_PORT))
    parser.add_argument("--host", default=host, help="address to listen on (default %(default)s)")
    # argparse reads the text of a default as it reads an argument, so a PORT that is none is refused.
    parser.add_argument("--port", type=int, default=port, help="0 = choose a free one (default %(default)s)")


def serve(app: Any, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
    """Serve an ASGI application until Ctrl-C or SIGTERM, then return; port 0 lets the system choose.

    Prints `Serving http://127.0.0.1:8000 (Ctrl-C stops it)` once visitors can connect. A port that cannot be
    had is one line on stderr and exit status 1; so is a `DurakitError` that the application raises when it is
    started, such as that of an embedded task hub whose file is in use.
    """
    try:
        listener = _listen(host, port)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        sys.stderr.write(
            f"{program_name()}: cannot listen on {host}:{port} ({reason}); "
            "name another with --port, or 0 for one that is free\n"
        )
        sys.exit(EXIT_FAILED)
    with listener:
        shown = f"[{host}]" if ":" in host else host
        begun = _Begun(app)
        config = uvicorn.Config(
            begun, log_level="warning", access_log=False, timeout_graceful_shutdown=_STOP_SECONDS
        )
        server = _Server(config, f"Serving http://{shown}:{listener.getsockname()[1]} (Ctrl-C stops it)")
        server.run(sockets=[listener])
    if not server.started:  # whatever else its start-up raised is in the log
        sys.exit(f"{program_name()}: {begun.problem}" if begun.problem else EXIT_FAILED)


def explain_errors(app: FastAPI) -> None:
    """Let the application answer errors as `{"error": "<one sentence>"}` with the status that fits.

    Those of `durakit.errors` become 404 (no such instance), 409 (not possible in its state), 503 (no
    scheduler) and so on, and a request that does not validate 422.
    """

    @app.exception_handler(errors.DurakitError)
    async def failed(_: Request, error: errors.DurakitError) -> JSONResponse:
        return _answer(_status_of(error), str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(422, "; ".join(map(_problem, error.errors())))

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return _answer(error.status_code, str(error.detail), error.headers)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)


def _status_of(error: errors.DurakitError) -> int:
    for name, status in _HTTP_STATUS:
        if isinstance(error, getattr(errors, name)):
            return status
    return 500


def _problem(found: dict[str, Any]) -> str:
    if found["type"] == "json_invalid":
        return f"The body is not JSON: {found['ctx']['error']}"
    place = ".".join(str(part) for part in found["loc"] if part != "body")
    return f"{place or 'body'}: {found['msg']}"


def _answer(status: int, message: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": message}, status_code=status, headers=headers)


class _Begun:
    """An ASGI application that keeps a `DurakitError` of its start-up, in place of a traceback in the log."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.problem: errors.DurakitError | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        failed: list[Any] = []

        async def tell(message: Any) -> None:
            # Its text is the traceback; whether that is wanted is known when the exception comes out.
            if message["type"] == "lifespan.startup.failed":
                failed.append(message)
            else:
                await send(message)

        try:
            await self._app(scope, receive, tell)
        except errors.DurakitError as problem:
            if not failed:
                raise
            self.problem = problem
            await send({"type": "lifespan.startup.failed", "message": ""})
        except BaseException:
            for message in failed:
                await send(message)
            raise


class _Server(uvicorn.Server):
    """Ends with the signals that ask for it, and does not raise them again: ending was what they wanted.

    Args:
        news: printed once it has started, that is once those signals do end it so.
    """

    def __init__(self, config: uvicorn.Config, news: str) -> None:
        super().__init__(config)
        self._news = news

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # newer uvicorns leave from here, with a status of their own
            self.should_exit = True
        if self.started:
            print(self._news, flush=True)  # noqa: T201

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        previous = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
