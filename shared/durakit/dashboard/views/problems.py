"""Why there is no page, or none for this visitor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ProblemView:
    """Why there is no page.

    Attributes:
        status: the HTTP status code.
        message: what happened and what to do.
        links: (text, path) of what may help instead.
        request_id: what to look for in the log.
    """

    status: int
    title: str
    message: str
    links: tuple[tuple[str, str], ...] = ()
    request_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the one shape of every JSON error."""
        error: dict[str, Any] = {"status": self.status, "message": self.message}
        if self.request_id is not None:
            error["requestId"] = self.request_id
        return {"error": error}
