"""Who may ask (design.md, rule 6): our own host, our own origin and, behind a token, whoever has it."""

from __future__ import annotations

import socket

import pytest

from ..scheduler.rig import Rig
from .visiting import request

PAGE = "/h/default/instances"
BEARER = {"Authorization": "Bearer s3cret"}


def cookie_of(back: str = PAGE) -> dict[str, str]:
    """Return the header that a browser sends after logging in."""
    answer = request(Rig(), "/login", method="POST", data={"token": "s3cret", "back": back}, token="s3cret")
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8082", "localhost", "LOCALHOST:1", "[::1]:8082", "app.localhost:8082", "localhost."]
)
def test_our_own_names_are_answered(host: str) -> None:
    assert request(Rig(), PAGE, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8082", "localhost.evil.example", "127.0.0.1.evil.example", "a@b", ""],
)
def test_a_strangers_domain_that_points_here_is_refused(host: str) -> None:
    answer = request(Rig(), f"{PAGE}.json", headers={"Host": host})

    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == (
        f"This dashboard does not answer to the host {host or 'without a name'}. Open it by the address in "
        f"the scheduler's ready line, or start the scheduler with a token (DURAKIT_TOKEN)."
    )


def test_the_name_that_the_server_was_bound_to_is_ours() -> None:
    assert request(Rig(), PAGE, host="build.lan", headers={"Host": "Build.lan:8082"}).status_code == 200


def test_this_machines_name_is_ours_only_when_others_may_come_in() -> None:
    headers = {"Host": socket.gethostname()}

    assert request(Rig(), PAGE, host="0.0.0.0", headers=headers).status_code == 200
    assert request(Rig(), PAGE, host="127.0.0.1", headers=headers).status_code == 403


def test_behind_a_token_a_proxy_may_use_its_own_name() -> None:
    headers = {"Host": "dash.example", **BEARER}

    assert request(Rig(), PAGE, token="s3cret", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8082"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_others_may_not_ask(method: str, origin: str) -> None:
    answer = request(Rig(), f"{PAGE}.json", method=method, headers={"Origin": origin})

    assert answer.status_code == 403
    assert answer.json()["error"]["message"] == (
        f"The request comes from a page of {origin}, which may not use this dashboard."
    )


def test_our_own_pages_may_ask() -> None:
    assert request(Rig(), PAGE, headers={"Origin": "http://127.0.0.1:8082"}).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "durakit-=x"}])
@pytest.mark.parametrize("path", [PAGE, "/", "/hubs", "/nope"])
def test_without_the_token_there_is_only_the_form(path: str, headers: dict[str, str]) -> None:
    answer = request(Rig(), path, token="s3cret", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "This scheduler asks for its token." in answer.text
    assert f'name="back" value="{path}"' in answer.text


def test_programs_are_told_in_json() -> None:
    answer = request(Rig(), f"{PAGE}.json", token="s3cret")

    assert answer.status_code == 401
    assert answer.json() == {
        "error": {
            "status": 401,
            "message": "This scheduler asks for its token. It was started with DURAKIT_TOKEN or "
            "--token-file; send the same one, programs as Authorization: Bearer.",
        }
    }


def test_a_bearer_is_let_in() -> None:
    assert request(Rig(), PAGE, token="s3cret", headers=BEARER).status_code == 200


def test_the_form_sets_a_cookie_that_scripts_and_other_sites_cannot_use() -> None:
    answer = request(
        Rig(),
        "/login",
        method="POST",
        data={"token": " s3cret ", "back": f"{PAGE}?status=failed"},
        token="s3cret",
    )

    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?status=failed")
    assert answer.headers["set-cookie"].endswith("; HttpOnly; Path=/; SameSite=strict")
    assert "s3cret" not in answer.headers["set-cookie"]


def test_the_cookie_opens_the_pages() -> None:
    assert request(Rig(), PAGE, token="s3cret", headers=cookie_of()).status_code == 200


def test_the_cookie_of_another_token_does_not() -> None:
    assert request(Rig(), PAGE, token="other", headers=cookie_of()).status_code == 401


def test_a_wrong_token_is_asked_for_again() -> None:
    answer = request(Rig(), "/login", method="POST", data={"token": "guess", "back": "/hubs"}, token="s3cret")

    assert answer.status_code == 401
    assert "That is not the token." in answer.text
    assert 'name="back" value="/hubs"' in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "back", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nX: y", "javascript:x"]
)
def test_the_form_leads_only_to_pages_of_ours(back: str) -> None:
    answer = request(Rig(), "/login", method="POST", data={"token": "s3cret", "back": back}, token="s3cret")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_form_larger_than_ours_is_not_read() -> None:
    data = {"token": "s3cret", "filler": "x" * 10_000}

    assert request(Rig(), "/login", method="POST", data=data, token="s3cret").status_code == 401


def test_the_form_has_its_style_without_the_token() -> None:
    assert request(Rig(), "/static/pages.css", token="s3cret").status_code == 200


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}.json", "/nope", "/healthz", "/static/pages.css", "/"])
@pytest.mark.parametrize("token", [None, "s3cret"])
def test_every_answer_carries_the_policy(path: str, token: str | None) -> None:
    headers = request(Rig(), path, token=token).headers

    assert headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_pages_are_not_kept() -> None:
    assert request(Rig(), PAGE).headers["cache-control"] == "no-store"


def test_a_form_of_another_site_is_refused_even_without_an_origin() -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Accept": "application/json"}

    answer = request(Rig(), "/h/default/instances/start", method="POST", data={"name": "x"}, headers=headers)

    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/durakit/h/default/instances", "/h/default/instances"])
def test_a_proxy_may_keep_the_base_path_or_take_it_away(path: str) -> None:
    answer = request(Rig(), path, base_path="/durakit")

    assert answer.status_code == 200
    assert 'href="/durakit/hubs"' in answer.text
    assert 'href="/hubs"' not in answer.text


def test_redirects_keep_the_base_path() -> None:
    answer = request(Rig(), "/durakit/", base_path="/durakit")

    assert answer.headers["location"] == "/durakit/h/default/instances"


def test_the_form_behind_a_base_path_leads_back_below_it() -> None:
    answer = request(Rig(), "/durakit/hubs", base_path="/durakit", token="s3cret")

    assert answer.status_code == 401
    assert 'name="back" value="/durakit/hubs"' in answer.text
