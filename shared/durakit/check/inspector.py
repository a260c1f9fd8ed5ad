"""Goes through the code of one orchestrator, or of a helper that it calls, and reports what breaks a rule."""

from __future__ import annotations

import ast
from collections.abc import Callable

from durakit.check.calls import UNMISTAKABLE_PATH_METHODS, rule_of_call, rule_of_read
from durakit.check.names import Function, Module, Scope, method_of
from durakit.check.orchestrators import Roles
from durakit.check.state import changed_name, is_module_variable

TASK_METHODS = frozenset(
    {
        "call_activity",
        "call_entity",
        "call_sub_orchestrator",
        "create_timer",
        "lock_entities",
        "wait_for_external_event",
    }
)
"""Methods of the context that return a task."""

_COMBINATORS = ("when_all", "when_any")
_OURS = ("durakit.", "durabletask.")
_ORDER_TAKERS = frozenset({"builtins.list", "builtins.tuple", "builtins.enumerate", "builtins.iter"})
#: What these make of a set does not depend on its order.
_ORDER_IGNORERS = frozenset(
    f"builtins.{name}" for name in ("sorted", "set", "frozenset", "sum", "min", "max", "any", "all", "len")
)

Report = Callable[[ast.AST, str, str], None]
"""Called with the node, the name of the rule it breaks, and the code in question."""


