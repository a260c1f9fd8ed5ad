"""A dashboard to visit without a network: pages over the real engine; the test moves clock and workers."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from durakit.dashboard.backend import Backend
from durakit.dashboard.embedded.backend import EmbeddedBackend
from durakit.dashboard.web import create_app
from durakit.scheduler.engine import Engine

from ..scheduler.rig import SECOND, Rig, schedule, timer

ENDPOINT = "http://127.0.0.1:8080"
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}",
    "x" * 99,
    "\u202egnirts",
    "a\x1b[31m",
    "注文 🎉",
    "id/with . ~ % ? #",
    "twin.json",
    "..",
)
JSON = {"Accept": "application/json"}


class Desk:
    """The scheduler as the backend needs it, driven by a rig."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    @property
    def engine(self) -> Engine:
        return self._rig.engine

    async def call(self, hub: str, method: str, request: Any) -> Any:
        response = self._rig.requests.by_method[method](request, self._rig.engine.hub(hub))
        self._rig.commit()
        return response


def backend_of(rig: Rig, loop: asyncio.AbstractEventLoop | None = None) -> EmbeddedBackend:
    """Return what the pages talk to, on the rig's clock; `loop`: where the rig is used, if elsewhere."""
    return EmbeddedBackend(Desk(rig), ENDPOINT, now=lambda: rig.now, loop=loop)


def request(
    rig: Rig,
    path: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    data: dict[str, Any] | None = None,
    json: Any = None,
    backend: Backend | None = None,
    **app: Any,
) -> httpx.Response:
    """Return the answer of a dashboard; `app` are arguments of `create_app`."""

    async def ask() -> httpx.Response:
        talks_to = backend or backend_of(rig)
        made = create_app(talks_to, now=lambda: rig.now, **app)
        transport = httpx.ASGITransport(made, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8082") as client:
            answer = await client.request(method, path, headers=headers, data=data, json=json)
        await talks_to.close()
        return answer

    return asyncio.run(ask())


def ask(rig: Rig, path: str) -> Any:
    """Return the JSON twin of a path."""
    answer = request(rig, path, headers=JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()


def waiting_rig() -> Rig:
    """One instance `a` that has called `validate` and waits for a timer of 15 minutes."""
    rig = Rig()
    rig.start("a", "flow", input={"value": '{"n": 9007199254740993}'}, tags={"region": "eu"})
    worker = rig.worker("build-7:4121")
    worker.do(schedule(1, "validate"))
    worker.finish(worker.item(), "true")
    worker.do(timer(2, rig.now + 900 * SECOND), status='"awaiting"')
    return rig
