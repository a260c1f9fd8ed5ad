from __future__ import annotations

import html
import logging
import re
from typing import Any

import pytest
from durakit.dashboard.views import PAGE_SIZE, STATUSES
from durakit.scheduler.machine.instance import Status

from .visiting import Hubs, many, request, row

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}",
    "x" * 2000,
    "\u202egnirts",
    "a\x00b\x1b[31m",
    "注文 🎉",
    "id/with . ~ % ? #",
)


def main_text(page: str) -> str:
    """Return what a reader sees of a page, in one line."""
    body = page.partition("<main")[2].partition(">")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_a_list_shows_what_is_known_of_an_instance() -> None:
    source = Hubs(
        {"default": [row("po-1", status="failed", parent_id="batch-7", error="CardDeclined: no funds")]}
    )

    page = request(source, "/h/default/instances")

    assert page.status_code == 200
    assert main_text(page.text).endswith(
        "Status Name Id Parent Now Started Updated "
        "Failed purchase_order po-1 batch-7 CardDeclined: no funds 13:49:58 13:50:00"
    )


def test_a_list_says_which_worker_an_instance_waits_for() -> None:
    source = Hubs({"default": [row("po-1", waiting="No worker is connected.")]})

    page = request(source, "/h/default/instances")

    assert "po-1 – No worker is connected. 13:49:58" in main_text(page.text)


def test_the_json_twin_says_the_same_in_stable_names() -> None:
    source = Hubs({"default": [row("po-1", parent_id="batch-7")]})

    twin = request(source, "/h/default/instances.json")

    assert twin.headers["content-type"] == "application/json"
    assert twin.json() == {
        "hub": "default",
        "status": None,
        "instances": [
            {
                "id": "po-1",
                "name": "purchase_order",
                "status": "running",
                "createdAt": "2026-11-21T13:49:58.123456Z",
                "updatedAt": "2026-11-21T13:50:00.000000Z",
                "parentId": "batch-7",
                "error": None,
                "waiting": None,
            }
        ],
        "next": None,
        "notices": [],
    }


def test_json_can_be_asked_for_by_header() -> None:
    answer = request(Hubs(), "/h/default/instances", headers={"Accept": "application/json"})

    assert answer.json()["hub"] == "default"


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_is_a_glyph_and_a_word(status: str) -> None:
    page = request(Hubs({"default": [row("po-1", status=status)]}), "/h/default/instances").text

    marks = re.findall(
        rf'class="status {status}"><svg class="glyph".*?</svg>\s*<span>(\w+)</span>', page, re.S
    )
    assert marks == [status.capitalize()] * 2


def test_every_status_has_a_silhouette_of_its_own() -> None:
    page = request(many(1), "/h/default/instances").text

    glyphs = re.findall(r'<nav class="filter".*?</nav>', page, re.S)[0]
    shapes = re.findall(r"<svg[^>]*>(.*?)</svg>", glyphs, re.S)
    assert len(set(shapes)) == len(STATUSES)


def test_the_filter_knows_only_words_of_the_scheduler() -> None:
    assert set(STATUSES) <= {status.word for status in Status}


def test_a_status_narrows_the_list_and_stays_in_the_links() -> None:
    rows = [row(f"ok-{number}", status="completed") for number in range(PAGE_SIZE + 1)]
    source = Hubs({"default": [row("bad", status="failed"), *rows]})

    answer = request(source, "/h/default/instances?status=Completed")

    assert "bad" not in main_text(answer.text)
    assert f'href="/h/default/instances?status=completed&amp;before={PAGE_SIZE}"' in answer.text


def test_older_instances_are_a_link_away_and_none_is_lost() -> None:
    source = many(2 * PAGE_SIZE + 1)
    path: str | None = "/h/default/instances.json"
    seen: list[str] = []

    while path is not None:
        page: dict[str, Any] = request(source, path).json()
        seen += [instance["id"] for instance in page["instances"]]
        path = page["next"]

    assert seen == [f"i-{number}" for number in range(2 * PAGE_SIZE + 1)]


def test_an_older_page_leads_back_to_the_newest() -> None:
    page = request(many(), f"/h/default/instances?before={PAGE_SIZE}").text

    assert "Refresh" not in page
    assert '<a class="button" href="/h/default/instances">Newest</a>' in page
    assert f'href="/h/default/instances.json?before={PAGE_SIZE}">JSON</a>' in page


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        (
            "status=done",
            "Ignored: done is not a status. "
            "Known are pending, running, suspended, completed, failed, terminated.",
        ),
        (
            "colour=red",
            "Ignored: colour is nothing this page can be asked for. Known are status and before.",
        ),
        (
            "before=then",
            "The place in the list that the address names does not exist. Shown is the newest page.",
        ),
    ],
)
def test_what_an_address_asks_in_vain_is_ignored_with_a_notice(query: str, notice: str) -> None:
    answer = request(many(1), f"/h/default/instances?{query}")

    assert answer.status_code == 200
    assert notice in main_text(answer.text)
    assert "i-0" in main_text(answer.text)
    assert request(many(1), f"/h/default/instances.json?{query}").json()["notices"] == [notice]


def test_an_empty_hub_tells_how_to_fill_it() -> None:
    page = request(Hubs(), "/h/default/instances", grpc_port=9090).text

    assert main_text(page) == (
        "Instances Refresh JSON Nothing has run in this hub yet "
        "Start a worker in one terminal, and a client in another: python worker.py python client.py "
        "Both find this hub by their environment, or by a file .env in their folder: "
        "ENDPOINT=http://127.0.0.1:9090 TASKHUB=default"
    )


