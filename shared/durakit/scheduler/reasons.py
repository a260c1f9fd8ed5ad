"""Why an instance does not go on although nothing but a worker is missing, in words.

Only what queues and streams tell; what history tells (events, timers, children) belongs to a later page of
the dashboard. Log and pages use the same sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

from durakit.scheduler.machine.instance import Instance
from durakit.scheduler.streams import Key, WorkerStream

_NAMES_SHOWN = 5


def missing_worker(instance: Instance, streams: Sequence[WorkerStream]) -> str | None:
    """Return a sentence when no connected worker can take what the instance has to do, else None."""
    if instance.is_terminal or instance.is_suspended:
        return None
    if instance.queued:
        sentence = nobody_offers((instance.name, instance.version or ""), streams, turn=True)
        if sentence is not None:
            return sentence
    for task in instance.tasks.values():
        sentence = nobody_offers((task.name, task.version), streams, turn=False)
        if sentence is not None:
            return sentence
    return None


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
