"""`durakit new` as its user meets it: a project outside this repository that installs, tests itself and runs.

By default one pattern is made, as its README tells; with --all every pattern there is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from showings import SHOWINGS, Showing

from .fresh_clone import ROOT, environment
from .programs import output_of, read_until, running

EVERY = sorted(path.parent.name for path in ROOT.glob("samples/*/client.py"))
PATTERNS = EVERY if os.environ.get("DURAKIT_REQUIRE_ALL") else ["function_chaining"]


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has what a project's `requirements.txt` names, and knows nothing of this clone."""
    folder = tmp_path_factory.mktemp("environment")
    project = make("function_chaining", folder / "first")
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    programs = folder / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    install(programs, project)
    return programs


def make(pattern: str, directory: Path, durakit: Path | None = None) -> Path:
    program = durakit or Path(sys.executable).with_name("durakit")
    subprocess.run([program, "new", pattern, directory], check=True, env=environment(), cwd=directory.parent)
    return directory


def install(programs: Path, project: Path) -> None:
    output_of([programs / "pip", "install", "--quiet", "-r", "requirements.txt"], project, environment())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_project_installs_passes_its_tests_and_runs_outside_the_repository(
    bin_folder: Path, tmp_path: Path, pattern: str
) -> None:
    # Made by the durakit of the wheel, so what the wheel carries is tested too.
    project = make(pattern, tmp_path / "project", bin_folder / "durakit")
    install(bin_folder, project)
    python = bin_folder / "python"
    origin = "import durakit; print(durakit.__file__)"
    found = output_of([python, "-c", origin], project, environment())
    assert not found.startswith(str(ROOT))

    output_of([python, "-m", "pytest", "-q"], project, environment())

    showing = SHOWINGS.get(pattern, Showing())
    if not showing.workers:  # its client has scheduler and worker inside
        output_of([python, showing.client], project, environment())
        return
    ports = ["--grpc-port", "0", "--dashboard-port", "0"]
    with running([bin_folder / "durakit", "dev", *ports], project, environment()) as scheduler:
        ready = read_until(scheduler, "durakit is ready: ")[-1]
        endpoint = ready.split("gRPC ")[1].split(",")[0]
        run_programs(python, project, showing, endpoint)


def run_programs(python: Path, project: Path, showing: Showing, endpoint: str) -> None:
    """Run the project's worker and client, and its demo if the client serves; fail if the last one fails."""
    variables = environment(ENDPOINT=endpoint)
    with ExitStack() as stack:
        for arguments in showing.workers.values():
            worker = stack.enter_context(running([python, "worker.py", *arguments], project, variables))
            read_until(worker, "worker ready: ")
        last: list[str | Path] = [python, "client.py", *showing.client_arguments]
        if showing.demo:
            client = stack.enter_context(running([*last, "--port", "0"], project, variables))
            page = read_until(client, "Serving ")[-1].split()[1]
            last = [python, "demo.py", "--url", page]
        output_of(last, project, variables)
