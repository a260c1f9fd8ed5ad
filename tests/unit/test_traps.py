"""The table of traps names tests that exist, and leaves out no trap but those of entities."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LINES = re.findall(
    r"^\| (\d+) \|.*\| `(\S+)::(\w+)` \|$", (TESTS / "TRAPS.md").read_text("utf-8"), re.MULTILINE
)
OF_ENTITIES = {18, 43, 44, 45, 46, 48, 52, 62}


def test_every_trap_has_a_line() -> None:
    assert {int(number) for number, _, _ in LINES} == set(range(1, 63)) - OF_ENTITIES


@pytest.mark.parametrize(("number", "file", "test"), LINES, ids=[line[0] for line in LINES])
def test_the_test_of_a_trap_exists(number: str, file: str, test: str) -> None:
    assert f"\ndef {test}(" in (TESTS / file).read_text("utf-8")
