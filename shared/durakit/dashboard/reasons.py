"""Why an instance is where it is, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from durakit.dashboard.phrases import Phrase

WAITING = ("event", "timer", "activity", "retry", "child", "entity", "lock", "worker", "turn", "unknown")
"""What an instance can wait for, as the list's filter names it."""

WaitingKind = Literal[
    "event", "timer", "activity", "retry", "child", "entity", "lock", "worker", "turn", "unknown"
]


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
