"""A machine for each test, as the scripts of infra/cli see it."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from . import stub_az
from .machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    az = tmp_path / "bin" / "az"
    # As a module, whose bytecode is kept: some tests call it forty times.
    here = str(Path(stub_az.__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import stub_az; stub_az.main()"
    az.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -c {shlex.quote(code)} "$@"\n')
    az.chmod(0o755)
    (tmp_path / "azure.json").write_text(json.dumps(stub_az.new_state()))
    return Machine(tmp_path)
