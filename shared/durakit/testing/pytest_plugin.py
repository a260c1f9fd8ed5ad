"""The pytest plugin of durakit: fixtures for tests of orchestrations.

pytest loads it in every project where durakit is installed, so nothing heavy is imported before a fixture is
used. Switch it off with `-p no:durakit`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from durakit.testing.task_hub import InProcessTaskHub

_MARKER = (
    "task_hub(**options): options of the fixture task_hub, which are those of "
    "durakit.testing.InProcessTaskHub: orchestrators, activities, seed, start, ..."
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, for projects that allow only known ones."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def task_hub(request: pytest.FixtureRequest) -> Iterator[InProcessTaskHub]:
    """A task hub on a virtual clock; closed at the end, which fails if an injected fault was never reached.

    `@pytest.mark.task_hub(seed=3)` on test, class or module gives it options; of several marks that name the
    same option, the closest counts.
    """
    try:
        from durakit.testing.task_hub import InProcessTaskHub
    except ModuleNotFoundError as error:
        # A module of our own that is missing is a bug and keeps its traceback.
        if error.name is None or error.name.partition(".")[0] == "durakit":
            raise
        pytest.fail(
            f"The fixture task_hub runs durakit's scheduler, which needs the module {error.name}; it is not "
            'installed. Install it with: pip install "durakit[scheduler]"',
            pytrace=False,
        )
    options = {}
    for marker in reversed(list(request.node.iter_markers("task_hub"))):
        if marker.args:
            pytest.fail(
                "The marker task_hub takes named options only, as in task_hub(seed=3).", pytrace=False
            )
        options.update(marker.kwargs)
    hub = InProcessTaskHub(**options)
    try:
        yield hub
    finally:
        hub.close()
    hub.faults.check_all_reached()
