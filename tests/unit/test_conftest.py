"""The rule of tests/conftest.py, on a pytest run of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = """
import pytest

def test_skips():
    pytest.skip("no node here")

@pytest.mark.xfail
def test_expected_to_fail():
    assert False
"""


@pytest.mark.parametrize(
    ("require_all", "summary"),
    [("0", "1 skipped, 1 xfailed"), ("1", "1 failed, 1 xfailed")],
)
def test_a_skip_fails_only_when_everything_is_required(
    tmp_path: Path, require_all: str, summary: str
) -> None:
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(SKIPS)

    done = run_pytest(tmp_path, require_all)

    assert summary in done.stdout
    assert ("no node here\nDURAKIT_REQUIRE_ALL=1 allows no skips" in done.stdout) == (require_all == "1")


def test_a_module_that_skips_itself_fails_when_everything_is_required(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text("import pytest\npytest.importorskip('nothing_of_this_name')")

    done = run_pytest(tmp_path, "1")

    assert done.returncode != 0
    assert "DURAKIT_REQUIRE_ALL=1 allows no skips: install what is missing." in done.stdout


def run_pytest(folder: Path, require_all: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env={**os.environ, "DURAKIT_REQUIRE_ALL": require_all},
        capture_output=True,
        text=True,
        check=False,
    )
