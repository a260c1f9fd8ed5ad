"""What all routes share: the backend, the pages, the frame, forms read once and sent once."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from durakit.dashboard.backend import Backend, BackendError
from durakit.dashboard.pages import Pages, wants_json
from durakit.dashboard.same import Place
from durakit.dashboard.views.frame import Frame

LARGEST_FORM_BYTES = 8 * 1024 * 1024
"""Payloads of 1 MiB grow when they are written into a form."""
_NONCES_KEPT = 1_000
STATUS_OF_TROUBLE = {
    "not_found": 404,
    "invalid": 400,
    "conflict": 409,
    "exists": 409,
    "unavailable": 503,
    "denied": 403,
    "not_offered": 501,
}


class ReadOnly(BackendError):
    """The dashboard was started with --read-only."""

    def __init__(self) -> None:
        super().__init__(
            "denied", "This dashboard is read-only: it was started with --read-only. Nothing was changed."
        )


class NoInstance(BackendError):
    """There is no such instance; `links` (text, path) lead to what may be meant."""

    def __init__(self, message: str, links: tuple[tuple[str, str], ...]) -> None:
        super().__init__("not_found", message)
        self.links = links


@dataclass
class Site:
    """One dashboard.

    Attributes:
        now: the time in nanoseconds since 1970.
        is_read_only: no acts.
        needs_token: programs must send a token to the scheduler.
        ending: set when the server stops; answers without an end of their own then end.
    """

    backend: Backend
    pages: Pages
    now: Callable[[], int]
    is_read_only: bool = False
    needs_token: bool = False
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    _sent: OrderedDict[str, asyncio.Future[str]] = field(default_factory=OrderedDict)

    async def frame(self, title: str, hub: str | None = None, *, live: str | None = None) -> Frame:
        """Return the frame of a page.

        Raises:
            BackendError: not_found, there is no such hub.
        """
        hubs, lacks = await asyncio.gather(self.backend.hub_names(), self._lacks_workers(hub))
        if hub is not None and hub not in hubs:
            raise BackendError("not_found", f"There is no task hub {hub}.")
        return Frame(
            title=title,
            hub=hub,
            hubs=hubs,
            endpoint=self.backend.endpoint,
            offers=self.backend.offers,
            now_ns=self.now(),
            is_read_only=self.is_read_only,
            needs_token=self.needs_token,
            has_unoffered=lacks,
            live_topic=live,
            nonce=uuid.uuid4().hex,
        )

    async def _lacks_workers(self, hub: str | None) -> bool:
        return hub is not None and self.backend.offers.workers and await self.backend.lacks_workers(hub)

    def place(self, request: Request, hub: str) -> Place:
        """Return where acts happen, for texts to copy."""
        base = request.scope.get("root_path", "")
        pages = f"{request.url.scheme}://{request.url.netloc}{base}"
        return Place(hub, self.backend.endpoint, pages, self.needs_token)

    def answer(self, request: Request, template: str, view: Any, status: int = 200) -> Response:
        """Return a view in the form that the request asks for."""
        return self.pages.answer(request, template, view, status)

    def must_be_writable(self) -> None:
        """Raise `ReadOnly` when nothing may be changed here."""
        if self.is_read_only:
            raise ReadOnly

    async def done(
        self, request: Request, nonce: str, act: Callable[[], Awaitable[str]], result: dict[str, Any]
    ) -> Response:
        """Do an act and lead to the path that it returns; a form that comes twice is done once."""
        self.must_be_writable()
        path = await self._once(nonce, act)
        if answers_json(request):
            return JSONResponse({**result, "path": path})
        return RedirectResponse(f"{request.scope.get('root_path', '')}{path}", status_code=303)

    async def _once(self, nonce: str, act: Callable[[], Awaitable[str]]) -> str:
        if not nonce:
            return await act()
        before = self._sent.get(nonce)
        if before is not None:
            return await asyncio.shield(before)
        sent: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._sent[nonce] = sent
        while len(self._sent) > _NONCES_KEPT:
            self._sent.popitem(last=False)
        try:
            path = await act()
        except BaseException as error:
            # The form may be mended and sent again.
            del self._sent[nonce]
            sent.set_exception(error)
            sent.exception()
            raise
        sent.set_result(path)
        return path


def answers_json(request: Request) -> bool:
    """Return whether an act is to be answered in JSON: asked for, or sent as JSON."""
    return wants_json(request) or is_json(request)


def is_json(request: Request) -> bool:
    """Return whether the body is JSON."""
    return request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"


async def read_fields(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a form, or of a JSON object, in order.

    Raises:
        BackendError: invalid, when it is neither or too large.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM_BYTES:
            raise BackendError("invalid", "The form is larger than 8 MiB. Nothing was changed.")
    if not is_json(request):
        return parse_qsl(bytes(body).decode(errors="replace"), keep_blank_values=True)
    try:
        read = json.loads(body or b"{}")
    except ValueError as error:
        raise BackendError("invalid", f"The body is not JSON: {error}. Nothing was changed.") from error
    if not isinstance(read, dict):
        raise BackendError("invalid", "The body must be a JSON object. Nothing was changed.")
    return [(name, value) for name, given in read.items() for value in _values(name, given)]


def _values(name: str, given: Any) -> list[str]:
    """Return a JSON value as the field of a form: payloads are texts, a list has several values."""
    if given is None:
        return []
    if isinstance(given, bool):
        return ["1" if given else ""]
    if isinstance(given, (str, int, float)):
        return [str(given)]
    if isinstance(given, list):
        return [str(each) for each in given]
    if name == "tags" and isinstance(given, dict):
        return ["\n".join(f"{key}={value}" for key, value in given.items())]
    raise BackendError("invalid", f"{name} must be a text. Payloads are given as JSON text, in quotes.")
