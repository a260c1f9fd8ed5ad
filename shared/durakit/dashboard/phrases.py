"""Sentences made of marked pieces: pages set names in mono and link instances, terminals print plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PieceKind = Literal["text", "code", "time", "countdown", "instance", "worker", "error"]
"""How a piece is shown: a name, a moment, time left (kept up to date by the page), a link, a failure."""


@dataclass(frozen=True)
class Piece:
    """A part of a sentence.

    Attributes:
        at_ns: the moment that a `time` or `countdown` speaks of.
        instance_id: where an `instance` leads.
    """

    text: str
    kind: PieceKind = "text"
    at_ns: int | None = None
    instance_id: str | None = None


Phrase = tuple[Piece, ...]
"""A sentence, or a few; empty: nothing to say."""


def phrase(*parts: str | Piece) -> Phrase:
    """Return the parts as one phrase; neighbouring plain texts are joined."""
    joined: list[Piece] = []
    for part in parts:
        piece = Piece(part) if isinstance(part, str) else part
        if piece.kind == "text" and joined and joined[-1].kind == "text":
            joined[-1] = Piece(joined[-1].text + piece.text)
        elif piece.text:
            joined.append(piece)
    return tuple(joined)


def code(name: str) -> Piece:
    """Return a name or id as it stands in the code."""
    return Piece(name, "code")


def plain(said: Phrase) -> str:
    """Return the phrase as plain text."""
    return "".join(piece.text for piece in said)


def listed(names: list[str], last: str = "and") -> list[str | Piece]:
    """Return names as pieces of a list: `a`, `b` and `c`."""
    parts: list[str | Piece] = []
    for at, name in enumerate(names):
        if at:
            parts.append(f" {last} " if at == len(names) - 1 else ", ")
        parts.append(code(name))
    return parts
