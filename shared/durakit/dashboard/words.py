"""Times, durations, sizes and numbers in words. Moments are integers of nanoseconds since 1970 (UTC)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SIZES = ("KB", "MB", "GB", "TB")


def utc(at_ns: int) -> datetime:
    """Return the moment as an aware datetime; digits below a microsecond are dropped."""
    return _EPOCH + timedelta(microseconds=at_ns // 1000)


def rfc3339(at_ns: int) -> str:
    """Return `2026-11-21T13:49:58.123456789Z`; zeros at the end of the fraction are left out."""
    fraction = f".{at_ns % SECOND:09d}".rstrip("0").rstrip(".")
    return f"{utc(at_ns).strftime('%Y-%m-%dT%H:%M:%S')}{fraction}Z"


def nanoseconds(moment: datetime) -> int:
    """Return a datetime as nanoseconds since 1970; naive means UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000


def clock(at_ns: int, now_ns: int) -> str:
    """Return `14:02:00` today, `Tue 14:02` within 7 days, else the date with the time."""
    moment, now = utc(at_ns), utc(now_ns)
    if moment.date() == now.date():
        return moment.strftime("%H:%M:%S")
    if abs(at_ns - now_ns) < 7 * DAY:
        return moment.strftime("%a %H:%M")
    return moment.strftime("%Y-%m-%d %H:%M")


def clock_ms(at_ns: int) -> str:
    """Return `13:47:10.751`, for history and details."""
    return f"{utc(at_ns).strftime('%H:%M:%S')}.{at_ns // 1_000_000 % 1000:03d}"


def duration(length_ns: int) -> str:
    """Return `310 ms`, `4.12 s`, `38 s`, `3 min 27 s`, `1 h 12 min` or `3 d 4 h`; never negative."""
    length_ns = max(length_ns, 0)
    if length_ns < SECOND:
        return f"{length_ns // 1_000_000} ms"
    if length_ns < 10 * SECOND:
        return f"{length_ns / SECOND:.2f} s" if length_ns < 9_995 * 1_000_000 else "10 s"
    seconds = length_ns // SECOND
    if seconds < 60:
        return f"{seconds} s"
    for limit, big, small, big_word, small_word in (
        (3600, 60, 1, "min", "s"),
        (86_400, 3600, 60, "h", "min"),
        (None, 86_400, 3600, "d", "h"),
    ):
        if limit is None or seconds < limit:
            rest = seconds % big // small
            return f"{seconds // big} {big_word}" + (f" {rest} {small_word}" if rest else "")
    raise AssertionError("unreachable: the last line of the table has no limit")


def rough(length_ns: int) -> str:
    """Return a duration without fractions, for countdowns and "ago": `3 s`, `11 min 24 s`."""
    return duration(length_ns) if length_ns >= 10 * SECOND else f"{max(length_ns, 0) // SECOND} s"


def size(count: int) -> str:
    """Return `412 B`, `1.2 KB` or `4.1 MB`, in powers of 1,000."""
    if count < 1000:
        return f"{count} B"
    power = next((power for power in range(1, len(_SIZES)) if count < 999.95 * 1000**power), len(_SIZES))
    return f"{count / 1000**power:.1f} {_SIZES[power - 1]}"


def number(count: int) -> str:
    """Return `12,418`."""
    return f"{count:,}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return `1 child` or `6 children`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
