"""Contexts as answers: HTML from templates, JSON where it is asked for, and the files that pages need."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from durakit._version import __version__
from durakit.dashboard import text
from durakit.dashboard.views import STATUSES, ProblemView

_HERE = Path(__file__).parent
_MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


class View(Protocol):
    """What every context can do."""

    def as_json(self) -> dict[str, Any]:
        """Return the JSON twin."""
        ...


class Pages:
    """Renders contexts.

    Args:
        now: tells the time, aware.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._files = {path.name: path.read_bytes() for path in (_HERE / "static").iterdir()}
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(visible=text.visible, rfc3339=text.rfc3339)
        self._templates.globals.update(
            instances_path=text.instances_path,
            segment=text.segment,
            static_path=self._static_path,
            statuses=STATUSES,
            version=__version__,
        )

    def answer(self, request: Request, template: str, view: View, status: int = 200, **more: Any) -> Response:
        """Return the view in the form that the request asks for; `more` is for the template only."""
        if wants_json(request):
            return JSONResponse(view.as_json(), status)
        now = self._now()
        html = self._templates.get_template(template).render(
            view=view, clock=lambda moment: text.clock(moment, now), **more
        )
        return HTMLResponse(html, status)

    def problem(self, request: Request, problem: ProblemView) -> Response:
        """Return the page that says why there is none."""
        return self.answer(request, "problem.html", problem, problem.status)

    def login(self, request: Request, *, back: str, is_wrong: bool) -> Response:
        """Return the form that asks for the token; `back` is where it leads afterwards."""
        what = "That is not the token." if is_wrong else "This scheduler asks for its token."
        problem = ProblemView(
            401,
            "Token needed",
            f"{what} It was started with DURAKIT_TOKEN or --token-file; send the same one, "
            f"programs as Authorization: Bearer.",
        )
        answer = self.answer(request, "login.html", problem, 401, back=back, what=what)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    def file(self, name: str) -> Response | None:
        """Return a static file; None when there is none of that name."""
        content = self._files.get(name)
        if content is None:
            return None
        headers = {"Cache-Control": _FOR_EVER}
        return Response(content, headers=headers, media_type=_MEDIA_TYPES[Path(name).suffix])

    def _static_path(self, name: str) -> str:
        # Kept by browsers for ever; a changed file gets another address.
        return f"/static/{name}?{hashlib.sha256(self._files[name]).hexdigest()[:12]}"


def wants_json(request: Request) -> bool:
    """Return whether the request asks for the JSON twin, by its path or its Accept header."""
    accept = request.headers.get("accept", "")
    return request.url.path.endswith(".json") or ("application/json" in accept and "text/html" not in accept)
