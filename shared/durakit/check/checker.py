"""Checks files: finds their orchestrators, inspects them and the helpers they call, drops what is ignored.

Nothing is imported or run; code is only read.
"""

from __future__ import annotations

import ast
import os
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from durakit.check.ignores import Ignore, ignores_of
from durakit.check.inspector import Inspector
from durakit.check.names import Function, Module
from durakit.check.orchestrators import Roles
from durakit.check.rules import RULES
from durakit.check.state import changing_names

_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"})


@dataclass(frozen=True, order=True)
class Finding:
    """One place in an orchestrator, or in a helper of it, that breaks a rule."""

    path: Path
    line: int
    column: int
    """From 1."""
    rule: str
    message: str
    """What is wrong, as a clause without a full stop."""
    instead: str
    """What to do, as a sentence."""
    orchestrator: str
    helper: str | None = None
    """The function that holds the place, when it is not the orchestrator itself."""


@dataclass(frozen=True)
class Unreadable:
    """A file that could not be checked."""

    path: Path
    line: int
    reason: str


@dataclass
class Result:
    """What a check found."""

    findings: list[Finding] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    files: int = 0
    orchestrators: int = 0
    """Functions that run as part of an orchestration and say so; helpers they call are not counted."""


def python_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files to check: those given, and all `*.py` below the folders given.

    Below a folder, hidden folders, virtual environments and build output are left out.
    Raises FileNotFoundError for a path that does not exist.
    """
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(
                    name
                    for name in folders
                    if name not in _SKIPPED_FOLDERS
                    and not name.startswith(".")
                    and not Path(folder, name, "pyvenv.cfg").exists()
                )
                yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))
        elif path.exists():
            yield path
        else:
            raise FileNotFoundError(f"{path} does not exist.")


def check_files(files: Iterable[Path], orchestrators: Sequence[str] = ()) -> Result:
    """Check all these files together: what one registers may be defined in another.

    `orchestrators` names functions that are orchestrators although nothing in the files says so.
    """
    result = Result()
    modules = []
    for path in dict.fromkeys(files):
        result.files += 1
        parsed = _parse(path)
        if isinstance(parsed, Unreadable):
            result.unreadable.append(parsed)
        else:
            modules.append(parsed)
    _Run(modules, Roles(modules, orchestrators), result).go()
    result.findings.sort()
    return result


def _parse(path: Path) -> Module | Unreadable:
    try:
        source = path.read_bytes()
        return Module(path, ast.parse(source, str(path)), source)
    except SyntaxError as error:
        return Unreadable(path, error.lineno or 1, error.msg)
    except (OSError, ValueError, RecursionError) as error:
        return Unreadable(path, 1, str(error))


class _Run:
    """One check of all modules: from the orchestrators on to whatever they call in the checked files."""

    def __init__(self, modules: list[Module], roles: Roles, result: Result) -> None:
        self._modules = modules
        self._roles = roles
        self._result = result
        self._ignores = {module: _ignores(module) for module in modules}
        self._changing: dict[Module, set[str]] = {}
        self._seen: set[Function] = set()
        self._found: set[Finding] = set()

    def go(self) -> None:
        """Inspect everything and add to the result what was found."""
        roots = [root for module in self._modules for root in self._roles.orchestrators(module)]
        self._result.orchestrators = len(roots)
        # All roots first: what is inspected for itself is nobody's helper.
        self._seen.update(roots)
        waiting: list[tuple[Function, str, str | None]] = [
            (root, root.name, None) for root in roots if not self._is_inside_another(root)
        ]
        for function, orchestrator, helper in waiting:
            for called in self._inspect(function, orchestrator, helper):
                if called not in self._seen and not self._is_inside_another(called):
                    self._seen.add(called)
                    waiting.append((called, orchestrator, called.name))
        self._result.findings += self._found
        for module, ignores in self._ignores.items():
            self._result.findings += _unknown_ignores(module, ignores)

    def _inspect(self, function: Function, orchestrator: str, helper: str | None) -> list[Function]:
        module = self._roles.home(function)
        if module not in self._changing:
            self._changing[module] = changing_names(module)

        def report(node: ast.AST, rule: str, code: str) -> None:
            if not _is_ignored(node, rule, self._ignores[module]):
                self._found.add(_finding(module, node, rule, code, orchestrator, helper))

        inspector = Inspector(module, self._roles, self._changing[module], function, report)
        inspector.run()
        return inspector.called

    def _is_inside_another(self, function: Function) -> bool:
        """Whether a function is nested in one that is inspected, and with it."""
        scope = self._roles.home(function).scopes[function].parent
        while scope is not None:
            if scope.node in self._seen:
                return True
            scope = scope.parent
        return False


def _ignores(module: Module) -> dict[int, Ignore]:
    try:
        return ignores_of(module.source)
    except (tokenize.TokenError, SyntaxError):  # ast was content, so this is a quirk without comments
        return {}


def _finding(
    module: Module, node: ast.AST, rule: str, code: str, orchestrator: str, helper: str | None
) -> Finding:
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
    code = " ".join(code.split())
    if len(code) > 60:
        code = f"{code[:28]}...{code[-28:]}"
    wanted = RULES[rule]
    return Finding(
        module.path, line, column, rule, f"{code} {wanted.why}", wanted.instead, orchestrator, helper
    )


def _is_ignored(node: ast.AST, rule: str, ignores: dict[int, Ignore]) -> bool:
    first = getattr(node, "lineno", 1)
    # Of a statement with a body, only its first line.
    last = first if hasattr(node, "body") else getattr(node, "end_lineno", None) or first
    return any(line in ignores and ignores[line].covers(rule) for line in range(first, last + 1))


def _unknown_ignores(module: Module, ignores: dict[int, Ignore]) -> Iterator[Finding]:
    rule = RULES["unknown-ignore"]
    for ignore in ignores.values():
        for name in ignore.unknown:
            yield Finding(
                module.path, ignore.line, ignore.column, rule.name, f"{name!r} {rule.why}", rule.instead, ""
            )
