"""What a worker answers to probes, and when it calls itself dead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from durakit.health import HealthServer


@contextmanager
def probed(away_seconds: float) -> Iterator[httpx.Client]:
    server = HealthServer(0, lambda: away_seconds, dead_seconds=60)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as probe:
            yield probe
    finally:
        server.close()


@pytest.mark.parametrize(
    ("away_seconds", "alive", "ready"),
    [(0.0, 200, 200), (0.1, 200, 503), (60.0, 200, 503), (60.1, 503, 503)],
)
def test_a_worker_is_ready_while_connected_and_alive_until_it_was_away_too_long(
    away_seconds: float, alive: int, ready: int
) -> None:
    with probed(away_seconds) as probe:
        assert probe.get("/livez").status_code == alive
        assert probe.get("/readyz").status_code == ready


def test_a_probe_is_told_for_how_long() -> None:
    with probed(61.23) as probe:
        assert probe.get("/livez").json() == {"status": "no scheduler", "awaySeconds": 61.2}


def test_another_path_is_told_what_there_is() -> None:
    with probed(0) as probe:
        answer = probe.get("/healthz")

    assert answer.status_code == 404
    assert answer.json() == {"error": "There is no /healthz; probes are /livez and /readyz."}
