"""What the paths answer that change nothing: pages, twins, downloads, words for what is not there."""

from __future__ import annotations

import logging
import re
from html.parser import HTMLParser

import pytest
from durakit.dashboard.text import segment

from ..scheduler.rig import SECOND, Rig, fail, schedule
from .visiting import HOSTILE, JSON, ask, backend_of, request, waiting_rig

TABS = ("", "/timeline", "/history", "/sequence", "/data", "/relations")


def attributes_of(page: str) -> set[str]:
    """Return the names of all attributes of a page."""
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.update(name for name, _ in attrs)

    Reader().feed(page)
    return found


# --- ways in


def test_one_hub_is_opened_at_once() -> None:
    answer = request(Rig(), "/")

    assert (answer.status_code, answer.headers["location"]) == (302, "/h/default/instances")


def test_several_hubs_are_listed_first_and_the_switcher_leads_to_one() -> None:
    rig = Rig()
    rig.engine.hub("orders.eu")
    rig.commit()

    assert request(rig, "/").headers["location"] == "/hubs"
    assert request(rig, "/?hub=orders.eu").headers["location"] == "/h/orders~2Eeu/instances"
    assert [hub["name"] for hub in ask(rig, "/hubs")["hubs"]] == ["default", "orders.eu"]


def test_an_exact_id_opens_the_instance_a_beginning_the_list() -> None:
    rig = Rig()
    rig.start("po-1042")

    exact = request(rig, "/h/default/goto?goto=po-1042").headers["location"]
    beginning = request(rig, "/h/default/goto?goto=po").headers["location"]

    assert exact == "/h/default/i/po-1042"
    assert beginning == "/h/default/instances?id=po"


def test_an_id_of_another_hub_is_found_there() -> None:
    rig = Rig()
    rig.engine.hub("saga")
    rig.start("po-1042")

    assert request(rig, "/h/saga/goto?goto=po-1042").headers["location"] == "/h/default/i/po-1042"


# --- the list


def test_the_list_says_of_each_instance_what_it_waits_for() -> None:
    (row,) = ask(waiting_rig(), "/h/default/instances")["instances"]

    assert (row["id"], row["status"], row["tags"]) == ("a", "running", {"region": "eu"})
    assert row["createdAt"] == "2026-01-01T00:00:00Z"
    assert row["customStatus"] == '"awaiting"'
    assert row["waiting"]["short"] == "A timer is due at 00:15:00"


@pytest.mark.parametrize(
    ("query", "notice"),
    [
        (
            "status=done",
            "Ignored: done is not a status. Known are pending, running, suspended, completed, failed, "
            "terminated.",
        ),
        ("colour=red", "Ignored: colour is nothing this page can be asked for."),
        (
            "from=soon",
            "Ignored: soon is not a time. Write 2026-11-21T13:00:00Z, or -6h for six hours ago.",
        ),
        (
            "after=then",
            "The place in the list that the address names does not exist. Shown is the first page.",
        ),
    ],
)
def test_what_an_address_asks_in_vain_is_ignored_with_a_notice(query: str, notice: str) -> None:
    answer = ask(waiting_rig(), f"/h/default/instances?{query}")

    assert answer["notices"] == [notice]
    assert len(answer["instances"]) == 1


def test_pages_lead_to_all_instances_and_back() -> None:
    rig = Rig()
    for number in range(60):
        rig.now += SECOND
        rig.start(f"i-{number}")

    first = ask(rig, "/h/default/instances?size=25")
    second = ask(rig, first["next"])
    third = ask(rig, second["next"])
    back = ask(rig, third["previous"])

    ids = [row["id"] for page in (first, second, third) for row in page["instances"]]
    assert ids == [f"i-{number}" for number in reversed(range(60))]
    assert third["next"] is None
    assert first["previous"] is None
    assert back["instances"] == second["instances"]


def test_all_pages_come_as_lines() -> None:
    rig = Rig()
    for number in range(205):
        rig.start(f"i-{number}")

    lines = request(rig, "/h/default/instances.jsonl").text.splitlines()

    assert len({re.findall(r'"id": "([^"]+)"', line)[0] for line in lines}) == 205


def test_an_empty_filter_says_which_condition_hides_how_many() -> None:
    page = request(waiting_rig(), "/h/default/instances?tag=region=us&name=flow").text

    assert "Nothing matches" in page


# --- one instance


