"""The options of `durakit dev`, in one table: flag, environment variable, default, unit and help.

The command line, its help, the docs and the tests read this table; nothing else lists options.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from durakit.cli.param_type import ParamType
from durakit.settings import LOG_FORMATS, LOG_LEVELS

Command = TypeVar("Command", bound=Callable[..., Any])


class HubNames(ParamType):
    """Names of task hubs; a variable holds several, separated by commas or blanks."""

    name = "name"

    def split_envvar_value(self, rv: str) -> list[str]:
        """Return the names that the variable's text lists."""
        return [name for name in re.split(r"[\s,]+", rv) if name]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; refuse what cannot be sent as a header."""
        if not value.strip() or not (value.isascii() and value.isprintable()):
            self.fail(f"{value!r} is not a name of printable ASCII characters.", param, ctx)
        return str(value.strip())


class BasePath(ParamType):
    """Where pages begin: empty, or segments after a slash."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the path without a slash at its end; refuse what is not a plain path."""
        path = str(value).strip().rstrip("/")
        if path and not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", path):
            self.fail(f"{value!r} is not a path such as /durakit.", param, ctx)
        return path


class RetentionText(ParamType):
    """Days, `off`, or both by status; what it means is the scheduler's affair."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text; refuse what cannot be a retention."""
        text = str(value).lower().replace(" ", "")
        part = r"([a-z]+=)?(\d+(\.\d+)?|off)"
        if not re.fullmatch(f"{part}(,{part})*", text):
            self.fail(f"{value!r} is neither days, such as 30, nor off, nor 30,failed=90.", param, ctx)
        return text


@dataclass(frozen=True)
class Option:
    """One thing that can be set."""

    flag: str | None
    """As written on the command line; None: only by variable, because others can read command lines."""
    variable: str
    """Its environment variable."""
    default: Any
    """What holds when nobody sets it."""
    help: str
    """What it does, in one or two sentences."""
    type: click.ParamType[Any] | None = None
    """How its text is read; None: it is a switch."""
    unit: str | None = None
    """What the value counts or names, as the help shows it."""
    repeatable: bool = False
    aliases: tuple[str, ...] = ()
    """Variables of other programs that mean the same."""

    @property
    def name(self) -> str:
        """Its field in `DevOptions`."""
        return (self.flag or self.variable.removeprefix("DURAKIT_")).lstrip("-").replace("-", "_").lower()


_PORT = click.IntRange(0, 65535)

OPTIONS = (
    Option(
        "--host",
        "DURAKIT_HOST",
        "127.0.0.1",
        "Address to listen on. Anything but loopback needs a token, or --insecure.",
        click.STRING,
        "ADDRESS",
    ),
    Option(
        "--grpc-port",
        "DURAKIT_GRPC_PORT",
        8080,
        "Port for workers and clients; 0 chooses a free one.",
        _PORT,
        "PORT",
    ),
    Option(
        "--dashboard-port",
        "DURAKIT_DASHBOARD_PORT",
        8082,
        "Port of the dashboard; 0 chooses a free one.",
        _PORT,
        "PORT",
    ),
    Option(
        "--db",
        "DURAKIT_DB",
        Path(".durakit/scheduler.db"),
        "File that keeps everything; made when missing.",
        click.Path(path_type=Path),
        "FILE",
    ),
    Option("--in-memory", "DURAKIT_IN_MEMORY", False, "Keep everything in memory; it is gone at the end."),
    Option(
        "--task-hub",
        "DURAKIT_TASK_HUB",
        ("default",),
        "Task hub to make at the start; repeatable, in the variable separated by commas. "
        "Others are made on first use.",
        HubNames(),
        "NAME",
        repeatable=True,
        aliases=("DTS_TASK_HUB_NAMES",),
    ),
    Option("--headless", "DURAKIT_HEADLESS", False, "No dashboard."),
    Option("--read-only", "DURAKIT_READ_ONLY", False, "The dashboard shows everything and changes nothing."),
    Option(
        "--base-path",
        "DURAKIT_BASE_PATH",
        "",
        "Where the dashboard's pages begin behind a proxy, such as /durakit.",
        BasePath(),
        "PATH",
    ),
    Option(
        "--limits",
        "DURAKIT_LIMITS",
        "azure",
        "Enforce the limits of the Azure scheduler, or none.",
        click.Choice(("azure", "off"), case_sensitive=False),
    ),
    Option(
        "--activity-grace",
        "DURAKIT_ACTIVITY_GRACE",
        5.0,
        "How long the activities of a worker that left may still report before another gets them.",
        click.FloatRange(0, 86_400),
        "SECONDS",
    ),
    Option(
        "--retention",
        "DURAKIT_RETENTION",
        "30",
        "How long ended instances are kept before they are purged: days, or off; 30,failed=90 tells "
        "statuses apart.",
        RetentionText(),
        "DAYS",
    ),
    Option(
        "--log-format",
        "DURAKIT_LOG_FORMAT",
        "text",
        "Form of the ready line (stdout) and of log lines (stderr).",
        click.Choice(LOG_FORMATS, case_sensitive=False),
    ),
    Option(
        "--log-level",
        "DURAKIT_LOG_LEVEL",
        "info",
        "Least level that is logged.",
        click.Choice(LOG_LEVELS, case_sensitive=False),
    ),
    Option(
        "--token-file",
        "DURAKIT_TOKEN_FILE",
        None,
        "File with the token that workers, clients and the dashboard's visitors must have.",
        click.Path(path_type=Path),
        "FILE",
    ),
    Option(None, "DURAKIT_TOKEN", None, "The token itself; the SDK reads the same variable."),
    Option("--insecure", "DURAKIT_INSECURE", False, "Let everyone in who can reach --host, without a token."),
)


@dataclass(frozen=True)
class DevOptions:
    """What `durakit dev` was asked for; fields are those of `OPTIONS`."""

    host: str
    grpc_port: int
    dashboard_port: int
    db: Path
    in_memory: bool
    task_hub: tuple[str, ...]
    headless: bool
    read_only: bool
    base_path: str
    limits: str
    activity_grace: float
    retention: str
    log_format: str
    log_level: str
    token_file: Path | None
    token: str | None
    insecure: bool


def dev_options(command: Command) -> Command:
    """Give a command every option of the table that has a flag."""
    for option in reversed(OPTIONS):
        if option.flag is not None:
            command = _click_option(option)(command)
    return command


def read(values: Mapping[str, Any], environment: Mapping[str, str]) -> DevOptions:
    """Return the options from click's values, and from the environment what has no flag."""
    hidden = {option.name: environment.get(option.variable) for option in OPTIONS if option.flag is None}
    return DevOptions(**{**values, **hidden})


def _click_option(option: Option) -> Callable[[Command], Command]:
    assert option.flag is not None
    return click.option(
        option.flag,
        option.name,
        default=option.default,
        envvar=[option.variable, *option.aliases],
        is_flag=option.type is None,
        type=option.type,
        multiple=option.repeatable,
        metavar=option.unit,
        show_default=option.type is not None and option.default is not None,
        show_envvar=True,
        help=option.help,
    )
