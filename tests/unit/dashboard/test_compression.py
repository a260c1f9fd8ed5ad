"""Pages and files are sent small to browsers that can unpack them; streams of changes as they are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from durakit.dashboard.web import create_app

from ..scheduler.rig import Rig
from .visiting import backend_of, request

PAGE = "/h/default/instances"
ACCEPTS = {"Accept-Encoding": "gzip, br"}
REFUSES = {"Accept-Encoding": "identity"}


@pytest.mark.parametrize("path", [PAGE, "/static/pages.css", "/static/live.js", "/help"])
def test_a_page_is_packed_for_who_can_unpack_it(path: str) -> None:
    packed = request(Rig(), path, headers=ACCEPTS)
    whole = request(Rig(), path, headers=REFUSES)

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in whole.headers
    assert packed.text == whole.text
    assert int(packed.headers["content-length"]) < int(whole.headers["content-length"])
    assert "Accept-Encoding" in packed.headers["vary"]


def test_a_small_answer_is_not_packed() -> None:
    assert "content-encoding" not in request(Rig(), "/healthz", headers=ACCEPTS).headers


def test_what_is_packed_is_guarded_and_kept_as_before() -> None:
    page = request(Rig(), PAGE, headers=ACCEPTS).headers
    file = request(Rig(), "/static/pages.css", headers=ACCEPTS).headers

    assert page["cache-control"] == "no-store"
    assert page["content-security-policy"].startswith("default-src 'none'")
    assert "immutable" in file["cache-control"]


def test_a_stream_of_changes_is_neither_packed_nor_kept_back() -> None:
    rig = Rig()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/h/default/live",
        "query_string": b"topic=instances",
        "headers": [(b"host", b"127.0.0.1"), (b"accept-encoding", b"gzip")],
    }

    async def begin() -> list[Any]:
        sent: list[Any] = []
        has_body = asyncio.Event()

        async def send(message: Any) -> None:
            sent.append(message)
            if message["type"] == "http.response.body":
                has_body.set()

        app = create_app(backend_of(rig), now=lambda: rig.now)
        never: Any = asyncio.Event().wait
        answering = asyncio.create_task(app(scope, never, send))
        await asyncio.wait_for(has_body.wait(), 5)
        answering.cancel()
        return sent

    start, body, *_ = asyncio.run(begin())

    assert b"content-encoding" not in dict(start["headers"])
    assert body["body"] == b"retry: 1000\n\n"
