"""What the paths answer that change something: forms, acts on one and on many, hubs."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from durakit.dashboard.web import create_app
from durakit.wire.messages import orchestration_pb2 as pb

from ..scheduler.rig import BEGINNING, SECOND, Rig, complete
from .visiting import JSON, ask, backend_of, request, waiting_rig

ACTS = ("raise", "suspend", "resume", "terminate", "restart", "rewind", "purge")


# --- one


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


# --- the same elsewhere


def test_the_texts_to_copy_follow_the_fields() -> None:
    rig = waiting_rig()

    start = ask(rig, "/h/default/instances/start?name=it%27s&id=po-1&input=%7B%7D")["same"]
    act = ask(rig, "/h/default/i/a/terminate?reason=wrong+file")["same"]

    assert "'it'\"'\"'s'" in start["cli"]
    assert "--data-urlencode id=po-1" in start["curl"]
    assert "client.schedule_new_orchestration(\"it's\", input=json.loads('{}')" in start["python"]
    assert act["python"].endswith("client.terminate_orchestration('a', output='wrong file')")
