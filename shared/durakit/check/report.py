"""What a check found, as text for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

from durakit.check.checker import Finding, Result

JSON_VERSION = 1


def as_text(result: Result) -> str:
    """One line for each finding, and a last one that sums up."""
    lines = [f"{item.path}:{item.line}: not checked: {item.reason}" for item in result.unreadable]
    lines += [_line(finding) for finding in result.findings]
    lines.append(summary(result))
    return "\n".join(lines)


def as_json(result: Result) -> str:
    """All of it as one JSON object."""
    data = {
        "version": JSON_VERSION,
        "files": result.files,
        "orchestrators": result.orchestrators,
        "findings": [{**asdict(finding), "path": str(finding.path)} for finding in result.findings],
        "unreadable": [{**asdict(item), "path": str(item.path)} for item in result.unreadable],
    }
    return json.dumps(data, indent=2, ensure_ascii=False)


def summary(result: Result) -> str:
    """How much was checked, and how it went."""
    found = _count(len(result.findings), "finding") if result.findings else "No findings"
    checked = f"{_count(result.orchestrators, 'orchestrator')} in {_count(result.files, 'file')} checked"
    return f"{found}; {checked}."


def _line(finding: Finding) -> str:
    where = f"{finding.path}:{finding.line}:{finding.column}"
    whose = f" (orchestrator {finding.orchestrator}" if finding.orchestrator else ""
    if whose:
        whose += f", in {finding.helper})" if finding.helper else ")"
    return f"{where}: {finding.rule}: {finding.message}. {finding.instead}{whose}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
