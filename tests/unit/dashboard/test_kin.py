"""An orchestration and all its descendants on one page: History and Input / Output."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from durakit.dashboard.events import EventPage, NumberedEvent
from durakit.dashboard.routes import kin as kin_routes
from durakit.dashboard.steps import Digest
from durakit.dashboard.text import segment
from durakit.dashboard.views.kin import Member, merge, read_cursor
from durakit.dashboard.web import create_app
from durakit.history import history_from_json
from durakit.wire.messages import orchestration_pb2 as pb

from ..scheduler.rig import SECOND, Rig, child, complete, fail, schedule, stamp, text
from .examples import row
from .test_backends import House, Scenario, visit  # noqa: F401 - a fixture
from .test_templates import read
from .visiting import HOSTILE, JSON, request

BATCH = "/h/default/i/batch"


def family() -> Rig:
    """`batch` with `a` (completed), `b` (failed) and `c` (open), which has `c1` (open)."""
    rig = Rig()
    rig.start("batch", "orders", input={"value": '"monday"'})
    worker = rig.worker()
    parts = (child(number, name, "part", input=text(f'"{name}"')) for number, name in enumerate("abc", 1))
    worker.do(*parts)
    rig.advance(1)
    items = {item.orchestratorRequest.instanceId: item for item in worker.items()}
    worker.answer(items["a"], complete('"done by a"'))
    rig.advance(1)
    worker.answer(items["b"], fail("card declined"))
    rig.advance(1)
    worker.answer(items["c"], child(1, "c1", "label"))
    while turns := worker.items():
        for turn in turns:
            worker.answer(turn)
    return rig


def twin(rig: Rig, path: str) -> Any:
    answer = request(rig, path, headers=JSON)
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- History


def test_without_asking_only_its_own_events_are_shown() -> None:
    told = twin(family(), f"{BATCH}/history")

    assert "leftOut" not in told
    assert all("instanceId" not in event for event in told["events"])


def test_events_of_all_descendants_stand_in_one_order_of_time() -> None:
    told = twin(family(), f"{BATCH}/history?kids=1")

    assert {event["instanceId"] for event in told["events"]} == {"batch", "a", "b", "c", "c1"}
    assert [event["at"] for event in told["events"]] == sorted(event["at"] for event in told["events"])
    assert told["events"][0]["instanceId"] == "batch"
    assert not any(event["kind"].startswith("orchestrator") for event in told["events"])


def test_a_child_ends_before_its_parent_hears_of_it() -> None:
    events = twin(family(), f"{BATCH}/history?kids=1")["events"]
    told = [(event["instanceId"], event["kind"]) for event in events]

    assert told.index(("b", "executionCompleted")) < told.index(("batch", "subOrchestrationInstanceFailed"))


def test_newest_first_and_turns_are_as_in_one_history() -> None:
    rig = family()
    newest = twin(rig, f"{BATCH}/history?kids=1&order=newest")["events"]
    raw = twin(rig, f"{BATCH}/history?kids=1&turns=0")

    assert [event["at"] for event in newest] == sorted((event["at"] for event in newest), reverse=True)
    assert len(raw["events"]) == raw["total"] > len(newest)


def test_search_and_kind_look_at_every_history() -> None:
    rig = family()
    found = twin(rig, f"{BATCH}/history?kids=1&q=declined")["events"]
    chosen = twin(rig, f"{BATCH}/history?kids=1&kind=subOrchestrationInstanceCreated")["events"]

    assert {event["instanceId"] for event in found} >= {"b"}
    assert "a" not in {event["instanceId"] for event in found}
    assert {event["instanceId"] for event in chosen} == {"batch", "c"}


@pytest.mark.parametrize("order", ["", "&order=newest"])
def test_pages_lead_over_every_event_once(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    monkeypatch.setattr("durakit.dashboard.routes.histories.MERGED_EVENTS", 3)
    rig = family()
    seen, query = [], f"?kids=1&turns=0{order}"
    while query is not None:
        told = twin(rig, f"{BATCH}/history{query}")
        seen += [(event["instanceId"], event["number"]) for event in told["events"]]
        query = told["next"] and f"?kids=1&turns=0{order}&after={told['next'].partition('after=')[2]}"

    assert len(seen) == len(set(seen)) == told["total"]


def test_an_event_opens_in_place_whoever_has_it() -> None:
    rig = family()
    first = next(e for e in twin(rig, f"{BATCH}/history?kids=1")["events"] if e["instanceId"] == "b")
    page = request(rig, f"{BATCH}/history?kids=1&e={first['number']}&of=b").text

    assert page.count('class="opened"') == 1
    assert f"/h/default/i/b/history/{first['number']}" in page


def test_each_event_leads_to_its_instance() -> None:
    page = request(family(), f"{BATCH}/history?kids=1").text

    for name in ("batch", "a", "b", "c", "c1"):
        assert f'href="/h/default/i/{name}/history"' in page


@pytest.mark.parametrize("after", ["x", "-", ".", "0-0", "ff-99999999999999999999", "é-1", "1-²"])
def test_a_cursor_of_nobody_is_no_error(after: str) -> None:
    assert request(family(), f"{BATCH}/history", headers=None).status_code == 200
    assert request(family(), f"{BATCH}/history?kids=1&after={after}").status_code == 200


def test_a_clock_set_back_does_not_turn_a_history_round() -> None:
    def page(*seconds: int) -> EventPage:
        events = [pb.HistoryEvent(timestamp=stamp(second * SECOND)) for second in seconds]
        return EventPage([NumberedEvent(at, event) for at, event in enumerate(events, 1)], len(events))

    one, other = Member(row("one"), Digest()), Member(row("other"), Digest(), 1)

    found = merge([(one, page(5, 2, 6)), (other, page(3, 5))], {}, limit=4)

    told = [(member.row.id, numbered.number) for member, numbered in found.events]
    assert told == [("other", 1), ("one", 1), ("one", 2), ("other", 2)]
    assert sorted(read_cursor(found.next).values()) == [2, 2]


# --- the replay fixture


def test_the_fixture_of_one_stays_and_has_those_of_descendants_beside_it() -> None:
    rig = family()
    alone = request(rig, f"{BATCH}/history.json").text
    together = request(rig, f"{BATCH}/history.json?kids=1").text

    assert "descendants" not in json.loads(alone)
    assert history_from_json(together) == history_from_json(alone)
    told = [history_from_json(json.dumps(each)) for each in json.loads(together)["descendants"]]
    assert [(each.instance_id, each.status) for each in told] == [
        ("a", "COMPLETED"),
        ("b", "FAILED"),
        ("c", "RUNNING"),
        ("c1", "RUNNING"),
    ]
    assert json.loads(together)["leftOut"] == 0


def test_a_history_too_long_for_the_file_is_counted_as_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("durakit.dashboard.routes.histories.EXPORTED_EVENTS", 5)
    told = json.loads(request(family(), f"{BATCH}/history.json?kids=1").text)

    assert told["leftOut"] + len(told["descendants"]) == 4
    assert sum(len(each["events"]) for each in told["descendants"]) <= 5


# --- Input / Output


def test_what_went_in_and_out_of_all_stands_in_order_of_the_tree() -> None:
    told = twin(family(), f"{BATCH}/data?kids=1")

    shown = [(each["instance"]["id"], each["depth"]) for each in told["descendants"]]
    assert shown == [("a", 1), ("b", 1), ("c", 1), ("c1", 2)]
    a, b, *_ = told["descendants"]
    assert (a["input"]["text"], a["output"]["text"]) == ('"a"', '"done by a"')
    assert b["failures"][0]["message"] == "card declined"
    assert "descendants" not in twin(family(), f"{BATCH}/data")


def test_failed_descendants_are_named_first_and_open() -> None:
    page = request(family(), f"{BATCH}/data?kids=1").text

    assert "1 failed:" in page
    assert 'href="#d-b"' in page
    assert '<details id="d-b" class="l1" open>' in page
    assert '<details id="d-a" class="l1">' in page
    assert '<details id="d-a" class="l1" open>' in request(family(), f"{BATCH}/data?kids=1&open=all").text


def test_payloads_of_descendants_are_cut_for_the_page() -> None:
    rig = Rig()
    rig.start("batch")
    worker = rig.worker()
    worker.do(child(1, "a", "part", input=text('"' + "x" * 9_000 + '"')))

    (told,) = twin(rig, f"{BATCH}/data?kids=1")["descendants"]

    assert (told["input"]["bytes"], told["input"]["isCut"]) == (9_002, True)
    assert "first 2.0 KB" in request(rig, f"{BATCH}/data?kids=1").text


# --- how many


def test_too_many_children_are_left_out_failed_and_open_ones_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kin_routes, "MOST", 2)
    rig = family()

    told = twin(rig, f"{BATCH}/data?kids=1")
    page = request(rig, f"{BATCH}/history?kids=1").text

    assert [each["instance"]["id"] for each in told["descendants"]] == ["b", "c"]
    assert told["leftOut"] == 2
    assert "2 more descendants are left out" in page
    assert f'href="{BATCH}/relations"' in page


def test_the_tree_is_followed_to_a_depth() -> None:
    rig = Rig()
    rig.start("i0")
    worker = rig.worker()
    for depth in range(1, 8):
        worker.do(child(1, f"i{depth}", "deeper"))

    told = twin(rig, "/h/default/i/i0/data?kids=1")

    assert [each["instance"]["id"] for each in told["descendants"]] == [f"i{depth}" for depth in range(1, 6)]
    assert told["leftOut"] == 1


def test_a_purged_child_is_not_there() -> None:
    rig = family()
    rig.purge("a")

    told = twin(rig, f"{BATCH}/data?kids=1")

    assert [each["instance"]["id"] for each in told["descendants"]] == ["b", "c", "c1"]
    assert request(rig, f"{BATCH}/history?kids=1").status_code == 200


@pytest.mark.parametrize("tab", ["timeline", "sequence"])
def test_drawings_say_what_they_leave_out(monkeypatch: pytest.MonkeyPatch, tab: str) -> None:
    monkeypatch.setattr(kin_routes, "MOST", 2)

    page = request(family(), f"{BATCH}/{tab}?kids=1").text

    assert "Steps of 2 more descendants are left out" in page
    assert "left out" not in request(family(), f"{BATCH}/{tab}").text


# --- live


@pytest.mark.parametrize("tab", ["history", "data", "timeline", "sequence"])
def test_a_page_of_all_changes_with_each_of_them(tab: str) -> None:
    rig = family()

    topics = {
        query: re.findall('data-live-topic="([^"]*)"', request(rig, f"{BATCH}/{tab}{query}").text)
        for query in ("", "?kids=1")
    }

    assert topics[""] == ["instance:batch"]
    (topic,) = topics["?kids=1"]
    assert set(topic.removeprefix("family:").split(".")) == {"batch", "a", "b", "c", "c1"}


# --- hostile names, every backend


@pytest.mark.parametrize("name", HOSTILE)
def test_what_users_wrote_is_text_and_nothing_else(name: str) -> None:
    rig = Rig()
    rig.start("batch")
    worker = rig.worker()
    worker.do(child(1, name, name, input=text(name)))
    worker.do(fail(name))

    for path in (
        "history?kids=1",
        f"history?kids=1&turns=0&q={segment(name)}",
        "data?kids=1",
        "data?kids=1&open=all",
    ):
        page = read(request(rig, f"{BATCH}/{path}").text)
        assert "img" not in {tag for tag, _ in page.tags}
        assert sum(tag == "script" for tag, _ in page.tags) == 1
        assert not re.search(r"[\u202e\x1b]", "".join(page.text))
    assert f"/i/{segment(name)}" in request(rig, f"{BATCH}/history?kids=1").text


def test_every_backend_tells_all(visit: Callable[[Scenario], None]) -> None:  # noqa: F811
    async def scenario(house: House) -> None:
        house.worker()
        await house.start("batch", "orders")
        await house.do(child(1, "batch:1", "part"), child(2, "batch:2", "part"))
        await house.do(schedule(1, "work"))
        await house.do(fail("broken"))
        app = create_app(house.backend)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8082") as client:
            history = (await client.get(f"{BATCH}/history?kids=1", headers=JSON)).json()
            data = (await client.get(f"{BATCH}/data?kids=1", headers=JSON)).json()
            pages = await asyncio.gather(
                *(client.get(f"{BATCH}/{tab}?kids=1") for tab in ("history", "data"))
            )

        assert {event["instanceId"] for event in history["events"]} == {"batch", "batch:1", "batch:2"}
        assert [each["instance"]["id"] for each in data["descendants"]] == ["batch:1", "batch:2"]
        assert [page.status_code for page in pages] == [200, 200]

    visit(scenario)
