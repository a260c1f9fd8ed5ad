"""Comments that let findings of one line pass: `# durakit: ignore` and `# durakit: ignore[clock, file]`."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

from durakit.check.rules import RULES

_COMMENT = re.compile(r"#\s*durakit:\s*ignore\b(?:\s*\[([^\]]*)\])?")


@dataclass(frozen=True)
class Ignore:
    """One comment: the rules it names, none for all of them."""

    line: int
    column: int
    rules: frozenset[str]

    def covers(self, rule: str) -> bool:
        """Whether it lets findings of that rule pass."""
        return not self.rules or rule in self.rules

    @property
    def unknown(self) -> list[str]:
        """What it names although there is no such rule."""
        return sorted(self.rules - RULES.keys())


def ignores_of(source: bytes) -> dict[int, Ignore]:
    """Return the comments of a file by their line."""
    if b"durakit:" not in source:
        return {}
    return {ignore.line: ignore for ignore in _find(source)}


def _find(source: bytes) -> Iterator[Ignore]:
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        found = _COMMENT.search(token.string)
        if found is not None:
            rules = frozenset(rule.strip() for rule in (found[1] or "").split(",") if rule.strip())
            line, column = token.start
            yield Ignore(line, column + found.start() + 1, rules)
