"""Make offers with one release or another and accept them; without a command, make the whole tour."""

from __future__ import annotations

import argparse
import re
import sys
import uuid
from collections import Counter
from datetime import timedelta
from pathlib import Path

import durakit
from durakit.client import OrchestrationQuery, OrchestrationStatus, TaskHubGrpcClient

from offers import ACCEPTED, Contract, OfferRequest, OpenOffer
from releases import RELEASES, TODAY
from workflow import offer_contract

OUTPUT = Path(__file__).resolve().parent / "output"
PREFIX = "offer-"
"""How the ids of all offers begin."""

ENDED = [status for status in OrchestrationStatus if status.is_terminal]


def main() -> None:
    options = parse()
    with durakit.client_program("what was offered stays offered"), durakit.connect() as client:
        if options.command == "offer":
            request = OfferRequest(
                options.customer, options.product, options.pieces, str(OUTPUT), timedelta(days=options.days)
            )
            make_offer(client, request, options.version)
        elif options.command == "accept":
            print(accept(client, options.customer))
        elif options.command == "open":
            print(open_offers(client))
        else:
            tour(client)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="command")
    offer = commands.add_parser("offer", help="make an offer")
    offer.add_argument("customer", type=customer, help="letters, digits, - and _")
    offer.add_argument("product", nargs="?", default="chair", help="chair, table or shelf (%(default)s)")
    offer.add_argument("--pieces", type=above_zero, default=12, help="default: %(default)s")
    offer.add_argument("--days", type=above_zero, default=30, help="it is open for (%(default)s)")
    offer.add_argument("--version", choices=RELEASES, default=TODAY, help="release (%(default)s)")
    commands.add_parser("accept", help="accept a customer's offer").add_argument("customer")
    commands.add_parser("open", help="count the offers that are open, by release")
    return parser.parse_args()


def customer(text: str) -> str:
    if not re.fullmatch(r"[\w-]{1,60}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 60 letters, digits, - and _")
    return text


def above_zero(text: str) -> int:
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")


def make_offer(client: TaskHubGrpcClient, request: OfferRequest, version: str) -> OpenOffer:
    """Start an offer with the release of that version and wait until it is made."""
    instance_id = client.schedule_new_orchestration(
        offer_contract,
        input=request,
        instance_id=f"{PREFIX}{request.customer}",
        reuse_id_policy=ENDED,  # a customer has one open offer, and any number of old ones
        version=version,
    )
    print(f"Started offer to {request.customer} with release {version}", flush=True)
    for state in durakit.watch(client, instance_id):
        if offer := state.get_custom_status(OpenOffer):
            print(f"Release {offer.release} offers {request.customer} {offer.price} EUR", flush=True)
            return offer
    durakit.result_of(client, instance_id)  # raises why it ended without having been made
    sys.exit(f"client.py: the offer to {request.customer} was over at once")


def accept(client: TaskHubGrpcClient, customer: str) -> str:
    """Accept the customer's offer and return what comes of it."""
    state = client.get_orchestration_state(f"{PREFIX}{customer}")
    if state is None or state.runtime_status.is_terminal:
        sys.exit(f"client.py: no offer to {customer} is open")
    client.raise_orchestration_event(state.instance_id, ACCEPTED)
    contract = durakit.result_of(client, state.instance_id, Contract)
    return f"{contract.customer} pays {contract.price} EUR, confirmed by release {contract.release}"


def open_offers(client: TaskHubGrpcClient) -> str:
    """Say how many offers of each release are open: a release without any needs no worker any more."""
    running = [status for status in OrchestrationStatus if status not in ENDED]
    states = client.get_all_orchestration_states(
        OrchestrationQuery(runtime_status=running, instance_id_prefix=PREFIX)
    )
    counts = Counter(state.version for state in states)
    return "Open offers: " + ", ".join(f"{counts[version]} of release {version}" for version in RELEASES)


def tour(client: TaskHubGrpcClient) -> None:
    """Let a release come out while an offer of the one before is open."""
    run = uuid.uuid4().hex[:6]
    ada = OfferRequest(f"ada-{run}", "chair", 12, str(OUTPUT))
    bob = OfferRequest(f"bob-{run}", "chair", 12, str(OUTPUT))
    make_offer(client, ada, "1.0")
    print("Release 2.0 comes out; the worker of 1.0 stays for what it has begun", flush=True)
    make_offer(client, bob, "2.0")
    print(open_offers(client), flush=True)
    first, second = accept(client, ada.customer), accept(client, bob.customer)
    print(open_offers(client), flush=True)
    print(f"{first}; {second}")


if __name__ == "__main__":
    main()
