"""Programs that look at files, from the environment or the path; without one its tests are skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def run_linter(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end. Its package has no wheel for every system, so it may be missing."""
    program = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"there is no {name} here")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
