"""How the worker and the client of the Temporal variants reach the server: as usual, but without a word.

What the SDK's core logs goes to stdout, which belongs to the benchmark.
"""

from __future__ import annotations

import logging
from typing import Any

from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig


async def connect(address: str) -> Any:
    """A client of the server at `address`, host:port; all logging of this process is off from now on."""
    logging.disable(logging.CRITICAL)
    return await Client.connect(address, runtime=Runtime(telemetry=TelemetryConfig(logging=None)))
