"""Somebody's machine, on which the scripts of infra/cli run against a stand-in for `az`."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from . import stub_az

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / "infra" / "cli"
WHERE = ("--name", "orders", "--location", "westeurope")
ME = ("--allow-ip", "203.0.113.7")

needs_bash = pytest.mark.skipif(os.name == "nt", reason="bash; PowerShell has its own scripts")


@dataclass
class Machine:
    """Somebody's machine with az on it, and the subscription behind."""

    folder: Path

    @property
    def _state(self) -> Path:
        return self.folder / "azure.json"

    @property
    def azure(self) -> Any:
        return json.loads(self._state.read_text("utf-8"))

    def has(self, **changes: Any) -> None:
        self._state.write_text(json.dumps({**self.azure, **changes}), "utf-8")

    def run(
        self, script: str, *arguments: str, typed: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of infra/cli, with nothing but az and what every system has on the path."""
        return subprocess.run(
            [CLI / script, *arguments],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin",
                "HOME": str(self.folder),
                "STUB_AZ": str(self._state),
                "DURAKIT_RETRY_SECONDS": "0",
                **variables,
            },
            input=typed,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def deploy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.run("deploy.sh", *WHERE, *ME, *arguments)
        assert done.returncode == 0, done.stderr
        return done

    @property
    def changes(self) -> list[str]:
        """The commands that changed Azure, without their flags."""
        reading = ("show", "list", "exists", "version", "rest", "what-if", "query")
        words = [stub_az.parse(list(call))[0] for call in self.azure["calls"]]
        return [
            each for each in words if each.split()[-1] not in reading and not each.startswith("extension")
        ]

    def call(self, command: str, number: int = 0) -> stub_az.Flags:
        """The flags of a call."""
        parsed = [stub_az.parse(list(call)) for call in self.azure["calls"]]
        return [flags for name, flags, _ in parsed if name == command][number]

    def parameters(self, number: int) -> dict[str, str]:
        """Those of a deployment."""
        return dict(each.split("=", 1) for each in self.call("deployment sub create", number)["parameters"])

    def resources(self, group: str = "rg-orders") -> list[str]:
        return [each["name"] for each in self.azure["groups"][group]["resources"]]
