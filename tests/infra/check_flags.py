"""Holds the stand-in's table of flags against azure-cli's own parser. No test: azure-cli has 700 MB.

    python3 -m venv /tmp/az && /tmp/az/bin/pip install azure-cli
    AZURE_CONFIG_DIR=/tmp/az/config /tmp/az/bin/python tests/infra/check_flags.py

Needs neither login nor network. Commands of extensions (durabletask, log-analytics) are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

# mypy: disable-error-code="import-untyped,import-not-found"
from azure.cli.core import get_default_cli
from azure.cli.core.commands.events import EVENT_INVOKER_PRE_LOAD_ARGUMENTS
from stub_az import OF_EXTENSIONS, TABLE

SAMPLES = {
    "assignee-principal-type": "User",
    "ids": "/subscriptions/s/resourceGroups/g/providers/a.b/c/d",
    "method": "get",
    "parameters": "a=b",
    "tags": "a=b",
}


def calls() -> Iterator[tuple[str, list[str]]]:
    """Every command of the table with all of its flags."""
    for name, command in TABLE.items():
        if not name.startswith(tuple(OF_EXTENSIONS)):
            words = name.split() + ["."] * command.positional
            for flag in f"{command.required} {command.optional}".split():
                words += [f"--{flag}", SAMPLES.get(flag, "value")]
            words += [f"--{flag}" for flag in command.switches.split()]
            words += ["--subscription", "s"] if command.in_subscription else []
            yield name, [*words, "--query", "[]", "--output", "none"]


def is_accepted(name: str, words: list[str]) -> bool:
    """Whether azure-cli takes the call; it says on stderr why not."""
    cli = get_default_cli()
    call = cli.invocation_cls(
        cli_ctx=cli,
        parser_cls=cli.parser_cls,
        commands_loader_cls=cli.commands_loader_cls,
        help_cls=cli.help_cls,
    )
    cli.invocation = call
    call.data["command_string"] = " ".join(words)
    loader = call.commands_loader
    loader.load_command_table(words)
    if name not in loader.command_table:
        return False
    loader.command_name = name
    cli.raise_event(EVENT_INVOKER_PRE_LOAD_ARGUMENTS, commands_loader=loader)
    loader.load_arguments(name)
    loader._update_command_definitions()
    call.parser.load_command_table(loader)
    try:
        call.parser.parse_args(words)
    except SystemExit:
        return False
    return True


if __name__ == "__main__":
    refused = [name for name, words in calls() if not is_accepted(name, words)]
    sys.stdout.write(f"{len(list(calls()))} commands, refused: {refused or 'none'}\n")
    sys.exit(bool(refused))
