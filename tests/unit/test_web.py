"""What `durakit.web` does for a client that is a web application; serving is tested in tests/e2e."""

from __future__ import annotations

import argparse
import asyncio

import grpc
import httpx
import pytest
from durakit import web
from durakit.errors import (
    AlreadyExistsError,
    CredentialError,
    DurakitError,
    InvalidRequestError,
    InvalidStateError,
    NoResultError,
    NotFoundError,
    SchedulerUnavailableError,
    WaitTimeoutError,
)
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel


class Order(BaseModel):
    amount: int


def visit(error: Exception, method: str = "GET", path: str = "/", content: str = "") -> httpx.Response:
    """Return what an application answers; its page `/` raises the error, `/orders` takes an order."""
    app = FastAPI()
    web.explain_errors(app)

    @app.get("/")
    def fail() -> None:
        raise error

    @app.post("/orders")
    def order(order: Order) -> int:
        return order.amount

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as visitor:
            headers = {"Content-Type": "application/json"}
            return await visitor.request(method, path, content=content, headers=headers)

    return asyncio.run(request())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError(grpc.StatusCode.NOT_FOUND, "no instance po-1"), 404),
        (AlreadyExistsError(grpc.StatusCode.ALREADY_EXISTS, "po-1 is there"), 409),
        (InvalidStateError(grpc.StatusCode.FAILED_PRECONDITION, "po-1 has ended"), 409),
        (InvalidRequestError(grpc.StatusCode.INVALID_ARGUMENT, "too long"), 400),
        (SchedulerUnavailableError(grpc.StatusCode.UNAVAILABLE, "refused"), 503),
        (CredentialError("no token"), 502),
        (WaitTimeoutError("still running"), 504),
        (NoResultError("terminated"), 500),
        (HTTPException(404, "There is no order 7."), 404),
    ],
)
def test_an_error_is_answered_with_the_status_that_fits_and_its_sentence(
    error: Exception, status: int
) -> None:
    answer = visit(error)

    sentence = str(error) if isinstance(error, DurakitError) else "There is no order 7."
    assert (answer.status_code, answer.json()) == (status, {"error": sentence})


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            '{"amount": "much"}',
            "amount: Input should be a valid integer, unable to parse string as an integer",
        ),
        ("{}", "amount: Field required"),
        ("", "body: Field required"),
        ("{amount}", "The body is not JSON: Expecting property name enclosed in double quotes"),
    ],
)
def test_a_request_that_does_not_validate_is_told_in_one_sentence(body: str, sentence: str) -> None:
    answer = visit(ValueError(), "POST", "/orders", body)

    assert (answer.status_code, answer.json()) == (422, {"error": sentence})


def test_where_to_listen_comes_from_options_then_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    parser = argparse.ArgumentParser()
    web.add_arguments(parser)

    assert parser.parse_args([]) == argparse.Namespace(host="127.0.0.1", port=9000)
    assert parser.parse_args(["--host", "::1", "--port", "1"]) == argparse.Namespace(host="::1", port=1)


def test_a_port_in_the_environment_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", "http")
    parser = argparse.ArgumentParser()
    web.add_arguments(parser)

    with pytest.raises(SystemExit):
        parser.parse_args([])

    assert "argument --port: invalid int value: 'http'" in capsys.readouterr().err
