from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import httpx
import pytest
from durakit.cli import ports
from durakit.dashboard import on_demand
from durakit.dashboard.on_demand import Dashboard

from ..scheduler.rig import Rig
from .visiting import backend_of

Visit = Callable[[str], Awaitable[None]]


def serve(visit: Visit, leave: Callable[[], Awaitable[None]] | None = None) -> None:
    """Open a dashboard on a free port, visit it, close it; `leave` is for visitors who are still there."""

    async def run() -> None:
        listener = ports.listen("127.0.0.1", 0, "--dashboard-port")
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        dashboard = Dashboard(listener, lambda: backend_of(Rig()), host="127.0.0.1", token=None)
        dashboard.open()
        await visit(address)
        await dashboard.close()
        if leave is not None:
            await leave()
        assert listener.fileno() == -1

    asyncio.run(run())


def test_the_first_visitor_is_answered_and_so_are_all_others() -> None:
    async def visit(address: str) -> None:
        async with httpx.AsyncClient(base_url=address) as client:
            first = await asyncio.gather(*[client.get("/healthz") for _ in range(5)])
            later = await client.get("/hubs")
        assert [answer.json() for answer in first] == [{"status": "ok"}] * 5
        assert later.status_code == 200

    serve(visit)


def test_nothing_is_loaded_without_a_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> object:
        raise AssertionError(f"{name} was loaded")

    monkeypatch.setattr(on_demand, "import_module", load)

    async def stay_away(address: str) -> None:
        await asyncio.sleep(0)

    serve(stay_away)


def test_closing_while_the_first_visitor_waits_loses_nothing_but_the_visitor() -> None:
    async def knock(address: str) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        writer.close()
        await writer.wait_closed()

    serve(knock)


def test_a_dashboard_that_cannot_be_loaded_is_logged_and_the_door_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def load(name: str) -> object:
        raise ImportError("broken installation")

    monkeypatch.setattr(on_demand, "import_module", load)

    async def visit(address: str) -> None:
        async with httpx.AsyncClient(base_url=address) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/healthz")

    with caplog.at_level(logging.ERROR):
        serve(visit)

    assert caplog.messages == ["The dashboard failed; the scheduler runs on without it"]
    assert "broken installation" in str(caplog.records[0].exc_info)


def test_a_stream_that_a_page_holds_open_ends_at_once_when_the_dashboard_closes() -> None:
    ended = []

    async def visit(address: str) -> None:
        client = httpx.AsyncClient(base_url=address, timeout=30)
        opened = asyncio.Event()

        async def look_on() -> None:
            async with client, client.stream("GET", "/h/default/live") as stream:
                async for line in stream.aiter_lines():
                    opened.set()
                    ended.append(line)
            ended.append("the end, in order")

        looking.append(asyncio.create_task(look_on()))
        await opened.wait()

    looking: list[asyncio.Task[None]] = []

    async def leave() -> None:
        await looking[0]

    serve(visit, leave)
    assert ended[-1] == "the end, in order"
