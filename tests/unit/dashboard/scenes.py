"""Scenes to draw, told with the histories' script."""

from __future__ import annotations

from durakit.dashboard.instances import InstanceRow
from durakit.dashboard.reasons import Reason
from durakit.dashboard.scene import Scene
from durakit.dashboard.steps import digest

from .histories import SECOND, START_NS, Script


def ns(seconds: float) -> int:
    """Return the moment so many seconds after the start."""
    return START_NS + round(seconds * SECOND)


def scene(
    script: Script,
    status: str = "running",
    *,
    awaited: tuple[str, ...] = (),
    taken: dict[int, float] | None = None,
    children: dict[int, Scene] | None = None,
    instance_id: str = "po-1042",
    name: str = "purchase_order",
) -> Scene:
    """Return what a drawing is made from.

    Args:
        awaited: the events it waits for now.
        taken: seconds after the start at which a worker took an activity, by task id.
    """
    reason = Reason("event", (), (), waiting="event", on=awaited) if awaited else None
    row = InstanceRow(instance_id, name, status, START_NS, START_NS, reason=reason)
    when = {task_id: ns(seconds) for task_id, seconds in (taken or {}).items()}
    return Scene(row, digest(script.events), when, children or {})


def purchase_order() -> Script:
    """Return an order that was checked at the second attempt and waits for its approval, for 15 minutes."""
    script = Script()
    validate = script.at(0.02).call("validate_order", '{"amount": 4820.0}')
    script.end_turn().at(0.2).turn().completed(validate, "true")
    check = script.call("check_budget", "4820")
    script.end_turn().at(0.64).turn().failed(check)
    pause = script.timer(1.64)
    script.end_turn().at(1.64).turn().fired(pause)
    again = script.call("check_budget", "4820")
    script.end_turn().at(2.1).turn().completed(again, '{"left": 20000}')
    ask = script.call("request_approval", '"dana"')
    script.end_turn().at(2.9).turn().completed(ask, '"mail-88213"')
    script.timer(902.9)
    return script.end_turn()


def fan_out(count: int, done: int) -> Script:
    """Return one turn that calls `hash_file` so many times; the first `done` were answered, ten a second."""
    script = Script()
    calls = [script.call("hash_file", str(number)) for number in range(count)]
    script.end_turn()
    for place, task_id in enumerate(calls[:done], 1):
        script.at(place / 10).turn().completed(task_id).end_turn()
    return script
