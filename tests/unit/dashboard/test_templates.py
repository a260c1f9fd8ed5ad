"""Every page's template with every view, with the data of the design and with hostile text."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from durakit.dashboard.pages import Pages
from starlette.requests import Request

from .examples import every as every_page

HOSTILE = (
    "</script><script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}",
    "x" * 2000,
    "\u202egnirts",
    "a\x00b\x1b[31m",
    "注文 🎉",
    "id/with . ~ % ? #",
)
#: Elements that have no end tag.
VOID = {"meta", "link", "input", "br", "path", "rect", "circle", "line", "use", "polyline", "hr", "img"}


class Reader(HTMLParser):
    """Collects what a page consists of, and checks that its elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


PAGES = Pages(lambda: datetime(2026, 11, 21, 13, 50, 36, tzinfo=timezone.utc))
every = cache(every_page)
NAMES = sorted(every())


def page(name: str, text: str | None = None, *, base: str = "", cookie: str = "") -> str:
    template, view = every(text)[name]
    headers = [(b"cookie", cookie.encode())] if cookie else []
    request = Request({"type": "http", "path": "/", "root_path": base, "headers": headers})
    return PAGES.html(request, template, view)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def elements(html: str, tag: str) -> list[dict[str, str | None]]:
    return [attributes for name, attributes in read(html).tags if name == tag]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_well_formed_and_has_one_heading(name: str) -> None:
    html = page(name)

    assert len(elements(html, "h1")) == 1
    assert len(elements(html, "main")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_page_keeps_the_policy_no_inline_style_script_or_handler(name: str) -> None:
    reader = read(page(name))

    for tag, attributes in reader.tags:
        assert tag != "style"
        assert "style" not in attributes
        assert not any(key.startswith("on") for key in attributes)
        if tag == "script":
            assert attributes.get("src")


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_unique_on_a_page(name: str) -> None:
    ids = [attributes["id"] for _, attributes in read(page(name)).tags if attributes.get("id")]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_users_wrote_is_text_and_nothing_else(name: str, text: str) -> None:
    harmless, hostile = read(page(name, "harmless")), read(page(name, text))

    kinds = {tag for tag, _ in hostile.tags}
    assert kinds <= {tag for tag, _ in harmless.tags} | {"code", "pre"}
    assert "img" not in kinds
    assert sum(tag == "script" for tag, _ in hostile.tags) <= 1
    shown = "".join(hostile.text)
    assert not re.search(r"[\u202e\x00\x1b]", shown)
    assert "alert(1)" not in " ".join(key for _, attributes in hostile.tags for key in attributes)


@pytest.mark.parametrize("name", NAMES)
def test_links_begin_with_the_base_path(name: str) -> None:
    reader = read(page(name, base="/durakit"))

    for tag, attributes in reader.tags:
        for key in ("href", "src", "action"):
            target = attributes.get(key)
            if target and target.startswith("/"):
                assert target.startswith("/durakit/"), (tag, target)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_has_a_name_to_be_called_by(name: str) -> None:
    html = page(name)
    labelled = {attributes.get("for") for attributes in elements(html, "label")}

    for tag in ("input", "select", "textarea"):
        for attributes in elements(html, tag):
            if attributes.get("type") in ("hidden", "radio", "checkbox") or "aria-label" in attributes:
                continue
            wrapped = re.search(rf'<label[^>]*>[^<]*<{tag} name="{attributes.get("name")}"', html)
            assert attributes.get("id") in labelled or wrapped, attributes


@pytest.mark.parametrize("name", NAMES)
def test_a_page_weighs_less_than_150_kilobytes(name: str) -> None:
    assert len(page(name).encode()) < 150_000


def test_a_read_only_page_offers_no_act() -> None:
    html = page("instances-read-only")

    assert "Start orchestration" not in html
    assert not any(attributes.get("name") == "chosen" for attributes in elements(html, "input"))


def test_the_theme_is_set_before_the_first_paint() -> None:
    (light,) = elements(page("help", cookie="durakit-theme=dark"), "html")
    (other,) = elements(page("help", cookie="durakit-theme=%22onload"), "html")

    assert light["data-theme"] == "dark"
    assert "data-theme" not in other


def test_modules_name_each_other_by_their_version() -> None:
    answer: Any = PAGES.file("main.js")

    for name in re.findall(r'from "\./([^"]+)"', answer.body.decode()):
        assert re.fullmatch(r"[\w-]+\.js\?[0-9a-f]{12}", name)
