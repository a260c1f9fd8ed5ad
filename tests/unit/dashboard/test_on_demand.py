from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from durakit.cli import ports
from durakit.dashboard import on_demand
from durakit.dashboard.backend import BackendError
from durakit.dashboard.on_demand import Dashboard
from durakit.dashboard.pages import Pages

from ..scheduler.rig import Rig
from .visiting import Desk, backend_of

Visit = Callable[[str], Awaitable[None]]


def serve(
    visit: Visit, leave: Callable[[], Awaitable[None]] | None = None, *, rig: Rig | None = None
) -> None:
    """Open a dashboard on a free port, visit it, close it; `leave` is for visitors who are still there."""
    looked_at = rig or Rig()

    async def run() -> None:
        listener = ports.listen("127.0.0.1", 0, "--dashboard-port")
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        dashboard = Dashboard(
            listener, lambda loop: backend_of(looked_at, loop), host="127.0.0.1", token=None
        )
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


def test_while_a_page_is_being_made_the_scheduler_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    being_made, has_gone_on = threading.Event(), threading.Event()
    html = Pages.html

    def take_long(*arguments: Any, **more: Any) -> str:
        being_made.set()
        assert has_gone_on.wait(10)
        return html(*arguments, **more)

    monkeypatch.setattr(Pages, "html", take_long)

    async def visit(address: str) -> None:
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            asked = asyncio.create_task(client.get("/h/default/instances"))
            assert await asyncio.to_thread(being_made.wait, 10)
            # Here the scheduler's loop runs, with the page half made.
            has_gone_on.set()
            assert (await asked).status_code == 200

    serve(visit)


def test_acts_happen_where_the_scheduler_is_and_pages_hear_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, acted_in, call = Rig(), [], Desk.call

    async def noted(desk: Desk, hub: str, method: str, request: Any) -> Any:
        acted_in.append(threading.current_thread())
        return await call(desk, hub, method, request)

    monkeypatch.setattr(Desk, "call", noted)

    async def visit(address: str) -> None:
        async with (
            httpx.AsyncClient(base_url=address, timeout=30) as client,
            client.stream("GET", "/h/default/live?topic=instances") as stream,
        ):
            lines = stream.aiter_lines()
            told = [line async for line in _until(lines, "data: ")]
            await client.post("/h/default/instances/start", json={"name": "flow", "id": "a"})
            told = [line async for line in _until(lines, '"a"')]
        assert json.loads(told[-1].partition("data: ")[2]) == {"ids": ["a"], "created": 1}

    serve(visit, rig=rig)
    assert acted_in == [threading.main_thread()]
    assert rig.state("a").name == "flow"
    assert rig.engine.on_released == []


async def _until(lines: AsyncIterator[str], wanted: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if wanted in line:
            return


def test_reading_is_refused_in_words_once_the_scheduler_has_stopped() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    backend = backend_of(Rig(), loop)

    async def ask() -> None:
        with pytest.raises(BackendError, match=r"The scheduler has stopped\.") as refused:
            await backend.hub_names()
        assert refused.value.trouble == "unavailable"

    asyncio.run(ask())
