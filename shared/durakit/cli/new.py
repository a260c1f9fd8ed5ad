"""`durakit new`: a pattern as the beginning of a project of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from durakit.program import EXIT_FAILED

_EPILOG = """
\b
Examples:
  durakit new --list                      which patterns there are
  durakit new function_chaining reports   a project in the new folder reports
  durakit new saga .                      in this folder, if it is empty

The project needs nothing of where it came from: durakit itself is in its folder vendor.

Exit codes: 0 done, 1 failed (one line on stderr says why), 2 wrong usage, 130 Ctrl-C.
"""


@click.command("new", epilog=_EPILOG, short_help="Begin a project from a pattern.")
@click.argument("pattern", required=False)
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("--list", "wants_list", is_flag=True, help="List the patterns and end.")
@click.pass_context
def command(context: click.Context, pattern: str | None, directory: Path | None, *, wants_list: bool) -> None:
    """Begin a project from a PATTERN in DIRECTORY, which is made and must be empty."""
    from durakit.templates import CannotMake, find_templates, make_project

    try:
        templates = find_templates()
        if wants_list:
            width = max(map(len, templates), default=0)
            for template in templates.values():
                click.echo(f"{template.name:{width}}  {template.purpose}")
            return
        if pattern is None or directory is None:
            raise click.UsageError("Name a pattern and a directory, or use --list.", context)
        click.echo(make_project(pattern, directory))
    except CannotMake as problem:
        click.echo(f"durakit new: {problem}", err=True)
        context.exit(EXIT_FAILED)
