"""Alerts as files: one for each monitor, whole or not at all."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path


def write_note(output: Path, name: str, facts: dict[str, str]) -> Path:
    """Write the facts as JSON and return where they are."""
    path = output / f"alert-{re.sub(r'[^a-zA-Z0-9_.-]', '_', name)}.json"
    output.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{uuid.uuid4().hex}")
    draft.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
    draft.replace(path)
    return path
