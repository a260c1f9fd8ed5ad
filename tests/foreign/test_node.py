"""Microsoft's JavaScript SDK, as worker and client, on our scheduler."""

from __future__ import annotations

from tests.foreign.catalogue import SCENARIOS
from tests.foreign.matrix import Run
from tests.foreign.peers import NODE_PEER, Peer

PEERS = (NODE_PEER,)


def test_our_scheduler_serves(scenario: str, outcomes: Run) -> None:
    outcomes.check(scenario)


def test_the_program_runs_every_scenario_but_those_its_sdk_does_not_offer(peer: Peer, outcomes: Run) -> None:
    assert outcomes.outcomes.keys() == SCENARIOS.keys() - peer.not_offered.keys()
