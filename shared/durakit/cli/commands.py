"""The commands of `durakit`: arguments in, one call each, refusals as one line and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource

from durakit._version import __version__
from durakit.cli import options as option_table
from durakit.cli.refusal import Refused, WrongUsage
from durakit.program import EXIT_USAGE, say

EXIT_OK = 0

_EXIT_CODES = "Exit codes: 0 done, 1 failed (one line on stderr says why), 2 wrong usage, 130 Ctrl-C."

_DEV_EPILOG = f"""
\b
Examples:
  durakit dev                                    ports 8080 and 8082, data in .durakit/scheduler.db
  durakit dev --in-memory                        nothing is kept
  durakit dev --grpc-port 0 --dashboard-port 0   free ports; the ready line tells which
  durakit dev --task-hub orders --task-hub mail  two hubs from the start
  DURAKIT_TOKEN=... durakit dev --host 0.0.0.0   for other machines; they set the same DURAKIT_TOKEN
  durakit dev --log-format json | jq .grpc       for scripts

DURAKIT_TOKEN has no option, because others can read command lines.

SIGTERM or Ctrl-C lets calls under way finish and ends with 0; a second one, a second later, ends at once.

{_EXIT_CODES}
"""

_WAIT_EPILOG = f"""
\b
Examples:
  durakit wait-ready                                     the scheduler at ENDPOINT, or on this machine
  durakit wait-ready --endpoint http://build:8080 --timeout 5
  durakit dev & durakit wait-ready && python client.py   in a script, instead of sleeping

{_EXIT_CODES}
"""


LAZY = {
    "check": "durakit.cli.check",
    "completion": "durakit.cli.completion",
    "dashboard": "durakit.cli.dashboard",
    "hubs": "durakit.cli.hubs",
    "instances": "durakit.cli.instances",
    "new": "durakit.cli.new",
    "workers": "durakit.cli.workers",
}
"""Commands in modules of their own, each as `command` there; they load when they are called."""


class LazyGroup(click.Group):
    """A group that also has the commands of `LAZY`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted((*super().list_commands(ctx), *LAZY))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in LAZY:
            return super().get_command(ctx, cmd_name)
        command: click.Command = import_module(LAZY[cmd_name]).command
        return command


@click.group(
    cls=LazyGroup,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"Exit codes of all commands: {_EXIT_CODES.partition(': ')[2]} Some have more; see their --help.",
)
@click.version_option(__version__, message="durakit %(version)s")
def cli() -> None:
    """Durable orchestrations in ordinary Python: the embedded scheduler and its tools."""


@cli.command(epilog=_DEV_EPILOG, short_help="Run the embedded scheduler and its dashboard.")
@option_table.dev_options
@click.pass_context
def dev(context: click.Context, /, **values: Any) -> None:
    """Run the embedded scheduler and its dashboard.

    Prints one line on stdout when it is ready; logs go to stderr. All data is in one SQLite file, so what
    was accepted goes on after a restart. Each option may come from its environment variable.
    """
    try:
        _settle_place(context, values)
        from durakit.cli.dev import run_scheduler

        run_scheduler(option_table.read(values, os.environ))
    except Refused as refused:
        say(values["log_format"], f"durakit dev: {refused}", level="error", message=str(refused))
        context.exit(refused.exit_code)


def _settle_place(context: click.Context, values: dict[str, Any]) -> None:
    """Let --db or --in-memory win over the other one's variable; refuse both from the same source."""
    given = {name: context.get_parameter_source(name) for name in ("db", "in_memory")}
    if not values["in_memory"] or given["db"] == ParameterSource.DEFAULT:
        return
    if given["db"] == given["in_memory"]:
        raise WrongUsage("--db keeps the data in a file and --in-memory keeps none. Give one of them.")
    if given["db"] == ParameterSource.COMMANDLINE:
        values["in_memory"] = False


@cli.command("wait-ready", epilog=_WAIT_EPILOG, short_help="Wait until a scheduler answers.")
@click.option(
    "--endpoint", metavar="URL", help="Its address; by default ENDPOINT, from the environment or .env."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    default=30.0,
    metavar="SECONDS",
    show_default=True,
    help="How long.",
)
@click.pass_context
def wait_ready(context: click.Context, /, endpoint: str | None, timeout: float) -> None:
    """Wait until the scheduler answers: the embedded one, the emulator or the one in Azure."""
    from durakit.cli.wait_ready import wait_until_ready

    try:
        click.echo(wait_until_ready(endpoint, timeout))
    except Refused as refused:
        click.echo(f"durakit wait-ready: {refused}", err=True)
        context.exit(refused.exit_code)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        code = cli.main(arguments, prog_name="durakit", standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "durakit"
        sys.stderr.write(f"{command}: {error.format_message()} See {command} --help.\n")
        return EXIT_USAGE
    except click.Abort:
        return 128 + signal.SIGINT
    return code if isinstance(code, int) else EXIT_OK
