"""The HTTP API of the prime search, as its callers meet it: real processes and sockets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.walks.stage import Answer, Program, Stage, request, request_until

LONG = {"first": 10**11, "last": 10**11 + 10**9 - 1}
SHORT = {"first": 1, "last": 100_000}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage("async_http_api", tmp_path_factory.mktemp("stage")) as stage:
        stage.worker()
        yield stage


@pytest.fixture(scope="module")
def api(stage: Stage) -> str:
    return stage.server()[1]


def ended(answer: Answer) -> bool:
    return answer.status == 200


def test_a_search_is_accepted_followed_and_fetched(api: str) -> None:
    accepted = request("POST", f"{api}/searches", SHORT)
    status = api + accepted.headers["location"]

    assert (accepted.status, accepted.headers["retry-after"]) == (202, "1")
    assert request_until(status, ended).json["progress"] == {"slices_done": 1, "slices": 1, "primes": 9592}
    assert request("GET", f"{status}/result").json == {
        "count": 9592,
        "smallest": 2,
        "largest": 99991,
        "longest_gap": 72,
        "longest_gap_after": 31397,
    }


def test_a_search_under_way_has_a_status_but_no_result_and_can_be_ended(api: str) -> None:
    status = api + request("POST", f"{api}/searches", LONG).headers["location"]

    running = request_until(status, lambda answer: answer.json["status"] == "running")
    early = request("GET", f"{status}/result")
    terminated = request("DELETE", status)
    after = request_until(status, ended)

    assert (running.status, running.headers["retry-after"]) == (202, "1")
    assert (early.status, early.headers["retry-after"]) == (409, "1")
    assert re.fullmatch(r"Search search-\w+ has not ended yet\.", str(early.json["error"]))
    assert terminated.status == 202
    assert after.json["status"] == "terminated"
    assert request("GET", f"{status}/result").status == 410
    assert request("DELETE", status).status == 409


def test_the_same_key_gets_the_same_search(api: str) -> None:
    first = request("POST", f"{api}/searches", SHORT, Idempotency_Key="monday")
    again = request("POST", f"{api}/searches", SHORT, Idempotency_Key="monday")
    other = request("POST", f"{api}/searches", LONG, Idempotency_Key="monday")

    assert (first.status, again.status) == (202, 202)
    assert first.headers["location"] == again.headers["location"] == "/searches/search-monday"
    assert other.status == 409
    assert other.json == {"error": "The key monday belongs to a search in another range."}


@pytest.mark.parametrize("body", ["", "{", "[]", '{"first": 1}', '{"first": "x", "last": 2}'])
def test_a_body_that_is_no_order_is_refused(api: str, body: str) -> None:
    answer = request("POST", f"{api}/searches", raw=body.encode())

    assert answer.status == 422
    assert list(answer.json) == ["error"]


def test_a_range_that_is_none_is_refused_with_the_reason(api: str) -> None:
    answer = request("POST", f"{api}/searches", {"first": 5, "last": 4})

    assert answer.status == 422
    assert answer.json == {"error": "5 to 4 is not a range; 0 <= first <= last is needed"}


def test_a_field_nobody_knows_is_refused(api: str) -> None:
    answer = request("POST", f"{api}/searches", {**SHORT, "until": 7})

    assert (answer.status, answer.json) == (422, {"error": "until: Extra inputs are not permitted"})


def test_a_key_that_cannot_be_an_id_is_refused(api: str) -> None:
    assert request("POST", f"{api}/searches", SHORT, Idempotency_Key="a b").status == 422


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/result"), ("DELETE", "")])
def test_an_unknown_id_is_not_found(api: str, method: str, path: str) -> None:
    answer = request(method, f"{api}/searches/search-nobody{path}")

    assert (answer.status, answer.json) == (404, {"error": "There is no search search-nobody."})


def test_other_orchestrations_of_the_hub_are_none_of_its_business(stage: Stage, api: str) -> None:
    stage.connect().schedule_new_orchestration("somebody_elses", instance_id="search-foreign")

    assert request("DELETE", f"{api}/searches/search-foreign").status == 404
    assert request("POST", f"{api}/searches", SHORT, Idempotency_Key="foreign").status == 404


def test_a_failed_search_says_why(stage: Stage, api: str) -> None:
    # Started past the API, which would have refused it.
    stage.connect().schedule_new_orchestration(
        "prime_search", input={"first": 5, "last": 4}, instance_id="search-bad"
    )

    answer = request_until(f"{api}/searches/search-bad", ended)

    assert answer.json["status"] == "failed"
    assert answer.json["error"] == "5 to 4 is not a range; 0 <= first <= last is needed"
    failed = request("GET", f"{api}/searches/search-bad/result")
    assert failed.status == 500
    assert str(failed.json["error"]).endswith("5 to 4 is not a range; 0 <= first <= last is needed")


def test_without_a_scheduler_the_answer_is_503_and_says_where_it_looked(stage: Stage) -> None:
    _, api = stage.server(ENDPOINT="http://127.0.0.1:9")

    answer = request("POST", f"{api}/searches", SHORT)

    assert answer.status == 503
    assert str(answer.json["error"]).startswith("No scheduler answers at http://127.0.0.1:9 (")


def test_ctrl_c_ends_the_server_with_0(stage: Stage) -> None:
    client, _ = stage.server()

    assert len(client.interrupt()) == 1


def test_a_search_goes_on_where_it_was_when_its_worker_is_killed(tmp_path: Path) -> None:
    with Stage("async_http_api", tmp_path) as stage:
        worker = stage.worker()
        _, api = stage.server()
        order = {"first": 1, "last": 200_000_000}
        status = api + request("POST", f"{api}/searches", order).headers["location"]
        kill_midway(worker, status)

        stage.worker()

        assert request_until(status, ended).json["progress"]["primes"] == 11_078_937  # type: ignore[index]


def kill_midway(worker: Program, status: str) -> None:
    """Kill the worker once the first slices are done."""

    def begun(answer: Answer) -> bool:
        progress = answer.json["progress"]
        return isinstance(progress, dict) and progress["slices_done"] > 0

    answer = request_until(status, begun)
    worker.kill()
    assert answer.status == 202, "it was over before it could be interrupted"


def test_the_demo_ends_with_the_result(stage: Stage, api: str) -> None:
    lines = stage.python("demo.py", "--url", api).finish()

    assert lines[-1] == (
        "5,761,455 primes up to 100,000,000, the largest 99,999,989; the longest gap is 220, after 47,326,693"
    )


def test_the_demo_without_a_server_says_so(stage: Stage) -> None:
    lines = stage.python("demo.py", "--url", "http://127.0.0.1:9").finish(code=1)

    assert lines == ["demo.py: nothing to talk to at http://127.0.0.1:9: [Errno 111] Connection refused"]
