"""Resources: known API versions, properties that exist, values that are allowed, roles that are meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from infra.check.findings import Finding, at
from infra.check.models import UNTABLED, Table, tables
from infra.check.syntax import (
    Template,
    call_arguments,
    call_name,
    properties,
    property_of,
    string_value,
    text,
    walk,
)

if TYPE_CHECKING:
    from tree_sitter import Node

ROLES = {
    "0ad04412-c4d5-4796-b79c-f76d14c8d402": "Durable Task Data Contributor",
    "80d0d6b0-f522-40a4-8886-a5a11720c375": "Durable Task Worker",
    "d6a5505f-6ebb-45a4-896e-ac8274cfc0ac": "Durable Task Data Reader",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
}
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
#: Not in any table: what the language itself knows about every resource.
_LANGUAGE = {"parent": "any", "scope": "any", "dependsOn": "any"}
_LITERALS = {"string": "string", "number": "int", "boolean": "bool"}


def api_version(template: Template) -> Iterator[Finding]:
    """A resource type or version that is not the one we have read about."""
    known = {*tables(), *UNTABLED}
    versions = {name.partition("@")[0].lower(): name for name in known}
    for declaration in template.declared("resource").values():
        if declaration.subject not in known:
            ours = versions.get(declaration.subject.partition("@")[0].lower())
            advice = f"write {ours}" if ours else "add it to infra/check/schemas or UNTABLED"
            message = f"{declaration.subject} is not a type and version that we know; {advice}"
            yield at(template.path, declaration.node, "api-version", message)


def missing_name(template: Template) -> Iterator[Finding]:
    """A resource without name or, where it needs one, location; a module that lacks its scope."""
    for declaration in template.declared("resource", "module").values():
        given = {key for _, key, _ in properties(declaration.body)} if declaration.body else set()
        table = tables().get(declaration.subject, {}).get("resource", {})
        wanted = ["name"]
        if "location" in table and not declaration.is_existing and "location" not in given:
            wanted += ["location"] if "parent" not in given else []
        if declaration.kind == "module" and template.scope != "resourceGroup":
            wanted.append("scope")
        for name in wanted:
            if name not in given:
                message = f"{declaration.kind} {declaration.name} has no {name}"
                yield at(template.path, declaration.node, "missing-name", message)


def schema(template: Template) -> Iterator[Finding]:
    """A property that the resource type does not have, lacks or does not take, and values not allowed."""
    for declaration in template.declared("resource").values():
        table = tables().get(declaration.subject)
        if table is None or declaration.body is None or declaration.is_existing:
            continue
        resource = {**_LANGUAGE, **table["resource"], "name": "string", "location": "string"}
        yield from _check(template, declaration.body, "resource", {**table, "resource": resource})


def runtime_property(template: Template) -> Iterator[Finding]:
    """A property of a resource is read that its type does not have."""
    resources = template.declared("resource")
    for node in walk(template.root):
        parent = node.parent
        is_method = parent is not None and parent.type == "call_expression"
        if node.type != "member_expression" or is_method or (parent and parent.type == "member_expression"):
            continue
        chain = _chain(node)
        if chain is None or chain[0] not in resources:
            continue
        table = tables().get(resources[chain[0]].subject)
        if table is not None and (wrong := _wrong_step(chain[1:], table)) is not None:
            message = f"{resources[chain[0]].subject} has no property {wrong}"
            yield at(template.path, node, "runtime-property", message)


def role_id(template: Template) -> Iterator[Finding]:
    """A GUID that is no role we mean, or another role than the name beside it says."""
    for node in walk(template.root):
        if node.type != "string" or not _GUID.fullmatch(string_value(node) or ""):
            continue
        role = ROLES.get((string_value(node) or "").lower())
        if role is None:
            yield at(
                template.path, node, "role-id", f"{string_value(node)} is not the id of a role that we know"
            )
            continue
        parent = node.parent
        if parent is not None and parent.type == "object_property":
            key = parent.named_children[0]
            named = string_value(key) if key.type == "string" else None
            if named is not None and named != role:
                yield at(template.path, node, "role-id", f"this is the id of {role}, not of {named}")


def role_assignment(template: Template) -> Iterator[Finding]:
    """A role assignment without scope (it would hold for the group), principal type or stable name."""
    for declaration in template.declared("resource").values():
        if not declaration.subject.startswith("Microsoft.Authorization/roleAssignments@"):
            continue
        if property_of(declaration.body, "scope") is None:
            message = f"{declaration.name} has no scope: it would hold for the whole group"
            yield at(template.path, declaration.node, "role-assignment", message)
        given = property_of(declaration.body, "properties")
        if property_of(given, "principalType") is None:
            message = f"{declaration.name} has no principalType: a new identity may not be found"
            yield at(template.path, declaration.node, "role-assignment", message)
        name = property_of(declaration.body, "name")
        if name is None or not text(name).startswith("guid("):
            message = f"the name of {declaration.name} is not made by guid(): a second deployment would clash"
            yield at(template.path, declaration.node, "role-assignment", message)


def scale_rules(template: Template) -> Iterator[Finding]:
    """Scale rules of the scheduler with metadata that its scaler does not know, or that are no text."""
    wanted = {"endpoint", "taskhubName", "workItemType", "maxConcurrentWorkItemsCount"}
    for node in walk(template.root):
        if node.type != "object":
            continue
        given = {key: value for _, key, value in properties(node) if key}
        kind = string_value(given["type"]) if "type" in given else None
        if kind is None or not kind.startswith("azure-durabletask"):
            continue
        if kind != "azure-durabletask-scheduler":
            yield at(template.path, given["type"], "scale-rules", f"there is no scaler {kind}")
        if "identity" not in given:
            yield at(template.path, node, "scale-rules", "the scale rule has no identity to ask with")
        listed = properties(given["metadata"]) if "metadata" in given else ()
        metadata = {key: value for _, key, value in listed if key}
        for name in sorted(wanted ^ set(metadata)):
            verb = "needs" if name in wanted else "has no"
            yield at(template.path, node, "scale-rules", f"the scaler's metadata {verb} {name}")
        for name, value in metadata.items():
            if value.type == "number":
                yield at(template.path, value, "scale-rules", f"{name} is a number; metadata are texts")


def _check(template: Template, node: Node, type_name: str, table: Table) -> Iterator[Finding]:
    """Compare a value with a type of a table, as far as both can be known without running anything."""
    type_name = re.sub(r"^(required|readonly) ", "", type_name)
    if node.type == "parenthesized_expression":
        yield from _check(template, node.named_children[0], type_name, table)
    elif node.type == "ternary_expression":
        for branch in node.named_children[1:]:
            yield from _check(template, branch, type_name, table)
    elif type_name.endswith("[]"):
        yield from _check_items(template, node, type_name[:-2], table)
    elif node.type in ("array", "for_statement") and (type_name in _LITERALS.values() or type_name in table):
        yield at(template.path, node, "schema", f"a list stands where {type_name} is expected")
    elif node.type == "object" and table.get(type_name):
        yield from _check_object(template, node, type_name, table)
    elif node.type in _LITERALS:
        yield from _check_literal(template, node, type_name, table)


def _check_items(template: Template, node: Node, item: str, table: Table) -> Iterator[Finding]:
    if node.type == "array":
        for child in node.named_children:
            if child.type == "for_statement":  # the grammar may wrap it
                yield from _check_items(template, child, item, table)
            elif child.type != "comment":
                yield from _check(template, child, item, table)
    elif node.type == "for_statement":
        yield from _check(template, node.named_children[-1], item, table)
    elif node.type == "call_expression" and call_name(node) == "concat":
        for argument in call_arguments(node):
            yield from _check(template, argument, f"{item}[]", table)
    elif node.type == "call_expression" and call_name(node) == "map":
        yield from _check(template, call_arguments(node)[1].named_children[-1], item, table)
    elif node.type in ("object", *_LITERALS):
        yield at(template.path, node, "schema", f"expected a list of {item}")


def _check_object(template: Template, node: Node, type_name: str, table: Table) -> Iterator[Finding]:
    known, given = table[type_name], set()
    for key_node, key, value in properties(node):
        if key is None:
            continue
        given.add(key)
        described = known.get(key)
        if described is None:
            near = next((name for name in known if name.lower() == key.lower()), None)
            advice = f"; write {near}" if near else ""
            yield at(template.path, key_node, "schema", f"{type_name} has no property {key}{advice}")
        elif described.startswith("readonly "):
            yield at(template.path, key_node, "schema", f"{key} of {type_name} can only be read")
        else:
            yield from _check(template, value, described, table)
    for name, described in known.items():
        if described.startswith("required ") and name not in given:
            yield at(template.path, node, "schema", f"{type_name} needs the property {name}")


def _check_literal(template: Template, node: Node, type_name: str, table: Table) -> Iterator[Finding]:
    literal = _LITERALS[node.type]
    choices = type_name.split(" | ")
    if len(choices) > 1 or (
        type_name not in ("any", "object", *_LITERALS.values()) and type_name not in table
    ):
        value = string_value(node)
        listed = [choice for choice in choices if choice not in ("string", "null")]
        if value is not None and value not in listed:
            yield at(template.path, node, "schema", f"{value!r} is none of {', '.join(listed)}")
    elif type_name in ("any", literal):
        return
    elif type_name in table or type_name in _LITERALS.values():
        yield at(template.path, node, "schema", f"a {literal} stands where {type_name} is expected")


def _chain(node: Node) -> list[str] | None:
    """`a.b[0].c` as [a, b, [0], c]; None when something else stands at its root."""
    steps: list[str] = []
    while node.type in ("member_expression", "subscript_expression"):
        steps.append("[]" if node.type == "subscript_expression" else text(node.named_children[-1]))
        node = node.named_children[0]
    return [text(node).rstrip("!"), *reversed(steps)] if node.type == "identifier" else None


def _wrong_step(steps: list[str], table: Table) -> str | None:
    """The first step that leads nowhere."""
    type_name = "resource"
    for step in steps:
        if step == "[]":
            type_name = type_name.removesuffix("[]")
            continue
        known = table.get(type_name)
        if not known:
            return None
        if step not in known and step not in ("id", "name", "type", "apiVersion"):
            return step
        type_name = re.sub(r"^(required|readonly) ", "", known.get(step, "any"))
    return None
