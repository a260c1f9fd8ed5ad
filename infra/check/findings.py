"""What a rule says about a place in a template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True, order=True)
class Finding:
    """A fault at a place."""

    path: Path
    line: int
    """From 1, as editors count; 0: the file as a whole."""
    column: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.rule}: {self.message}"


def at(path: Path, node: Node, rule: str, message: str) -> Finding:
    """A finding where the node begins."""
    return Finding(path, node.start_point[0] + 1, node.start_point[1] + 1, rule, message)