class Inspector(ast.NodeVisitor):
    """Inspects one function with everything nested in it.

    Attributes:
        called: functions of the checked files that it calls; they run inside the orchestrator, too.
    """

    def __init__(
        self, module: Module, roles: Roles, changing: set[str], function: Function, report: Report
    ) -> None:
        self.called: list[Function] = []
        self._module = module
        self._roles = roles
        self._changing = changing
        self._function = function
        self._report = report
        self._scope = module.scopes[function]
        self._live_only = 0
        self._unordered: set[ast.AST] = set()
        self._written: set[ast.AST] = set()

    def run(self) -> None:
        """Inspect the function's body."""
        for statement in self._function.body:
            self.visit(statement)
        self._report_forgotten_tasks()

    # --- scopes

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._enter(node, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._enter(node, node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._enter(node, [node.body])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class made inside an orchestrator is inspected only where its methods are called."""

    def _enter(self, node: Function | ast.Lambda, body: list[ast.stmt] | list[ast.expr]) -> None:
        if not isinstance(node, ast.Lambda) and self._roles.of(node) == "activity":
            return
        outer, self._scope = self._scope, self._module.scopes[node]
        for part in body:
            self.visit(part)
        self._scope = outer

    def _meant(self, node: ast.expr) -> str | Function | ast.ClassDef | None:
        """What an expression stands for: a definition in the checked files, or a qualified name."""
        meant = self._scope.resolve(node)
        found = self._roles.definition(self._module, meant) if isinstance(meant, str) else None
        return found or meant

    # --- calls

    def visit_Call(self, node: ast.Call) -> None:
        meant = self._meant(node.func)
        if isinstance(meant, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self._call_of(node, meant)
        elif isinstance(meant, ast.ClassDef):
            self.called += [
                made for name in ("__init__", "__post_init__") if (made := method_of(meant, name))
            ]
        elif isinstance(meant, str):
            self._check_name(node, meant)
        elif isinstance(node.func, ast.Attribute):
            own = self._method_of_self(node.func)
            if own is not None:
                self._call_of(node, own)
            elif node.func.attr in UNMISTAKABLE_PATH_METHODS:
                self._report(node, "file", f"{ast.unparse(node.func)}()")
        self._check_order(node, meant)
        self.generic_visit(node)

    def _call_of(self, node: ast.Call, function: Function) -> None:
        if self._roles.of(function) == "activity":
            self._report(node, "activity-call", f"{ast.unparse(node.func)}()")
        else:
            self.called.append(function)

    def _check_name(self, node: ast.Call, name: str) -> None:
        rule = rule_of_call(name, len(node.args) + len(node.keywords))
        if rule in ("print", "logging") and self._live_only:
            return
        if rule is not None:
            self._report(node, rule, f"{ast.unparse(node.func)}()")

    def _method_of_self(self, node: ast.Attribute) -> Function | None:
        if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
            return None
        scope: Scope | None = self._scope
        while scope is not None and not isinstance(scope.node, ast.ClassDef):
            scope = scope.parent
        return method_of(scope.node, node.attr) if scope and isinstance(scope.node, ast.ClassDef) else None

    # --- reads and writes

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._check_change(node)
        meant = self._scope.resolve(node)
        if isinstance(meant, str) and rule_of_read(meant) is not None:
            self._report(node, "environment", ast.unparse(node))
            return
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self._check_change(node)
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            return
        meant = self._meant(node)
        if isinstance(meant, (ast.FunctionDef, ast.AsyncFunctionDef)) and self._roles.of(meant) is None:
            # Handed to somebody who calls it: a callback, a key of a sort, a retry handler.
            self.called.append(meant)
        elif isinstance(meant, str) and rule_of_read(meant) is not None:
            self._report(node, "environment", node.id)
        elif (
            node.id in self._changing
            and node not in self._written
            and is_module_variable(self._scope, node.id)
        ):
            self._report(node, "global-state", f"The module's variable {node.id}")

    def visit_Global(self, node: ast.Global) -> None:
        self._report(node, "global-state", f"The module's variable {', '.join(node.names)}")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Annotations of local variables are never evaluated."""
        self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def _check_change(self, node: ast.AST) -> None:
        name = changed_name(self._scope, node)
        if name is not None and name not in self._written:
            self._written.add(name)
            if name.id not in self._scope.globals:
                self._report(node, "global-state", f"The module's variable {name.id}")

    # --- replay-safe output

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self._visit_branch(node.body, live_only=_says(node.test, replaying=False))
        self._visit_branch(node.orelse, live_only=_says(node.test, replaying=True))

    def _visit_branch(self, statements: list[ast.stmt], *, live_only: bool) -> None:
        self._live_only += live_only
        for statement in statements:
            self.visit(statement)
        self._live_only -= live_only

    # --- tasks

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and self._makes_task(node.value):
            self._report(node, "unawaited-task", f"{ast.unparse(node.value.func)}()")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        """A coroutine that returns a task gives it to nobody who could await it."""
        is_async = isinstance(self._scope.node, ast.AsyncFunctionDef)
        if is_async and isinstance(node.value, ast.Call) and self._makes_task(node.value):
            self._report(node.value, "unawaited-task", f"{ast.unparse(node.value.func)}()")
        self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> None:
        if isinstance(node.value, ast.Call) and self._is_foreign(node.value):
            self._report(node, "foreign-await", f"await {ast.unparse(node.value.func)}()")
        self.generic_visit(node)

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        self._report(node, "foreign-await", "async for")
        self.generic_visit(node)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        self._report(node, "foreign-await", "async with")
        self.generic_visit(node)

    def _makes_task(self, node: ast.Call) -> bool:
        """Whether the call returns a task, or a helper that must be awaited to run at all."""
        if self._is_durable(node):
            return True
        meant = self._meant(node.func)
        if isinstance(meant, ast.FunctionDef):
            return any(isinstance(part, (ast.Yield, ast.YieldFrom)) for part in ast.walk(meant))
        return isinstance(meant, ast.AsyncFunctionDef) and self._roles.of(meant) != "activity"

    def _is_durable(self, node: ast.Call) -> bool:
        """Whether a method of the context, when_all or when_any is called."""
        if isinstance(node.func, ast.Attribute) and node.func.attr in TASK_METHODS:
            return True
        meant = self._meant(node.func)
        return isinstance(meant, str) and meant.rpartition(".")[2] in _COMBINATORS

    def _is_foreign(self, node: ast.Call) -> bool:
        """Whether this comes from another library. What has broken a rule already is not told twice."""
        meant = self._meant(node.func)
        if not isinstance(meant, str) or self._is_durable(node) or meant.startswith(_OURS):
            return False
        if rule_of_call(meant, len(node.args) + len(node.keywords)) is not None:
            return False
        return not any(self._is_context(argument) for argument in node.args)

    def _is_context(self, node: ast.expr) -> bool:
        """Whether an argument is the context: whoever gets it is a helper of orchestrators."""
        found = self._scope.find(node.id) if isinstance(node, ast.Name) else None
        if found is None:
            return False
        annotation = found[1].annotation
        if annotation is not None:
            return ast.unparse(annotation).rpartition(".")[2].startswith("OrchestrationContext")
        return isinstance(node, ast.Name) and node.id in ("ctx", "context")

    def _report_forgotten_tasks(self) -> None:
        """Report tasks that are kept in a variable at which nobody looks."""
        nodes = list(ast.walk(self._function))
        looked_at = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        for node in nodes:
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
                continue
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if len(names) == len(node.targets) and not looked_at & {*names} and self._is_durable(node.value):
                self._report(node, "unawaited-task", f"{ast.unparse(node.value.func)}()")

    # --- order

    def visit_For(self, node: ast.For) -> None:
        if self._is_set(node.iter):
            self._report(node.iter, "set-order", "This loop")
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._check_generators(node, node.generators)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._check_generators(node, node.generators)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._check_generators(node, node.generators)

    def _check_generators(self, node: ast.expr, generators: list[ast.comprehension]) -> None:
        if node not in self._unordered:
            for generator in generators:
                if self._is_set(generator.iter):
                    self._report(generator.iter, "set-order", "This comprehension")
        self.generic_visit(node)

    def _check_order(self, node: ast.Call, meant: object) -> None:
        if meant in _ORDER_IGNORERS:
            self._unordered.update(node.args)
        takes_order = meant in _ORDER_TAKERS or (
            isinstance(node.func, ast.Attribute) and node.func.attr in ("join", "extend")
        )
        if takes_order and node.args and self._is_set(node.args[0]):
            self._report(node, "set-order", f"{ast.unparse(node.func)}()")

    def _is_set(self, node: ast.expr, depth: int = 0) -> bool:
        if isinstance(node, (ast.Set, ast.SetComp)):
            return True
        if isinstance(node, ast.Call):
            return self._scope.resolve(node.func) in ("builtins.set", "builtins.frozenset")
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)):
            return self._is_set(node.left, depth + 1) or self._is_set(node.right, depth + 1)
        if isinstance(node, ast.Name) and depth < 5:
            found = self._scope.find(node.id)
            if found is not None and found[1].times == 1 and found[1].value is not None:
                return self._is_set(found[1].value, depth + 1)
        return False


def _says(test: ast.expr, *, replaying: bool) -> bool:
    """Whether a condition holds only, when it is true or false as asked, while nothing is replayed.

    `not ctx.is_replaying` says so when it is true (replaying=False), `ctx.is_replaying` when it is false.
    """
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _says(test.operand, replaying=not replaying)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) and not replaying:
        return any(_says(value, replaying=False) for value in test.values)
    return replaying and isinstance(test, ast.Attribute) and test.attr == "is_replaying"
