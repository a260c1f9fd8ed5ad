"""What templates say about each other: module files, parameters, outputs; and the parameter file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from infra.check.findings import Finding, at
from infra.check.syntax import Declaration, Template, properties, property_of, string_value, text, walk

if TYPE_CHECKING:
    from tree_sitter import Node

Templates = Mapping[Path, Template]


def module_path(template: Template, templates: Templates) -> Iterator[Finding]:
    """A module whose file is not there, in just this spelling: some disks tell case apart."""
    for declaration in template.declared("module").values():
        if _target(template, declaration, templates) is None:
            message = f"there is no template {declaration.subject}"
            yield at(template.path, declaration.node, "module-path", message)


def module_params(template: Template, templates: Templates) -> Iterator[Finding]:
    """A module lacks a parameter, has one that is not declared, or a value that is not allowed."""
    for declaration in template.declared("module").values():
        target = _target(template, declaration, templates)
        if target is None:
            continue
        declared = target.declared("param")
        given_node = property_of(declaration.body, "params")
        given = list(properties(given_node)) if given_node is not None else []
        for key_node, key, value in given:
            if key not in declared:
                message = f"{declaration.subject} has no parameter {key}"
                yield at(template.path, key_node, "module-params", message)
            else:
                yield from _not_allowed(template, declared[key], value)
        for name in sorted(required(target) - {key for _, key, _ in given if key}):
            message = f"{declaration.subject} needs the parameter {name}"
            yield at(template.path, declaration.node, "module-params", message)


def module_outputs(template: Template, templates: Templates) -> Iterator[Finding]:
    """An output is read that the module does not have."""
    modules = template.declared("module")
    for node in walk(template.root):
        if node.type != "member_expression":
            continue
        match = re.fullmatch(r"(\w+)(?:\[[^\]]*\])?!?\.\??(\w+)(?:\.\??(\w+))?", text(node))
        if match is None or match[1] not in modules:
            continue
        if match[2] not in ("outputs", "name"):
            message = f"a module has outputs, and no {match[2]}"
            yield at(template.path, node, "module-outputs", message)
            continue
        target = _target(template, modules[match[1]], templates)
        if target is not None and match[3] and match[3] not in target.declared("output"):
            message = f"{modules[match[1]].subject} has no output {match[3]}"
            yield at(template.path, node, "module-outputs", message)


def secret_output(template: Template) -> Iterator[Finding]:
    """An output that shows a key or a secure parameter: outputs stay readable in the deployment's history."""
    for declaration in template.declared("output").values():
        written = text(declaration.value) if declaration.value is not None else ""
        secure = [
            name
            for name, each in template.declared("param").items()
            if any(text(node).startswith("@secure") for node in each.decorators)
        ]
        words = {text(node) for node in walk(declaration.node) if node.type == "identifier"}
        leaks = re.search(r"\blist[A-Z]\w*\(|connectionstring|instrumentationkey|password", written, re.I)
        if leaks or words & set(secure):
            message = f"the output {declaration.name} shows a secret"
            yield at(template.path, declaration.node, "secret-output", message)


def default_value(template: Template) -> Iterator[Finding]:
    """A parameter's default is of another type than declared, or not among the allowed values."""
    for parameter in template.declared("param").values():
        if parameter.value is not None:
            yield from _not_allowed(template, parameter, parameter.value, "default-value")


def parameter_file(template: Template) -> Iterator[Finding]:
    """The parameter file beside a template: unknown, missing or unfitting values."""
    path = template.path.with_suffix(".parameters.json")
    if not path.exists():
        return
    given = json.loads(path.read_text(encoding="utf-8"))["parameters"]
    declared = template.declared("param")
    rule = "parameter-file"
    for name, entry in given.items():
        if name not in declared:
            yield Finding(path, 0, 0, rule, f"{template.path.name} has no parameter {name}")
            continue
        value = entry["value"]
        match = re.fullmatch(r"\$\{\w+=(.*)\}", value) if isinstance(value, str) else None
        fallback = match[1] if match else None
        if fallback is not None and not _fits(fallback, declared[name]):
            yield Finding(path, 0, 0, rule, f"{name} has the default {fallback!r}, which does not fit")
    for name in sorted(required(template) - set(given)):
        yield Finding(path, 0, 0, rule, f"the parameter {name} has no value")


def required(template: Template) -> set[str]:
    """The parameters that have no default and are not nullable."""
    return {
        name
        for name, each in template.declared("param").items()
        if each.value is None and not each.type_text.endswith("?")
    }


def allowed_values(parameter: Declaration) -> list[str] | None:
    """What @allowed lists; None when anything goes."""
    for node in parameter.decorators:
        if text(node).startswith("@allowed"):
            return [value for each in walk(node) if (value := string_value(each)) is not None]
    return None


def _fits(value: str, parameter: Declaration) -> bool:
    if parameter.type_text == "bool":
        return value in ("true", "false")
    if parameter.type_text == "int":
        return re.fullmatch(r"-?\d+", value) is not None
    allowed = allowed_values(parameter)
    return allowed is None or value in allowed


def _not_allowed(
    template: Template, parameter: Declaration, value: Node, rule: str = "module-params"
) -> Iterator[Finding]:
    allowed, given = allowed_values(parameter), string_value(value)
    literal = {"string": "string", "number": "int", "boolean": "bool", "object": "object", "array": "array"}
    kind, wanted = literal.get(value.type), parameter.type_text.rstrip("?")
    if allowed is not None and given is not None and given not in allowed:
        message = f"{parameter.name} is {given!r}; allowed are {', '.join(allowed)}"
        yield at(template.path, value, rule, message)
    elif kind is not None and wanted in literal.values() and kind != wanted:
        yield at(template.path, value, rule, f"{parameter.name} is a {wanted}, not a {kind}")


def _target(template: Template, declaration: Declaration, templates: Templates) -> Template | None:
    path = template.path.parent / declaration.subject
    return templates.get(Path(*_normal(path)))


def _normal(path: Path) -> list[str]:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return parts
