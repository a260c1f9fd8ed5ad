"""One instance: the head that all its tabs share, and the tabs Timeline, Sequence and Relations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from durakit.dashboard import words
from durakit.dashboard.instances import Family, Instance, InstanceRow
from durakit.dashboard.reasons import Reason
from durakit.dashboard.steps import Digest
from durakit.dashboard.views.frame import Frame, instance_path
from durakit.dashboard.views.listing import reason_json, row_json

Tab = Literal["timeline", "history", "sequence", "data", "relations"]
TABS: tuple[tuple[Tab, str], ...] = (
    ("timeline", "Timeline"),
    ("history", "History"),
    ("sequence", "Sequence"),
    ("data", "Input / Output"),
    ("relations", "Relations"),
)

Act = Literal["raise", "suspend", "resume", "terminate", "restart", "rewind", "purge"]
ACTS: dict[Act, str] = {
    "raise": "Raise event",
    "suspend": "Suspend",
    "resume": "Resume",
    "terminate": "Terminate",
    "restart": "Restart",
    "rewind": "Rewind",
    "purge": "Purge",
}

_OFFERED: dict[str, tuple[Act, ...]] = {
    "pending": ("raise", "suspend", "terminate"),
    "running": ("raise", "suspend", "terminate"),
    "suspended": ("resume", "raise", "terminate"),
    "failed": ("rewind", "restart", "purge"),
    "completed": ("restart", "purge"),
    "terminated": ("restart", "purge"),
    "canceled": ("restart", "purge"),
}
_PRIMARY: dict[str, Act] = {
    "suspended": "resume",
    "failed": "rewind",
    "completed": "restart",
    "terminated": "restart",
}


@dataclass(frozen=True)
class ActOffer:
    """An act on this instance.

    Attributes:
        label: as on its button.
        refusal: why it cannot be done now; None when it can.
    """

    act: Act
    label: str
    path: str
    is_primary: bool = False
    refusal: str | None = None


@dataclass(frozen=True)
class Head:
    """What stands above the tabs.

    Attributes:
        ancestors: (name, id) from the root down.
        tab: the open one.
        relations: how many relatives are known; None when not counted.
        acts: all, the possible ones first.
        earlier: number of the generation shown, when it is not the current one.
    """

    hub: str
    instance: Instance
    tab: Tab
    acts: Sequence[ActOffer]
    ancestors: Sequence[tuple[str, str]] = ()
    relations: int | None = None
    earlier: int | None = None

    @property
    def row(self) -> InstanceRow:
        """The facts that lists show too."""
        return self.instance.row

    @property
    def reason(self) -> Reason | None:
        """Why it is where it is."""
        return self.row.reason

    def path(self, page: str = "") -> str:
        """Return the path of one of the instance's pages."""
        return instance_path(self.hub, self.row.id, page)

    @property
    def possible(self) -> list[ActOffer]:
        """Acts that can be done now."""
        return [offer for offer in self.acts if offer.refusal is None]

    def as_json(self) -> dict[str, Any]:
        """Return the facts for JSON."""
        instance = self.instance
        return {
            **row_json(self.row),
            "hub": self.hub,
            "executionId": instance.execution_id,
            "generation": instance.generation,
            "turns": instance.turns,
            "lastTurnAt": None if instance.last_turn_ns is None else words.rfc3339(instance.last_turn_ns),
            "lastWorker": instance.last_worker,
            "ancestors": [{"name": name, "id": found} for name, found in self.ancestors],
            "waiting": reason_json(self.reason),
            "acts": [offer.act for offer in self.possible],
        }


def act_offers(hub: str, row: InstanceRow) -> list[ActOffer]:
    """Return every act, possible ones first, the others with the reason why not."""
    possible = _OFFERED.get(row.status, ())
    awaited = row.reason.on[0] if row.reason and row.reason.waiting == "event" and row.reason.on else None
    primary = "raise" if awaited is not None else _PRIMARY.get(row.status)
    offers = []
    for act in [*possible, *(act for act in ACTS if act not in possible)]:
        refusal = None if act in possible else why_not(act, row)
        path = instance_path(hub, row.id, act)
        offers.append(ActOffer(act, ACTS[act], path, act == primary, refusal))
    return offers


def why_not(act: Act, row: InstanceRow) -> str:
    """Return why an act cannot be done on an instance in its present status."""
    if act in ("restart", "purge"):
        return f"It is {row.status}; only an instance that has ended can be {_DONE[act]}. Terminate it first."
    if act == "rewind":
        return f"It is {row.status}; only a failed instance can be rewound."
    if act == "resume":
        return f"It is {row.status}, not suspended."
    if act == "suspend" and row.status == "suspended":
        return "It is suspended already."
    when = "" if row.completed_ns is None else f" at {words.utc(row.completed_ns):%H:%M:%S}"
    return f"It {_ENDED.get(row.status, 'ended')}{when}; nothing more can happen to it."


_DONE = {"restart": "restarted", "purge": "purged"}
_ENDED = {"completed": "completed", "failed": "failed", "terminated": "was terminated"}


@dataclass(frozen=True)
class StepsView:
    """Timeline or sequence: the drawing is made from the digest by whoever shows it.

    Attributes:
        options: parameters of the drawing, as in the address.
        taken: when a worker took an open activity, by task id.
        children: instances and digests of children to be drawn too, by the number of the step.
    """

    frame: Frame
    head: Head
    digest: Digest
    options: Mapping[str, str] = field(default_factory=dict)
    taken: Mapping[int, int] = field(default_factory=dict)
    children: Mapping[int, tuple[InstanceRow, Digest]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    drawing: Any = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin: the head, and the drawing's own."""
        drawn = {} if self.drawing is None else self.drawing.as_json()
        return {"instance": self.head.as_json(), **drawn}


@dataclass(frozen=True)
class RelationsView:
    """Generations and the family tree."""

    frame: Frame
    head: Head
    family: Family
    is_narrowed: bool = False

    @property
    def as_text(self) -> str:
        """The tree as text to copy."""
        top = min((member.depth for member in self.family.members), default=0)
        return "\n".join(
            f"{'  ' * (member.depth - top)}{member.row.name} {member.row.id} {member.row.status}"
            for member in self.family.members
        )

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        return {
            "instance": self.head.as_json(),
            "generations": [
                {
                    "number": each.number,
                    "executionId": each.execution_id,
                    "startedAt": None if each.started_ns is None else words.rfc3339(each.started_ns),
                    "endedAt": None if each.ended_ns is None else words.rfc3339(each.ended_ns),
                    "isCurrent": each.is_current,
                    "isKept": each.is_kept,
                }
                for each in self.family.generations
            ],
            "tree": [
                {**row_json(member.row), "depth": member.depth, "hiddenChildren": member.hidden}
                for member in self.family.members
            ],
        }