def test_the_twin_of_an_instance_has_facts_reason_and_acts() -> None:
    found = ask(waiting_rig(), "/h/default/i/a.json")

    assert found["status"] == "running"
    assert found["turns"] == 2
    assert found["waiting"]["kind"] == "timer-only"
    assert found["acts"] == ["raise", "suspend", "terminate"]


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("tab", TABS)
def test_hostile_names_and_payloads_are_only_text_on_every_tab(hostile: str, tab: str) -> None:
    rig = Rig()
    rig.start(hostile, hostile, input={"value": hostile}, tags={hostile: hostile})
    rig.worker(hostile).do(schedule(1, hostile, input={"value": hostile}), status=hostile)
    path = f"/h/default/i/{segment(hostile)}{tab}"

    page = request(rig, path)

    assert page.status_code == 200
    assert not re.search(r"<script(?! type=\"module\" src=\"/static/)", page.text)
    assert "<img" not in page.text
    # Attributes keep ids as they are, for copying; what is read shows its acting characters.
    assert not set(re.sub(r"<[^>]*>", "", page.text)) & {"\u202e", "\x1b"}
    assert not [name for name in attributes_of(page.text) if name == "style" or name.startswith("on")]
    assert request(rig, f"{path}.json").status_code == 200


def test_payloads_are_given_as_they_were_recorded() -> None:
    rig = waiting_rig()

    raw = request(rig, "/h/default/i/a/data/input")
    of_event = request(rig, "/h/default/i/a/history/2/input")

    assert raw.text == of_event.text == '{"n": 9007199254740993}'
    assert raw.headers["content-disposition"] == 'attachment; filename="input.json"'
    assert raw.headers["content-type"].startswith("text/plain")


def test_the_whole_history_is_what_the_replay_test_reads() -> None:
    from durakit.history import history_from_json

    rig = waiting_rig()

    export = history_from_json(request(rig, "/h/default/i/a/history.json").text)

    assert export.name == "flow"
    assert export.messages == rig.history("a")


def test_events_are_paged_searched_and_linked_in_pairs() -> None:
    page = request(waiting_rig(), "/h/default/i/a/history?kind=taskScheduled&turns=0")

    assert page.status_code == 200
    assert "validate" in page.text
    assert "Timer created" not in page.text.partition("<tbody")[2]


def test_a_failure_names_the_activity_and_its_cause() -> None:
    rig = Rig()
    rig.start("a")
    worker = rig.worker()
    worker.do(schedule(1, "charge"))
    worker.finish(worker.item(), error="card declined")
    worker.do(fail("charge failed"))

    found = ask(rig, "/h/default/i/a/data")

    assert [link["message"] for link in found["failures"]] == ["card declined", "charge failed"]
    assert found["failures"][0]["where"] == "activity charge"
    assert request(rig, "/h/default/i/a").text.count("Failure chain") >= 1


# --- what is not there


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/h/nope/instances", 404, "There is no task hub nope."),
        (
            "GET",
            "/h/default/i/nope",
            404,
            "There is no instance nope in hub default. It may have been purged.",
        ),
        (
            "GET",
            "/h/default/i/nope/history",
            404,
            "There is no instance nope in hub default. It may have been purged.",
        ),
        ("POST", "/h/default/i/nope/suspend", 404, "There is no instance nope in hub default."),
        ("GET", "/nope", 404, "There is no page /nope. The hubs and their instances are at /hubs."),
        ("POST", "/hubs", 405, "/hubs cannot be asked for with POST."),
    ],
)
def test_where_there_is_no_page_words_say_so(method: str, path: str, status: int, message: str) -> None:
    page = request(Rig(), path, method=method)
    twin = request(Rig(), path, method=method, headers=JSON)

    assert page.status_code == status
    assert message in page.text
    assert twin.json() == {"error": {"status": status, "message": message}}


def test_an_id_that_is_not_there_leads_to_what_may_be_meant() -> None:
    rig = Rig()
    rig.engine.hub("saga")
    rig.start("po-1042")

    alike = request(rig, "/h/default/i/po-1O42").text
    elsewhere = request(rig, "/h/saga/i/po-1042").text

    assert '<a href="/h/default/i/po-1042">po-1042</a>' in alike
    assert '<a href="/h/default/i/po-1042">Found in hub default.</a>' in elsewhere


def test_a_failure_is_told_by_a_number_that_the_log_has(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig()
    broken = backend_of(rig)

    async def fail_badly() -> list[str]:
        raise RuntimeError("secret path")

    monkeypatch.setattr(broken, "hub_names", fail_badly)

    with caplog.at_level(logging.ERROR):
        answer = request(rig, "/hubs", backend=broken, headers=JSON)

    told = answer.json()["error"]
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert any(told["requestId"] in message for message in caplog.messages)


@pytest.mark.parametrize("path", ["/h/default/instances", "/hubs", "/nope", "/static/pages.css", "/healthz"])
def test_every_page_can_be_asked_for_its_head(path: str) -> None:
    assert request(Rig(), path, method="HEAD").status_code == request(Rig(), path).status_code


def test_health_is_told_to_anybody() -> None:
    answer = request(Rig(), "/healthz", token="s3cret", headers={"Host": "probe.example"})

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
