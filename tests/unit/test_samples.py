"""What holds for every sample; each one's own behaviour is in its `test_workflow.py`."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from showings import SHOWINGS, Showing

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = sorted(path.parent for path in ROOT.glob("samples/*/README.md"))
MODEL = ROOT / "samples" / "function_chaining"

SECTIONS = [
    "## Run it",
    "### In three terminals",
    "### On the Docker emulator, or in Azure",
    "## Run on Azure",
    "## When things go wrong",
    "## What to look at in the dashboard",
    "## How to change it",
]

EMBEDDED_SECTIONS = [
    "## Run it",
    "### By hand",
    "### With scheduler and workers of their own",
    "## When things go wrong",
    "## What to look at in the dashboard",
    "## How to change it",
]
"""Those of a sample that has scheduler and worker inside its client."""

REPEATABLE_LINES = 5
"""As many lines in a row may be the same in two samples; more belong into the SDK."""

LIST_REGISTERED = """
import json, runpy, sys
import durakit

def tell(*_, orchestrators=(), activities=(), **__):
    print(json.dumps([fn.__name__ for fn in (*orchestrators, *activities)]))

def tell_and_end(*arguments, **named):
    tell(*arguments, **named)
    sys.exit()

durakit.run_worker, durakit.embedded = tell, tell_and_end
sys.path.insert(0, ".")
program = sys.argv.pop()
sys.argv = [program]
runpy.run_path(program, run_name="__main__")
"""


def is_embedded(sample: Path) -> bool:
    """Whether its client has scheduler and worker inside."""
    return not SHOWINGS.get(sample.name, Showing()).workers


def own_worker(sample: Path) -> set[str]:
    """Return the files that a sample has for workers that connect to a scheduler."""
    return set() if is_embedded(sample) else {"worker.py", ".env.example"}


every_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)


@every_sample
def test_a_sample_has_the_common_shape(sample: Path) -> None:
    names = {path.name for path in sample.iterdir()}

    assert names >= {"README.md", "workflow.py", "client.py", "test_workflow.py", "requirements.txt"}
    assert names & {"worker.py", ".env.example"} == own_worker(sample)


@every_sample
def test_what_all_samples_need_is_the_same_in_all(sample: Path) -> None:
    for name in {"requirements.txt", ".env.example"} & {"requirements.txt", *own_worker(sample)}:
        assert (sample / name).read_text("utf-8") == (MODEL / name).read_text("utf-8")


@every_sample
def test_a_readme_has_the_common_sections_in_their_order(sample: Path) -> None:
    lines = (sample / "README.md").read_text("utf-8").splitlines()

    expected = EMBEDDED_SECTIONS if is_embedded(sample) else SECTIONS
    assert [line for line in lines if line in {*SECTIONS, *EMBEDDED_SECTIONS}] == expected
    assert "**Use it**" in " ".join(lines)
    assert "**Do not use it**" in " ".join(lines)


@every_sample
def test_programs_leave_connections_credentials_and_logging_to_durakit(sample: Path) -> None:
    for program in {"worker.py", "client.py"} & {"client.py", *own_worker(sample)}:
        tree = ast.parse((sample / program).read_text("utf-8"))
        imported = {
            name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        }
        assert not {"grpc", "logging", "azure.identity", "DefaultAzureCredential"} & imported


@every_sample
def test_importing_a_workflow_does_nothing(sample: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import workflow"], cwd=sample, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_names_are_unique_so_that_all_samples_may_share_a_hub() -> None:
    owners = defaultdict(set)
    for sample in SAMPLES:
        listed = subprocess.run(
            [sys.executable, "-c", LIST_REGISTERED, "client.py" if is_embedded(sample) else "worker.py"],
            cwd=sample,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for line in listed.splitlines():
            for name in json.loads(line):
                owners[name].add(sample.name)

    assert len(owners) > len(SAMPLES)
    assert {name: found for name, found in owners.items() if len(found) > 1} == {}


def blocks(path: Path) -> Iterator[str]:
    """Yield every run of lines that is too long to be repeated; imports, blanks and brackets do not count."""
    text = path.read_text("utf-8")
    imports = {
        number
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    numbered = enumerate((line.strip() for line in text.splitlines()), 1)
    lines = [line for number, line in numbered if number not in imports and re.search(r"\w", line)]
    for start in range(len(lines) - REPEATABLE_LINES):
        yield "\n".join(lines[start : start + REPEATABLE_LINES + 1])


def test_no_block_of_six_lines_repeats_among_samples() -> None:
    found = {
        sample.name: {
            block for path in sample.rglob("*.py") if ".venv" not in path.parts for block in blocks(path)
        }
        for sample in SAMPLES
    }

    repeated = {
        (one, other): sorted(found[one] & found[other])
        for one, other in combinations(found, 2)
        if found[one] & found[other]
    }
    assert repeated == {}
