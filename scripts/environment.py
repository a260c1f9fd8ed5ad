"""The Python environment of this clone: `.venv`, made on first use and kept in step with `pyproject.toml`.

Standard library only, because it runs before anything is installed. A stamp inside the environment says
what was put there; a marker beside it says that an installation began and has not ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

Say = Callable[[str], None]
"""Where progress goes: a function that takes one line."""

IMPLIED_EXTRAS = {"dev": {"dev", "scheduler"}}
"""Extras that bring others along, as `pyproject.toml` declares them."""

OFFLINE_SIGNS = (
    "name resolution",
    "name or service not known",
    "getaddrinfo failed",
    "dns error",
    "network is unreachable",
    "connection refused",
    "newconnectionerror",
    "connecttimeout",
    "timed out",
    "proxyerror",
    "error sending request",
)
"""What pip and uv print, in lower case, when they cannot reach a package index."""


class EnvironmentProblem(Exception):
    """The environment cannot be made; the text says why and what to do, in one line."""


@dataclass(frozen=True)
class Stamp:
    """What an environment holds."""

    python: str
    """Implementation, version and platform it was made with."""
    root: str
    """The clone it belongs to; environments cannot be moved."""
    project: str
    """Hash of `pyproject.toml` at the time."""
    extras: list[str] = field(default_factory=list)
    requirements: dict[str, str] = field(default_factory=dict)
    """Requirement files, relative to the clone, with their hashes."""

    def same_base(self, other: Stamp) -> bool:
        """Whether an environment made for `self` can be brought to `other` by installing into it."""
        return self.python == other.python and self.root == other.root

    def covers(self, wanted: Stamp) -> bool:
        """Whether nothing is missing for `wanted`."""
        extras = set(self.extras).union(*(IMPLIED_EXTRAS.get(extra, ()) for extra in self.extras))
        return (
            self.same_base(wanted)
            and self.project == wanted.project
            and extras.issuperset(wanted.extras)
            and self.requirements.items() >= wanted.requirements.items()
        )

    def joined_with(self, wanted: Stamp) -> Stamp:
        """Return what the environment holds after `wanted` was installed into it."""
        if self.project != wanted.project:
            return wanted
        extras = sorted({*self.extras, *wanted.extras})
        return Stamp(
            self.python, self.root, self.project, extras, {**self.requirements, **wanted.requirements}
        )


class Environment:
    """The virtual environment in `<root>/.venv`."""

    def __init__(self, root: Path = ROOT, say: Say = print) -> None:
        self.root = root
        self.folder = root / ".venv"
        scripts = self.folder / ("Scripts" if sys.platform == "win32" else "bin")
        self.python = scripts / ("python.exe" if sys.platform == "win32" else "python")
        self._scripts = scripts
        self._stamp = self.folder / "durakit-stamp.json"
        self._unfinished = self.folder / "durakit-unfinished"
        self._say = say

    def ensure(self, extra: str, requirements: Sequence[Path] = ()) -> None:
        """Return when `durakit[extra]` and the requirement files are installed.

        Raises EnvironmentProblem when that cannot be reached. Costs a few milliseconds when nothing changed.
        """
        wanted = self._wanted(extra, requirements)
        with self._locked():
            present = self._read_stamp()
            if present is not None and present.covers(wanted):
                return
            present = self._make_if_needed(present, wanted)
            self._unfinished.touch()
            self._install(extra, requirements)
            self._write_stamp(present.joined_with(wanted) if present else wanted)
            self._unfinished.unlink()

    def command(self, name: str) -> Path:
        """Return the path of a console script installed in the environment."""
        return self._scripts / (f"{name}.exe" if sys.platform == "win32" else name)

    def _wanted(self, extra: str, requirements: Sequence[Path]) -> Stamp:
        return Stamp(
            python=f"{sys.implementation.name}-{sys.version_info[0]}.{sys.version_info[1]}"
            f"-{sysconfig.get_platform()}",
            root=str(self.root),
            project=_hash(self.root / "pyproject.toml"),
            extras=[extra],
            requirements={path.relative_to(self.root).as_posix(): _hash(path) for path in requirements},
        )

    def _read_stamp(self) -> Stamp | None:
        if self._unfinished.exists() or not self.python.exists():
            return None
        try:
            return Stamp(**json.loads(self._stamp.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _write_stamp(self, stamp: Stamp) -> None:
        self._stamp.write_text(json.dumps(asdict(stamp), indent=2) + "\n", "utf-8")

    def _make_if_needed(self, present: Stamp | None, wanted: Stamp) -> Stamp | None:
        """Leave a usable environment in the folder; return its stamp if it keeps what it holds."""
        if present is not None and present.same_base(wanted):
            self._say("Updating .venv: the requirements changed.")
            return present
        if present is not None:
            where = f" in {present.root}" if present.root != wanted.root else ""
            self._say(f"Making .venv again: it was made with {present.python}{where}.")
        elif self._unfinished.exists():
            self._say("Making .venv again: an earlier attempt did not finish.")
        elif self.folder.exists() and self._has_pip():
            self._say("Installing durakit into the .venv that is already here.")
            return None
        else:
            self._say("Making .venv (first use only; takes a minute or less).")
        self._make()
        return None

    def _has_pip(self) -> bool:
        if not self.python.exists():
            return False
        return _run([self.python, "-m", "pip", "--version"]).returncode == 0

    def _make(self) -> None:
        check_interpreter()
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir()
            self._unfinished.touch()
        except OSError as error:
            raise EnvironmentProblem(
                f"Cannot make the folder {self.folder}: {error.strerror}. Remove it, or clone the repository "
                "to a place where you may write."
            ) from error
        # The base interpreter, because this script may be running inside the folder that was just removed.
        command = [getattr(sys, "_base_executable", sys.executable), "-m", "venv", self.folder]
        if shutil.which("uv") or importlib.util.find_spec("ensurepip") is None:
            command.append("--without-pip")  # uv or an outside pip installs into it: see _installers
        done = _run(command)
        if done.returncode != 0:
            raise EnvironmentProblem(f"Python could not make {self.folder}: {_last_line(done)}")

    def _install(self, extra: str, requirements: Sequence[Path]) -> None:
        target = ["-e", f"{self.root}[{extra}]"]
        for path in requirements:
            target += ["-r", str(path)]
        # Relative paths in a requirement file count from the working directory (pip) or the file (uv).
        folder = requirements[0].parent if requirements else self.root
        failed = None
        for installer in self._installers():
            failed = _run([*installer, *target], cwd=folder)
            if failed.returncode == 0:
                return
        raise EnvironmentProblem(_why_install_failed(failed))

    def _installers(self) -> Iterator[list[str]]:
        """Yield commands that install into the environment, the preferred one first."""
        uv = shutil.which("uv")
        if uv:
            self._say("Installing with uv.")
            yield [uv, "pip", "install", "--quiet", "--python", str(self.python)]
        options = ["--quiet", "--disable-pip-version-check", "--no-input"]
        if self._has_pip():
            self._say("Installing with pip.")
            yield [str(self.python), "-m", "pip", "install", *options]
        elif importlib.util.find_spec("pip") is not None:
            self._say(f"Installing with the pip of {sys.executable}.")
            yield [sys.executable, "-m", "pip", "--python", str(self.python), "install", *options]

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one process at a time look after the environment."""
        folder = self.root / ".durakit"
        folder.mkdir(exist_ok=True)
        with (folder / "environment.lock").open("a") as file:
            _lock(file.fileno(), lambda: self._say("Waiting for another process that is making .venv."))
            yield


