"""What the paths answer: twins, acts, forms, words for what is not possible."""

from __future__ import annotations

import logging
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from durakit.dashboard.text import segment
from durakit.wire.messages import orchestration_pb2 as pb

from ..scheduler.rig import BEGINNING, SECOND, Rig, complete, fail, schedule, timer
from .visiting import backend_of, request

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
TABS = ("", "/timeline", "/history", "/sequence", "/data", "/relations")
ACTS = ("raise", "suspend", "resume", "terminate", "restart", "rewind", "purge")
JSON = {"Accept": "application/json"}


def ask(rig: Rig, path: str) -> Any:
    """Return the JSON twin of a path."""
    answer = request(rig, path, headers=JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()


def attributes_of(page: str) -> set[str]:
    """Return the names of all attributes of a page."""
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.update(name for name, _ in attrs)

    Reader().feed(page)
    return found


def waiting_rig() -> Rig:
    """One instance `a` that has called `validate` and waits for a timer of 15 minutes."""
    rig = Rig()
    rig.start("a", "flow", input={"value": '{"n": 9007199254740993}'}, tags={"region": "eu"})
    worker = rig.worker("build-7:4121")
    worker.do(schedule(1, "validate"))
    worker.finish(worker.item(), "true")
    worker.do(timer(2, rig.now + 900 * SECOND), status='"awaiting"')
    return rig


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


# --- acts


def test_starting_leads_to_the_instance() -> None:
    rig = Rig()
    fields = {"name": "flow", "id": "po/1", "input": '{"n": 1.50}', "tags": "region=eu\nvip=1", "nonce": "n"}

    answer = request(rig, "/h/default/instances/start", method="POST", data=fields)

    assert (answer.status_code, answer.headers["location"]) == (303, "/h/default/i/po~2F1")
    assert rig.state("po/1").input.value == '{"n": 1.50}'
    assert dict(rig.state("po/1").tags) == {"region": "eu", "vip": "1"}


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"name": ""}, "name", "An orchestration needs a name, as its worker registered it."),
        (
            {"input": '{\n"a": 1\n"b": 2}'},
            "input",
            'Line 3: a comma is missing before "b". Nothing has been sent.',
        ),
        ({"tags": "loose"}, "tags", "loose is not a tag. Write key=value, one a line."),
        ({"start_at": "later"}, "start_at", "This is not a time. Write 2026-11-21T18:00:00Z."),
    ],
)
def test_a_field_that_cannot_be_used_is_told_beside_it(
    changes: dict[str, str], field: str, message: str
) -> None:
    rig = Rig()
    sent = {"name": "flow", "id": "a", **changes}

    answer = request(rig, "/h/default/instances/start", method="POST", json=sent)
    page = request(rig, "/h/default/instances/start", method="POST", data=sent)

    assert answer.status_code == page.status_code == 400
    assert answer.json()["error"]["fields"] == {field: message}
    assert f'id="wrong-{field}"' in page.text
    assert not rig.exists("a")


def test_a_taken_id_is_told_in_the_form_and_nothing_is_lost() -> None:
    rig = Rig()
    rig.start("a")

    page = request(rig, "/h/default/instances/start", method="POST", data={"name": "typed-before", "id": "a"})

    assert page.status_code == 409
    assert "already exists" in page.text
    assert 'value="typed-before"' in page.text


def test_a_form_sent_twice_starts_once() -> None:
    import asyncio

    import httpx
    from durakit.dashboard.web import create_app

    rig = Rig()

    async def send_twice() -> list[str]:
        transport = httpx.ASGITransport(create_app(backend_of(rig), now=lambda: rig.now))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8082") as client:
            path, data = "/h/default/instances/start", {"name": "flow", "nonce": "once"}
            answers = await asyncio.gather(*[client.post(path, data=data) for _ in range(3)])
        return [answer.headers["location"] for answer in answers]

    assert len(set(asyncio.run(send_twice()))) == 1
    assert len(ask(rig, "/h/default/instances")["instances"]) == 1


def test_an_event_is_raised_with_its_payload_unaltered() -> None:
    rig = waiting_rig()
    fields = {"event": "other", "event_other": "approval", "payload": '{"sum": 1.50}'}

    answer = request(rig, "/h/default/i/a/raise", method="POST", data=fields)

    assert answer.status_code == 303
    item = pb.WorkItem.FromString(rig.hub.streams[0].outbox[-1])
    raised = [
        event.eventRaised for event in item.orchestratorRequest.newEvents if event.HasField("eventRaised")
    ]
    assert [(event.name, event.input.value) for event in raised] == [("approval", '{"sum": 1.50}')]


def test_an_act_that_comes_too_late_is_told_and_changes_nothing() -> None:
    rig = Rig()
    rig.start("a")
    rig.now = BEGINNING + 7 * SECOND
    rig.worker().do(complete('"done"'))

    answer = request(rig, "/h/default/i/a/terminate", method="POST", json={"reason": "late"})

    assert answer.status_code == 409
    assert answer.json()["error"]["message"] == (
        "a completed at 00:00:07, before your Terminate arrived. Nothing was changed."
    )
    assert rig.state("a").output.value == '"done"'


