"""Checks source that a test writes down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

from durakit.check import Result, check_files

Check = Callable[..., Result]

HEAD = "from durakit.task import OrchestrationContext, ActivityContext, when_all, when_any\n"
"""One line, so that the first line of a test's own source has number 2."""


def check_source(folder: Path, source: str, *names: str, **others: str) -> Result:
    """Check a file `flow.py` of that source, after `HEAD`, together with other files by module name."""
    files = {"flow": HEAD + dedent(source).lstrip("\n"), **others}
    paths = []
    for name, text in files.items():
        path = folder / f"{name}.py"
        path.write_text(dedent(text), "utf-8")
        paths.append(path)
    return check_files(paths, names)


def orchestrator(body: str, *, before: str = "", kind: str = "async def") -> str:
    """The source of an orchestrator with that body."""
    return (
        f"{dedent(before)}\n{kind} flow(ctx: OrchestrationContext, given):\n{indent(dedent(body), '    ')}\n"
    )


def rules(result: Result) -> list[str]:
    """The rules that were broken, in order of lines."""
    return [finding.rule for finding in result.findings]
