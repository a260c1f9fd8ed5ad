"""What stands around every page, and the paths that lead to others. Paths begin after the base path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from durakit.dashboard.backend import Offers
from durakit.dashboard.phrases import Phrase, plain
from durakit.dashboard.text import segment

_LONGEST_TOPIC = 4_000


@dataclass(frozen=True)
class Frame:
    """The bar on top, and what all pages must know.

    Attributes:
        title: of the window, without the program's name; it starts with the state.
        hub: the hub that the page is about.
        hubs: all hubs, for the switcher.
        endpoint: the scheduler's address.
        needs_token: whether programs must send a token.
        has_unoffered: whether work waits that no worker accepts.
        live_topic: what to ask `/h/{hub}/live` for; None: the page does not change by itself.
        nonce: goes into forms, so that a double click sends once.
    """

    title: str
    hub: str | None
    hubs: Sequence[str]
    endpoint: str
    offers: Offers
    now_ns: int
    is_read_only: bool = False
    needs_token: bool = False
    has_unoffered: bool = False
    live_topic: str | None = None
    nonce: str = ""


def following(frame: Frame, ids: Iterable[str]) -> Frame:
    """Return the frame of a page that changes with any of these instances."""
    topic = "family:" + ".".join(segment(each) for each in ids)
    # An address has a length; a page of very long ids changes with the instance it is about.
    return frame if len(topic) > _LONGEST_TOPIC else replace(frame, live_topic=topic)


def hub_path(hub: str, page: str = "instances") -> str:
    """Return the path of a hub's list, or of `workers`, `live`, `instances/start`, ..."""
    return f"/h/{segment(hub)}/{page}"


def instance_path(hub: str, instance_id: str, page: str = "") -> str:
    """Return the path of an instance, or of one of its tabs, forms or twins (`.json`)."""
    separator = "/" if page and not page.startswith(".") else ""
    return f"/h/{segment(hub)}/i/{segment(instance_id)}{separator}{page}"


def phrase_json(said: Phrase) -> str | None:
    """Return a phrase for a JSON twin."""
    return plain(said) or None


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    """Return the dict without keys whose value is None."""
    return {key: value for key, value in values.items() if value is not None}
