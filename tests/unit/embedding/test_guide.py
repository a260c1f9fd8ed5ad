"""What docs/embedded.md shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "embedded.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that the page shows, under the names in their first lines."""
    for code in blocks("python"):
        name = code.partition("\n")[0].removeprefix("# ")
        (tmp_path / name).write_text(code, "utf-8")
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    # `python` in the commands is this one.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_script_prints_what_the_page_shows_and_may_be_run_again(folder: Path) -> None:
    (commands,) = blocks("bash")
    (output,) = blocks("text")

    assert run(["sh", "-e", "-c", commands], folder) == output
    (folder / "archive" / "a.txt").unlink()
    assert run([sys.executable, "copy_files.py"], folder) == output
    assert not (folder / "archive" / "a.txt").exists()


def test_the_web_application_ships(folder: Path) -> None:
    visit = """
from fastapi.testclient import TestClient
from shop import app
with TestClient(app) as web:
    run = web.post("/orders/teapot").json()["id"]
    print(web.get(f"/runs/{run}").json()["result"])
"""
    pytest.importorskip("httpx")

    assert run([sys.executable, "-c", visit], folder) == "teapot packed\n"
