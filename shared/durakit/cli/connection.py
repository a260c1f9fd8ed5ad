"""The scheduler that a command talks to, and how what goes wrong becomes one line and an exit code."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from durakit.cli.output import Output, output_option
from durakit.cli.refusal import Refused, WrongUsage
from durakit.program import EXIT_FAILED

if TYPE_CHECKING:
    from durakit.client.aio import AsyncTaskHubGrpcClient
    from durakit.dashboard.backend import BackendError
    from durakit.dashboard.remote.backend import RemoteBackend

EXIT_TIMEOUT = 3
EXIT_NOT_FOUND = 4
EXIT_NO_ANSWER = 5

EXIT_CODES = """\
Exit codes: 0 done (wait, watch, start --wait: completed), 1 failed (also: the instance failed or was
terminated), 2 wrong usage, 3 time is over, 4 no such instance, 5 the scheduler gives no answer or does not
let us in, 130 Ctrl-C. But for 0, one line on stderr says why."""

_EXIT_OF_TROUBLE = {"not_found": EXIT_NOT_FOUND, "unavailable": EXIT_NO_ANSWER, "denied": EXIT_NO_ANSWER}


class CannotDo(Refused):
    """It cannot be done; `exit_code` says to scripts what kind of reason it was."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Target:
    """The options that name a scheduler; what is None comes from environment, `.env` or defaults."""

    endpoint: str | None = None
    taskhub: str | None = None


@dataclass(frozen=True)
class Session:
    """A connection to one hub.

    Attributes:
        backend: reads and acts, as the dashboard does for an endpoint.
        client: for waiting.
        now: the time in nanoseconds since 1970.
    """

    backend: RemoteBackend
    client: AsyncTaskHubGrpcClient
    hub: str
    endpoint: str
    now: Callable[[], int] = time.time_ns


@asynccontextmanager
async def open_session(target: Target) -> AsyncIterator[Session]:
    """Connect as the settings say; nothing is sent yet.

    Raises:
        SettingsError: the settings cannot be used.
    """
    from durakit.cli.informed import backend_for
    from durakit.settings import load_settings, read_dotenv
    from durakit.setup import connect_async

    given = {"endpoint": target.endpoint, "taskhub": target.taskhub}
    settings = load_settings(given, dotenv=read_dotenv())
    client = connect_async(endpoint=target.endpoint, taskhub=target.taskhub)
    backend = backend_for(client, settings.taskhub, settings.endpoint)
    try:
        yield Session(backend, client, settings.taskhub, settings.endpoint)
    finally:
        await backend.close()


def endpoint_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--endpoint` and `--taskhub`."""
    for option in (
        click.option(
            "--taskhub", "--task-hub", "taskhub", metavar="NAME", help="Task hub; by default TASKHUB."
        ),
        click.option("--endpoint", metavar="URL", help="The scheduler's address; by default ENDPOINT."),
    ):
        command = option(command)
    return command


def scheduler_command(
    function: Callable[..., Awaitable[int | None]],
) -> Callable[..., None]:
    """Make a command of a coroutine function that takes a session and an output, then its own options.

    It gets `--endpoint`, `--taskhub` and `-o`; the number it returns is the exit code.
    """

    @functools.wraps(function)
    def call(
        context: click.Context, /, endpoint: str | None, taskhub: str | None, output: str, **values: Any
    ) -> None:
        async def work() -> int | None:
            async with open_session(Target(endpoint, taskhub)) as session:
                return await function(session, Output(output), **values)

        report(context, lambda: asyncio.run(work()))

    return click.pass_context(endpoint_options(output_option(call)))


def report(context: click.Context, work: Callable[[], int | None]) -> None:
    """Do the work of a command; say on one line of stderr why it cannot be done, and exit accordingly."""
    from durakit.dashboard.backend import BackendError
    from durakit.dashboard.text import visible
    from durakit.errors import DurakitError

    try:
        code = work()
    except (Refused, BackendError, DurakitError) as problem:
        click.echo(f"{context.command_path}: {visible(str(problem))}", err=True)
        code = exit_code_of(problem)
    if code:
        context.exit(code)


def exit_code_of(problem: Refused | BackendError | Exception) -> int:
    """Return what an error means to scripts."""
    from durakit.dashboard.backend import BackendError
    from durakit.dashboard.remote.troubles import trouble_of
    from durakit.errors import DurakitError, SettingsError, WaitTimeoutError

    if isinstance(problem, Refused):
        return problem.exit_code
    if isinstance(problem, SettingsError):
        return WrongUsage.exit_code
    if isinstance(problem, WaitTimeoutError):
        return EXIT_TIMEOUT
    if isinstance(problem, BackendError):
        return _EXIT_OF_TROUBLE.get(problem.trouble, EXIT_FAILED)
    assert isinstance(problem, DurakitError)
    return _EXIT_OF_TROUBLE.get(trouble_of(problem), EXIT_FAILED)
