"""What a reason consists of, and the case that its rules look at."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from durakit.dashboard import words
from durakit.dashboard.facts import Facts, QueueFacts
from durakit.dashboard.phrases import Phrase, Piece
from durakit.dashboard.steps import Digest, Step

if TYPE_CHECKING:
    from durakit.dashboard.instances import InstanceRow

WAITING = ("event", "timer", "activity", "retry", "child", "entity", "lock", "worker", "turn", "unknown")
"""What an instance can wait for, as the list's filter names it."""

WaitingKind = Literal[
    "event", "timer", "activity", "retry", "child", "entity", "lock", "worker", "turn", "unknown"
]

_LONG_TEXT = 200


@dataclass(frozen=True)
class Reason:
    """Why an instance is where it is.

    Attributes:
        kind: which sentence leads: `failed`, `terminated`, `completed`, `suspended`, `scheduled`, or what
            is waited for, as in `waiting` but finer.
        waiting: what it waits for; None when it has ended, is suspended or not yet due.
        on: names waited for (events, activities, children), the leading one first.
        short: for the list, without full stop and countdown.
        sentence: for the instance's page.
        detail: the second line.
        also: further reasons, three at most.
        attention: whether it cannot go on without a person.
        acts: the obvious next acts, two at most, each (action, subject), such as ("raise", "approval").
    """

    kind: str
    sentence: Phrase
    short: Phrase
    detail: Phrase = ()
    also: tuple[Phrase, ...] = ()
    waiting: WaitingKind | None = None
    on: tuple[str, ...] = ()
    since_ns: int | None = None
    due_ns: int | None = None
    attention: bool = False
    acts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Case:
    """What the rules look at."""

    row: InstanceRow
    digest: Digest | None
    facts: Facts
    now_ns: int
    open: list[Step] = field(default_factory=list)

    @property
    def queue(self) -> QueueFacts | None:
        return self.facts.queue

    def clock(self, at_ns: int) -> Piece:
        return Piece(words.clock(at_ns, self.now_ns), "time", at_ns)

    def countdown(self, at_ns: int) -> Piece:
        left = at_ns - self.now_ns
        return Piece(f"in {words.rough(left)}" if left > 0 else "now", "countdown", at_ns)

    def ago(self, at_ns: int) -> Piece:
        return Piece(f"{words.rough(self.now_ns - at_ns)} ago", "countdown", at_ns)

    def lasting(self, at_ns: int) -> Piece:
        return Piece(words.duration(self.now_ns - at_ns), "countdown", at_ns)

    def kinds(self, *wanted: str) -> list[Step]:
        return [step for step in self.open if step.kind in wanted]


def cut(text: str | None, most: int = _LONG_TEXT) -> str:
    line = (text or "").strip().partition("\n")[0]
    return line if len(line) <= most else f"{line[: most - 1]}…"


def text_of(payload: str | None) -> str:
    """Return a JSON string without its quotes; any other payload as it is."""
    if payload is not None and len(payload) > 1 and payload[0] == payload[-1] == '"':
        try:
            read = json.loads(payload)
        except ValueError:
            return payload
        return read if isinstance(read, str) else payload
    return "" if payload in (None, "null") else str(payload)
