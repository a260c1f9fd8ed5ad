"""`durakit dev`: the scheduler and its dashboard, from ready line to graceful stop.

Whoever reads the ready line may connect to both; the dashboard's code loads with its first visitor, in a
thread with an event loop of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from durakit.cli import ports
from durakit.cli.access import is_loopback, token_for
from durakit.cli.extras import missing_dashboard_module, missing_extra
from durakit.cli.options import DevOptions
from durakit.cli.refusal import Refused, WrongUsage
from durakit.dashboard.on_demand import Dashboard
from durakit.program import StopSignals, configure_logging

if TYPE_CHECKING:
    from durakit.dashboard.backend import Backend
    from durakit.scheduler.server import SchedulerServer

logger = logging.getLogger(__name__)


def run_scheduler(options: DevOptions) -> None:
    """Run the scheduler until SIGTERM or SIGINT.

    Raises:
        Refused: it cannot start.
    """
    with StopSignals() as signals:
        configure_logging(options.log_level, options.log_format)
        token = token_for(options)
        if options.grpc_port == options.dashboard_port != 0 and not options.headless:
            raise WrongUsage(
                f"--grpc-port and --dashboard-port are both {options.grpc_port}. Give each its own."
            )
        missing = None if options.headless else missing_dashboard_module()
        if missing is not None:
            raise Refused(missing_extra(missing))
        if token is None and not is_loopback(options.host):
            logger.warning("Everyone who can reach %s is let in: --insecure, no token", options.host)
        asyncio.run(_serve(options, token, signals))


async def _serve(options: DevOptions, token: str | None, signals: StopSignals) -> None:
    place = None if options.in_memory else options.db.expanduser().absolute()
    # First the ports: no file need be opened to find one busy, and gRPC would complain in lines of its own.
    ports.check(options.host, options.grpc_port, "--grpc-port")
    listener = None
    if not options.headless:
        listener = ports.listen(options.host, options.dashboard_port, "--dashboard-port")
    try:
        server = await _start_server(options, place, token)
    except Refused:
        if listener is not None:
            listener.close()
        raise
    dashboard, dashboard_url = None, None
    if listener is not None:
        dashboard_url = _url(options.host, listener.getsockname()[1])
        grpc_url = _url(_reached(options.host), server.grpc_port)
        dashboard = Dashboard(
            listener,
            lambda loop: _backend(server, grpc_url, loop),
            host=options.host,
            token=token,
            read_only=options.read_only,
            base_path=options.base_path,
        )
        dashboard.open()
    _announce(options.log_format, _url(options.host, server.grpc_port), dashboard_url, place)
    await _arrival_of(signals)
    logger.info("Stopping; running orchestrations go on when the scheduler is started again")
    if dashboard is not None:
        await dashboard.close()
    await server.stop()


def _backend(server: SchedulerServer, grpc_url: str, loop: asyncio.AbstractEventLoop) -> Backend:
    """Return what the pages talk to; loaded with the first visitor."""
    from durakit.dashboard.embedded.backend import EmbeddedBackend

    return EmbeddedBackend(server, grpc_url, loop=loop)


def _reached(host: str) -> str:
    """Return the host by which programs of this machine reach what listens on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


async def _start_server(options: DevOptions, place: Path | None, token: str | None) -> SchedulerServer:
    """Return the scheduler, serving. Raises Refused when it cannot."""
    from durakit.scheduler.limits import AZURE_LIMITS, NO_LIMITS
    from durakit.scheduler.retention import parse_retention
    from durakit.scheduler.server import PortBusy, SchedulerServer, ServerOptions
    from durakit.scheduler.store import StoreError

    try:
        retention = parse_retention(options.retention)
    except ValueError as error:
        raise WrongUsage(f"--retention: {error}") from error
    server = SchedulerServer(
        ServerOptions(
            host=options.host,
            grpc_port=options.grpc_port,
            db=place,
            task_hubs=options.task_hub,
            limits=AZURE_LIMITS if options.limits == "azure" else NO_LIMITS,
            token=token,
            activity_grace_seconds=options.activity_grace,
            retention=retention,
        )
    )
    try:
        await server.start()
    except StoreError as error:
        raise Refused(str(error)) from error
    except PortBusy as error:
        # Taken since we looked.
        raise Refused(f"{error} Choose another one with --grpc-port.") from error
    return server


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announce(log_format: str, grpc_url: str, dashboard_url: str | None, place: Path | None) -> None:
    """The one line on stdout: whoever reads it may connect."""
    if log_format == "json":
        line = json.dumps(
            {
                "event": "ready",
                "grpc": grpc_url,
                "dashboard": dashboard_url,
                "data": None if place is None else str(place),
            }
        )
    else:
        line = (
            f"durakit is ready: gRPC {grpc_url}, dashboard {dashboard_url or 'off'}, "
            f"data {place or 'in memory'}"
        )
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _arrival_of(signals: StopSignals) -> None:
    """Return when a signal has arrived. A daemon thread waits for it, so that it can hold up no exit."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()

    def wait() -> None:
        signals.wait()
        loop.call_soon_threadsafe(arrived.set)

    threading.Thread(target=wait, name="durakit-signals", daemon=True).start()
    await arrived.wait()
