"""A command line that sees no settings of the machine it is tested on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run in an empty folder, without variables of ours."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("DURAKIT_", "DTS_")) or name in ("ENDPOINT", "TASKHUB", "TASKHUB_NAME"):
            monkeypatch.delenv(name)
