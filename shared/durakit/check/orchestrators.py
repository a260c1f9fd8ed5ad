"""Which functions are orchestrators, and which are activities.

Orchestrators have a parameter annotated OrchestrationContext, or are named where orchestrators are registered
or started, in whichever of the checked files, or on the command line.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from durakit.check.names import Function, Module, Scope, first_parameter, own_nodes

_KEYWORDS = {"orchestrators": "orchestrator", "activities": "activity"}
_CALLS = {
    "add_orchestrator": "orchestrator",
    "call_sub_orchestrator": "orchestrator",
    "schedule_new_orchestration": "orchestrator",
    "add_activity": "activity",
    "call_activity": "activity",
}
_CONTEXTS = {"OrchestrationContext": "orchestrator", "ActivityContext": "activity"}


class Roles:
    """What the functions of the checked files are: `orchestrator`, `activity`, or nothing of these."""

    def __init__(self, modules: Iterable[Module], names: Iterable[str] = ()) -> None:
        self._modules = list(modules)
        self._roles: dict[Function, str] = {}
        self._homes: dict[Function, Module] = {}
        self._by_last_part: dict[str, list[tuple[tuple[str, ...], Module]]] = {}
        wanted = set(names)
        for module in self._modules:
            parts = _module_parts(module.path)
            self._by_last_part.setdefault(parts[-1] if parts else "", []).append((parts, module))
            for function in module.functions():
                self._homes[function] = module
                role = _role_by_annotation(module, function)
                if role is None and function.name in wanted:
                    role = "orchestrator"
                if role is not None:
                    self._roles[function] = role
        for module in self._modules:
            for scope, node in _calls(module):
                for role, named in _registered(node):
                    self._note(module, scope, named, role)

    def of(self, function: Function) -> str | None:
        """Return the function's role."""
        return self._roles.get(function)

    def home(self, function: Function) -> Module:
        """Return the file that defines the function."""
        return self._homes[function]

    def definition(self, module: Module, qualified: str) -> Function | ast.ClassDef | None:
        """Return the function or class that `module` has imported under that name from a checked file."""
        dotted, _, name = qualified.rpartition(".")
        home = self._file(module.path, dotted) if dotted else None
        binding = home.scope.names.get(name) if home is not None else None
        return binding.function if binding is not None and binding.times == 1 else None

    def orchestrators(self, module: Module) -> list[Function]:
        """Return the orchestrators of a file, and their helpers that say in their signature that they are."""
        return [function for function in module.functions() if self.of(function) == "orchestrator"]

    def _note(self, module: Module, scope: Scope, named: ast.expr, role: str, depth: int = 0) -> None:
        if isinstance(named, (ast.List, ast.Tuple, ast.Set)):
            for element in named.elts:
                self._note(module, scope, element, role)
            return
        if isinstance(named, ast.Starred):
            self._note(module, scope, named.value, role)
            return
        if isinstance(named, ast.Call) and scope.resolve(named.func) == "functools.partial" and named.args:
            self._note(module, scope, named.args[0], role)
            return
        for home, found in self._meant(module, scope, named):
            if isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._roles.setdefault(found, role)
            elif isinstance(found, ast.expr) and depth < 5:
                self._note(home, home.scope, found, role, depth + 1)

    def _meant(self, module: Module, scope: Scope, named: ast.expr) -> Iterator[tuple[Module, object]]:
        """Yield what a name or dotted name stands for, in this file or in another one that is checked."""
        if isinstance(named, ast.Name):
            found = scope.find(named.id)
            if found is not None and found[1].qualified is None:
                yield module, found[1].function or found[1].value
                return
        meant = scope.resolve(named) if isinstance(named, (ast.Name, ast.Attribute)) else None
        if isinstance(meant, str):
            dotted, _, name = meant.rpartition(".")
            home = self._file(module.path, dotted)
            if home is not None and name in home.scope.names:
                binding = home.scope.names[name]
                yield home, binding.function or binding.value

    def _file(self, asker: Path, dotted: str) -> Module | None:
        """The checked file that `dotted` imports, if any; of several the one nearest to the asker."""
        parts = tuple(part for part in dotted.split(".") if part)
        if not parts:
            return None
        candidates = self._by_last_part.get(parts[-1], ())
        fitting = [module for found, module in candidates if found[-len(parts) :] == parts]
        beside = [module for module in fitting if module.path.parent == asker.parent]
        return next(iter(beside or (fitting if len(fitting) == 1 else [])), None)


def _module_parts(path: Path) -> tuple[str, ...]:
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _role_by_annotation(module: Module, function: Function) -> str | None:
    scope = module.scopes[function]
    parameters = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    roles = {parameter.arg: _role_of(scope, parameter.arg) for parameter in parameters}
    if "orchestrator" in roles.values():
        return "orchestrator"
    first = first_parameter(function)
    return roles.get(first.arg) if first is not None else None


def _role_of(scope: Scope, parameter: str) -> str | None:
    annotation = scope.names[parameter].annotation
    if annotation is None:
        return None
    meant = scope.module.resolve(annotation)
    name = meant if isinstance(meant, str) else ast.unparse(annotation)
    return _CONTEXTS.get(name.rpartition(".")[2])


def _calls(module: Module) -> Iterator[tuple[Scope, ast.Call]]:
    for node, scope in module.scopes.items():
        for child in own_nodes(node):
            if isinstance(child, ast.Call):
                yield scope, child


def _registered(node: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Yield role and function that a call says something about."""
    for keyword in node.keywords:
        if keyword.arg in _KEYWORDS:
            yield _KEYWORDS[keyword.arg], keyword.value
    called = node.func.attr if isinstance(node.func, ast.Attribute) else None
    if called in _CALLS and node.args:
        yield _CALLS[called], node.args[0]
