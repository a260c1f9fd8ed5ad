"""A parsed template: what it declares, and what its syntax tree's nodes mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import tree_sitter_bicep
from tree_sitter import Language, Parser

if TYPE_CHECKING:
    from tree_sitter import Node

_PARSER = Parser(Language(tree_sitter_bicep.language()))

_KINDS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
    "type_declaration": "type",
    "user_defined_function": "func",
}


@dataclass(frozen=True)
class Declaration:
    """A name that a template declares. Outputs have names of their own, which no template reads."""

    kind: str
    """param, var, resource, module, output, type or func."""
    name: str
    node: Node
    decorators: tuple[Node, ...] = field(default=())

    @property
    def value(self) -> Node | None:
        """What is right of the equals sign."""
        children = self.node.children
        for position, child in enumerate(children):
            if child.type == "=":
                return children[position + 1] if position + 1 < len(children) else None
        return None

    @property
    def type_text(self) -> str:
        """The declared type, as written."""
        return next((text(child) for child in self.node.children if child.type.endswith("type")), "")

    @property
    def subject(self) -> str:
        """The text after the name: a resource's `Type@version`, a module's path."""
        return next((string_value(child) or "" for child in self.node.children if child.type == "string"), "")

    @property
    def is_existing(self) -> bool:
        """Whether the resource is only read."""
        return any(child.type == "existing" for child in self.node.children)

    @property
    def body(self) -> Node | None:
        """The object of a resource or module, out of its condition or loop."""
        return body_of(self.value) if self.value is not None else None


class Template:
    """One .bicep file."""

    def __init__(self, path: Path, source: bytes) -> None:
        self.path = path
        self.root = _PARSER.parse(source).root_node

    @cached_property
    def declarations(self) -> tuple[Declaration, ...]:
        """What it declares, in order."""
        found = []
        decorators: tuple[Node, ...] = ()
        for node in self.root.named_children:
            if node.type == "decorators":
                decorators = tuple(node.named_children)
            elif node.type != "comment":
                name = next((text(child) for child in node.children if child.type == "identifier"), "")
                if node.type in _KINDS:
                    found.append(Declaration(_KINDS[node.type], name, node, decorators))
                decorators = ()
        return tuple(found)

    def declared(self, *kinds: str) -> dict[str, Declaration]:
        """The declarations of these kinds by name; the first one of each name."""
        found: dict[str, Declaration] = {}
        for declaration in self.declarations:
            if declaration.kind in kinds:
                found.setdefault(declaration.name, declaration)
        return found

    @property
    def scope(self) -> str:
        """What it is deployed to."""
        for node in self.root.named_children:
            if node.type == "target_scope_assignment":
                return next(
                    (string_value(child) or "" for child in node.children if child.type == "string"), ""
                )
        return "resourceGroup"


def text(node: Node) -> str:
    """The node as written."""
    return (node.text or b"").decode()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below, in order."""
    yield node
    for child in node.children:
        yield from walk(child)


def string_value(node: Node) -> str | None:
    """What a string literal says; None when it has interpolations or is no string."""
    if node.type != "string" or any(child.type == "interpolation" for child in node.children):
        return None
    raw = "".join(text(child) for child in node.children if child.is_named)
    return raw.replace("\\'", "'")


def properties(node: Node) -> Iterator[tuple[Node, str | None, Node]]:
    """The properties of an object: key's node, key (None when it is computed), value."""
    for child in node.named_children:
        if child.type != "object_property" or len(child.named_children) < 2:
            continue
        key, value = child.named_children[0], child.named_children[-1]
        yield key, string_value(key) if key.type == "string" else text(key), value


def property_of(node: Node | None, name: str) -> Node | None:
    """The value of an object's property."""
    if node is None:
        return None
    return next((value for _, key, value in properties(node) if key == name), None)


def body_of(node: Node) -> Node | None:
    """The object within a condition or a loop."""
    if node.type == "object":
        return node
    if node.type in ("if_statement", "for_statement") and node.named_children:
        return body_of(node.named_children[-1])
    return None


def call_name(node: Node) -> str | None:
    """The name of a called function; None when a method of something is called."""
    function = node.named_children[0]
    return text(function) if function.type == "identifier" else None


def call_arguments(node: Node) -> list[Node]:
    """The arguments of a call."""
    listed = node.named_children[-1]
    return [child for child in listed.named_children if child.type != "comment"]