def test_an_empty_hub_behind_a_token_asks_for_it_without_showing_it() -> None:
    page = request(
        Hubs(), "/h/default/instances", token="s3cret", headers={"Authorization": "Bearer s3cret"}
    ).text

    assert "DURAKIT_TOKEN= the token this scheduler was started with" in main_text(page)
    assert "s3cret" not in page


@pytest.mark.parametrize(
    ("host", "visited", "endpoint"),
    [
        ("127.0.0.1", "localhost:8082", "http://127.0.0.1:8080"),
        ("::1", "[::1]:8082", "http://[::1]:8080"),
        ("0.0.0.0", "192.168.1.7:8082", "http://192.168.1.7:8080"),
        ("::", "[fd00::7]:8082", "http://[fd00::7]:8080"),
    ],
)
def test_the_endpoint_is_the_one_that_the_visitor_can_reach(host: str, visited: str, endpoint: str) -> None:
    page = request(Hubs(), "/h/default/instances", host=host, headers={"Host": visited}).text

    assert f"ENDPOINT={endpoint} " in main_text(page)


def test_a_status_that_nobody_has_is_said_in_words() -> None:
    page = request(many(1), "/h/default/instances?status=failed").text

    assert main_text(page).endswith("No failed instance in this hub Show all instances")


def test_one_hub_is_opened_at_once() -> None:
    answer = request(Hubs({"orders.eu": []}), "/")

    assert (answer.status_code, answer.headers["location"]) == (302, "/h/orders~2Eeu/instances")


@pytest.mark.parametrize("names", [[], ["b", "a"]])
def test_several_hubs_or_none_are_listed_first(names: list[str]) -> None:
    answer = request(Hubs({name: [] for name in names}), "/")

    assert (answer.status_code, answer.headers["location"]) == (302, "/hubs")


def test_the_switcher_leads_to_the_chosen_hub() -> None:
    source = Hubs({"a": [], "b": []})

    answer = request(source, "/?hub=b")

    assert (answer.status_code, answer.headers["location"]) == (302, "/h/b/instances")
    assert '<option value="b" selected>b</option>' in request(source, "/h/b/instances").text


def test_the_hubs_are_listed_by_name_with_a_twin() -> None:
    source = Hubs({"b/2": [], "a": []})

    assert main_text(request(source, "/hubs").text) == "Hubs JSON a b/2"
    assert request(source, "/hubs.json").json() == {
        "hubs": [
            {"name": "a", "instances": "/h/a/instances"},
            {"name": "b/2", "instances": "/h/b~2F2/instances"},
        ]
    }


def test_a_scheduler_without_hubs_says_how_they_come_to_be() -> None:
    assert main_text(request(Hubs({}), "/hubs").text) == (
        "Hubs JSON There is no task hub yet One is made when a worker or a client names it in TASKHUB ."
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/h/nope/instances", 404, "There is no task hub 'nope'."),
        ("GET", "/nope", 404, "There is no page /nope. The hubs and their instances are at /hubs."),
        (
            "GET",
            "/static/nope.css",
            404,
            "There is no page /static/nope.css. The hubs and their instances are at /hubs.",
        ),
        ("POST", "/hubs", 405, "/hubs can only be read, with GET."),
    ],
)
def test_where_there_is_no_page_words_say_so(method: str, path: str, status: int, message: str) -> None:
    page = request(Hubs(), path, method=method)
    twin = request(Hubs(), path, method=method, headers={"Accept": "application/json"})

    assert page.status_code == status
    assert message in main_text(page.text)
    assert twin.json() == {"error": {"status": status, "message": message}}


def test_a_failure_is_told_without_its_details(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Hubs):
        def hub_names(self) -> list[str]:
            raise RuntimeError("secret path")

    with caplog.at_level(logging.CRITICAL):
        answer = request(Broken(), "/hubs")

    assert answer.status_code == 500
    assert main_text(answer.text) == (
        "Failed The page could not be made. The scheduler's log says why; the scheduler itself runs on. Hubs"
    )


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_texts_are_only_text(hostile: str) -> None:
    source = Hubs({hostile: [row(hostile, name=hostile, parent_id=hostile, error=hostile)], "b": []})
    path = request(source, "/hubs.json").json()["hubs"][0 if hostile < "b" else 1]["instances"]

    page = request(source, path)

    assert page.status_code == 200
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "49" not in page.text.partition("<tbody>")[2].partition("started")[0]
    assert not set(page.text) & {"\u202e", "\x00", "\x1b"}
    assert request(source, path.replace("/instances", "/instances.json")).json()["hub"] == hostile


@pytest.mark.parametrize("path", ["/h/default/instances", "/hubs", "/nope", "/static/style.css", "/healthz"])
def test_every_page_can_be_asked_for_its_head(path: str) -> None:
    assert request(Hubs(), path, method="HEAD").status_code == request(Hubs(), path).status_code


def test_health_is_told_to_anybody() -> None:
    answer = request(Hubs(), "/healthz", token="s3cret", headers={"Host": "probe.example"})

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_files_are_kept_by_browsers_until_they_change() -> None:
    page = request(Hubs(), "/hubs").text
    (path,) = re.findall(r'href="(/static/style\.css\?[0-9a-f]{12})"', page)

    answer = request(Hubs(), path)

    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("path", ["/hubs", "/h/default/instances", "/nope"])
def test_pages_keep_to_their_own_policy(path: str) -> None:
    page = request(many(), path).text

    assert "style=" not in page
    assert not re.search(r"<script|<style|\son\w+=", page)
    assert not re.search(r'(?:src|href|action)="(?!/|#)', page)
