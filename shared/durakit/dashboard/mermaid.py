"""A sequence diagram as Mermaid text, to be pasted into documents."""

from __future__ import annotations

import re

from durakit.dashboard.sequence import Message, SequenceDiagram
from durakit.dashboard.text import visible
from durakit.dashboard.words import number

#: What Mermaid reads as syntax; its own escape is an entity code between `#` and `;`.
_SYNTAX = re.compile(r"[#;\"'<>&%{}\[\]|\\`:]")
_ARROWS = {"call": "->>", "back": "-->>", "failed": "--x"}


def escaped(text: str) -> str:
    """Return text in which nothing is syntax; line breaks become spaces."""
    line = visible(" ".join(text.split()))
    return _SYNTAX.sub(lambda found: f"#{ord(found[0])};", line)


def text(diagram: SequenceDiagram) -> str:
    """Return the diagram as a Mermaid `sequenceDiagram`."""
    names = {column.key: f"p{index}" for index, column in enumerate(diagram.columns)}
    lines = ["sequenceDiagram"]
    lines += [f"    %% {escaped(diagram.title)}"]
    for column in diagram.columns:
        is_person = column.kind == "outside"
        note = f" ({column.note})" if column.note and column.note != column.kind else ""
        what = "actor" if is_person else "participant"
        lines.append(f"    {what} {names[column.key]} as {escaped(column.name + note)}")
    if diagram.joined_columns:
        lines.append(f"    %% {number(diagram.joined_columns)} columns are joined into one")
    lines += [f"    {_line(message, names)}" for message in diagram.messages]
    return "\n".join(lines) + "\n"


def _line(message: Message, names: dict[str, str]) -> str:
    source, target = names[message.source], names[message.target]
    words = escaped(message.text)
    if message.style == "gap":
        return f"%% {words}"
    if message.style in ("loop", "wait"):
        return f"Note over {source}: {words}"
    return f"{source}{_ARROWS[message.style]}{target}: {words or ' '}"
