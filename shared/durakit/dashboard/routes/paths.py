"""Registering a page and its JSON twin; reading encoded segments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from durakit.dashboard.text import from_segment

Handler = Callable[[Request], Awaitable[Response]]


def page(app: FastAPI, path: str, handler: Handler) -> None:
    """Serve a page and, under the same path with `.json`, its twin."""
    # The twin first: to a router `{id}` would match it as well.
    for each in (f"{path}.json", path):
        get(app, each, handler)


def get(app: FastAPI, path: str, handler: Handler) -> None:
    """Serve a path that can be read."""
    app.router.routes.append(Route(path, handler, methods=["GET", "HEAD"]))


def post(app: FastAPI, path: str, handler: Handler) -> None:
    """Serve a path that acts."""
    app.router.routes.append(Route(path, handler, methods=["POST"]))


def hub_of(request: Request) -> str:
    """Return the hub that a path names."""
    return from_segment(request.path_params["hub"])


def id_of(request: Request) -> str:
    """Return the instance that a path names."""
    return from_segment(request.path_params["id"])


def options_of(request: Request, *names: str) -> dict[str, Any]:
    """Return these parameters of the address, as far as they are given."""
    return {name: request.query_params[name] for name in names if request.query_params.get(name)}
