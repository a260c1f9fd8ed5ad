"""Every page in a real browser: what it says, with and without script, narrow and wide, for everyone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .conftest import Open

PAGES = {
    "instances": "/instances",
    "flat": "/instances?children=flat&cols=updated,completed,parent,tags,custom_status,events",
    "nothing": "/instances?name=nobody",
    "unfolded": "/instances?open=orders-2026-11-21",
    "waiting": "/i/po-1042",
    "step": "/i/po-1042/timeline?step=7",
    "zoomed": "/i/batch-77/timeline?kids=1&idle=0",
    "crowd": "/i/photos-2026-11-21",
    "history": "/i/po-1042/history?e=2",
    "history-of-all": "/i/orders-2026-11-21/history?kids=1",
    "event": "/i/po-1042/history/2",
    "sequence": "/i/po-1042/sequence",
    "family": "/i/orders-2026-11-21/sequence?kids=1",
    "data": "/i/po-1039/data",
    "data-of-all": "/i/orders-2026-11-21/data?kids=1",
    "statuses": "/i/cleanup-tmp/data",
    "failure": "/i/charge-1041",
    "relations": "/i/batch-77/relations",
    "generations": "/i/cleanup-tmp/relations",
    "workers": "/workers",
    "start": "/instances/start",
    "start-again": "/instances/start?from=po-1042",
    **{f"act-{act}": f"/i/po-1042/{act}" for act in ("raise", "suspend", "terminate", "restart")},
    **{f"act-{act}": f"/i/charge-1041/{act}" for act in ("rewind", "purge")},
    "act-resume": "/i/inv-eu-3/resume",
    "bulk": "/instances/bulk?act=suspend&chosen=po-1042&chosen=inv-eu-3",
    "hubs": "//hubs",
    "hub-new": "//hubs/new",
    "hub-reset": "//hubs/human_interaction/reset",
    "help": "//help",
    "nobody": "/i/nobody",
}
SEEN = {
    "instances": "Start orchestration",
    "nothing": "Nothing matches",
    "unfolded": "process_orders",
    "waiting": "request_approval",
    "step": "ConnectionError",
    "zoomed": "print_label",
    "crowd": "hash_file",
    "history": "Orchestration started",
    "sequence": "check_budget",
    "history-of-all": "batch-77:0003",
    "data-of-all": "CardDeclined",
    "data": "approved by dana",
    "statuses": "80 earlier",
    "failure": "Failure chain",
    "relations": "you are here",
    "generations": "Tree",
    "workers": "Nobody offers activity",
    "start-again": "po-1042",
    "act-raise": "approval",
    "act-restart": "only an instance that has ended",
    "hub-reset": "cannot be undone",
    "nobody": "There is no instance",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_shows_what_it_is_about(open_page: Open, name: str) -> None:
    page = open_page(PAGES[name]) if name != "nobody" else _problem(open_page)

    expect(page.locator("h1")).to_have_count(1)
    expect(page.locator("main")).to_contain_text(SEEN.get(name, ""))


@pytest.mark.parametrize("name", [name for name in PAGES if name != "nobody"])
def test_a_page_says_the_same_without_script(open_page: Open, name: str) -> None:
    page = open_page(PAGES[name], java_script_enabled=False)

    assert page.locator("h1").count() == 1
    assert SEEN.get(name, "") in (page.locator("main").text_content() or "")


@pytest.mark.parametrize("width", [320, 400, 720, 1180, 2000])
@pytest.mark.parametrize(
    "name",
    [
        "instances",
        "waiting",
        "crowd",
        "history",
        "history-of-all",
        "data-of-all",
        "statuses",
        "failure",
        "relations",
        "workers",
    ],
)
def test_a_page_never_scrolls_sideways(open_page: Open, name: str, width: int) -> None:
    page = open_page(PAGES[name], viewport={"width": width, "height": 800})

    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", [name for name in PAGES if name != "nobody"])
def test_axe_finds_no_serious_fault(open_page: Open, axe: str, name: str) -> None:
    page = open_page(PAGES[name], color_scheme="light")

    assert _faults(page, axe) == []


@pytest.mark.parametrize(
    "name",
    [
        "instances",
        "waiting",
        "history",
        "history-of-all",
        "data-of-all",
        "statuses",
        "sequence",
        "failure",
        "relations",
        "workers",
        "act-raise",
    ],
)
def test_axe_finds_no_serious_fault_in_the_dark(open_page: Open, axe: str, name: str) -> None:
    page = open_page(PAGES[name], color_scheme="dark")

    assert _faults(page, axe) == []


def test_axe_finds_no_serious_fault_on_a_narrow_page(open_page: Open, axe: str) -> None:
    page = open_page("/i/po-1042", viewport={"width": 400, "height": 800})

    assert _faults(page, axe) == []


def _faults(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def _problem(open_page: Open) -> Page:
    page = open_page("/instances")
    # A page that is not found makes the console say so: that is no error of ours.
    html = page.request.get(f"{page.url.rpartition('/')[0]}/i/nobody").text()
    page.set_content(html)
    return page
