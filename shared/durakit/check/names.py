"""What a name means at a place of a module: an import, a function, a variable, a parameter.

One `Scope` for the module and one for each function, read off the syntax tree; nothing is imported.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from durakit.check.calls import PATH_INSTANCE

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
#: Instances worth knowing although they were made in a function.
_LOCAL_INSTANCES = frozenset({"pathlib.Path", "logging.getLogger"})
_PATH_TYPES = frozenset({"pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath"})


@dataclass(eq=False)
class Binding:
    """What one name is bound to in one scope.

    Attributes:
        qualified: the dotted name that an import gave it.
        function: the function, or class, that is defined under it.
        value: what is assigned to it, if that happens once.
        annotation: of a parameter or variable.
        times: how often it is bound.
    """

    qualified: str | None = None
    function: Function | ast.ClassDef | None = None
    value: ast.expr | None = None
    annotation: ast.expr | None = None
    times: int = 0


@dataclass(eq=False)
class Scope:
    """The names of a module, class or function, and the scope around it."""

    node: ast.AST
    parent: Scope | None = None
    names: dict[str, Binding] = field(default_factory=dict)
    globals: set[str] = field(default_factory=set)

    @property
    def module(self) -> Scope:
        """The outermost scope."""
        return self if self.parent is None else self.parent.module

    def find(self, name: str) -> tuple[Scope, Binding] | None:
        """Return where a name is bound, and to what; None for builtins and unknown names."""
        if name in self.globals:
            return self.module.find(name)
        if name in self.names:
            return self, self.names[name]
        outer = self.parent
        # The names of a class are not seen from its methods.
        while outer is not None and isinstance(outer.node, ast.ClassDef):
            outer = outer.parent
        return outer.find(name) if outer is not None else None

    def bind(self, name: str) -> Binding:
        """Note that a name is bound here."""
        binding = self.names.setdefault(name, Binding())
        binding.times += 1
        return binding

    def resolve(self, node: ast.expr | None, depth: int = 0) -> str | Function | ast.ClassDef | None:
        """Return the qualified name that an expression stands for, or the function or class of this module.

        The result of calling `X` is `X()`. None for what cannot be told.
        """
        if depth > 20:
            return None
        if isinstance(node, ast.Name):
            return self._resolve_name(node.id, depth)
        if isinstance(node, ast.Attribute):
            base = self.resolve(node.value, depth + 1)
            if isinstance(base, ast.ClassDef):
                return method_of(base, node.attr)
            return f"{base}.{node.attr}" if isinstance(base, str) else None
        if isinstance(node, ast.Call):
            made = self.resolve(node.func, depth + 1)
            if made == "random.Random" and (node.args or node.keywords):
                return None
            return f"{made}()" if isinstance(made, str) else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            left = self.resolve(node.left, depth + 1)
            return left if left == PATH_INSTANCE else None
        return None

    def _resolve_name(self, name: str, depth: int) -> str | Function | ast.ClassDef | None:
        found = self.find(name)
        if found is None:
            return f"builtins.{name}" if hasattr(builtins, name) else None
        scope, binding = found
        if binding.function is not None:
            return binding.function if binding.times == 1 else None
        if binding.qualified is not None:
            return binding.qualified
        if binding.annotation is not None and scope.resolve(binding.annotation, depth + 1) in _PATH_TYPES:
            return PATH_INSTANCE
        if binding.times != 1 or binding.value is None:
            return None
        meant = scope.resolve(binding.value, depth + 1)
        if not isinstance(meant, str) or not isinstance(binding.value, (ast.Call, ast.BinOp)):
            return meant
        is_known = scope.parent is None or meant.removesuffix("()") in _LOCAL_INSTANCES
        return meant if is_known else None


@dataclass(eq=False)
class Module:
    """One parsed file."""

    path: Path
    tree: ast.Module
    source: bytes
    scope: Scope = field(init=False)
    scopes: dict[ast.AST, Scope] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scope = self._scope_of(self.tree, None)

    def _scope_of(self, node: ast.AST, parent: Scope | None) -> Scope:
        scope = self.scopes[node] = Scope(node, parent)
        for parameter in _parameters(node):
            scope.bind(parameter.arg).annotation = _unquoted(parameter.annotation)
        for child in own_nodes(node):
            _bind(scope, child)
            if isinstance(child, _SCOPES):
                self._scope_of(child, scope)
        return scope

    def functions(self) -> Iterator[Function]:
        """Yield every function of the file, methods and nested ones too."""
        for node in self.scopes:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node


def own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is executed in a scope: nested functions and classes are yielded, not entered."""
    waiting = list(reversed(body_of(node)))
    while waiting:
        child = waiting.pop()
        yield child
        if isinstance(child, _SCOPES):
            waiting += reversed(_outside(child))
        else:
            waiting += reversed(list(ast.iter_child_nodes(child)))


def body_of(node: ast.AST) -> list[ast.AST]:
    """The statements of a scope; of a lambda its expression."""
    if isinstance(node, ast.Lambda):
        return [node.body]
    return list(getattr(node, "body", ()))


def _outside(node: ast.AST) -> list[ast.AST]:
    """What a nested function or class has executed in the scope around it."""
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases]
    assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    defaults = [default for default in (*node.args.defaults, *node.args.kw_defaults) if default is not None]
    return [*getattr(node, "decorator_list", ()), *defaults]


def method_of(node: ast.ClassDef, name: str) -> Function | None:
    """The method of that name in the class itself."""
    for item in node.body:
        if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and item.name == name:
            return item
    return None


def first_parameter(node: Function) -> ast.arg | None:
    """The parameter that gets the context, in a method the second one."""
    parameters = [*node.args.posonlyargs, *node.args.args]
    if parameters and parameters[0].arg in ("self", "cls"):
        parameters = parameters[1:]
    return parameters[0] if parameters else None


def _parameters(node: ast.AST) -> list[ast.arg]:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return []
    given = node.args
    extra = [parameter for parameter in (given.vararg, given.kwarg) if parameter is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *extra]


def _unquoted(annotation: ast.expr | None) -> ast.expr | None:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            return ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None
    return annotation


def _bind(scope: Scope, node: ast.AST) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            scope.bind(name).qualified = alias.name if alias.asname else name
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            module = "." * node.level + (node.module or "")
            joint = "" if module.endswith(".") else "."
            scope.bind(alias.asname or alias.name).qualified = f"{module}{joint}{alias.name}"
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        scope.bind(node.name).function = node
    elif isinstance(node, ast.Global):
        scope.globals.update(node.names)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        scope.names.setdefault(node.targets[0].id, Binding()).value = node.value
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        binding = scope.names.setdefault(node.target.id, Binding())
        binding.value, binding.annotation = node.value, _unquoted(node.annotation)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
        scope.bind(node.id)
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        scope.bind(node.name)