def test_suspend_resume_and_terminate_take_their_reasons() -> None:
    rig = waiting_rig()

    request(rig, "/h/default/i/a/suspend", method="POST", data={"reason": "stock-take"})
    suspended = ask(rig, "/h/default/i/a.json")["waiting"]["text"]
    request(rig, "/h/default/i/a/resume", method="POST", data={})
    request(rig, "/h/default/i/a/terminate", method="POST", data={"reason": "wrong file"})

    assert suspended == "Suspended 0 s ago: stock-take"
    assert ask(rig, "/h/default/i/a.json")["waiting"]["short"] == "wrong file"


def test_restart_takes_another_input() -> None:
    rig = Rig()
    rig.start("a", input={"value": "1"})
    rig.terminate("a")

    request(rig, "/h/default/i/a/restart", method="POST", data={"input": "2", "new_id": "", "nonce": "n"})

    assert rig.state("a").input.value == "2"


def test_purge_leads_back_to_the_list() -> None:
    rig = Rig()
    rig.start("a")
    rig.terminate("a")

    answer = request(rig, "/h/default/i/a/purge", method="POST", data={"recursive": "1"})

    assert answer.headers["location"] == "/h/default/instances"
    assert not rig.exists("a")


@pytest.mark.parametrize("act", ACTS)
def test_every_act_has_a_form_that_says_when_it_cannot_be_done(act: str) -> None:
    rig = Rig()
    rig.start("a")

    page = request(rig, f"/h/default/i/a/{act}")

    assert page.status_code == 200
    refused = act in ("resume", "restart", "rewind", "purge")
    assert (re.search(r'<button type="submit" class="primary" disabled', page.text) is not None) == refused


def test_a_read_only_dashboard_changes_nothing_and_offers_nothing() -> None:
    rig = waiting_rig()

    for path in ("i/a/terminate", "i/a/raise", "instances/start", "instances/bulk"):
        sent = {"name": "x", "event": "e", "act": "terminate", "all": "1"}
        answer = request(rig, f"/h/default/{path}", method="POST", json=sent, read_only=True)
        assert answer.status_code == 403, path
        assert answer.json()["error"]["message"] == (
            "This dashboard is read-only: it was started with --read-only. Nothing was changed."
        )
    page = request(rig, "/h/default/i/a", read_only=True).text
    assert "Read-only" in page
    assert 'href="/h/default/i/a/terminate"' not in page


# --- many


def test_an_act_on_a_filter_is_confirmed_and_leaves_others_alone() -> None:
    import asyncio

    import httpx
    from durakit.dashboard.web import create_app

    rig = Rig()
    for number in range(120):
        rig.start(f"i-{number}", tags={"batch": "7"} if number % 2 else {})

    async def terminate_many() -> tuple[Any, Any]:
        transport = httpx.ASGITransport(create_app(backend_of(rig), now=lambda: rig.now))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8082", headers=JSON
        ) as client:
            asked = await client.get("/h/default/instances/bulk?act=terminate&all=1&tag=batch%3D7")
            sent = {"act": "terminate", "all": "1", "tag": ["batch=7"], "reason": "wrong file"}
            begun = (await client.post("/h/default/instances/bulk", json=sent)).json()
            for _ in range(1_000):
                await asyncio.sleep(0)  # nothing here waits for a network, so others need to be let in
                progress = (await client.get(begun["path"])).json()
                if progress["isFinished"]:
                    break
        return asked.json(), progress

    asked, progress = asyncio.run(terminate_many())

    assert asked["total"] == 60
    assert (progress["done"], progress["leftAlone"], progress["refused"]) == (60, 0, [])
    by_status = ask(rig, "/h/default/instances")["counts"]["byStatus"]
    assert (by_status["terminated"], by_status["pending"]) == (60, 60)


# --- hubs


def test_a_hub_is_created_and_a_second_one_of_that_name_is_not() -> None:
    rig = Rig()

    created = request(rig, "/hubs/new", method="POST", data={"name": "orders"})
    again = request(rig, "/hubs/new", method="POST", data={"name": "orders"})

    assert created.headers["location"] == "/h/orders/instances"
    assert again.status_code == 409


def test_a_hub_is_reset_only_when_its_name_is_typed() -> None:
    rig = waiting_rig()

    refused = request(rig, "/hubs/default/reset", method="POST", data={"name": "defualt"})
    kept = rig.exists("a")
    request(rig, "/hubs/default/reset", method="POST", data={"name": "default"})

    assert refused.status_code == 400
    assert kept
    assert not rig.exists("a")


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


def test_a_failure_is_told_by_a_number_that_the_log_has(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    broken = backend_of(rig)

    async def fail_badly() -> list[str]:
        raise RuntimeError("secret path")

    broken.hub_names = fail_badly  # type: ignore[method-assign]

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


def test_the_texts_to_copy_follow_the_fields() -> None:
    rig = waiting_rig()

    start = ask(rig, "/h/default/instances/start?name=it%27s&id=po-1&input=%7B%7D")["same"]
    act = ask(rig, "/h/default/i/a/terminate?reason=wrong+file")["same"]

    assert "'it'\"'\"'s'" in start["cli"]
    assert "--data-urlencode id=po-1" in start["curl"]
    assert "client.schedule_new_orchestration(\"it's\", input=json.loads('{}')" in start["python"]
    assert act["python"].endswith("client.terminate_orchestration('a', output='wrong file')")
