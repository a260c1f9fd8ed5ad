"""Ask for a quote, and play the unreliable service that it depends on."""

import argparse
from decimal import Decimal

import durakit

from service import FlakyService, Reply, Script
from workflow import Basket, Quote, quote_basket


def main() -> None:
    options = parse()
    goes_on = "a quote that was started goes on, but the service it asks has ended with this program"
    with (
        FlakyService(script(options), tell=lambda line: print(f"  service: {line}", flush=True)) as service,
        durakit.client_program(goes_on),
        durakit.connect() as client,
    ):
        basket = Basket(
            service.url,
            goods=Decimal("120.00"),
            country="DE",
            currency="USD",
            coupon=options.coupon,
            shipping_deadline_seconds=options.deadline,
        )
        instance_id = client.schedule_new_orchestration(quote_basket, input=basket)
        print(f"Started quote {instance_id}", flush=True)
        service.start()
        quote = durakit.result_of(client, instance_id, Quote)
    for note in quote.notes:
        print(note)
    print(f"The basket costs {quote.total:,.2f} {quote.currency}")


def script(options: argparse.Namespace) -> Script:
    """Return what the service answers, call by call."""
    return {
        "/rate/USD": [Reply(503)] * options.failures + [Reply(value="1.10")],
        "/coupon/SPRING": [Reply(value="0.10")],
        "/tax/DE": [Reply(429)] * options.busy + [Reply(value="0.19")],
        "/shipping/DE": [Reply(value="4.90", after_seconds=options.latency)],
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failures", type=calls, default=2, metavar="N", help="rate: so many fail first")
    parser.add_argument("--busy", type=calls, default=2, metavar="N", help="tax: so many are sent away first")
    parser.add_argument("--coupon", default="SUMMER", help="SPRING is the valid one")
    parser.add_argument(
        "--latency", type=seconds, default=5.0, metavar="S", help="shipping: its answer takes S"
    )
    parser.add_argument("--deadline", type=seconds, default=2.0, metavar="S", help="shipping: we wait for S")
    return parser.parse_args()


def calls(text: str) -> int:
    if not text.isdecimal() or int(text) > 1000:
        raise argparse.ArgumentTypeError(f"{text} is not a number of calls from 0 to 1000")
    return int(text)


def seconds(text: str) -> float:
    try:
        if 0 <= float(text) <= 3600:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 0 to 3600")


if __name__ == "__main__":
    main()
