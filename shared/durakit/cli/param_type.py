"""What the types of our options have in common."""

from __future__ import annotations

import click


class ParamType(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases of click only
    """How the text of an option or argument is read: `convert` returns the value or calls `fail`."""
