"""Module-level state: which names of a module change while it runs, and where code changes them."""

from __future__ import annotations

import ast

from durakit.check.names import Module, Scope, own_nodes

MUTATORS = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "clear",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "reverse",
        "rotate",
        "setdefault",
        "sort",
        "update",
    }
)
"""Methods that change a list, dict, set, deque or counter."""


def is_module_variable(scope: Scope, name: str) -> bool:
    """Whether a name is a variable of the module: neither local, nor imported, nor a function or class."""
    found = scope.find(name)
    if found is None:
        return False
    home, binding = found
    return home.parent is None and binding.qualified is None and binding.function is None


def is_of_module(scope: Scope, name: str) -> bool:
    """Whether a name is bound in the module, to whatever."""
    found = scope.find(name)
    return found is not None and found[0].parent is None


def changed_name(scope: Scope, node: ast.AST) -> ast.Name | None:
    """Return the module's name whose value this node changes, if it does.

    `X[...] = ...`, `X.a = ...`, `del X[...]`, `X.append(...)`, `next(X)`.
    """
    if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, (ast.Store, ast.Del)):
        root = _root(node)
        return root if root is not None and is_of_module(scope, root.id) else None
    if not isinstance(node, ast.Call):
        return None
    root = None
    if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        root = _root(node.func.value)
    elif scope.resolve(node.func) == "builtins.next" and node.args and isinstance(node.args[0], ast.Name):
        root = node.args[0]
    return root if root is not None and is_module_variable(scope, root.id) else None


def changing_names(module: Module) -> set[str]:
    """Return the module's variables that some function of it changes or binds anew."""
    changing = set()
    for node, scope in module.scopes.items():
        if scope.parent is None or isinstance(node, ast.ClassDef):
            continue
        for child in own_nodes(node):
            name = changed_name(scope, child)
            if name is not None and is_module_variable(scope, name.id):
                changing.add(name.id)
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store) and child.id in scope.globals:
                changing.add(child.id)
    return changing


def _root(node: ast.expr) -> ast.Name | None:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node if isinstance(node, ast.Name) else None
