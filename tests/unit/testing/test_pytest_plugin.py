"""The pytest plugin, as projects get it: pytest finds it by itself and it costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from durakit.testing import InProcessTaskHub

ORCHESTRATION = """
import pytest
from datetime import datetime, timezone

async def greet(ctx, name):
    return await ctx.call_activity("hello", input=name)

def hello(ctx, name):
    return f"Hello {name}"
"""


def run_pytest(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a file of tests in a project of its own; the plugin is named so that no installation is needed."""
    (folder / "test_it.py").write_text(ORCHESTRATION + test, "utf-8")
    # A blocked entry point of the same name keeps an installed plugin from being loaded a second time.
    plugin = ["-p", "no:durakit", "-p", "durakit.testing.pytest_plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", *plugin, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_pytest_finds_the_plugin_by_its_entry_point() -> None:
    found = {entry.name: entry.value for entry in entry_points(group="pytest11")}

    assert found["durakit"] == "durakit.testing.pytest_plugin"


@pytest.mark.task_hub(seed=3)
def test_the_fixture_is_a_task_hub(task_hub: InProcessTaskHub) -> None:
    assert isinstance(task_hub, InProcessTaskHub)


def test_loading_the_plugin_imports_neither_grpc_nor_the_scheduler() -> None:
    program = (
        "import durakit.testing.pytest_plugin, sys; "
        "heavy = {'grpc', 'google.protobuf', 'sqlite3', 'durakit.scheduler', 'durakit.client'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or None)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_marks_give_options_and_the_closest_counts(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        """
pytestmark = pytest.mark.task_hub(
    orchestrators=[greet], activities=[hello], start=datetime(2030, 1, 1, tzinfo=timezone.utc)
)

def test_of_the_module(task_hub):
    assert task_hub.now.year == 2030
    assert task_hub.run(greet, input="Ada").get_output() == "Hello Ada"

@pytest.mark.task_hub(start=datetime(2040, 1, 1, tzinfo=timezone.utc))
def test_of_its_own(task_hub):
    assert task_hub.now.year == 2040
    assert task_hub.run(greet, input="Ada").get_output() == "Hello Ada"
""",
    )

    assert "2 passed" in done.stdout, done.stdout


def test_a_fault_that_was_never_reached_is_an_error_at_the_end(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "def test_it(task_hub):\n    task_hub.faults.fail('hello')\n")

    assert "1 passed, 1 error" in done.stdout
    assert "These faults were never reached" in done.stdout


def test_a_mark_without_names_is_refused(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "@pytest.mark.task_hub(3)\ndef test_it(task_hub):\n    pass\n")

    assert "The marker task_hub takes named options only, as in task_hub(seed=3)." in done.stdout


def test_a_missing_module_is_one_sentence_and_only_where_the_fixture_is_used(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['sqlite3'] = None\n", "utf-8")

    done = run_pytest(tmp_path, "def test_it(task_hub):\n    pass\n\ndef test_other():\n    pass\n")

    assert "1 passed, 1 error" in done.stdout, done.stdout
    assert "runs durakit's scheduler, which needs the module sqlite3; it is not installed." in done.stdout


def test_the_kit_needs_no_extra(tmp_path: Path) -> None:
    blocked = "import sys\nfor name in ('click', 'fastapi', 'jinja2', 'uvicorn'): sys.modules[name] = None\n"
    (tmp_path / "conftest.py").write_text(blocked, "utf-8")

    done = run_pytest(
        tmp_path,
        """
@pytest.mark.task_hub(orchestrators=[greet], activities=[hello])
def test_it(task_hub):
    assert task_hub.run(greet, input="Ada").get_output() == "Hello Ada"
""",
    )

    assert "1 passed" in done.stdout, done.stdout
