"""All rules, and how a folder is checked with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from infra.check import modules, names, resources
from infra.check.findings import Finding, at
from infra.check.syntax import Template, text, walk


def syntax(template: Template) -> Iterator[Finding]:
    """What cannot be read. The other rules then say nothing, because half a tree misleads them."""
    for node in walk(template.root):
        if node.is_missing:
            yield at(template.path, node, "syntax", f"{node.type} is missing here")
        elif node.type == "ERROR" and not (node.parent and node.parent.type == "ERROR"):
            words = text(node).split("\n")[0][:60]
            yield at(template.path, node, "syntax", f"cannot be read: {words!r}")


def target_scope(template: Template) -> Iterator[Finding]:
    """A target scope that does not exist."""
    scopes = ("resourceGroup", "subscription", "managementGroup", "tenant")
    if template.scope not in scopes:
        yield at(
            template.path, template.root, "target-scope", f"{template.scope!r} is none of {', '.join(scopes)}"
        )


#: Rules about one template.
_ALONE: tuple[Callable[[Template], Iterator[Finding]], ...] = (
    target_scope,
    names.undefined_name,
    names.unused_name,
    names.duplicate_name,
    names.cycle,
    names.unknown_function,
    names.unknown_decorator,
    names.duplicate_key,
    names.layout,
    names.undescribed,
    modules.default_value,
    modules.secret_output,
    modules.parameter_file,
    resources.api_version,
    resources.missing_name,
    resources.schema,
    resources.runtime_property,
    resources.role_id,
    resources.role_assignment,
    resources.scale_rules,
)
#: Rules about a template and those it names.
_TOGETHER: tuple[Callable[[Template, Mapping[Path, Template]], Iterator[Finding]], ...] = (
    modules.module_path,
    modules.module_params,
    modules.module_outputs,
)

#: Each rule's name and what it finds.
RULES = {
    rule.__name__.replace("_", "-"): (rule.__doc__ or "").strip().split("\n")[0]
    for rule in (syntax, *_ALONE, *_TOGETHER)
}


def check_folder(folder: Path) -> list[Finding]:
    """What is wrong with the templates in a folder and below, in order of place."""
    templates = {path: Template(path, path.read_bytes()) for path in sorted(folder.rglob("*.bicep"))}
    findings: set[Finding] = set()
    for template in templates.values():
        unreadable = set(syntax(template))
        findings |= unreadable
        if unreadable:
            continue
        for rule in _ALONE:
            findings |= set(rule(template))
        for joint in _TOGETHER:
            findings |= set(joint(template, templates))
    return sorted(findings)
