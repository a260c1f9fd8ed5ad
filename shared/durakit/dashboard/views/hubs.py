"""Hubs: the list, and the forms that create and reset one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from durakit.dashboard import words
from durakit.dashboard.backend import Hub
from durakit.dashboard.views.frame import Frame, hub_path


@dataclass(frozen=True)
class HubsView:
    """All task hubs."""

    frame: Frame
    hubs: Sequence[Hub]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        return {
            "hubs": [
                {
                    "name": hub.name,
                    "path": hub_path(hub.name),
                    "counts": hub.counts,
                    "instances": hub.instances,
                    "bytes": hub.size_bytes,
                    "workers": hub.workers,
                    "activeAt": None if hub.active_ns is None else words.rfc3339(hub.active_ns),
                }
                for hub in self.hubs
            ]
        }


@dataclass(frozen=True)
class HubFormView:
    """Create a hub, or reset one. `hub` is the one to be reset; `errors` by field."""

    frame: Frame
    hub: Hub | None = None
    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        return {"hub": None if self.hub is None else self.hub.name, "errors": self.errors}


@dataclass(frozen=True)
class HelpView:
    """Shortcuts, glyphs, and what this endpoint can tell: (what, whether, how)."""

    frame: Frame
    tells: Sequence[tuple[str, bool, str]]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        return {"tells": [{"what": what, "offered": can, "how": how} for what, can, how in self.tells]}
