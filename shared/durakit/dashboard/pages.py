"""Contexts as answers: HTML from templates, JSON where it is asked for, and the files that pages need."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from durakit._version import __version__
from durakit.dashboard import histogram, templating, text, words
from durakit.dashboard.lists import Histogram
from durakit.dashboard.views import ProblemView

_HERE = Path(__file__).parent
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_THEME_COOKIE = "durakit-theme"
#: One module names another as `from "./keys.js"`.
_IMPORTED = re.compile(rb'(from ")\./([\w-]+\.js)(")')
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
        # Kept by browsers for ever; when any file changes, all get another address: modules name each other.
        self._version = hashlib.sha256(
            b"".join(self._files[name] for name in sorted(self._files))
        ).hexdigest()[:12]
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            visible=text.visible,
            visible_lines=text.visible_lines,
            rfc3339_ns=words.rfc3339,
        )
        self._templates.globals.update(
            templating.everything(),
            histogram=self._histogram,
            version=__version__,
        )

    def _histogram(self, drawn: Histogram) -> histogram.Drawing:
        return histogram.draw(drawn, words.nanoseconds(self._now()))

    def answer(self, request: Request, template: str, view: View, status: int = 200, **more: Any) -> Response:
        """Return the view in the form that the request asks for; `more` is for the template only."""
        if wants_json(request):
            return JSONResponse(view.as_json(), status)
        return HTMLResponse(self.html(request, template, view, **more), status)

    def html(self, request: Request, template: str, view: View, **more: Any) -> str:
        """Return the page of a view."""
        base = request.scope.get("root_path", "").rstrip("/")
        theme = request.cookies.get(_THEME_COOKIE)
        context = {
            "view": view,
            "base": base,
            "theme": theme if theme in ("light", "dark") else None,
            "static_path": lambda name: f"{base}/static/{name}?{self._version}",
            **more,
        }
        return self._templates.get_template(f"pages/{template}").render(context)

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
        if name.endswith(".js"):
            content = _IMPORTED.sub(rb"\1./\2?" + self._version.encode() + rb"\3", content)
        headers = {"Cache-Control": _FOR_EVER}
        return Response(content, headers=headers, media_type=_MEDIA_TYPES[Path(name).suffix])


def wants_json(request: Request) -> bool:
    """Return whether the request asks for the JSON twin, by its path or its Accept header."""
    accept = request.headers.get("accept", "")
    return request.url.path.endswith(".json") or ("application/json" in accept and "text/html" not in accept)
