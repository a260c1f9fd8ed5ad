"""The environment helper with a Python, pip and uv that are played by a function."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

import environment as helper
import pytest
from environment import Environment, EnvironmentProblem, Stamp, check_interpreter

Command = list[str]


class Machine:
    """Plays what commands do: makes files, succeeds, or fails with the output the test sets."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.failing: dict[str, str] = {}
        """A word of a command, and what the command prints when it fails."""

    def run(self, command: Sequence[str | Path], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        line = [str(part) for part in command]
        self.commands.append(line)
        for word, output in self.failing.items():
            if word in line:
                return subprocess.CompletedProcess(line, 1, output)
        if "venv" in line:
            folder = Path(line[line.index("venv") + 1])
            python = Environment(folder.parent).python
            python.parent.mkdir(parents=True)
            python.touch()
        return subprocess.CompletedProcess(line, 0, "")

    @property
    def installs(self) -> list[Command]:
        return [command for command in self.commands if "install" in command]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(helper, "_run", machine.run)
    without(monkeypatch, programs=["uv"])
    return machine


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("first")
    (tmp_path / "requirements.txt").write_text("first")
    return tmp_path


def without(
    monkeypatch: pytest.MonkeyPatch, modules: Sequence[str] = (), programs: Sequence[str] = ()
) -> None:
    """Let modules and programs seem not to be installed, and pip to be unless it is one of them: uv makes
    environments without it, such as the one these tests may run in.
    """
    find_spec, which = importlib.util.find_spec, shutil.which

    def find(name: str) -> ModuleSpec | None:
        if name in modules:
            return None
        return ModuleSpec("pip", None) if name == "pip" else find_spec(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    monkeypatch.setattr(shutil, "which", lambda name: None if name in programs else which(name))


def ensure(clone: Path, extra: str = "scheduler") -> list[str]:
    """Ensure the environment and return what was said."""
    said: list[str] = []
    Environment(clone, said.append).ensure(extra, [clone / "requirements.txt"])
    return said


def test_the_first_use_makes_and_fills_the_environment(machine: Machine, clone: Path) -> None:
    said = ensure(clone)

    assert said == ["Making .venv (first use only; takes a minute or less).", "Installing with pip."]
    assert machine.installs[-1][-4:] == ["-e", f"{clone}[scheduler]", "-r", str(clone / "requirements.txt")]


def test_later_uses_do_nothing(machine: Machine, clone: Path) -> None:
    ensure(clone)
    machine.commands.clear()

    assert ensure(clone) == []
    assert machine.commands == []


def test_dev_brings_what_the_scheduler_needs(machine: Machine, clone: Path) -> None:
    ensure(clone, "dev")

    assert ensure(clone, "scheduler") == []


def test_another_extra_is_added_to_what_is_there(machine: Machine, clone: Path) -> None:
    ensure(clone, "scheduler")

    assert ensure(clone, "dev") == ["Updating .venv: the requirements changed.", "Installing with pip."]
    assert ensure(clone, "scheduler") == []


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements.txt"])
def test_changed_requirements_are_installed(machine: Machine, clone: Path, name: str) -> None:
    ensure(clone)
    (clone / name).write_text("second")

    assert ensure(clone) == ["Updating .venv: the requirements changed.", "Installing with pip."]


def test_an_installation_that_broke_off_is_done_again_from_the_start(machine: Machine, clone: Path) -> None:
    machine.failing["install"] = "ERROR: no space left"
    with pytest.raises(EnvironmentProblem):
        ensure(clone)
    machine.failing.clear()

    assert ensure(clone)[0] == "Making .venv again: an earlier attempt did not finish."


def test_an_environment_whose_python_is_gone_is_made_again(machine: Machine, clone: Path) -> None:
    ensure(clone)
    Environment(clone).python.unlink()

    assert ensure(clone)[0] == "Making .venv (first use only; takes a minute or less)."


def test_an_environment_of_another_python_is_made_again(
    machine: Machine, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(clone)
    monkeypatch.setattr("sysconfig.get_platform", lambda: "other")

    assert ensure(clone)[0].startswith("Making .venv again: it was made with cpython-3.")


def test_an_environment_that_the_user_made_is_kept(machine: Machine, clone: Path) -> None:
    python = Environment(clone).python
    python.parent.mkdir(parents=True)
    python.touch()
    (clone / ".venv" / "theirs").touch()

    assert ensure(clone)[0] == "Installing durakit into the .venv that is already here."
    assert (clone / ".venv" / "theirs").exists()


def test_uv_is_preferred(machine: Machine, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")

    assert ensure(clone)[-1] == "Installing with uv."
    assert machine.installs[-1][:3] == ["/bin/uv", "pip", "install"]


def test_pip_takes_over_when_uv_fails(machine: Machine, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    machine.failing["/bin/uv"] = "error: no index"

    assert ensure(clone)[1:] == ["Installing with uv.", "Installing with pip."]


def test_without_ensurepip_the_pip_outside_installs_into_the_environment(
    machine: Machine, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, ["ensurepip"], ["uv"])
    machine.failing["--version"] = "No module named pip"

    assert ensure(clone)[-1] == f"Installing with the pip of {sys.executable}."
    assert "--without-pip" in machine.commands[0]


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        (["venv"], "comes without venv, so .venv cannot be made. On Debian and Ubuntu run: apt install"),
        (["ensurepip", "pip"], "comes without ensurepip and pip, so .venv cannot be made."),
        (["_sqlite3"], "was built without sqlite3, where the scheduler keeps its data. Use another Python"),
    ],
)
def test_a_python_that_lacks_something_is_told_what(
    monkeypatch: pytest.MonkeyPatch, modules: list[str], expected: str
) -> None:
    without(monkeypatch, modules, ["uv"])

    with pytest.raises(EnvironmentProblem) as caught:
        check_interpreter()

    assert str(caught.value).startswith(f"This Python ({sys.executable}) {expected}")


def test_no_network_is_told_in_one_line(machine: Machine, clone: Path) -> None:
    machine.failing["install"] = "WARNING: [Errno -3] Temporary failure in name resolution\nERROR: hatchling"

    with pytest.raises(EnvironmentProblem) as caught:
        ensure(clone)

    assert str(caught.value) == (
        "No package index could be reached (name resolution), so durakit's requirements were not installed. "
        "Check the network and HTTPS_PROXY, or name a mirror in PIP_INDEX_URL; then run this again."
    )


def test_any_other_failure_shows_what_pip_said(machine: Machine, clone: Path) -> None:
    machine.failing["install"] = "Collecting x\nERROR: No matching distribution found for x.\nnote: sorry"

    with pytest.raises(EnvironmentProblem) as caught:
        ensure(clone)

    assert str(caught.value).splitlines() == [
        "Installing durakit's requirements failed: ERROR: No matching distribution found for x",
        "Collecting x",
        "ERROR: No matching distribution found for x.",
        "note: sorry",
    ]


def test_without_pip_and_uv_there_is_a_hint(
    machine: Machine, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, ["pip"], ["uv"])
    machine.failing["--version"] = "No module named pip"

    with pytest.raises(EnvironmentProblem, match="There is neither pip nor uv"):
        ensure(clone)


def test_a_folder_that_cannot_be_written_is_named(machine: Machine, clone: Path) -> None:
    (clone / ".venv").write_text("a file where a folder belongs")

    with pytest.raises(EnvironmentProblem, match=r"Cannot make the folder .*\.venv: Not a directory"):
        ensure(clone)


def test_a_stamp_covers_less_and_nothing_else() -> None:
    held = Stamp("3.11", "/clone", "a", ["scheduler"], {"one": "1", "two": "2"})

    assert held.covers(Stamp("3.11", "/clone", "a", ["scheduler"], {"one": "1"}))
    assert not held.covers(Stamp("3.11", "/clone", "a", ["dev"], {}))
    assert not held.covers(Stamp("3.11", "/clone", "a", ["scheduler"], {"one": "changed"}))
    assert not held.covers(Stamp("3.11", "/clone", "b", ["scheduler"], {}))
    assert not held.covers(Stamp("3.12", "/clone", "a", ["scheduler"], {}))
