"""Book trips, show what happened to each, and check the books of the bank."""

import argparse
import json
import sqlite3
import sys
import uuid
from pathlib import Path

import durakit

from bank import Bank, BankMissing, Offer, money
from workflow import Outcome, Trip, travel_booking

HERE = Path(__file__).resolve().parent
TRAVEL = json.loads((HERE / "data" / "travel.json").read_text("utf-8"))
TRIPS = TRAVEL["trips"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trips", nargs="*", metavar="TRIP", help=f"{', '.join(TRIPS)}; default: all")
    parser.add_argument("--bank", type=Path, help="go on with the bank in this file; default: a new one")
    options = parser.parse_args()
    trips = options.trips or list(TRIPS)
    if unknown := [trip for trip in trips if trip not in TRIPS]:
        sys.exit(f"client.py: there is no trip {unknown[0]}; there are {', '.join(TRIPS)}")
    path = options.bank or HERE / "output" / f"bank-{uuid.uuid4().hex[:8]}.db"
    with durakit.client_program("trips that were started are booked, or taken back, without us"):
        bank = open_bank(path.resolve(), is_new=options.bank is None)
        print(f"Opened the bank {path.resolve()}", flush=True)
        for trip in trips:
            book(trip, path.resolve())
    show(bank)


def open_bank(path: Path, *, is_new: bool) -> Bank:
    """Return the bank in the file."""
    if is_new:
        offers = {code: Offer(**offer) for code, offer in TRAVEL["offers"].items()}
        return Bank.found(str(path), TRAVEL["customers"], offers)
    bank = Bank(str(path))
    try:
        bank.balances()
    except (BankMissing, sqlite3.Error) as error:
        sys.exit(f"client.py: {path} is not a bank: {error}")
    return bank


def book(trip: str, bank: Path) -> None:
    """Book one trip and print each step."""
    code = TRIPS[trip]
    order = Trip(str(bank), "Ada", f"{code}-FLIGHT", f"{code}-HOTEL", f"{code}-CAR")
    with durakit.connect() as client:
        instance_id = client.schedule_new_orchestration(travel_booking, input=order)
        print(f"Started trip to {trip} as {instance_id}", flush=True)
        outcome = durakit.result_of(client, instance_id, Outcome)
    for sentence in outcome.journal:
        print(f"  {sentence}")
    print(f"  = booked for {money(outcome.paid)}" if outcome.booked else "  = not booked, nothing paid")


def show(bank: Bank) -> None:
    """Print the accounts, and end with an error if they are not right."""
    for name, cents in bank.balances().items():
        if name != "opening" and cents:
            print(f"{name:14}{money(cents):>16}")
    if problems := bank.audit():
        sys.exit(f"client.py: the books do not balance: {'; '.join(problems)}")
    print(f"The books balance after {len(bank.transfers())} transfers")


if __name__ == "__main__":
    main()
