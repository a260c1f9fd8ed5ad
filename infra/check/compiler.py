"""The real compiler, where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def compile_template(path: Path) -> str | None:
    """What `bicep build` and `bicep lint` complain about; None when no `bicep` is on PATH.

    Which of the linter's rules are errors stands in bicepconfig.json.
    """
    program = shutil.which("bicep")
    if program is None:
        return None
    complaints = []
    for command in ([program, "build", "--stdout", str(path)], [program, "lint", str(path)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            complaints.append(done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}")
    return "\n".join(complaints)
