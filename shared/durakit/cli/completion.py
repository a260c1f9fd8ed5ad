"""`durakit completion`: the line of set-up after which a shell completes commands, options and ids."""

from __future__ import annotations

import click

_EPILOG = """
\b
Examples:
  source <(durakit completion bash)             in ~/.bashrc
  source <(durakit completion zsh)              in ~/.zshrc, after compinit
  durakit completion fish > ~/.config/fish/completions/durakit.fish

Ids of instances and names of orchestrations are asked from the scheduler, for a second at most.

Exit codes: 0 done, 2 wrong usage.
"""


@click.command("completion", epilog=_EPILOG, short_help="Print the set-up of shell completion.")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print what SHELL must read once to complete durakit's commands, options and ids."""
    from click.shell_completion import get_completion_class

    made = get_completion_class(shell)
    assert made is not None, "click knows the three shells"
    root = context.find_root()
    source = made(root.command, {}, "durakit", "_DURAKIT_COMPLETE")
    # Not source(): click looks there for the bash on this machine and warns into the script's own output.
    click.echo(source.source_template % source.source_vars())
