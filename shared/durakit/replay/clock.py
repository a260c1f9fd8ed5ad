"""Points in time as whole nanoseconds since 1970 (UTC): nothing is lost between wire and arithmetic.

datetime holds microseconds only, so it appears at the edge to user code and nowhere else.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - orchestration time is naive UTC, as in durabletask
_SECOND = 1_000_000_000

# The ends of what a Timestamp and a datetime can hold.
EARLIEST_NS = -62_135_596_800 * _SECOND
LATEST_NS = 253_402_300_799 * _SECOND


def ns_of_timestamp(timestamp: Timestamp) -> int:
    """Nanoseconds of a protobuf Timestamp."""
    return timestamp.seconds * _SECOND + timestamp.nanos


def timestamp_of_ns(ns: int) -> Timestamp:
    """Protobuf Timestamp of nanoseconds."""
    return Timestamp(seconds=ns // _SECOND, nanos=ns % _SECOND)


def ns_of_datetime(moment: datetime) -> int:
    """Nanoseconds of a datetime; a naive one is taken as UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc).replace(tzinfo=None)
    return ns_of_timedelta(moment - _EPOCH)


def ns_of_timedelta(duration: timedelta) -> int:
    """Nanoseconds of a duration, exactly."""
    return ((duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds) * 1_000


def datetime_of_ns(ns: int) -> datetime:
    """Naive UTC datetime of nanoseconds, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1_000)
