"""The purchasing desk as people and programs meet it: pages, HTTP API and terminal, in real processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.walks.stage import Answer, Stage, request, request_until

HOSTILE = "<script>alert('x')</script> & \"chairs\""
YES = {"approved": True, "approver": "Ann"}


class Desk:
    """A desk that serves, and what its orders leave behind."""

    def __init__(self, stage: Stage, url: str, output: Path) -> None:
        self.stage = stage
        self.url = url
        self.output = output

    def post(self, path: str, body: object) -> Answer:
        return request("POST", f"{self.url}/api/orders{path}", body)

    def place(self, cost: str = "2000", what: str = "40 chairs", **times: float) -> str:
        answer = self.post("", {"what": what, "cost": cost, "buyer": "Bob", **times})
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    def order(self, order_id: str) -> dict[str, Any]:
        return request("GET", f"{self.url}/api/orders/{order_id}").json

    def submit(self, path: str, origin: str | None = None, **fields: str) -> Answer:
        """Press a button of a page."""
        headers = {} if origin is None else {"Origin": origin}
        kind = "application/x-www-form-urlencoded"
        data = urlencode(fields).encode()
        return request("POST", f"{self.url}{path}", raw=data, Content_Type=kind, **headers)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("stage")
    with Stage("human_interaction", folder) as stage:
        stage.worker()
        output = folder / "output"
        yield Desk(stage, stage.server("--output", str(output))[1], output)


def test_a_small_order_needs_nobody(desk: Desk) -> None:
    order = desk.order(desk.place("999.99"))

    assert (order["status"], order["decision"]["by"]) == ("approved", "the rules")


def test_a_person_sees_why_it_waits_and_approves_it_on_its_page(desk: Desk) -> None:
    order_id = desk.place("12400")
    page = request("GET", f"{desk.url}/orders/{order_id}")

    answered = desk.submit(f"/orders/{order_id}", answer="approve", approver="Ann", comment="we grow")

    assert "40 chairs for 12,400.00 EUR is not below the limit of 1,000.00 EUR." in page.body
    assert answered.status == 200  # after the redirect: the page again
    assert "Approved by <strong>Ann</strong>" in answered.body
    assert ": we grow" in answered.body
    assert "<form" not in answered.body
    with closing(sqlite3.connect(desk.output / "orders.db")) as book:
        assert book.execute("SELECT approver FROM orders WHERE id = ?", [order_id]).fetchall() == [("Ann",)]


def test_a_rejected_order_is_not_placed(desk: Desk) -> None:
    order_id = desk.place()

    answer = desk.submit(f"/orders/{order_id}", answer="reject", approver="Ann")

    assert "Rejected by <strong>Ann</strong>" in answer.body
    with closing(sqlite3.connect(desk.output / "orders.db")) as book:
        assert book.execute("SELECT * FROM orders WHERE id = ?", [order_id]).fetchall() == []


def test_an_order_placed_on_the_page_is_in_the_list(desk: Desk) -> None:
    placed = desk.submit("/orders", what="A lamp of its own", cost="1500", buyer="Bob")
    page = request("GET", f"{desk.url}/")

    assert "It waits for your answer" in placed.body
    assert "A lamp of its own" in page.body


def test_what_people_typed_is_escaped_everywhere(desk: Desk) -> None:
    order_id = desk.place(what=HOSTILE)
    desk.stage.connect().raise_orchestration_event(order_id, "approval", data=HOSTILE)
    page = request_until(f"{desk.url}/orders/{order_id}", lambda answer: "could not be read" in answer.body)

    assert "<script" not in page.body + request("GET", f"{desk.url}/").body
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;chairs&#34;" in page.body
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


def test_an_event_raised_in_the_dashboard_decides_too(desk: Desk) -> None:
    order_id = desk.place()
    desk.stage.connect().raise_orchestration_event(order_id, "approval", data=YES)

    ended = request_until(f"{desk.url}/api/orders/{order_id}", lambda answer: bool(answer.json["has_ended"]))

    assert ended.json["status"] == "approved"


def test_nobody_answers_a_reminder_and_then_the_end(desk: Desk) -> None:
    order_id = desk.place(remind_after_seconds=0.2, cancel_after_seconds=2)

    ended = request_until(f"{desk.url}/api/orders/{order_id}", lambda answer: bool(answer.json["has_ended"]))

    assert ended.json["status"] == "cancelled"
    letters = sorted(path.name for path in (desk.output / "outbox").glob(f"{order_id}*"))
    assert letters == [f"{order_id}-{name}.eml" for name in ("1-request", "2-reminder", "3-outcome")]


def test_a_form_sent_from_another_site_is_refused(desk: Desk) -> None:
    order_id = desk.place()

    answer = desk.submit(f"/orders/{order_id}", "http://evil.example", answer="approve", approver="Eve")

    assert answer.status == 403
    assert "This form comes from another site" in answer.body
    assert desk.order(order_id)["status"] == "waiting"
    assert desk.submit(f"/orders/{order_id}", desk.url, answer="approve", approver="Ann").status == 200


def test_a_decided_order_cannot_be_decided_again(desk: Desk) -> None:
    order_id = desk.place()
    first = desk.post(f"/{order_id}/approval", YES)
    second = desk.post(f"/{order_id}/approval", {"approved": False, "approver": "Eve"})
    page = desk.submit(f"/orders/{order_id}", answer="reject", approver="Eve")

    assert (first.status, first.json["status"]) == (200, "approved")
    assert second.status == page.status == 409
    assert second.json == {"error": f"Order {order_id} is approved; it does not wait for an answer."}
    assert f"Order {order_id} is approved; it does not wait for an answer." in page.body


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"what": " ", "cost": "5", "buyer": "Bob"}, "Say what to buy, in at most 200 characters."),
        (
            {"what": "x", "cost": "-5", "buyer": "Bob"},
            "The cost must be an amount from 0.01 to 10,000,000.00, such as 1250 or 99.95.",
        ),
        ({"what": "x", "cost": "5"}, "buyer: Field required"),
        ([], None),
    ],
)
def test_what_is_no_order_is_refused_with_the_reason(desk: Desk, body: object, error: str | None) -> None:
    answer = desk.post("", body)

    assert answer.status == 422
    assert error is None or answer.json == {"error": error}


@pytest.mark.parametrize(
    "body", [{}, {"approved": "yes", "approver": "Ann"}, {"approved": True, "approver": ""}]
)
def test_what_is_no_answer_is_refused(desk: Desk, body: object) -> None:
    order_id = desk.place()

    assert desk.post(f"/{order_id}/approval", body).status == 422
    assert desk.order(order_id)["status"] == "waiting"


def test_a_form_that_is_no_order_comes_back_with_what_was_typed(desk: Desk) -> None:
    answer = desk.submit("/orders", what=HOSTILE, cost="much", buyer="Bob")

    assert answer.status == 422
    assert "The cost must be an amount from 0.01" in answer.body
    assert 'value="much"' in answer.body
    assert "<script" not in answer.body


def test_a_form_without_an_answer_or_a_name_is_refused(desk: Desk) -> None:
    order_id = desk.place()

    assert desk.submit(f"/orders/{order_id}", approver="Ann").status == 422
    assert desk.submit(f"/orders/{order_id}", answer="approve", approver=" ").status == 422
    assert desk.submit(f"/orders/{order_id}", answer="approve", approver="x" * 11_000).status == 413
    assert desk.order(order_id)["status"] == "waiting"


def test_an_unknown_order_is_not_found(desk: Desk) -> None:
    desk.stage.connect().schedule_new_orchestration("somebody_elses", instance_id="po-foreign")

    for order_id in ("po-nobody", "po-foreign", "other"):
        page = request("GET", f"{desk.url}/orders/{order_id}")
        assert page.status == 404
        assert f"There is no order {order_id}." in page.body
        assert desk.post(f"/{order_id}/approval", YES).json == {"error": f"There is no order {order_id}."}
    nowhere = request("GET", f"{desk.url}/nowhere")
    assert (nowhere.status, "That did not work" in nowhere.body) == (404, True)


def test_without_a_scheduler_page_and_api_answer_503_with_where_they_looked(desk: Desk) -> None:
    _, url = desk.stage.server(ENDPOINT="http://127.0.0.1:9")

    for path in ("/", "/api/orders"):
        answer = request("GET", url + path)
        assert answer.status == 503
        assert "No scheduler answers at http://127.0.0.1:9 (" in answer.body


def test_an_order_waits_through_the_end_of_its_worker(tmp_path: Path) -> None:
    with Stage("human_interaction", tmp_path) as stage:
        worker = stage.worker()
        desk = Desk(stage, stage.server("--output", str(tmp_path))[1], tmp_path)
        order_id = desk.place()
        worker.kill()
        stage.connect().raise_orchestration_event(order_id, "approval", data=YES)

        stage.worker()

        request_until(f"{desk.url}/api/orders/{order_id}", lambda answer: answer.json["status"] == "approved")


def test_the_terminal_places_and_decides(tmp_path: Path) -> None:
    with Stage("human_interaction", tmp_path) as stage:
        stage.worker()
        console = stage.python("client.py", "--console", "--output", str(tmp_path))
        for line in (
            "n",
            "40 chairs",
            "12400",
            "Bob",
            "7",
            "1",
            "y",
            "Ann",
            "",
            "n",
            "pens",
            "much",
            "Bob",
            "q",
        ):
            console.say(line)
        said = "\n".join(console.finish())

    assert "No orders waiting for an answer" in said
    assert "Started order po-" in said
    assert "1  40 chairs for 12,400.00 EUR, Bob (po-" in said
    assert "7 is none of these." in said
    assert "40 chairs for 12,400.00 EUR is not below the limit of 1,000.00 EUR; it is cancelled at 20" in said
    assert "is approved by Ann." in said
    assert "The cost must be an amount from 0.01" in said


def test_a_closed_terminal_ends_it_and_ctrl_c_too(desk: Desk) -> None:
    closed = desk.stage.python("client.py", "--console")
    assert closed.process.stdin is not None
    closed.process.stdin.close()
    closed.finish()
    console = desk.stage.python("client.py", "--console")
    console.wait_for("[number]")

    assert console.interrupt(code=1)[-1].endswith(
        "client.py: no longer waiting; orders go on waiting for an answer"
    )


def test_the_terminal_without_a_scheduler_says_where_it_looked(desk: Desk) -> None:
    lines = desk.stage.python("client.py", "--console", ENDPOINT="http://127.0.0.1:9").finish(code=1)

    assert len(lines) == 1
    assert lines[0].startswith("client.py: No scheduler answers at http://127.0.0.1:9 (")


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("--limit", "much", "much is no amount such as 1000 or 99.95"),
        ("--cancel-after", "1 day", "1 day is no time such as 30s, 15m, 8h or 2d"),
    ],
)
def test_options_that_are_none_are_refused(desk: Desk, option: str, value: str, problem: str) -> None:
    lines = desk.stage.python("client.py", option, value).finish(code=2)

    assert lines[-1].endswith(f"{option}: {problem}")


def test_the_demo_leaves_one_order_waiting_however_often_it_runs(tmp_path: Path) -> None:
    with Stage("human_interaction", tmp_path) as stage:
        stage.worker()
        _, url = stage.server("--output", str(tmp_path))
        first = stage.python("demo.py", "--url", url).finish()[-1]
        second = stage.python("demo.py", "--url", url).finish()[-1]
        page = request("GET", url)

    assert first == second
    assert first.startswith(
        "approved by the rules, approved by Ann, rejected by Carla, cancelled by the deadline; "
        f"one waits for you: {url}/orders/po-"
    )
    assert "1 order waiting for an answer" in page.body


def test_the_demo_without_a_server_says_so(desk: Desk) -> None:
    lines = desk.stage.python("demo.py", "--url", "http://127.0.0.1:9").finish(code=1)

    assert lines[-1] == "demo.py: nothing to talk to at http://127.0.0.1:9: [Errno 111] Connection refused"
