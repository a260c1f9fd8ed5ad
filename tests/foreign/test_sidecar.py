"""Our SDK, as worker and client, on the sidecar of Microsoft's `durabletask-go`; and on our own scheduler, to
show that what is left out there is the sidecar's limit."""

from __future__ import annotations

from tests.foreign.catalogue import SCENARIOS
from tests.foreign.matrix import Run
from tests.foreign.peers import OWN_PEERS, SIDECAR_PEERS, Peer

PEERS = (*OWN_PEERS, *SIDECAR_PEERS)


def test_our_sdk_works(scenario: str, outcomes: Run) -> None:
    outcomes.check(scenario)


def test_the_program_runs_every_scenario_but_those_the_scheduler_does_not_offer(
    peer: Peer, outcomes: Run
) -> None:
    assert outcomes.outcomes.keys() == SCENARIOS.keys() - peer.not_offered.keys()
