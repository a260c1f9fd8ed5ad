from __future__ import annotations

import ast
from pathlib import Path

import durakit.replay
import pytest

FORBIDDEN = {"asyncio", "grpc", "random", "secrets", "socket", "sqlite3", "threading", "time"}
MODULES = sorted(Path(durakit.replay.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_replay_imports_no_clock_chance_thread_or_io(module: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            imported.add(node.module.partition(".")[0])

    assert not imported & FORBIDDEN
