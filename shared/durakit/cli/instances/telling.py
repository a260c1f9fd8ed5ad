"""A history in lines, one for each thing that began or ended. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from durakit.dashboard import words
from durakit.dashboard.steps import Attempt, Digest, Step


@dataclass(frozen=True)
class Told:
    """Something that happened; `number` is that of its event, by which it is told only once."""

    number: int
    at_ns: int
    text: str
    tone: str = ""


def tell(steps: Digest, after: int = 0) -> list[Told]:
    """Return what happened in the events behind number `after`, in their order."""
    found = [told for step in steps.steps if not step.is_retry_timer for told in _of(step, steps)]
    if steps.turns:
        began = steps.turns[0]
        found.append(Told(began.first, began.at_ns, f"{steps.name} began"))
    return sorted((told for told in found if told.number > after), key=lambda told: told.number)


def _of(step: Step, steps: Digest) -> Iterator[Told]:
    what = _named(step, steps)
    if step.kind == "event":
        yield Told(step.number, step.started_ns, f"{what} arrived")
        return
    if step.kind == "sent":
        yield Told(step.number, step.started_ns, f"{what} sent to {step.instance_id}")
        return
    for at, attempt in enumerate(step.attempts, start=1):
        which = f", attempt {at}" if at > 1 else ""
        due = f", due {words.clock_ms(step.due_ns)}" if step.kind == "timer" and step.due_ns else ""
        yield Told(
            attempt.number, attempt.scheduled_ns, f"{what} {_BEGUN.get(step.kind, 'scheduled')}{which}{due}"
        )
        if attempt.end_number is not None and attempt.ended_ns is not None:
            yield _ended(step, attempt, what)


def _ended(step: Step, attempt: Attempt, what: str) -> Told:
    assert attempt.end_number is not None
    assert attempt.ended_ns is not None
    if attempt.failure is not None:
        again = ""
        if attempt.retry_due_ns is not None:
            again = f"; next try at {words.clock_ms(attempt.retry_due_ns)}"
        text = f"{what} failed: {attempt.failure.told.short_line}{again}"
        return Told(attempt.end_number, attempt.ended_ns, text, "failed")
    if step.kind == "timer":
        return Told(attempt.end_number, attempt.ended_ns, f"{what} fired")
    took = words.duration(attempt.ended_ns - attempt.scheduled_ns)
    done = "granted" if step.kind == "lock" else "completed"
    return Told(attempt.end_number, attempt.ended_ns, f"{what} {done} in {took}")


_BEGUN = {"timer": "set", "child": "started", "entity": "called", "lock": "requested"}


def _named(step: Step, steps: Digest) -> str:
    if step.kind == "timer":
        # Code asks for a length from the turn's own clock, which is a little before the event.
        known = 0 < step.turn <= len(steps.turns)
        asked_ns = steps.turns[step.turn - 1].at_ns if known else step.started_ns
        return f"timer of {words.duration((step.due_ns or step.started_ns) - asked_ns)}"
    if step.kind == "child":
        return f"child {step.name} {step.instance_id or ''}".rstrip()
    if step.kind in ("event", "sent"):
        return f"event {step.name}"
    if step.kind == "lock":
        return f"lock on {step.instance_id or step.name}"
    if step.kind == "entity":
        return f"entity {step.instance_id or ''}.{step.name}"
    return f"activity {step.name}"
