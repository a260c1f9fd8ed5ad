"""Lengths of time and moments as people type them."""

from __future__ import annotations

import re
import time
from typing import Any

import click

from durakit.cli.param_type import ParamType
from durakit.dashboard.parameters import moment

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?")


class Length(ParamType):
    """A length of time in seconds: `30`, `90s`, `5m`, `2h`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, float):
            return value
        found = _LENGTH.fullmatch(str(value).strip())
        if found is None or float(found[1]) == 0:
            self.fail(f"{value!r} is not a length of time above zero such as 30, 90s, 5m or 2h.", param, ctx)
        return float(found[1]) * _UNITS[found[2] or "s"]


class Moment(ParamType):
    """A moment in nanoseconds since 1970: RFC 3339, or relative to now, such as `-6h`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the nanoseconds."""
        if isinstance(value, int):
            return value
        found = moment(str(value), time.time_ns())
        if found is None:
            self.fail(
                f"{value!r} is not a time. Write 2026-11-21T13:00:00Z, or -6h for six hours ago.", param, ctx
            )
        return found
