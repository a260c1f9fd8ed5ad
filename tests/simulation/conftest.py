"""Every simulation runs with the worker's live executions, with room for one, and without any."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from durakit.testing import InProcessTaskHub


@pytest.fixture(params=[100, 1, 0], ids=["sessions", "one_session", "no_sessions"])
def hub(request: pytest.FixtureRequest) -> Iterator[InProcessTaskHub]:
    with InProcessTaskHub(sessions=request.param) as hub:
        yield hub
