"""Names: every one that is used is declared, every one that is declared is used, once, and not by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.check.findings import Finding, at
from infra.check.syntax import Declaration, Template, call_arguments, call_name, properties, text, walk
from infra.check.vocabulary import DECORATORS, FUNCTIONS, NAMESPACES

if TYPE_CHECKING:
    from tree_sitter import Node

_READ_KINDS = ("param", "var", "resource", "module", "type", "func")


def undefined_name(template: Template) -> Iterator[Finding]:
    """A name is used that the template does not declare."""
    known = set(template.declared(*_READ_KINDS)) | _imported(template)
    for declaration in template.declarations:
        for node in references(declaration):
            if text(node) not in known:
                yield at(template.path, node, "undefined-name", f"{text(node)} is not declared")


def unused_name(template: Template) -> Iterator[Finding]:
    """A parameter, variable or existing resource that nothing reads."""
    used = {text(node) for declaration in template.declarations for node in references(declaration)}
    called = {call_name(node) for node in walk(template.root) if node.type == "call_expression"}
    for declaration in template.declarations:
        may_stand_alone = declaration.kind in ("module", "output") or (
            declaration.kind == "resource" and not declaration.is_existing
        )
        if not may_stand_alone and declaration.name not in used | called:
            message = f"{declaration.kind} {declaration.name} is never used"
            yield at(template.path, declaration.node, "unused-name", message)


def duplicate_name(template: Template) -> Iterator[Finding]:
    """Two declarations have one name; outputs may share theirs with what they put out."""
    seen: set[tuple[bool, str]] = set()
    for declaration in template.declarations:
        key = (declaration.kind == "output", declaration.name)
        if key in seen:
            message = f"{declaration.name} is declared twice"
            yield at(template.path, declaration.node, "duplicate-name", message)
        seen.add(key)


def cycle(template: Template) -> Iterator[Finding]:
    """A declaration that needs itself, directly or by way of others."""
    declared = template.declared(*_READ_KINDS)
    needs = {name: {text(node) for node in references(each)} for name, each in declared.items()}
    for name, declaration in declared.items():
        reached, ahead = set[str](), list(needs[name])
        while ahead:
            following = ahead.pop()
            if following not in reached:
                reached.add(following)
                ahead.extend(needs.get(following, ()))
        if name in reached:
            yield at(template.path, declaration.node, "cycle", f"{name} depends on itself")


def unknown_function(template: Template) -> Iterator[Finding]:
    """A call of a function that Bicep does not have, or with too few or many arguments."""
    own = template.declared("func")
    decorators = {node.id for each in template.declarations for node in each.decorators}
    for node in walk(template.root):
        if node.type != "call_expression" or (node.parent and node.parent.id in decorators):
            continue
        name = call_name(node)
        if name is None or name in own:
            continue
        if name not in FUNCTIONS:
            yield at(template.path, node, "unknown-function", f"there is no function {name}")
            continue
        count, (fewest, most) = len(call_arguments(node)), FUNCTIONS[name]
        if not fewest <= count <= most:
            expected = str(fewest) if fewest == most else f"{fewest} or more"
            message = f"{name} takes {expected} arguments, not {count}"
            yield at(template.path, node, "unknown-function", message)


def unknown_decorator(template: Template) -> Iterator[Finding]:
    """A decorator that Bicep does not have, has for other declarations, or with other arguments."""
    for declaration in template.declarations:
        for node in declaration.decorators:
            call = node.named_children[0]
            name = call_name(call) if call.type == "call_expression" else text(call)
            if name not in DECORATORS:
                yield at(template.path, node, "unknown-decorator", f"there is no decorator @{name}")
                continue
            count, kinds = DECORATORS[name]
            given = len(call_arguments(call)) if call.type == "call_expression" else -1
            if given != count:
                message = f"@{name} takes {count} arguments in parentheses"
                yield at(template.path, node, "unknown-decorator", message)
            elif declaration.kind not in kinds:
                message = f"@{name} does not go with a {declaration.kind}"
                yield at(template.path, node, "unknown-decorator", message)


def duplicate_key(template: Template) -> Iterator[Finding]:
    """An object with the same key twice; Bicep compares without case."""
    for node in walk(template.root):
        if node.type != "object":
            continue
        seen: set[str] = set()
        for key_node, key, _ in properties(node):
            if key is None:
                continue
            if key.lower() in seen:
                yield at(template.path, key_node, "duplicate-key", f"the key {key} is there twice")
            seen.add(key.lower())


def layout(template: Template) -> Iterator[Finding]:
    """Two declarations, or two elements without a comma, stand on one line: the grammar lets them pass."""
    for node in walk(template.root):
        if node.type not in ("infrastructure", "array", "object"):
            continue
        before: Node | None = None
        for child in node.children:
            if not child.is_named or child.type == "comment":
                before = None
                continue
            # Side by side without a space is `list[0]`, which the grammar takes for two elements.
            if before is not None and before.end_point < child.start_point < (before.end_point[0] + 1, 0):
                yield at(template.path, child, "layout", "a line break or a comma is missing before this")
            before = child


def undescribed(template: Template) -> Iterator[Finding]:
    """A parameter or output without @description, or with an empty one."""
    for declaration in template.declarations:
        if declaration.kind not in ("param", "output"):
            continue
        described = [node for node in declaration.decorators if text(node).startswith("@description(")]
        if not described or "('')" in text(described[0]):
            message = f"{declaration.kind} {declaration.name} has no @description"
            yield at(template.path, declaration.node, "undescribed", message)


def references(declaration: Declaration) -> Iterator[Node]:
    """The identifiers in a declaration that stand for something declared at the top of the template."""
    skipped = False
    for child in declaration.node.named_children:
        if not skipped and child.type == "identifier":
            skipped = True  # its own name
            continue
        if declaration.kind == "func":
            continue  # sees only its parameters, and the grammar's tree of them differs; none is used here
        yield from _free(child, frozenset())
    for decorator in declaration.decorators:
        yield from _free(decorator, frozenset())


def _free(node: Node, bound: frozenset[str]) -> Iterator[Node]:
    if node.type == "identifier":
        if text(node) not in bound and text(node) not in NAMESPACES:
            yield node
        return
    children = list(node.named_children)
    if node.type in ("call_expression", "object_property") and children[0].type == "identifier":
        children = children[1:]  # a function's name, a key
    elif node.type == "resource_declaration":
        children = children[1:]  # one within another: its name
    elif node.type == "resource_expression":
        children = children[:1]
    elif node.type == "lambda_expression":
        bound, children = bound | _bound_by(children[0]), children[1:]
    elif node.type == "for_statement":
        variables, iterated, *rest = children
        yield from _free(iterated, bound)
        bound, children = bound | _bound_by(variables), rest
    for child in children:
        yield from _free(child, bound)


def _imported(template: Template) -> set[str]:
    imports = [node for node in template.root.named_children if node.type.startswith("import")]
    return {text(each) for node in imports for each in walk(node) if each.type == "identifier"}


def _bound_by(node: Node) -> frozenset[str]:
    named = ("identifier", "loop_variable", "loop_enumerator")
    return frozenset(text(each) for each in walk(node) if each.type in named)
