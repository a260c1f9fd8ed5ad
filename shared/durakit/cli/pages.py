"""What only a dashboard of `durakit dev` knows (hubs, workers, queues), read from its JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import click

from durakit.cli.connection import EXIT_NO_ANSWER, EXIT_NOT_FOUND, CannotDo
from durakit.cli.refusal import WrongUsage

DEFAULT_DASHBOARD = "http://127.0.0.1:8082"
VARIABLE = "DURAKIT_DASHBOARD"


def dashboard_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--dashboard`."""
    return click.option(
        "--dashboard",
        metavar="URL",
        help="Address of the dashboard that durakit dev serves; by default DURAKIT_DASHBOARD, from the "
        f"environment or .env, else {DEFAULT_DASHBOARD}.",
    )(command)


def dashboard_url(given: str | None) -> str:
    """Return the dashboard's address, without a slash at its end.

    Raises:
        WrongUsage: it is none.
    """
    from durakit.settings import read_dotenv

    found = given or os.environ.get(VARIABLE) or read_dotenv().get(VARIABLE) or DEFAULT_DASHBOARD
    if not found.startswith(("http://", "https://")):
        raise WrongUsage(f"The dashboard's address is {found!r}; write it like {DEFAULT_DASHBOARD}.")
    return found.rstrip("/")


def read_page(dashboard: str, path: str, timeout_seconds: float = 10.0) -> dict[str, Any]:
    """Return the JSON of a page; `DURAKIT_TOKEN` is sent when it is set.

    Raises:
        CannotDo: nobody answers, the answer is a refusal, or it is no dashboard of ours.
    """
    headers = {"Accept": "application/json"}
    if os.environ.get("DURAKIT_TOKEN"):
        headers["Authorization"] = f"Bearer {os.environ['DURAKIT_TOKEN']}"
    request = Request(f"{dashboard}{path}", headers=headers)
    # A dashboard is on this machine or in the same network; a proxy for the web would not reach it.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(request, timeout=timeout_seconds) as answer:
            told = json.loads(answer.read())
    except HTTPError as error:
        raise _refused(dashboard, error) from None
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        told_why = getattr(reason, "strerror", None) or str(reason)
        raise CannotDo(
            f"No dashboard answers at {dashboard} ({told_why}). Start durakit dev, or name the "
            f"dashboard of a running one with --dashboard.",
            EXIT_NO_ANSWER,
        ) from None
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise CannotDo(f"{dashboard} is not a dashboard of durakit. {NOT_OFFERED}")
    return told


NOT_OFFERED = "Other schedulers, such as the emulator and Azure, do not tell this."


def _refused(dashboard: str, error: HTTPError) -> CannotDo:
    message = ""
    try:
        told = json.loads(error.read())
        found = told.get("error", told)
        message = str(found.get("message", "")) if isinstance(found, dict) else str(found)
    except (ValueError, AttributeError, OSError):
        pass
    if error.code in (401, 403):
        said = message or "it wants a token"
        return CannotDo(
            f"{dashboard} does not let us in: {said} Set DURAKIT_TOKEN to its token.", EXIT_NO_ANSWER
        )
    if error.code == 404 and message:
        return CannotDo(message, EXIT_NOT_FOUND)
    if message:
        return CannotDo(message)
    return CannotDo(f"{dashboard} is not a dashboard of durakit: it answers {error.code}. {NOT_OFFERED}")
