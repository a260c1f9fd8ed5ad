"""Two releases at work in one task hub inside this process: no scheduler, no worker process, no waiting."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from durakit.client import OrchestrationState, OrchestrationStatus
from durakit.testing import InProcessTaskHub, InProcessWorker, replay

import workflow
import workflow_1_0
from offers import ACCEPTED, Contract, OfferRequest, OpenOffer
from releases import RELEASES
from workflow import offer_contract

HISTORY_OF_1_0 = Path(__file__).parent / "data" / "history-1.0.json"
"""Of an offer of 24 chairs, made and confirmed by release 1.0."""

LIST_PRICE, REDUCED_PRICE = Decimal("960.00"), Decimal("864.00")


class Shop:
    """A task hub in which only those releases work that are given a worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self.hub = InProcessTaskHub()
        self.hub.worker.stop()

    def start_worker(self, version: str) -> InProcessWorker:
        release = RELEASES[version]
        return self.hub.add_worker(
            orchestrators=release.orchestrators,
            activities=release.activities,
            versioning=release.versioning,
        )

    def offer(self, customer: str, version: str | None, pieces: int = 12, product: str = "chair") -> None:
        self.hub.client.schedule_new_orchestration(
            offer_contract,
            input=OfferRequest(customer, product, pieces, self._folder),
            instance_id=customer,
            version=version,
        )
        self.hub.run_until_idle()

    def accept(self, customer: str) -> None:
        self.hub.client.raise_orchestration_event(customer, ACCEPTED)
        self.hub.run_until_idle()

    def state(self, customer: str) -> OrchestrationState:
        state = self.hub.client.get_orchestration_state(customer)
        assert state is not None
        return state

    def contract(self, customer: str) -> Contract | None:
        return self.state(customer).get_output(Contract)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.hub.close()


@pytest.mark.parametrize(("version", "price"), [("1.0", LIST_PRICE), ("2.0", REDUCED_PRICE)])
def test_an_accepted_offer_is_confirmed_at_its_price(
    shop: Shop, tmp_path: Path, version: str, price: Decimal
) -> None:
    shop.start_worker(version)
    shop.offer("ada", version)
    assert shop.state("ada").get_custom_status(OpenOffer) == OpenOffer(price, version)

    shop.accept("ada")

    letter = tmp_path / "ada-confirmation.txt"
    assert shop.contract("ada") == Contract("ada", price, True, version, str(letter))
    assert letter.read_text("utf-8") == (
        f"Confirmation for ada, on the terms of release {version}\n\n12 × chair: {price} EUR\n"
    )


@pytest.mark.parametrize(("version", "price"), [("1.0", LIST_PRICE), ("2.0", REDUCED_PRICE)])
def test_an_offer_that_nobody_accepts_ends_after_thirty_days(
    shop: Shop, tmp_path: Path, version: str, price: Decimal
) -> None:
    shop.start_worker(version)
    shop.offer("ada", version)

    shop.hub.advance(timedelta(days=29, hours=23))
    assert shop.contract("ada") is None
    shop.hub.advance(timedelta(hours=1))

    assert shop.contract("ada") == Contract("ada", price, False, version, str(tmp_path / "ada-offer.txt"))


@pytest.mark.parametrize(("pieces", "price"), [(9, Decimal("720.00")), (10, Decimal("720.00"))])
def test_the_discount_of_release_2_0_begins_with_ten_pieces(shop: Shop, pieces: int, price: Decimal) -> None:
    shop.start_worker("2.0")

    shop.offer("ada", "2.0", pieces)

    assert shop.state("ada").get_custom_status(OpenOffer) == OpenOffer(price, "2.0")


@pytest.mark.parametrize("version", RELEASES)
def test_without_such_a_product_the_offer_fails_with_the_reason(shop: Shop, version: str) -> None:
    shop.start_worker(version)

    shop.offer("ada", version, product="sofa")

    failure = shop.state("ada").failure_details
    assert failure is not None
    assert "there is no product sofa; there are chair, shelf, table" in failure.message


def test_an_offer_ends_on_the_release_that_made_it_while_the_next_one_is_at_work(shop: Shop) -> None:
    shop.start_worker("1.0")
    shop.offer("ada", "1.0")
    shop.start_worker("2.0")
    shop.offer("bob", "2.0")

    shop.accept("ada")
    shop.accept("bob")

    contracts = [shop.contract(name) for name in ("ada", "bob")]
    assert [(c.price, c.release) for c in contracts if c] == [(LIST_PRICE, "1.0"), (REDUCED_PRICE, "2.0")]


def test_an_open_offer_waits_for_a_worker_of_its_release(shop: Shop) -> None:
    old = shop.start_worker("1.0")
    shop.offer("ada", "1.0")
    old.stop()
    shop.start_worker("2.0")

    shop.accept("ada")
    assert shop.state("ada").runtime_status is OrchestrationStatus.RUNNING
    shop.start_worker("1.0")
    shop.hub.run_until_idle()

    contract = shop.contract("ada")
    assert contract is not None
    assert (contract.price, contract.release) == (LIST_PRICE, "1.0")


def test_an_offer_without_a_version_is_nobodys(shop: Shop) -> None:
    for version in RELEASES:
        shop.start_worker(version)

    shop.offer("ada", None)

    assert shop.state("ada").runtime_status is OrchestrationStatus.PENDING


def test_without_versioning_the_new_release_would_break_what_the_old_one_has_begun(shop: Shop) -> None:
    """What all this is for: the same change, with workers that do not tell their version."""
    old = shop.hub.add_worker(orchestrators=[workflow_1_0.offer_contract], activities=workflow_1_0.ACTIVITIES)
    shop.offer("ada", "1.0")
    old.stop()
    shop.hub.add_worker(orchestrators=[workflow.offer_contract], activities=workflow.ACTIVITIES)

    shop.accept("ada")

    failure = shop.state("ada").failure_details
    assert failure is not None
    assert failure.error_type.endswith("NonDeterminismError")


def test_release_1_0_still_follows_what_it_has_recorded() -> None:
    """It fails when somebody changes `workflow_1_0.py` in a way that its open offers would not survive."""
    replay(workflow_1_0.offer_contract, HISTORY_OF_1_0).raise_if_different()


def test_release_2_0_needs_a_version_of_its_own() -> None:
    result = replay(workflow.offer_contract, HISTORY_OF_1_0)

    assert not result
    assert "offer_discounted_price" in str(result.difference)
