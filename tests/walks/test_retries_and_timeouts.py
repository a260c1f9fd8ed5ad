"""Quotes as real processes make them: real requests, real pauses, a request that is really too slow."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.walks.stage import Stage

QUIET = ["--failures", "0", "--busy", "0", "--coupon", "SPRING", "--latency", "0"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage("retries_and_timeouts", tmp_path_factory.mktemp("stage")) as stage:
        stage.worker()
        yield stage


def test_all_four_kinds_of_trouble_end_in_a_quote(stage: Stage) -> None:
    lines = stage.python("client.py", "--failures", "1", "--busy", "1", "--deadline", "1").finish()

    assert lines[1:] == [
        "  service: GET /rate/USD: 503",
        "  service: GET /rate/USD: 200",
        "  service: GET /coupon/SUMMER: 404",
        "  service: GET /tax/DE: 429",
        "  service: GET /tax/DE: 200",
        "  service: GET /shipping/DE: 200 after 5 s",
        "coupon SUMMER is not valid: coupon service says 404 Not Found",
        "shipping is estimated: no answer within 1 s",
        "The basket costs 170.04 USD",
    ]


def test_a_service_on_a_good_day_gives_the_true_costs(stage: Stage) -> None:
    lines = stage.python("client.py", *QUIET, "--deadline", "60").finish()

    assert lines[-1] == "The basket costs 147.79 USD"
    assert len(lines) == 6


def test_a_quote_that_cannot_be_made_fails_with_the_reason(stage: Stage) -> None:
    lines = stage.python("client.py", *QUIET, "--failures", "4").finish(code=1)

    assert lines.count("  service: GET /rate/USD: 503") == 4
    assert re.fullmatch(
        r"client.py: Orchestration 'quote_basket' \(\w+\) failed with workflow.QuoteError: "
        "no exchange rate for USD: rate service says 503 Service Unavailable",
        lines[-1],
    )


def test_a_slow_answer_does_not_keep_a_stopping_client(stage: Stage) -> None:
    client = stage.python("client.py", *QUIET, "--latency", "3600", "--deadline", "3600")
    client.wait_for("  service: GET /shipping/DE: 200 after 3600 s")

    assert client.interrupt(code=1)[-1] == (
        "client.py: no longer waiting; a quote that was started goes on, "
        "but the service it asks has ended with this program"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--failures", "-1"], "argument --failures: -1 is not a number of calls from 0 to 1000"),
        (["--busy", "many"], "argument --busy: many is not a number of calls from 0 to 1000"),
        (["--deadline", "soon"], "argument --deadline: soon is not a number of seconds from 0 to 3600"),
        (["--latency", "nan"], "argument --latency: nan is not a number of seconds from 0 to 3600"),
    ],
)
def test_bad_input_is_answered_with_a_sentence(stage: Stage, arguments: list[str], sentence: str) -> None:
    assert stage.python("client.py", *arguments).finish(code=2)[-1] == f"client.py: error: {sentence}"