def check_interpreter() -> None:
    """Raise EnvironmentProblem if this Python lacks a module that making an environment or running needs."""
    if importlib.util.find_spec("_sqlite3") is None:
        raise EnvironmentProblem(
            f"This Python ({sys.executable}) was built without sqlite3, where the scheduler keeps its data. "
            "Use another Python, or install the SQLite headers (Debian: libsqlite3-dev) and build it again."
        )
    needs_venv = importlib.util.find_spec("venv") is None
    has_installer = any(importlib.util.find_spec(name) for name in ("ensurepip", "pip")) or shutil.which("uv")
    if needs_venv or not has_installer:
        missing = "venv" if needs_venv else "ensurepip and pip"
        raise EnvironmentProblem(
            f"This Python ({sys.executable}) comes without {missing}, so .venv cannot be made. "
            "On Debian and Ubuntu run: apt install python3-venv. Elsewhere install uv or another Python."
        )


def _run(command: Sequence[str | Path], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, its output kept, without what an activated environment left in ours."""
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN_VARIABLES}
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )


_FOREIGN_VARIABLES = {"VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PIP_REQUIRE_VIRTUALENV"}


def _why_install_failed(done: subprocess.CompletedProcess[str] | None) -> str:
    if done is None:
        return (
            "There is neither pip nor uv to install with. On Debian and Ubuntu run: apt install python3-venv"
        )
    output = done.stdout.lower()
    sign = next((sign for sign in OFFLINE_SIGNS if sign in output), None)
    if sign:
        return (
            f"No package index could be reached ({sign}), so durakit's requirements were not installed. "
            "Check the network and HTTPS_PROXY, or name a mirror in PIP_INDEX_URL; then run this again."
        )
    return f"Installing durakit's requirements failed: {_last_line(done)}\n{done.stdout.rstrip()}"


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or [f"exit code {done.returncode}"])[-1].rstrip(".")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, waiting: Callable[[], None]) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            waiting()
            while True:
                # LK_LOCK gives up after ten tries of a second each.
                with contextlib.suppress(OSError):
                    msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
                    return
else:
    import fcntl

    def _lock(descriptor: int, waiting: Callable[[], None]) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
