"""Quotes on a virtual clock, so that pauses and deadlines cost nothing; the HTTP is real."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from decimal import Decimal

import pytest
from durakit.client import OrchestrationState
from durakit.task import FailureDetails
from durakit.testing import InProcessTaskHub

from service import FlakyService, Reply, Script
from workflow import (
    ACTIVITIES,
    Basket,
    Quote,
    ServiceBusy,
    ServiceError,
    ServiceRefused,
    again_if_busy,
    ask,
    quote_basket,
    quote_exchange_rate,
    quote_shipping,
    quote_tax_rate,
)

ALL_IS_WELL: Script = {
    "/rate/USD": [Reply(value="1.10")],
    "/coupon/SPRING": [Reply(value="0.10")],
    "/tax/DE": [Reply(value="0.19")],
    "/shipping/DE": [Reply(value="5")],
}
StartService = Callable[..., FlakyService]


@pytest.fixture
def hub() -> Iterator[InProcessTaskHub]:
    with InProcessTaskHub(orchestrators=[quote_basket], activities=ACTIVITIES) as hub:
        yield hub


@pytest.fixture
def serve() -> Iterator[StartService]:
    """Return a function that starts the service: all is well, except for the replies it is given."""
    with ExitStack() as services:

        def start(**replies: list[Reply]) -> FlakyService:
            others = {f"/{topic}/{SUBJECTS[topic]}": found for topic, found in replies.items()}
            service = services.enter_context(FlakyService({**ALL_IS_WELL, **others}))
            service.start()
            return service

        yield start


SUBJECTS = {"rate": "USD", "coupon": "SPRING", "tax": "DE", "shipping": "DE"}


def run(hub: InProcessTaskHub, service: FlakyService, coupon: str | None = "SPRING") -> OrchestrationState:
    return hub.run(quote_basket, input=Basket(service.url, Decimal(100), "DE", "USD", coupon))


def quote(hub: InProcessTaskHub, service: FlakyService, coupon: str | None = "SPRING") -> Quote:
    state = run(hub, service, coupon)
    found = state.get_output(Quote)
    assert found is not None, state.failure_details
    return found


def failure(hub: InProcessTaskHub, service: FlakyService) -> str:
    state = run(hub, service)
    assert state.failure_details is not None
    return state.failure_details.message


def starts(hub: InProcessTaskHub, activity: Callable[..., object]) -> list[float]:
    """The seconds of orchestration time at which the attempts were made."""
    calls = hub.calls_of(activity)
    return [(call.at - calls[0].at).total_seconds() for call in calls]


def test_a_quote_has_goods_discount_shipping_tax_and_rate(hub: InProcessTaskHub, serve: StartService) -> None:
    assert quote(hub, serve()) == Quote(Decimal("124.36"), "USD", [])  # (100 - 10 + 5) * 1.19 * 1.10


def test_without_a_coupon_nobody_asks_for_one(hub: InProcessTaskHub, serve: StartService) -> None:
    service = serve()

    assert quote(hub, service, coupon=None).total == Decimal("137.45")
    assert service.calls("/coupon/SPRING") == 0


def test_trouble_that_passes_is_waited_out_with_growing_pauses(
    hub: InProcessTaskHub, serve: StartService
) -> None:
    service = serve(rate=[Reply(503), Reply(500), Reply(503), Reply(value="1.10")])

    assert quote(hub, service).total == Decimal("124.36")
    assert starts(hub, quote_exchange_rate) == [0, 1, 3, 7]


def test_after_the_last_attempt_the_quote_fails_with_the_reason(
    hub: InProcessTaskHub, serve: StartService
) -> None:
    service = serve(rate=[Reply(503)])

    assert failure(hub, service) == "no exchange rate for USD: rate service says 503 Service Unavailable"
    assert service.calls("/rate/USD") == 4


def test_a_refusal_is_final_at_the_first_attempt(hub: InProcessTaskHub, serve: StartService) -> None:
    service = serve(rate=[Reply(404)])

    assert failure(hub, service) == "no exchange rate for USD: rate service says 404 Not Found"
    assert service.calls("/rate/USD") == 1


def test_an_unknown_coupon_is_noted_and_the_price_is_full(hub: InProcessTaskHub, serve: StartService) -> None:
    service = serve()

    assert quote(hub, service, coupon="SUMMER") == Quote(
        Decimal("137.45"), "USD", ["coupon SUMMER is not valid: coupon service says 404 Not Found"]
    )
    assert service.calls("/coupon/SUMMER") == 1


def test_a_coupon_that_cannot_be_checked_is_not_called_invalid(
    hub: InProcessTaskHub, serve: StartService
) -> None:
    assert failure(hub, serve(coupon=[Reply(500)])) == (
        "coupon SPRING: coupon service says 500 Internal Server Error"
    )


def test_the_handler_says_again_while_the_service_is_busy(hub: InProcessTaskHub, serve: StartService) -> None:
    assert quote(hub, serve(tax=[Reply(429)] * 5 + [Reply(value="0.19")])).total == Decimal("124.36")
    assert starts(hub, quote_tax_rate) == [0, 1, 2, 3, 4, 5]


def test_the_handler_takes_any_other_error_for_final(hub: InProcessTaskHub, serve: StartService) -> None:
    service = serve(tax=[Reply(429), Reply(500)])

    assert failure(hub, service) == "no tax rate for DE: tax service says 500 Internal Server Error"
    assert service.calls("/tax/DE") == 2


def test_the_handlers_patience_ends_after_a_minute(hub: InProcessTaskHub, serve: StartService) -> None:
    assert (
        failure(hub, serve(tax=[Reply(429)])) == "no tax rate for DE: tax service says 429 Too Many Requests"
    )
    assert starts(hub, quote_tax_rate)[-1] == pytest.approx(60, abs=1)


@pytest.mark.parametrize(("kind", "again"), [(ServiceBusy, True), (ServiceError, False), (ValueError, False)])
def test_what_the_handler_decides(kind: type[Exception], again: bool) -> None:
    name = f"{kind.__module__}.{kind.__qualname__}"

    assert again_if_busy(FailureDetails("any text", name, None)) is again


def test_costs_that_come_too_late_are_estimated_and_ignored(
    hub: InProcessTaskHub, serve: StartService
) -> None:
    hub.faults.delay(quote_shipping, timedelta(seconds=5))
    began = hub.now

    assert quote(hub, serve()) == Quote(
        Decimal("130.77"), "USD", ["shipping is estimated: no answer within 2 s"]
    )
    assert hub.now - began == timedelta(seconds=2)


def test_costs_that_come_in_time_cancel_the_timer(hub: InProcessTaskHub, serve: StartService) -> None:
    hub.faults.delay(quote_shipping, timedelta(seconds=1))
    began = hub.now

    assert quote(hub, serve()).notes == []
    assert hub.now - began == timedelta(seconds=1)


def test_the_deadline_holds_for_all_attempts_together(hub: InProcessTaskHub, serve: StartService) -> None:
    service = serve(shipping=[Reply(503)])

    assert quote(hub, service).notes == ["shipping is estimated: no answer within 2 s"]
    assert starts(hub, quote_shipping) == [0, 1]


def test_costs_that_are_refused_are_estimated_at_once(hub: InProcessTaskHub, serve: StartService) -> None:
    began = hub.now

    assert quote(hub, serve(shipping=[Reply(400)])).notes == [
        "shipping is estimated: shipping service says 400 Bad Request"
    ]
    assert hub.now == began


def test_a_worker_that_crashes_during_the_pauses_loses_no_attempt(
    hub: InProcessTaskHub, serve: StartService
) -> None:
    hub.faults.crash_worker(before=quote_basket, call=2)
    service = serve(rate=[Reply(503), Reply(503), Reply(value="1.10")])

    assert quote(hub, service).total == Decimal("124.36")
    assert starts(hub, quote_exchange_rate) == [0, 1, 3]


@pytest.mark.parametrize(
    ("reply", "kind", "sentence"),
    [
        (Reply(403), ServiceRefused, "rate service says 403 Forbidden"),
        (Reply(429), ServiceBusy, "rate service says 429 Too Many Requests"),
        (Reply(502), ServiceError, "rate service says 502 Bad Gateway"),
        (Reply(value="a lot"), ServiceError, "rate service did not answer with a number"),
    ],
)
def test_what_the_service_answers_decides_about_the_error(
    serve: StartService, reply: Reply, kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence) as raised:
        ask(serve(rate=[reply]).url, "rate", "USD")

    assert raised.type is kind


def test_a_service_that_is_not_there_is_trouble_that_may_pass() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # taken, and nobody listens
        port = reserved.getsockname()[1]

        with pytest.raises(ServiceError, match=r"rate service cannot be reached: .*refused"):
            ask(f"http://127.0.0.1:{port}", "rate", "USD")


def test_a_subject_cannot_lead_to_another_path(serve: StartService) -> None:
    with pytest.raises(ServiceRefused):
        ask(serve().url, "coupon", "../rate/USD")


def test_an_answer_that_breaks_off_is_trouble_that_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_off(*_: object, **__: object) -> None:
        raise http.client.IncompleteRead(b"1.")

    monkeypatch.setattr("urllib.request.urlopen", breaks_off)

    with pytest.raises(ServiceError, match="rate service cannot be reached: IncompleteRead"):
        ask("http://127.0.0.1:1", "rate", "USD")
