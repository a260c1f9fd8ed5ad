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
    roles = Roles(modules, orchestrators)
    for module in modules:
        _check_module(module, roles, result)
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


def _check_module(module: Module, roles: Roles, result: Result) -> None:
    try:
        ignores = ignores_of(module.source)
    except (tokenize.TokenError, SyntaxError):  # ast was content, so this is a quirk without comments
        ignores = {}
    roots = roles.orchestrators(module)
    result.orchestrators += len(roots)
    changing = changing_names(module) if roots else set()
    # All roots first: what is inspected for itself is nobody's helper.
    waiting: list[tuple[Function, str, str | None]] = [(root, root.name, None) for root in roots]
    waiting = [item for item in waiting if not _is_inside(module, item[0], set(roots))]
    seen: set[Function] = set(roots)
    found: set[Finding] = set()
    while waiting:
        function, orchestrator, helper = waiting.pop(0)

        def report(
            node: ast.AST, rule: str, code: str, whose: str = orchestrator, helper: str | None = helper
        ) -> None:
            if not _is_ignored(node, rule, ignores):
                found.add(_finding(module, node, rule, code, whose, helper))

        inspector = Inspector(module, roles, changing, function, report)
        inspector.run()
        for called in inspector.called:
            if called not in seen and not _is_inside(module, called, seen):
                seen.add(called)
                waiting.append((called, orchestrator, called.name))
    result.findings += found
    result.findings += _unknown_ignores(module, ignores)


def _is_inside(module: Module, function: Function, others: set[Function]) -> bool:
    """Whether a function is nested in one that is inspected, and with it."""
    scope = module.scopes[function].parent
    while scope is not None:
        if scope.node in others:
            return True
        scope = scope.parent
    return False


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
