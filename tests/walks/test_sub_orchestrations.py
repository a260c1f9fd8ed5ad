"""The shop as processes: a worker killed in the middle of a batch, the HTTP API, and bad input."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from .stage import Answer, Stage, request, request_until

ORDER = {
    "id": "1", "customer": "Ada", "email": "ada@example.org", "country": "DE", "card": "card-big",
    "items": [{"sku": "MUG-1", "quantity": 1}],
}  # fmt: skip
ENDED = ("completed", "failed", "terminated")


def has_ended(answer: Answer) -> bool:
    return answer.json.get("status") in ENDED


def test_a_worker_killed_midway_loses_no_order_and_charges_none_twice(tmp_path: Path) -> None:
    """A hundred orders, every tenth to a country that the carrier does not serve."""
    orders = tmp_path / "orders.json"
    countries = ["AQ" if number % 10 == 5 else "DE" for number in range(100)]
    batch = [{**ORDER, "id": f"{number:03}", "country": code} for number, code in enumerate(countries)]
    orders.write_text(json.dumps(batch))
    with Stage("sub_orchestrations", tmp_path) as stage:
        first = stage.worker()
        client = stage.python("client.py", "--once", "--orders", str(orders), "--output", str(tmp_path))
        client.wait_for("[")
        first.kill()
        assert client.process.poll() is None, "it was over before the worker was killed"

        stage.worker()
        lines = client.finish()

    assert lines[-1] == "90 of 100 orders completed, 10 failed (10 at shipping); 765.00 EUR taken"
    (path,) = tmp_path.glob("shop-*.db")
    books = sqlite3.connect(path)
    served = [(order["id"],) for order in batch if order["country"] == "DE"]
    for table in ("charges", "parcels", "mails", "reservations"):
        assert books.execute(f"select order_id from {table} order by order_id").fetchall() == served
    books.close()


def test_the_page_and_the_api_take_orders_and_tell_what_became_of_them(tmp_path: Path) -> None:
    with Stage("sub_orchestrations", tmp_path) as stage:
        stage.worker()
        server, url = stage.server("--output", str(tmp_path))

        page = request("GET", url)
        started = request("POST", f"{url}/orders", {"orders": [ORDER, {**ORDER, "id": "2", "email": ""}]})
        ended = request_until(f"{url}{started.headers['location']}", has_ended)
        server.interrupt()

    assert "<h1>Orders</h1>" in page.body
    assert (started.status, started.json["id"]) == (202, ended.json["id"])
    assert (ended.json["status"], ended.json["progress"], ended.json["error"]) == (
        "completed",
        {"orders": 2, "completed": 1, "failed": 1},
        None,
    )
    assert ended.json["result"] == {
        "completed": [
            {"order": "1", "total": "8.50", "tracking": "DE-1", "failed_step": None, "reason": None}
        ],
        "failed": [
            {
                "order": "2",
                "total": "8.50",
                "tracking": "DE-2",
                "failed_step": "notification",
                "reason": "no e-mail address; the parcel is on its way all the same",
            }
        ],
    }


def test_the_api_refuses_what_it_cannot_take_in_one_sentence(tmp_path: Path) -> None:
    with Stage("sub_orchestrations", tmp_path) as stage:
        _, url = stage.server("--output", str(tmp_path))
        answers = {
            "chance": request("POST", f"{url}/orders", {"chance": 2}),
            "orders": request("POST", f"{url}/orders", {"orders": [{**ORDER, "items": []}]}),
            "twice": request("POST", f"{url}/orders", {"orders": [ORDER, ORDER]}),
            "json": request("POST", f"{url}/orders", raw=b"{"),
            "unknown": request("GET", f"{url}/orders/nobody"),
            "nowhere": request("GET", f"{url}/nothing"),
        }

    assert {name: (answer.status, list(answer.json)) for name, answer in answers.items()} == {
        "chance": (422, ["error"]),
        "orders": (422, ["error"]),
        "twice": (422, ["error"]),
        "json": (422, ["error"]),
        "unknown": (404, ["error"]),
        "nowhere": (404, ["error"]),
    }
    assert answers["twice"].json["error"] == "orders: there are two orders 1"
    assert answers["unknown"].json["error"] == "There is no batch nobody."


def test_without_a_scheduler_the_api_says_so(tmp_path: Path) -> None:
    with Stage("sub_orchestrations", tmp_path) as stage:
        _, url = stage.server("--output", str(tmp_path), ENDPOINT="http://127.0.0.1:9")
        answer = request("POST", f"{url}/orders", {})

    assert answer.status == 503
    assert str(answer.json["error"]).startswith("No scheduler answers at http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("content", "arguments", "code", "problem"),
    [
        (None, ["--orders", "{path}"], 1, r"client.py: {path}: No such file or directory"),
        ("[{", ["--orders", "{path}"], 1, r"client.py: {path}: not JSON: .*"),
        ("[]", ["--orders", "{path}"], 1, r"client.py: {path}: expected a list of orders"),
        (None, ["--chance", "2"], 2, r"client.py: error: argument --chance: 2 is not between 0 and 1"),
    ],
)
def test_bad_input_on_the_command_line_is_refused_in_one_sentence(
    tmp_path: Path, content: str | None, arguments: list[str], code: int, problem: str
) -> None:
    path = tmp_path / "orders.json"
    if content is not None:
        path.write_text(content)
    with Stage("sub_orchestrations", tmp_path) as stage:
        filled = [argument.format(path=path) for argument in arguments]
        lines = stage.python("client.py", "--once", *filled).finish(code)

    assert re.fullmatch(problem.format(path=re.escape(str(path))), lines[-1]), lines
    assert "Traceback" not in "\n".join(lines)


def test_the_visitor_says_when_there_is_no_server_or_no_scheduler_behind_it(tmp_path: Path) -> None:
    with Stage("sub_orchestrations", tmp_path) as stage:
        _, url = stage.server("--output", str(tmp_path), ENDPOINT="http://127.0.0.1:9")
        nobody = stage.python("demo.py", "--url", "http://127.0.0.1:9").finish(1)
        alone = stage.python("demo.py", "--url", url).finish(1)

    assert re.fullmatch(r"demo.py: http://127.0.0.1:9 does not answer \(.*\); start client.py", nobody[-1])
    assert alone[-1].startswith(f"demo.py: {url} answers 503: No scheduler answers at http://127.0.0.1:9")
    assert (len(nobody), len(alone)) == (2, 2)
