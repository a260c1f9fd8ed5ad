"""Why work does not go on when nothing but a worker is missing, in words, for the log.

Only what queues and streams tell; `durakit.dashboard.reasons` knows histories, too.
"""

from __future__ import annotations

from collections.abc import Sequence

from durakit.scheduler.streams import Key, WorkerStream

_NAMES_SHOWN = 5


def nobody_offers(key: Key, streams: Sequence[WorkerStream], *, turn: bool) -> str | None:
    """Return a sentence when none of the workers offers a name, else None."""
    if any(stream.accepts(key, turn=turn) for stream in streams):
        return None
    if not streams:
        return "No worker is connected."
    name, version = key
    what = "orchestration" if turn else "activity"
    wanted = f"'{name}' (version {version})" if version else f"'{name}'"
    connected = "; ".join(_offers(stream, turn=turn) for stream in streams)
    return f"No connected worker offers {what} {wanted}. Connected: {connected}."


def _offers(stream: WorkerStream, *, turn: bool) -> str:
    names = sorted(stream.offered_names(turn=turn))
    shown = ", ".join(names[:_NAMES_SHOWN]) or "none"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{stream.offer.worker} offers {shown}{more}"
