"""Loggers as the constructors of clients and workers take them. The library configures no logging of its
own.
"""

from __future__ import annotations

import logging


def logger_for(
    name: str,
    logger: logging.Logger | None,
    handler: logging.Handler | None,
    formatter: logging.Formatter | None,
) -> logging.Logger:
    """The logger to use: the caller's, else `durakit.<name>`.

    With a handler or formatter the result is a logger of its own below `durakit.<name>`, so that two
    objects with different handlers do not write into each other's; it does not propagate.
    """
    if logger is not None:
        return logger
    shared = logging.getLogger(f"durakit.{name}")
    if handler is None and formatter is None:
        return shared
    own = logging.Logger(shared.name, logging.INFO)
    own.propagate = False
    handler = handler or logging.StreamHandler()
    if formatter is not None:
        handler.setFormatter(formatter)
    own.addHandler(handler)
    return own
