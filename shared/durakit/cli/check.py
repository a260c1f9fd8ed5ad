"""`durakit check`: what in orchestrators a replay would not repeat, told before it happens."""

from __future__ import annotations

from pathlib import Path

import click

from durakit.check.rules import RULES
from durakit.program import EXIT_USAGE

EXIT_FINDINGS = 1

_WIDTH = max(map(len, RULES))
_EPILOG = f"""
\b
Examples:
  durakit check                     everything below this folder
  durakit check workflow.py worker.py
  durakit check src -o json         for programs

A line with the comment `# durakit: ignore[rule]` is let pass for that rule, with `# durakit: ignore` for
all. Orchestrators are functions with a parameter annotated OrchestrationContext, and those that the checked
files register or start; name others with --orchestrator.

\b
Rules, and what to do instead:
{chr(10).join(f"  {rule.name:{_WIDTH}}  {rule.instead}" for rule in RULES.values())}

Exit codes: 0 nothing found, 1 findings, 2 wrong usage or a file that cannot be read as Python.
"""


@click.command("check", epilog=_EPILOG, short_help="Find what makes orchestrators non-deterministic.")
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "output_format",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Form of the output.",
)
@click.option(
    "--orchestrator",
    "orchestrators",
    multiple=True,
    metavar="NAME",
    help="A function that is an orchestrator although nothing in the files says so; repeatable.",
)
@click.pass_context
def command(
    context: click.Context, paths: tuple[Path, ...], output_format: str, orchestrators: tuple[str, ...]
) -> None:
    """Find in orchestrators, and in the helpers they call, what a replay would not repeat.

    Clock, chance, files, network, threads, environment, global state, tasks that nobody awaits. PATHs are
    files and folders, by default this folder. They are only read; nothing of them is imported or run.
    """
    from durakit.check import as_json, as_text, check_files, python_files

    try:
        files = list(python_files(paths or [Path()]))
    except FileNotFoundError as problem:
        raise click.UsageError(str(problem), context) from None
    if not files:
        raise click.UsageError(f"No Python files in {' '.join(map(str, paths)) or 'this folder'}.", context)
    result = check_files(files, orchestrators)
    click.echo(as_json(result) if output_format == "json" else as_text(result))
    if not result.orchestrators:
        click.echo(
            "durakit check: No orchestrator was found, so nothing was checked. Annotate its context as "
            "OrchestrationContext, check the file that registers it too, or name it with --orchestrator.",
            err=True,
        )
    if result.unreadable:
        context.exit(EXIT_USAGE)
    if result.findings:
        context.exit(EXIT_FINDINGS)
