"""What differs between SDKs that share durabletask's API: logging, off for the peer, as shipped for ours."""

from __future__ import annotations

import logging
from typing import Any


def connection_arguments(sdk: str, address: str) -> dict[str, Any]:
    """Keyword arguments for the SDK's worker and client classes; `address` is host:port."""
    arguments: dict[str, Any] = {"host_address": address}
    if sdk == "durabletask":
        arguments["logger"] = silent_logger()
    return arguments


def silent_logger() -> logging.Logger:
    """A logger for which every level is disabled, so that not even formatting is paid for."""
    logger = logging.Logger("benchmark")
    logger.setLevel(logging.CRITICAL + 1)
    return logger
