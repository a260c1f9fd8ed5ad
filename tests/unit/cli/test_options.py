from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from durakit.cli import options as option_table
from durakit.cli.commands import dev
from durakit.cli.options import OPTIONS, DevOptions, Option


def parsed(*arguments: str, **environment: str) -> DevOptions:
    """Return what a command with the options of the table was given."""
    found: list[DevOptions] = []

    @click.command()
    @option_table.dev_options
    def command(**values: Any) -> None:
        found.append(option_table.read(values, environment))

    result = CliRunner().invoke(command, arguments, env=environment)
    assert result.exit_code == 0, result.output
    return found[0]


def test_defaults_are_those_of_the_emulator_on_loopback() -> None:
    assert parsed() == DevOptions(
        host="127.0.0.1",
        grpc_port=8080,
        dashboard_port=8082,
        db=Path(".durakit/scheduler.db"),
        in_memory=False,
        task_hub=("default",),
        headless=False,
        read_only=False,
        base_path="",
        limits="azure",
        activity_grace=5.0,
        retention="30",
        log_format="text",
        log_level="info",
        token_file=None,
        token=None,
        insecure=False,
    )


def test_every_field_has_its_option_and_every_option_its_field() -> None:
    fields = {field.name for field in dataclasses.fields(DevOptions)}

    assert {option.name for option in OPTIONS} == fields


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.variable)
def test_the_help_names_every_option_and_variable(option: Option) -> None:
    text = CliRunner().invoke(dev, ["--help"]).output

    assert option.variable in text
    assert option.flag is None or f"  {option.flag}" in text


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.variable)
def test_variables_are_named_after_their_flags(option: Option) -> None:
    assert option.variable == f"DURAKIT_{option.name.upper()}"


def test_each_option_can_come_from_its_variable() -> None:
    options = parsed(
        DURAKIT_HOST="::1",
        DURAKIT_GRPC_PORT="0",
        DURAKIT_DASHBOARD_PORT="9000",
        DURAKIT_DB="/data/x.db",
        DURAKIT_IN_MEMORY="1",
        DURAKIT_TASK_HUB="orders, mail",
        DURAKIT_HEADLESS="true",
        DURAKIT_READ_ONLY="1",
        DURAKIT_BASE_PATH="/durakit/",
        DURAKIT_LIMITS="off",
        DURAKIT_ACTIVITY_GRACE="0.5",
        DURAKIT_RETENTION="7, failed=OFF",
        DURAKIT_LOG_FORMAT="json",
        DURAKIT_LOG_LEVEL="DEBUG",
        DURAKIT_TOKEN_FILE="/run/token",
        DURAKIT_TOKEN="s3cret",
        DURAKIT_INSECURE="yes",
    )

    assert options == DevOptions(
        host="::1",
        grpc_port=0,
        dashboard_port=9000,
        db=Path("/data/x.db"),
        in_memory=True,
        task_hub=("orders", "mail"),
        headless=True,
        read_only=True,
        base_path="/durakit",
        limits="off",
        activity_grace=0.5,
        retention="7,failed=off",
        log_format="json",
        log_level="debug",
        token_file=Path("/run/token"),
        token="s3cret",
        insecure=True,
    )


def test_the_command_line_wins_over_variables() -> None:
    options = parsed("--grpc-port", "9001", "--task-hub", "a", "--task-hub", "b", DURAKIT_GRPC_PORT="9000")

    assert (options.grpc_port, options.task_hub) == (9001, ("a", "b"))


def test_the_emulators_variable_for_task_hubs_is_understood() -> None:
    assert parsed(DTS_TASK_HUB_NAMES="one,two").task_hub == ("one", "two")
