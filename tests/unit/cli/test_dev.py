from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["fastapi", "jinja2", "uvicorn", "pydantic", "grpc", "azure", "dotenv"])
def test_the_command_line_loads_nothing_heavy_before_it_is_needed(module: str) -> None:
    program = f"import durakit.cli.commands, durakit.cli.dev, sys; sys.exit({module!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_scheduler_serves_without_loading_the_dashboard() -> None:
    program = "import durakit.cli.dev, durakit.scheduler.server, sys; sys.exit('fastapi' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
