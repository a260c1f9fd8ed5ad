"""The pairs of worker, client and scheduler that every scenario runs for."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator

import pytest

from .backends import EmbeddedScheduler, InMemoryBackendOfTheirs
from .bare import Bare
from .limitations import LIMITATIONS
from .peers import PAIRS, Pair
from .stage import Stage

Retire = Callable[[Callable[[], object]], None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a scenario for every pair, those marked `embedded` only for pairs on our scheduler."""
    if "pair" not in metafunc.fixturenames:
        return
    only_ours = metafunc.definition.get_closest_marker("embedded") is not None
    scenario = metafunc.function.__name__
    chosen = [pair for pair in PAIRS if not only_ours or pair.backend == "durakit"]
    metafunc.parametrize("pair", [_parameter(scenario, pair) for pair in chosen])


def _parameter(scenario: str, pair: Pair) -> object:
    marks = [
        pytest.mark.xfail(reason=known.reason, run=not known.hangs, strict=not known.hangs)
        for known in LIMITATIONS
        if known.scenario == scenario and known.applies(pair)
    ]
    return pytest.param(pair, id=pair.name.replace(" ", "_"), marks=marks)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of scenarios about our scheduler itself."""
    config.addinivalue_line("markers", "embedded: only for pairs on the embedded scheduler")


@pytest.fixture(scope="session")
def retire() -> Iterator[Retire]:
    """Run the given calls in the background and wait for them at the end of the session."""
    threads: list[threading.Thread] = []

    def begin(call: Callable[[], object]) -> None:
        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        threads.append(thread)

    yield begin
    for thread in threads:
        thread.join()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory, retire: Retire) -> Iterator[EmbeddedScheduler]:
    """Our scheduler, on disk, shared by all scenarios; each has its own task hub."""
    scheduler = EmbeddedScheduler(tmp_path_factory.mktemp("scheduler") / "scheduler.db")
    yield scheduler
    scheduler.stop()


@pytest.fixture
def bare(embedded: EmbeddedScheduler) -> Iterator[Bare]:
    """No SDK at all, on our scheduler."""
    bare = Bare(embedded.address)
    yield bare
    bare.close()


@pytest.fixture
def stage(
    pair: Pair, embedded: EmbeddedScheduler, retire: Retire, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """The pair under test."""
    if pair.sessions is None:
        monkeypatch.delenv("DURAKIT_SESSION_CACHE", raising=False)
    else:
        monkeypatch.setenv("DURAKIT_SESSION_CACHE", str(pair.sessions))
    monkeypatch.setenv("DURAKIT_LINK", "on" if pair.worker_link else "off")
    theirs = InMemoryBackendOfTheirs() if pair.backend == "durabletask" else None
    address = theirs.address if theirs is not None else embedded.address
    stage = Stage(pair, address, uuid.uuid4().hex, retire)
    yield stage
    stage.close()
    if theirs is not None:
        retire(theirs.stop)
