"""What a program needs to take part: `connect` and `connect_async` for clients, `run_worker` for workers.

Settings come from arguments, environment and `.env` (see `durakit.settings`); the credential follows from the
endpoint. What `.env` sets and the environment does not is put into the environment, where azure-identity and
activities look for theirs.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from durakit.azuremanaged.client import AsyncDurableTaskSchedulerClient, DurableTaskSchedulerClient
from durakit.azuremanaged.credentials import credential_for
from durakit.azuremanaged.tokens import ThreadedCredential
from durakit.azuremanaged.worker import DurableTaskSchedulerWorker
from durakit.errors import SettingsError
from durakit.program import EXIT_FAILED, EXIT_USAGE, StopSignals, configure_logging, say
from durakit.settings import Settings, load_settings, read_dotenv
from durakit.worker import ConcurrencyOptions

if TYPE_CHECKING:
    from durakit.azuremanaged.tokens import AsyncTokenCredential, TokenCredential
    from durakit.health import HealthServer
    from durakit.replay.versioning import VersioningOptions


def connect(
    *,
    endpoint: str | None = None,
    taskhub: str | None = None,
    connection_string: str | None = None,
    client_id: str | None = None,
    token: str | None = None,
    token_credential: TokenCredential | None = None,
    **client_options: Any,
) -> DurableTaskSchedulerClient:
    """A client for the scheduler that the settings name; nothing is sent before its first call.

    Arguments win over `ENDPOINT`, `TASKHUB` and the like; `client_options` are those of
    `DurableTaskSchedulerClient`. Raises `SettingsError` for settings that cannot be used.
    """
    settings = _settings(endpoint, taskhub, connection_string, client_id, token)
    return DurableTaskSchedulerClient(
        host_address=settings.endpoint,
        taskhub=settings.taskhub,
        token_credential=token_credential or credential_for(settings),
        **client_options,
    )


def connect_async(
    *,
    endpoint: str | None = None,
    taskhub: str | None = None,
    connection_string: str | None = None,
    client_id: str | None = None,
    token: str | None = None,
    token_credential: AsyncTokenCredential | None = None,
    **client_options: Any,
) -> AsyncDurableTaskSchedulerClient:
    """Like `connect`, a client to be used with `async with` and `await`."""
    settings = _settings(endpoint, taskhub, connection_string, client_id, token)
    if token_credential is None and (credential := credential_for(settings)) is not None:
        token_credential = ThreadedCredential(credential)
    return AsyncDurableTaskSchedulerClient(
        host_address=settings.endpoint,
        taskhub=settings.taskhub,
        token_credential=token_credential,
        **client_options,
    )


def run_worker(
    *,
    orchestrators: Iterable[Callable[..., Any]] = (),
    activities: Iterable[Callable[..., Any]] = (),
    versioning: VersioningOptions | None = None,
    endpoint: str | None = None,
    taskhub: str | None = None,
    connection_string: str | None = None,
    client_id: str | None = None,
    token: str | None = None,
    token_credential: TokenCredential | None = None,
    stop_grace: timedelta | None = None,
    **worker_options: Any,
) -> None:
    """Work on these orchestrators and activities until SIGTERM or SIGINT; a worker program's last statement.

    Says `worker ready: ...` on stderr once the scheduler has accepted it, and keeps trying until then. The
    scheduler sends only what is registered here. A signal lets running work finish, for `stop_grace` at
    most (by default `DURAKIT_STOP_GRACE`, 30 seconds), and returns; with work left running the program exits
    with status 1. A second signal ends it at once. Settings that cannot be used are one line on stderr and
    exit status 2. With `DURAKIT_HEALTH_PORT` it answers probes (`durakit.health`). `worker_options` are
    those of `DurableTaskSchedulerWorker`; concurrency comes from `DURAKIT_MAX_ACTIVITIES` and the like
    unless `concurrency_options` is given.
    """
    try:
        settings = _settings(endpoint, taskhub, connection_string, client_id, token)
        configure_logging(settings.log_level, settings.log_format)
        worker_options.setdefault("concurrency_options", _concurrency(settings))
        worker = DurableTaskSchedulerWorker(
            host_address=settings.endpoint,
            taskhub=settings.taskhub,
            token_credential=token_credential or credential_for(settings),
            **worker_options,
        )
        health = _health_server(settings, worker)
    except SettingsError as error:
        sys.stderr.write(f"worker: {error}\n")
        sys.exit(EXIT_USAGE)
    for orchestrator in orchestrators:
        worker.add_orchestrator(orchestrator)
    for activity in activities:
        worker.add_activity(activity)
    if versioning is not None:
        worker.use_versioning(versioning)
    worker.use_work_item_filters()
    grace = timedelta(seconds=settings.stop_grace) if stop_grace is None else stop_grace
    with StopSignals() as signals:
        worker.start()
        threading.Thread(target=_announce, args=(worker, settings), daemon=True).start()
        signals.wait()
        all_ended = worker.stop(grace)
    if health is not None:
        health.close()
    say(settings.log_format, "worker stopped", event="stopped")
    if not all_ended:
        sys.exit(EXIT_FAILED)


def _concurrency(settings: Settings) -> ConcurrencyOptions:
    return ConcurrencyOptions(
        maximum_concurrent_activity_work_items=settings.max_activities,
        maximum_concurrent_orchestration_work_items=settings.max_orchestrations,
        maximum_concurrent_entity_work_items=settings.max_entities,
    )


def _health_server(settings: Settings, worker: DurableTaskSchedulerWorker) -> HealthServer | None:
    if settings.health_port is None:
        return None
    from durakit.health import HealthServer

    return HealthServer(settings.health_port, lambda: worker.away_seconds)


def _announce(worker: DurableTaskSchedulerWorker, settings: Settings) -> None:
    worker.wait_until_connected()
    orchestrators, activities = worker.orchestrator_names, worker.activity_names
    say(
        settings.log_format,
        f"worker ready: task hub {settings.taskhub} at {settings.endpoint}; "
        f"orchestrators: {', '.join(orchestrators) or 'none'}; activities: {', '.join(activities) or 'none'}",
        event="ready",
        endpoint=settings.endpoint,
        taskhub=settings.taskhub,
        orchestrators=orchestrators,
        activities=activities,
    )


def _settings(
    endpoint: str | None,
    taskhub: str | None,
    connection_string: str | None,
    client_id: str | None,
    token: str | None,
) -> Settings:
    dotenv = read_dotenv()
    overrides = {
        "endpoint": endpoint,
        "taskhub": taskhub,
        "connection_string": connection_string,
        "client_id": client_id,
        "token": token,
    }
    settings = load_settings(overrides, dotenv=dotenv)
    for name, value in dotenv.items():
        os.environ.setdefault(name, value)
    return settings
