"""Payloads: JSON texts exactly as they were recorded, whole or cut, and what kind they are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

WHOLE_BYTES = 256 * 1024
"""Up to this size a payload is shown whole; of larger ones the first `CUT_CHARACTERS`."""
CUT_CHARACTERS = 64 * 1024
BRIEF_CHARACTERS = 2_000
"""Of payloads of descendants that share a page."""


@dataclass(frozen=True)
class Payload:
    """A payload to show.

    Attributes:
        name: `input`, `result`, ...
        text: as it was stored; None when absent.
        size: of the whole, in bytes of UTF-8.
        is_cut: `text` is only its beginning.
    """

    name: str
    text: str | None
    size: int
    kind: Literal["json", "text", "empty", "absent"]
    is_cut: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it for JSON; the text is never re-encoded."""
        return {"text": self.text, "bytes": self.size, "kind": self.kind, "isCut": self.is_cut}


def kind_by_beginning(text: str) -> Literal["json", "text"]:
    """Return what a text most likely is that is too long to be read as a whole, or is not all there."""
    return "json" if text[0] in '{["' else "text"


def payload(name: str, text: str | None, *, is_brief: bool = False) -> Payload:
    """Return a payload to show; brief where many stand on one page."""
    if text is None:
        return Payload(name, None, 0, "absent")
    if not text:
        return Payload(name, "", 0, "empty")
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    whole, cut = (BRIEF_CHARACTERS, BRIEF_CHARACTERS) if is_brief else (WHOLE_BYTES, CUT_CHARACTERS)
    if size > whole:
        return Payload(name, text[:cut], size, kind_by_beginning(text), True)
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return Payload(name, text, size, "text")
    return Payload(name, text, size, "json")
