"""How scripts/run.py shows each sample: what makes it end, with a result, in well under 20 seconds.

The programs keep the defaults that make sense in life, such as a day for an approval; the arguments here are
shorter. A sample without a row runs as a user would run it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Showing:
    """What is started for a sample beside the scheduler."""

    client_arguments: tuple[str, ...] = ()
    """In place of the client's defaults."""
    demo: bool = False
    """The client serves until it is stopped; `demo.py --url ...` visits it and prints the result."""
    workers: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"worker": ()})
    """By the name shown before its lines, the arguments of each `worker.py`; none: the client has scheduler
    and worker inside, and neither is started beside it.
    """
    client: str = "client.py"
    """The program that shows it best."""


SHOWINGS: dict[str, Showing] = {
    "ai_agent": Showing(("--approve-as", "Ann")),
    "async_http_api": Showing(demo=True),
    "embedded_app": Showing(workers={}, client="crash.py"),
    "eternal_orchestrations": Showing(("--interval", "2")),
    "human_interaction": Showing(demo=True),
    "monitoring": Showing(("--rows", "55", "--first-wait", "0.5")),
    "sub_orchestrations": Showing(demo=True),
    "versioning": Showing(
        workers={"worker-1.0": ("--version", "1.0"), "worker-2.0": ("--version", "2.0")},
    ),
}
