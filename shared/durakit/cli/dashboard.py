"""`durakit dashboard`: the pages for any scheduler, over gRPC: on this machine, in a container, in Azure."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from durakit.cli import ports
from durakit.cli.access import is_loopback
from durakit.cli.extras import missing_dashboard_module, missing_extra
from durakit.cli.options import BasePath, HubNames
from durakit.cli.refusal import Refused, WrongUsage
from durakit.program import StopSignals, configure_logging, say
from durakit.settings import LOG_FORMATS, LOG_LEVELS

if TYPE_CHECKING:
    from durakit.dashboard.remote.backend import RemoteBackend

_EPILOG = """
\b
Examples:
  durakit dashboard                                        ENDPOINT and TASKHUB, from the environment or .env
  durakit dashboard --endpoint https://mine.westus2.durabletask.io --task-hub orders
  durakit dashboard --endpoint http://build:8080 --task-hub orders --task-hub mail --read-only

Logs in as the SDK does: DURAKIT_TOKEN for a scheduler that asks for one, Entra ID for Azure.
DURAKIT_TOKEN is what visitors need, too; without it the pages are for this machine only.

Exit codes: 0 done, 1 failed (one line on stderr says why), 2 wrong usage, 130 Ctrl-C.
"""


@dataclass(frozen=True)
class DashboardOptions:
    """What `durakit dashboard` was asked for."""

    endpoint: str | None
    task_hub: tuple[str, ...]
    host: str
    port: int
    read_only: bool
    base_path: str
    insecure: bool
    log_format: str
    log_level: str


@click.command("dashboard", epilog=_EPILOG, short_help="Serve the dashboard of any scheduler.")
@click.option("--endpoint", metavar="URL", help="The scheduler's address; by default ENDPOINT.")
@click.option(
    "--task-hub", type=HubNames(), multiple=True, metavar="NAME", help="Task hub to show; repeatable."
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8082,
    show_default=True,
    help="Port of the pages; 0 chooses a free one.",
)
@click.option(
    "--read-only", is_flag=True, envvar="DURAKIT_READ_ONLY", help="Show everything, change nothing."
)
@click.option(
    "--base-path",
    type=BasePath(),
    default="",
    envvar="DURAKIT_BASE_PATH",
    metavar="PATH",
    help="Where the pages begin behind a proxy, such as /durakit.",
)
@click.option("--insecure", is_flag=True, help="Let everyone in who can reach --host, without a token.")
@click.option("--log-format", type=click.Choice(LOG_FORMATS, case_sensitive=False), default="text")
@click.option("--log-level", type=click.Choice(LOG_LEVELS, case_sensitive=False), default="info")
@click.pass_context
def command(context: click.Context, /, **values: Any) -> None:
    """Serve the dashboard of any scheduler: of `durakit dev` elsewhere, of the emulator, of Azure.

    What the protocol does not tell (workers, queues, exact counts) is left out, and said so.
    """
    options = DashboardOptions(**values)
    try:
        run_dashboard(options)
    except Refused as refused:
        text = f"durakit dashboard: {refused}"
        say(options.log_format, text, level="error", message=str(refused))
        context.exit(refused.exit_code)


def run_dashboard(options: DashboardOptions) -> None:
    """Serve the pages until SIGTERM or SIGINT.

    Raises:
        Refused: they cannot be served.
    """
    with StopSignals() as signals:
        configure_logging(options.log_level, options.log_format)
        missing = missing_dashboard_module()
        if missing is not None:
            raise Refused(missing_extra(missing))
        token = os.environ.get("DURAKIT_TOKEN") or None
        if not is_loopback(options.host):
            if token is None and not options.insecure:
                raise WrongUsage(
                    f"--host {options.host} lets other machines in, and there is no token. Set "
                    f"DURAKIT_TOKEN, or pass --insecure to let everyone in."
                )
        else:
            # On this machine the token is only for the scheduler.
            token = None
        asyncio.run(_serve(options, token, signals))


async def _serve(options: DashboardOptions, token: str | None, signals: StopSignals) -> None:
    backend = make_backend(options)
    listener = ports.listen(options.host, options.port, "--port")
    from durakit.dashboard.web import WebServer, create_app

    app = create_app(
        backend,
        host=options.host,
        token=token,
        read_only=options.read_only,
        base_path=options.base_path,
        needs_token="DURAKIT_TOKEN" in os.environ,
    )
    server = WebServer(app)
    host = f"[{options.host}]" if ":" in options.host else options.host
    _announce(options.log_format, f"http://{host}:{listener.getsockname()[1]}{options.base_path}", backend)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        signals.wait()
        loop.call_soon_threadsafe(setattr, server, "should_exit", True)

    threading.Thread(target=stop, name="durakit-signals", daemon=True).start()
    try:
        await server.serve(sockets=[listener])
    finally:
        listener.close()
        await backend.close()


def make_backend(options: DashboardOptions) -> RemoteBackend:
    """Return what the pages talk to; nothing is sent yet.

    Raises:
        WrongUsage: the settings cannot be used.
    """
    from durakit.dashboard.remote.backend import RemoteBackend
    from durakit.errors import SettingsError
    from durakit.settings import load_settings, read_dotenv
    from durakit.setup import connect_async

    try:
        settings = load_settings({"endpoint": options.endpoint}, dotenv=read_dotenv())
        hubs = options.task_hub or (settings.taskhub,)
        clients = {hub: connect_async(endpoint=options.endpoint, taskhub=hub) for hub in hubs}
    except SettingsError as error:
        raise WrongUsage(str(error)) from error
    return RemoteBackend(clients, settings.endpoint)


def _announce(log_format: str, url: str, backend: RemoteBackend) -> None:
    """The one line on stdout: whoever reads it may connect."""
    if log_format == "json":
        line = json.dumps({"event": "ready", "dashboard": url, "endpoint": backend.endpoint})
    else:
        line = f"durakit dashboard is ready: {url}, for {backend.endpoint}"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
