"""Every scenario of a peer as a test of its own; the peer's program runs once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from tests.foreign.matrix import Run, offered, run
from tests.foreign.peers import Peer


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that take `peer` for all of their module's PEERS, and `scenario` for what the peer offers."""
    peers: tuple[Peer, ...] = getattr(metafunc.module, "PEERS", ())
    if "scenario" in metafunc.fixturenames:
        pairs = [(peer, scenario) for peer in peers for scenario in offered(peer)]
        ids = [f"{peer.name}-{scenario}" for peer, scenario in pairs]
        metafunc.parametrize(("peer", "scenario"), pairs, ids=ids)
    elif "peer" in metafunc.fixturenames:
        metafunc.parametrize("peer", peers, ids=[peer.name for peer in peers])


@pytest.fixture(scope="session")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Peer], Run]:
    """Run a peer's program when it is first asked for; after that, repeat what came of it."""

    @cache
    def result(peer: Peer) -> Run | RuntimeError:
        try:
            return run(peer, tmp_path_factory.mktemp(peer.name))
        except RuntimeError as problem:
            return problem

    def run_or_raise(peer: Peer) -> Run:
        outcome = result(peer)
        if isinstance(outcome, RuntimeError):
            raise outcome
        return outcome

    return run_or_raise


@pytest.fixture
def outcomes(peer: Peer, run_once: Callable[[Peer], Run]) -> Run:
    """What the peer's program printed; skips where its tools are not installed."""
    missing = peer.missing_tools()
    if missing:
        pytest.skip(f"not on this machine, but needed for {peer.name}: {', '.join(missing)}")
    return run_once(peer)
