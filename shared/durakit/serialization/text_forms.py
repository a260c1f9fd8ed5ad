"""Values that JSON has no form for and that travel as text: times, UUID, Decimal, bytes, paths.

Times are ISO 8601. Reading accepts what other SDKs write: `Z`, any number of fractional digits.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?=[\dT])(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:[.,](?P<fraction>\d+))?S)?)?"
)


def text_of(kind: type[Any]) -> Callable[[Any], str] | None:
    """The function that writes values of this class as text; None when the class has no text form."""
    return next((write for each, (write, _) in _FORMS.items() if issubclass(kind, each)), None)


def value_from(kind: type[Any]) -> Callable[[str], Any] | None:
    """The function that reads this class from text, raising ValueError; None when it has no text form."""
    for each, (_, read) in _FORMS.items():
        if issubclass(kind, each):
            return kind if read is None else read
    return None


def format_duration(value: timedelta) -> str:
    """ISO 8601 with microseconds, `-P1DT0.5S` for less than nothing."""
    microseconds = value // timedelta(microseconds=1)
    sign = "-" if microseconds < 0 else ""
    days, microseconds = divmod(abs(microseconds), 86_400_000_000)
    seconds, microseconds = divmod(microseconds, 1_000_000)
    fraction = f".{microseconds:06}".rstrip("0") if microseconds else ""
    date_part = f"{days}D" if days else ""
    time_part = f"T{seconds}{fraction}S" if seconds or microseconds or not days else ""
    return f"{sign}P{date_part}{time_part}"


def parse_duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(
            "not an ISO 8601 duration such as 'P1DT2H30M' (years and months have no fixed length)"
        )
    parts = {name: int(match[name] or 0) for name in ("weeks", "days", "hours", "minutes", "seconds")}
    length = timedelta(**parts, microseconds=int((match["fraction"] or "").ljust(6, "0")[:6]))
    return -length if match["sign"] == "-" else length


def _iso(text: str) -> str:
    """ISO 8601 as Python 3.10 reads it: an offset instead of Z, six fractional digits."""
    text = text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text
    return re.sub(r"(?<=:\d\d)[.,](\d+)", lambda found: "." + found[1].ljust(6, "0")[:6], text)


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("not a decimal number") from None


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


_FORMS: dict[type[Any], tuple[Callable[[Any], str], Callable[[str], Any] | None]] = {
    datetime: (datetime.isoformat, lambda text: datetime.fromisoformat(_iso(text))),  # before date, its base
    date: (date.isoformat, date.fromisoformat),
    time: (time.isoformat, lambda text: time.fromisoformat(_iso(text))),
    timedelta: (format_duration, parse_duration),
    UUID: (str, UUID),
    Decimal: (str, _decimal),
    bytes: (_base64, _bytes),
    bytearray: (_base64, lambda text: bytearray(_bytes(text))),
    memoryview: (_base64, lambda text: memoryview(_bytes(text))),
    PurePath: (str, None),
}
"""Class: how it is written, how it is read (None: by calling the annotated class)."""
