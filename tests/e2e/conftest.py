"""The clone that the end-to-end tests share; making its environment takes a while."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from .fresh_clone import Clone, copy_repository, eventually


@pytest.fixture(scope="session")
def fresh_clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which nothing was done yet, except by the tests that ran before."""
    return copy_repository(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def first_run(fresh_clone: Clone) -> subprocess.CompletedProcess[str]:
    """What the README's first command comes to on a machine that has never run it."""
    return fresh_clone.run_sample("function_chaining")


@pytest.fixture
def clone(fresh_clone: Clone, first_run: subprocess.CompletedProcess[str]) -> Iterator[Clone]:
    """A clone that has its environment; afterwards nothing may still run in it."""
    assert first_run.returncode == 0, first_run.stdout
    yield fresh_clone
    assert eventually(lambda: not fresh_clone.processes()), fresh_clone.processes()
