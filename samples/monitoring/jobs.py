"""The other system, seen over HTTP: what a look at a job says, and how it is told something."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

TIMEOUT_SECONDS = 10.0
LONGEST_ANSWER = 100_000


@dataclass(frozen=True)
class Look:
    """What was seen: the job is running, done or failed, or nobody could say (unknown)."""

    status: str
    sentence: str


class JobServiceError(Exception):
    """The other system did not take what it was told; the message says why."""


def look_at(job: str) -> Look:
    """Ask for the job once; whatever comes back, say it as a Look."""
    try:
        answer = ask(job)
    except HTTPError as error:
        error.close()
        if error.code == 404:
            return Look("failed", f"nobody knows a job at {job}")
        return Look("unknown", f"the service answered {error.code} {error.reason}")
    except (OSError, HTTPException, ValueError) as error:
        return Look("unknown", f"the service did not answer: {getattr(error, 'reason', error)}")
    status = answer.get("status") if isinstance(answer, dict) else None
    if status == "done":
        return Look("done", f"done: {answer.get('result', '')}")
    if status == "failed":
        return Look("failed", f"the job failed: {answer.get('error', '')}")
    if status == "running":
        return Look("running", f"running, {answer.get('percent', '?')} % done")
    return Look("unknown", f"the service answered something else: {json.dumps(answer)[:100]}")


def post(url: str, body: dict[str, Any]) -> Any:
    """Send JSON and return the JSON that comes back. Raises JobServiceError."""
    try:
        return ask(url, json.dumps(body).encode())
    except (OSError, HTTPException, ValueError) as error:
        raise JobServiceError(f"{url} did not take it: {getattr(error, 'reason', error)}") from None


def ask(url: str, data: bytes | None = None) -> Any:
    """Make a request; only over HTTP, although urllib would also open files."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is not the address of a web server")
    request = Request(url, data, {"Content-Type": "application/json"})
    with build_opener(NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
        return json.loads(answer.read(LONGEST_ANSWER))


class NoRedirect(HTTPRedirectHandler):
    """Leaves redirects alone: they would lead the worker to places that nobody asked for."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
