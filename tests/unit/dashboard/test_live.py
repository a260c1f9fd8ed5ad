"""Changes as they reach an open page: joined, narrowed to what the page shows, never the last one lost."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from durakit.dashboard.backend import Changed
from durakit.dashboard.pages import Pages
from durakit.dashboard.routes import live
from durakit.dashboard.site import Site
from durakit.dashboard.words import utc

from ..scheduler.rig import Rig, complete
from .visiting import backend_of


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pauses that spare the reader."""
    monkeypatch.setattr(live, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(live, "LIST_PAUSE_SECONDS", 0.0)


def messages(rig: Rig, topic: str, *acts: Any) -> list[Any]:
    """Return what a page of this topic is told at the opening, and when the acts have happened."""
    backend = backend_of(rig)
    site = Site(backend, Pages(lambda: utc(rig.now)), lambda: rig.now)

    async def read() -> list[Any]:
        stream = live.events(site, "default", topic)
        assert await anext_of(stream) == "retry: 1000\n\n"
        told = [json.loads((await anext_of(stream)).partition("data: ")[2])]
        for act in acts:
            act()
        while acts and len(told) < 2:
            text = await asyncio.wait_for(anext_of(stream), 5)
            if text != live.BEAT:
                told.append(json.loads(text.partition("data: ")[2]))
        await stream.aclose()  # type: ignore[attr-defined]  # a generator has it
        return told

    return asyncio.run(read())


async def anext_of(stream: Any) -> str:
    text: str = await stream.__anext__()
    return text


def test_changes_that_come_together_are_one_message() -> None:
    rig = Rig()

    _, told = messages(rig, "instances", lambda: rig.start("a"), lambda: rig.start("b"))

    assert told == {"ids": ["a", "b"], "created": 2}


def test_a_page_of_a_family_hears_of_each_of_it_and_of_no_other() -> None:
    rig = Rig()
    rig.start("a/1")
    worker = rig.worker()

    _, told = messages(
        rig, "family:b.a~2F1", lambda: rig.start("c"), lambda: worker.answer(worker.items()[0], complete())
    )

    assert told == {"ids": ["a/1"], "created": 0}


def test_a_page_of_one_instance_hears_of_no_other() -> None:
    rig = Rig()
    rig.start("a")
    worker = rig.worker()

    _, told = messages(
        rig, "instance:a", lambda: rig.start("b"), lambda: worker.answer(worker.items()[0], complete())
    )

    assert told == {"ids": ["a"], "created": 0}


@pytest.mark.parametrize("topic", ["instances", "instance:a"])
def test_a_page_is_told_to_look_again_once_it_is_watched_so_that_no_change_falls_between(
    topic: str,
) -> None:
    rig = Rig()
    rig.start("a")

    opening, later = messages(rig, topic, lambda: rig.terminate("a"))

    assert opening == {"ids": None, "created": 0}
    assert later["ids"] == ["a"]


def test_what_was_deleted_may_be_anything() -> None:
    rig = Rig()
    rig.start("a")
    rig.terminate("a")

    _, told = messages(rig, "instance:a", lambda: rig.purge("a"))

    assert told["ids"] is None


def test_without_a_page_nothing_is_noted() -> None:
    rig = Rig()
    messages(rig, "instances", lambda: rig.start("a"))

    assert rig.engine.on_released == []


def test_many_changes_are_told_as_any() -> None:
    text = live.message(3, Changed(frozenset(map(str, range(600)))))

    assert text.startswith("id: 3\nevent: change\n")
    assert json.loads(text.partition("data: ")[2])["ids"] is None


def test_an_open_page_does_not_keep_the_server_from_stopping() -> None:
    rig = Rig()
    backend = backend_of(rig)
    site = Site(backend, Pages(lambda: utc(rig.now)), lambda: rig.now)

    async def read() -> list[str]:
        stream = live.events(site, "default", "instances")
        await anext_of(stream)
        await anext_of(stream)
        asyncio.get_running_loop().call_soon(site.ending.set)
        return [text async for text in stream]

    assert asyncio.run(asyncio.wait_for(read(), live.HEARTBEAT_SECONDS / 2)) == []
    assert rig.engine.on_released == []
